"""The RDS API for one PostgreSQL instance: the server that runs already stands for it.

https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/Welcome.html

An instance is made only where the running server is what was asked for: its version (a newer minor one where RDS may
upgrade) and every parameter that the parameter group sets. Its master user and database are made on that server, and
its endpoint is the server's address. Class, storage, backups, encryption, zones and logging are kept and described
back; nothing acts on them. A second instance is refused, for there is one server. The database is dropped with the
instance that made it; one that was there before stays.
"""

import json
import re
import secrets
import threading
from datetime import UTC, datetime

from localstack.aws.api import CommonServiceException, RequestContext, handler
from localstack.aws.connect import connect_to

from groundwork_aws import settings
from groundwork_aws.postgres import PostgresServer
from groundwork_aws.rds import server as engine
from groundwork_aws.rds.errors import already_exists, invalid, invalid_combination, not_found
from groundwork_aws.rds.groups import Groups, arn, find_parameter_group, find_subnet_group, keep_tags, store_of

MADE_BY_A_SERVICE = {"Key": "BYPASS_SECRET_ID_VALIDATION", "Value": "true"}
# Kept as they are given, with RDS's defaults.
RECORDED = {
    "AllocatedStorage": 20,
    "AutoMinorVersionUpgrade": True,
    "BackupRetentionPeriod": 1,
    "CACertificateIdentifier": "rds-ca-rsa2048-g1",
    "CopyTagsToSnapshot": False,
    "DBInstanceClass": None,
    "DeletionProtection": False,
    "KmsKeyId": None,
    "MaxAllocatedStorage": None,
    "MonitoringInterval": 0,
    "MonitoringRoleArn": None,
    "MultiAZ": False,
    "PerformanceInsightsKMSKeyId": None,
    "PerformanceInsightsRetentionPeriod": None,
    "PreferredBackupWindow": None,
    "PreferredMaintenanceWindow": None,
    "PubliclyAccessible": False,
    "StorageEncrypted": False,
    "StorageType": "gp2",
}
RENAMED = {
    "EnableIAMDatabaseAuthentication": "IAMDatabaseAuthenticationEnabled",
    "EnablePerformanceInsights": "PerformanceInsightsEnabled",
    "EnableCloudwatchLogsExports": "EnabledCloudwatchLogsExports",
}
CHANGED_BY_NAME = {"DBInstanceIdentifier", "DBParameterGroupName", "EngineVersion", "ApplyImmediately"}
changing = threading.RLock()


