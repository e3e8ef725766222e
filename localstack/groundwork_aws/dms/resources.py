"""DMS's CloudFormation types.

Differences to the API are those of the registry: ``PostgreSqlSettings`` for PostgreSQLSettings, and what it lacks
stands at the top level or in ``ExtraConnectionAttributes``.
"""

from groundwork_aws.cloudformation.resource import Resource, generated_name, picked, plugin


class ReplicationInstance(Resource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-dms-replicationinstance.html"""

    TYPE = "AWS::DMS::ReplicationInstance"
    SERVICE = "dms"
    HONOURED = frozenset(
        {"ReplicationInstanceIdentifier", "ReplicationSubnetGroupIdentifier", "ResourceIdentifier", "Tags"}
    )
    RECORDED = frozenset({
        "AllocatedStorage", "AllowMajorVersionUpgrade", "AutoMinorVersionUpgrade", "AvailabilityZone", "EngineVersion",
        "KmsKeyId", "MultiAZ", "NetworkType", "PreferredMaintenanceWindow", "PubliclyAccessible",
        "ReplicationInstanceClass", "VpcSecurityGroupIds",
    })  # fmt: skip
    CREATED_WITH = (HONOURED | RECORDED) - {"AllowMajorVersionUpgrade"}
    MODIFIED = (
        "ReplicationInstanceIdentifier", "AllocatedStorage", "AllowMajorVersionUpgrade", "AutoMinorVersionUpgrade",
        "EngineVersion", "MultiAZ", "NetworkType", "PreferredMaintenanceWindow", "ReplicationInstanceClass",
        "VpcSecurityGroupIds",
    )  # fmt: skip

    def create_resource(self, client, model, request):
        wanted = picked(model, self.CREATED_WITH)
        wanted.setdefault("ReplicationInstanceIdentifier", generated_name(request))
        return self.described(client.create_replication_instance(**wanted)["ReplicationInstance"])

    def update_resource(self, client, model, previous, request):
        update_tags(client, model["Id"], model, previous)
        changed = picked(model, self.MODIFIED)
        answer = client.modify_replication_instance(
            ReplicationInstanceArn=model["Id"], ApplyImmediately=True, **changed
        )
        return self.described(answer["ReplicationInstance"])

    def described(self, instance: dict) -> dict:
        return {
            "Id": instance["ReplicationInstanceArn"],
            "ReplicationInstanceIdentifier": instance["ReplicationInstanceIdentifier"],
            "ReplicationInstancePrivateIpAddresses": ",".join(instance["ReplicationInstancePrivateIpAddresses"]),
        }

    def delete_resource(self, client, model):
        client.delete_replication_instance(ReplicationInstanceArn=model["Id"])


class ReplicationSubnetGroup(Resource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-dms-replicationsubnetgroup.html"""

    TYPE = "AWS::DMS::ReplicationSubnetGroup"
    SERVICE = "dms"
    HONOURED = frozenset({
        "ReplicationSubnetGroupDescription", "ReplicationSubnetGroupIdentifier", "SubnetIds", "Tags",
    })  # fmt: skip

    def create_resource(self, client, model, request):
        wanted = picked(model, self.HONOURED)
        wanted.setdefault("ReplicationSubnetGroupIdentifier", generated_name(request))
        group = client.create_replication_subnet_group(**wanted)["ReplicationSubnetGroup"]
        return {"ReplicationSubnetGroupIdentifier": group["ReplicationSubnetGroupIdentifier"]}

    def delete_resource(self, client, model):
        identifier = model["ReplicationSubnetGroupIdentifier"]
        client.delete_replication_subnet_group(ReplicationSubnetGroupIdentifier=identifier)


class Endpoint(Resource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-dms-endpoint.html"""

    TYPE = "AWS::DMS::Endpoint"
    SERVICE = "dms"
    HONOURED = frozenset({
        "DatabaseName", "EndpointIdentifier", "EndpointType", "EngineName", "ExtraConnectionAttributes", "Password",
        "Port", "PostgreSqlSettings", "ResourceIdentifier", "S3Settings", "ServerName", "SslMode", "Tags", "Username",
    })  # fmt: skip
    RECORDED = frozenset({"KmsKeyId"})

    def create_resource(self, client, model, request):
        wanted = self.in_api_spelling(model)
        wanted.setdefault("EndpointIdentifier", generated_name(request))
        endpoint = client.create_endpoint(**wanted)["Endpoint"]
        return {"EndpointArn": endpoint["EndpointArn"], "EndpointIdentifier": endpoint["EndpointIdentifier"]}

    def update_resource(self, client, model, previous, request):
        arn = model["EndpointArn"]
        update_tags(client, arn, model, previous)
        wanted = self.in_api_spelling(model)
        for name in ("Tags", "ResourceIdentifier", "KmsKeyId"):
            wanted.pop(name, None)
        client.modify_endpoint(EndpointArn=arn, ExactSettings=True, **wanted)
        return {}

    def in_api_spelling(self, model: dict) -> dict:
        wanted = picked(model, self.HONOURED | self.RECORDED)
        if "PostgreSqlSettings" in wanted:
            wanted["PostgreSQLSettings"] = wanted.pop("PostgreSqlSettings")
        return wanted

    def delete_resource(self, client, model):
        client.delete_endpoint(EndpointArn=model["EndpointArn"])


class ReplicationTask(Resource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-dms-replicationtask.html

    The task is made and never started.
    """

    TYPE = "AWS::DMS::ReplicationTask"
    SERVICE = "dms"
    HONOURED = frozenset({
        "MigrationType", "ReplicationInstanceArn", "ReplicationTaskIdentifier", "ReplicationTaskSettings",
        "ResourceIdentifier", "SourceEndpointArn", "TableMappings", "Tags", "TargetEndpointArn",
    })  # fmt: skip
    RECORDED = frozenset({"TaskData"})
    MODIFIED = ("ReplicationTaskIdentifier", "ReplicationTaskSettings", "TableMappings", "TaskData")

    def create_resource(self, client, model, request):
        wanted = picked(model, self.HONOURED | self.RECORDED)
        wanted.setdefault("ReplicationTaskIdentifier", generated_name(request))
        task = client.create_replication_task(**wanted)["ReplicationTask"]
        return {
            "ReplicationTaskArn": task["ReplicationTaskArn"],
            "ReplicationTaskIdentifier": task["ReplicationTaskIdentifier"],
        }

    def update_resource(self, client, model, previous, request):
        arn = model["ReplicationTaskArn"]
        update_tags(client, arn, model, previous)
        client.modify_replication_task(ReplicationTaskArn=arn, **picked(model, self.MODIFIED))
        return {}

    def delete_resource(self, client, model):
        client.delete_replication_task(ReplicationTaskArn=model["ReplicationTaskArn"])


def update_tags(client, arn: str, model: dict, previous: dict) -> None:
    wanted = {tag["Key"]: tag["Value"] for tag in model.get("Tags", [])}
    gone = [tag["Key"] for tag in previous.get("Tags", []) if tag["Key"] not in wanted]
    if gone:
        client.remove_tags_from_resource(ResourceArn=arn, TagKeys=gone)
    client.add_tags_to_resource(ResourceArn=arn, Tags=model.get("Tags", []))


ReplicationInstancePlugin = plugin(ReplicationInstance)
ReplicationSubnetGroupPlugin = plugin(ReplicationSubnetGroup)
EndpointPlugin = plugin(Endpoint)
ReplicationTaskPlugin = plugin(ReplicationTask)
