"""MWAA's CloudFormation type."""

from groundwork_aws.cloudformation.resource import Resource, picked, plugin


class Environment(Resource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-mwaa-environment.html"""

    TYPE = "AWS::MWAA::Environment"
    SERVICE = "mwaa"
    HONOURED = frozenset({
        "AirflowVersion", "DagS3Path", "ExecutionRoleArn", "Name", "NetworkConfiguration", "PluginsS3ObjectVersion",
        "PluginsS3Path", "RequirementsS3ObjectVersion", "RequirementsS3Path", "SourceBucketArn",
        "StartupScriptS3ObjectVersion", "StartupScriptS3Path",
    })  # fmt: skip
    RECORDED = frozenset({
        "AirflowConfigurationOptions", "EndpointManagement", "EnvironmentClass", "KmsKey", "LoggingConfiguration",
        "MaxWebservers", "MaxWorkers", "MinWebservers", "MinWorkers", "Schedulers", "Tags", "WebserverAccessMode",
        "WeeklyMaintenanceWindowStart",
    })  # fmt: skip

    def create_resource(self, client, model, request):
        client.create_environment(**picked(model, self.HONOURED | self.RECORDED))
        return self.described(client, model["Name"])

    def update_resource(self, client, model, previous, request):
        wanted = picked(model, (self.HONOURED | self.RECORDED) - {"EndpointManagement", "KmsKey", "Tags"})
        # The subnets of an environment stay what they are.
        groups = model["NetworkConfiguration"]["SecurityGroupIds"]
        client.update_environment(**{**wanted, "NetworkConfiguration": {"SecurityGroupIds": groups}})
        return self.described(client, model["Name"])

    def described(self, client, name: str) -> dict:
        environment = client.get_environment(Name=name)["Environment"]
        return picked(environment, ("Arn", "CeleryExecutorQueue", "LoggingConfiguration", "WebserverUrl"))

    def delete_resource(self, client, model):
        client.delete_environment(Name=model["Name"])


EnvironmentPlugin = plugin(Environment)