class RdsProvider(Groups):
    service = "rds"
    version = "2014-10-31"

    @handler("CreateDBInstance", expand=False)
    def create_db_instance(self, context: RequestContext, request: dict) -> dict:
        store, name = store_of(context), request["DBInstanceIdentifier"].lower()
        check_instance(request)
        subnet_group = find_subnet_group(context, request["DBSubnetGroupName"])
        parameter_group = find_parameter_group(context, request["DBParameterGroupName"])
        with changing:
            if name in store.instances:
                raise already_exists("DBInstance", name)
            if store.claimed:
                raise CommonServiceException(
                    "InstanceQuotaExceeded", f"The PostgreSQL that runs here stands for {store.claimed[0]} already."
                )
            server = server_of_plugin()
            password = request.get("MasterUserPassword") or secrets.token_urlsafe(24)
            version, made = self.set_up(server, request, parameter_group["Parameters"], password)
            instance = {
                **recorded(request, RECORDED),
                "DBInstanceIdentifier": name,
                "DBInstanceArn": arn(context, "db", name),
                "DbiResourceId": f"db-{secrets.token_hex(13).upper()}",
                "DBInstanceStatus": "available",
                "Engine": "postgres",
                "EngineVersion": version,
                "MasterUsername": request["MasterUsername"],
                "DBName": request.get("DBName"),
                "Endpoint": {"Address": server.address, "Port": server.port},
                "InstanceCreateTime": datetime.now(UTC),
                "DBSubnetGroup": subnet_group,
                "DBParameterGroups": [in_sync(parameter_group)],
                "VpcSecurityGroups": security_groups(request),
                "DatabaseMade": made,
            }
            if request.get("ManageMasterUserPassword"):
                key = request.get("MasterUserSecretKmsKeyId")
                instance["MasterUserSecret"] = make_secret(context, instance, password, key)
            store.instances[name] = instance
            store.claimed.append(instance["DBInstanceArn"])
            keep_tags(store, instance["DBInstanceArn"], request)
        return {"DBInstance": shown(store, instance)}

    def set_up(self, server: PostgresServer, request: dict, parameters: dict, password: str) -> tuple[str, bool]:
        """The server's version, and whether the database was made."""
        try:
            version = engine.check_version(
                server, request["EngineVersion"], request.get("AutoMinorVersionUpgrade", True)
            )
            engine.check_parameters(server, parameters)
            engine.make_master_user(server, request["MasterUsername"], password)
        except engine.Mismatch as error:
            raise invalid(f"{error}.") from error
        if "DBName" not in request:
            return version, False
        return version, engine.make_database(server, request["DBName"], request["MasterUsername"])

    @handler("DescribeDBInstances", expand=False)
    def describe_db_instances(self, context: RequestContext, request: dict) -> dict:
        store, name = store_of(context), request.get("DBInstanceIdentifier")
        found = [find_instance(context, name)] if name else store.instances.values()
        return {"DBInstances": [shown(store, instance) for instance in found]}

    @handler("ModifyDBInstance", expand=False)
    def modify_db_instance(self, context: RequestContext, request: dict) -> dict:
        instance = find_instance(context, request["DBInstanceIdentifier"])
        unknown = set(request) - set(RECORDED) - set(RENAMED) - CHANGED_BY_NAME - {"VpcSecurityGroupIds"}
        if unknown:
            raise invalid_combination(f"{', '.join(sorted(unknown))} cannot be changed here.")
        changes = recorded(request, {k: None for k in RECORDED})
        try:
            if "EngineVersion" in request:
                newer = request.get("AutoMinorVersionUpgrade", instance["AutoMinorVersionUpgrade"])
                wanted = request["EngineVersion"]
                changes["EngineVersion"] = engine.check_version(server_of_plugin(), wanted, newer)
            if "DBParameterGroupName" in request:
                group = find_parameter_group(context, request["DBParameterGroupName"])
                engine.check_parameters(server_of_plugin(), group["Parameters"])
                changes["DBParameterGroups"] = [in_sync(group)]
        except engine.Mismatch as error:
            raise invalid(f"{error}.") from error
        if "VpcSecurityGroupIds" in request:
            changes["VpcSecurityGroups"] = security_groups(request)
        instance |= changes
        return {"DBInstance": shown(store_of(context), instance)}

    @handler("DeleteDBInstance", expand=False)
    def delete_db_instance(self, context: RequestContext, request: dict) -> dict:
        """A final snapshot is refused: there is nothing that would keep it."""
        store = store_of(context)
        with changing:
            instance = find_instance(context, request["DBInstanceIdentifier"])
            if instance["DeletionProtection"]:
                raise invalid_combination(
                    "Cannot delete protected DB Instance, please disable deletion protection and try again."
                )
            if not request.get("SkipFinalSnapshot"):
                raise invalid_combination("Snapshots are not made here: SkipFinalSnapshot must be true.")
            engine.remove(server_of_plugin(), instance["MasterUsername"], instance["DBName"], instance["DatabaseMade"])
            if "MasterUserSecret" in instance:
                secret = instance["MasterUserSecret"]["SecretArn"]
                secrets_manager(context).delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
            del store.instances[instance["DBInstanceIdentifier"]]
            store.claimed.remove(instance["DBInstanceArn"])
            answer = shown(store, {**instance, "DBInstanceStatus": "deleting"})
            store.tags.pop(instance["DBInstanceArn"], None)
        return {"DBInstance": answer}

    @handler("AddTagsToResource", expand=False)
    def add_tags_to_resource(self, context: RequestContext, request: dict) -> dict:
        tags_of(context, request).update({tag["Key"]: tag["Value"] for tag in request["Tags"]})
        return {}

    @handler("RemoveTagsFromResource", expand=False)
    def remove_tags_from_resource(self, context: RequestContext, request: dict) -> dict:
        for key in request["TagKeys"]:
            tags_of(context, request).pop(key, None)
        return {}

    @handler("ListTagsForResource", expand=False)
    def list_tags_for_resource(self, context: RequestContext, request: dict) -> dict:
        return {"TagList": tag_list(tags_of(context, request))}

    def check_parameters_in_use(self, context: RequestContext, group: dict, parameters: dict) -> None:
        name = group["DBParameterGroupName"]
        used = {i["DBParameterGroups"][0]["DBParameterGroupName"] for i in store_of(context).instances.values()}
        try:
            if name in used:
                engine.check_parameters(server_of_plugin(), parameters)
        except engine.Mismatch as error:
            raise invalid(f"{error}.") from error


