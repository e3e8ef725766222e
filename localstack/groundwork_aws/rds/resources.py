"""RDS's CloudFormation types."""

from groundwork_aws.cloudformation.resource import Resource, generated_name, picked, plugin


class DBSubnetGroup(Resource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-rds-dbsubnetgroup.html"""

    TYPE = "AWS::RDS::DBSubnetGroup"
    SERVICE = "rds"
    HONOURED = frozenset({"DBSubnetGroupDescription", "DBSubnetGroupName", "SubnetIds", "Tags"})

    def create_resource(self, client, model, request):
        wanted = {"DBSubnetGroupName": generated_name(request), **picked(model, self.HONOURED)}
        group = client.create_db_subnet_group(**wanted)["DBSubnetGroup"]
        return picked(group, ("DBSubnetGroupName", "DBSubnetGroupArn"))

    def update_resource(self, client, model, previous, request):
        client.modify_db_subnet_group(**picked(model, self.HONOURED - {"Tags"}))
        update_tags(client, model["DBSubnetGroupArn"], model, previous)
        return {}

    def delete_resource(self, client, model):
        client.delete_db_subnet_group(DBSubnetGroupName=model["DBSubnetGroupName"])


class DBParameterGroup(Resource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-rds-dbparametergroup.html"""

    TYPE = "AWS::RDS::DBParameterGroup"
    SERVICE = "rds"
    HONOURED = frozenset({"DBParameterGroupName", "Description", "Family", "Parameters", "Tags"})

    def create_resource(self, client, model, request):
        name = model.get("DBParameterGroupName") or generated_name(request)
        group = client.create_db_parameter_group(
            DBParameterGroupName=name,
            DBParameterGroupFamily=model["Family"],
            Description=model["Description"],
            Tags=model.get("Tags", []),
        )["DBParameterGroup"]
        self.set(client, name, model.get("Parameters", {}))
        return picked(group, ("DBParameterGroupName", "DBParameterGroupArn"))

    def update_resource(self, client, model, previous, request):
        name, wanted = model["DBParameterGroupName"], model.get("Parameters", {})
        self.set(client, name, wanted)
        gone = [{"ParameterName": n} for n in previous.get("Parameters", {}) if n not in wanted]
        if gone:
            client.reset_db_parameter_group(DBParameterGroupName=name, Parameters=gone)
        update_tags(client, model["DBParameterGroupArn"], model, previous)
        return {}

    def set(self, client, name: str, parameters: dict) -> None:
        wanted = [
            {"ParameterName": n, "ParameterValue": str(v), "ApplyMethod": "pending-reboot"}
            for n, v in parameters.items()
        ]
        if wanted:
            client.modify_db_parameter_group(DBParameterGroupName=name, Parameters=wanted)

    def delete_resource(self, client, model):
        client.delete_db_parameter_group(DBParameterGroupName=model["DBParameterGroupName"])


class DBInstance(Resource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-rds-dbinstance.html"""

    TYPE = "AWS::RDS::DBInstance"
    SERVICE = "rds"
    HONOURED = frozenset({
        "DBInstanceIdentifier", "DBName", "DBParameterGroupName", "DBSubnetGroupName", "DeletionProtection", "Engine",
        "EngineVersion", "ManageMasterUserPassword", "MasterUsername", "PubliclyAccessible", "Tags",
    })  # fmt: skip
    RECORDED = frozenset({
        "AllocatedStorage", "AutoMinorVersionUpgrade", "BackupRetentionPeriod", "CACertificateIdentifier",
        "CopyTagsToSnapshot", "DBInstanceClass", "EnableCloudwatchLogsExports", "EnableIAMDatabaseAuthentication",
        "EnablePerformanceInsights", "KmsKeyId", "MasterUserSecret", "MaxAllocatedStorage", "MonitoringInterval",
        "MonitoringRoleArn", "MultiAZ", "PerformanceInsightsKMSKeyId", "PerformanceInsightsRetentionPeriod",
        "PreferredBackupWindow", "PreferredMaintenanceWindow", "StorageEncrypted", "StorageType", "VPCSecurityGroups",
    })  # fmt: skip
    NOT_CHANGED = frozenset({
        "DBName", "DBSubnetGroupName", "Engine", "KmsKeyId", "ManageMasterUserPassword", "MasterUsername",
        "MasterUserSecretKmsKeyId", "StorageEncrypted", "Tags",
    })  # fmt: skip

    def create_resource(self, client, model, request):
        wanted = {"DBInstanceIdentifier": generated_name(request), **self.in_api_spelling(model)}
        return described(client.create_db_instance(**wanted)["DBInstance"])

    def update_resource(self, client, model, previous, request):
        wanted = {n: v for n, v in self.in_api_spelling(model).items() if n not in self.NOT_CHANGED}
        if wanted.get("EngineVersion") == previous.get("EngineVersion"):
            wanted.pop("EngineVersion", None)
        instance = client.modify_db_instance(ApplyImmediately=True, **wanted)["DBInstance"]
        update_tags(client, instance["DBInstanceArn"], model, previous)
        return described(instance)

    def in_api_spelling(self, model: dict) -> dict:
        wanted = picked(model, self.HONOURED | self.RECORDED)
        if "AllocatedStorage" in wanted:
            wanted["AllocatedStorage"] = int(wanted["AllocatedStorage"])
        if "VPCSecurityGroups" in wanted:
            wanted["VpcSecurityGroupIds"] = wanted.pop("VPCSecurityGroups")
        if "KmsKeyId" in wanted.get("MasterUserSecret", {}):
            wanted["MasterUserSecretKmsKeyId"] = wanted["MasterUserSecret"]["KmsKeyId"]
        wanted.pop("MasterUserSecret", None)
        return wanted

    def delete_resource(self, client, model):
        client.delete_db_instance(
            DBInstanceIdentifier=model["DBInstanceIdentifier"], SkipFinalSnapshot=True, DeleteAutomatedBackups=True
        )


def described(instance: dict) -> dict:
    """The attributes that Fn::GetAtt gives; a port is a string there, as every output is."""
    own = picked(instance, ("DBInstanceArn", "DBInstanceIdentifier", "DbiResourceId", "MasterUserSecret"))
    endpoint = instance["Endpoint"]
    return {**own, "Endpoint": {"Address": endpoint["Address"], "Port": str(endpoint["Port"])}}


def update_tags(client, arn: str, model: dict, previous: dict) -> None:
    wanted, had = ({t["Key"] for t in m.get("Tags", [])} for m in (model, previous))
    if had - wanted:
        client.remove_tags_from_resource(ResourceName=arn, TagKeys=sorted(had - wanted))
    if model.get("Tags"):
        client.add_tags_to_resource(ResourceName=arn, Tags=model["Tags"])


DBSubnetGroupPlugin = plugin(DBSubnetGroup)
DBParameterGroupPlugin = plugin(DBParameterGroup)
DBInstancePlugin = plugin(DBInstance)