def check_instance(request: dict) -> None:
    """What is required here, and what would not be what was asked for."""
    if request.get("Engine") != "postgres":
        raise invalid(f"Engine {request.get('Engine')}: what runs here is postgres")
    for name in ("DBInstanceClass", "DBParameterGroupName", "DBSubnetGroupName", "EngineVersion", "MasterUsername"):
        if not request.get(name):
            raise invalid(f"{name} is needed here")
    if not re.fullmatch(r"\d+(\.\d+)?", request["EngineVersion"]):
        raise invalid(f"Cannot find version {request['EngineVersion']} for postgres")
    if bool(request.get("MasterUserPassword")) == bool(request.get("ManageMasterUserPassword")):
        raise invalid_combination("Give either MasterUserPassword or ManageMasterUserPassword.")
    if request.get("PubliclyAccessible"):
        raise invalid_combination("PubliclyAccessible: the PostgreSQL here listens on this machine only")


def server_of_plugin() -> PostgresServer:
    dsn = settings.read().source_dsn
    if dsn is None:
        raise CommonServiceException(
            "InsufficientDBInstanceCapacity", "No PostgreSQL runs here for RDS: GROUNDWORK_SOURCE_DSN is not set."
        )
    return PostgresServer(dsn)


def recorded(request: dict, defaults: dict) -> dict:
    kept = {name: request.get(name, default) for name, default in defaults.items()}
    kept |= {shown: request[given] for given, shown in RENAMED.items() if given in request}
    return {name: value for name, value in kept.items() if value is not None}


def find_instance(context: RequestContext, name: str) -> dict:
    found = store_of(context).instances.get(name.lower())
    if found is None:
        raise not_found("DBInstance", name)
    return found


def shown(store, instance: dict) -> dict:
    tags = tag_list(store.tags.get(instance["DBInstanceArn"], {}))
    return {**{k: v for k, v in instance.items() if k != "DatabaseMade"}, "TagList": tags}


def in_sync(group: dict) -> dict:
    return {"DBParameterGroupName": group["DBParameterGroupName"], "ParameterApplyStatus": "in-sync"}


def security_groups(request: dict) -> list[dict]:
    return [{"VpcSecurityGroupId": id, "Status": "active"} for id in request.get("VpcSecurityGroupIds", [])]


def tags_of(context: RequestContext, request: dict) -> dict[str, str]:
    found = store_of(context).tags.get(request["ResourceName"])
    if found is None:
        raise not_found("DBInstance", request["ResourceName"])
    return found


def tag_list(tags: dict[str, str]) -> list[dict]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


# --- the secret in which RDS manages the master user's password -------------------------------------------------------
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-secrets-manager.html


def make_secret(context: RequestContext, instance: dict, password: str, key: str | None) -> dict:
    """Its name holds a "!", with which only a service may make one; LocalStack knows it by a tag that it drops."""
    secret = secrets_manager(context).create_secret(
        Name=f"rds!{instance['DbiResourceId'].lower()}",
        SecretString=json.dumps({"username": instance["MasterUsername"], "password": password}),
        Tags=[MADE_BY_A_SERVICE],
        **({"KmsKeyId": key} if key else {}),
    )
    return {"SecretArn": secret["ARN"], "SecretStatus": "active", **({"KmsKeyId": key} if key else {})}


def secrets_manager(context: RequestContext):
    return connect_to(aws_access_key_id=context.account_id, region_name=context.region).secretsmanager
