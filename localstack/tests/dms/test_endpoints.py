"""Endpoints, their connections, replication instances, subnet groups and tags."""

import json

import pytest
from tests.dms.conftest import DMS_MAY_ASSUME, QUICKLY, check_connection, make_role
from tests.dms.test_tasks import refused


def test_DMS_ST_15_an_endpoint_is_active_and_keeps_its_password_to_itself(aws, make_source, unique):
    arn = aws("dms").create_endpoint(
        EndpointIdentifier=f"{unique}-Source", EndpointType="source", EngineName="postgres", ServerName="127.0.0.1",
        Port=5432, DatabaseName="olist", Username="dms", Password="secret",
        ExtraConnectionAttributes="mapBooleanAsBoolean=true;trimSpaceInChar=false", ResourceIdentifier=unique,
    )["Endpoint"]["EndpointArn"]  # fmt: skip
    assert arn == f"arn:aws:dms:us-east-1:000000000000:endpoint:{unique}"  # DMS_ST_14
    [endpoint] = aws("dms").describe_endpoints(Filters=[{"Name": "endpoint-arn", "Values": [arn]}])["Endpoints"]
    assert (endpoint["Status"], endpoint["EndpointIdentifier"]) == ("active", f"{unique}-source")
    settings = endpoint["PostgreSQLSettings"]
    assert (settings["MapBooleanAsBoolean"], settings["TrimSpaceInChar"]) == (True, False)
    assert "secret" not in json.dumps(endpoint)


def test_DMS_ST_07_a_connection_is_tested_and_waited_for(aws, instance, make_source, make_target):
    for arn in (make_source(), make_target()):
        tested = aws("dms").test_connection(ReplicationInstanceArn=instance, EndpointArn=arn)["Connection"]
        assert tested["Status"] == "testing"
        by_arn = [{"Name": "endpoint-arn", "Values": [arn]}]
        aws("dms").get_waiter("test_connection_succeeds").wait(Filters=by_arn, WaiterConfig=QUICKLY)
        aws("dms").delete_connection(ReplicationInstanceArn=instance, EndpointArn=arn)
        refused("ResourceNotFoundFault", "No Connections", aws("dms").describe_connections, Filters=by_arn)


def test_a_wrong_password_in_the_secret_fails_the_connection(aws, instance, make_source):
    connection = check_connection(aws, instance, make_source(password="wrong"))
    assert connection["Status"] == "failed"
    assert 'password authentication failed for user "dms"' in connection["LastFailureMessage"]


@pytest.mark.parametrize("settings, reason", [
    ({"BucketName": "not-there-at-all"}, "the S3 bucket not-there-at-all: 404"),
    ({"ExpectedBucketOwner": "111122223333"}, "403 Forbidden, 111122223333 is not its owner"),
])  # fmt: skip
def test_E11_DMS_S3_19_a_bucket_that_is_missing_or_anothers_fails_the_connection(
    aws, instance, make_target, settings, reason
):
    connection = check_connection(aws, instance, make_target(**settings))
    assert connection["Status"] == "failed"
    assert reason in connection["LastFailureMessage"]


def test_a_secret_without_its_keys_fails_the_connection(aws, instance, make_source, unique):
    arn = make_source()
    aws("secretsmanager").put_secret_value(SecretId=f"{unique}-source", SecretString='{"username": "dms"}')
    assert "has no password, host, port" in check_connection(aws, instance, arn)["LastFailureMessage"]


def test_DMS_S3_21_the_role_must_exist_and_trust_dms(aws, instance, make_target, unique):
    arn = make_target()
    stranger = json.loads(json.dumps(DMS_MAY_ASSUME).replace("dms.", "ec2."))
    for role, reason in (
        ("arn:aws:iam::000000000000:role/nobody", "it does not exist"),
        (make_role(aws, f"{unique}-stranger", stranger), "it does not trust dms.amazonaws.com"),
    ):
        aws("dms").modify_endpoint(EndpointArn=arn, S3Settings={"ServiceAccessRoleArn": role})
        assert reason in check_connection(aws, instance, arn)["LastFailureMessage"]


@pytest.mark.parametrize(
    "settings, reason",
    [
        ({"DataFormat": "csv"}, "DataFormat csv"),
        ({"DataFormat": "orc"}, "must be one of parquet, csv"),
        ({"GlueCatalogGeneration": True}, "GlueCatalogGeneration"),
        ({"EncryptionMode": "sse-kms"}, "needs ServerSideEncryptionKmsKeyId"),
        ({"ExternalTableDefinition": "{}"}, "ExternalTableDefinition is not supported"),
        ({"MaxFileSize": 2_000_000}, "from 1 to 1048576"),
        ({"CdcInsertsOnly": True, "CdcInsertsAndUpdates": True}, "only one of"),
        ({"DatePartitionEnabled": True, "CdcPath": "cdc"}, "cannot be combined with CdcPath"),  # DMS_S3_08
    ],
)
def test_a_target_setting_that_is_wrong_or_not_done_is_refused(make_target, settings, reason):
    refused("InvalidParameterValueException", reason, make_target, **settings)


@pytest.mark.parametrize(
    "more, reason",
    [
        ({"PostgreSQLSettings": {"PluginName": "pgoutput"}}, "PluginName must be one of"),
        ({"PostgreSQLSettings": {"AfterConnectScript": "SET x = 1"}}, "AfterConnectScript is not supported"),
        ({"PostgreSQLSettings": {"AuthenticationMethod": "iam"}}, "iam is not supported"),
        ({"SslMode": "verify-full"}, "SslMode 'verify-full'"),
        ({"ExtraConnectionAttributes": "colour=red"}, "colour=red"),
        ({"EngineName": "mysql"}, "The engine 'mysql'"),
        ({"ServerName": "127.0.0.1"}, "either a secret or clear-text"),
    ],
)
def test_a_source_setting_that_is_wrong_or_not_done_is_refused(aws, role, unique, more, reason):
    settings = {
        "DatabaseName": "olist", "SecretsManagerSecretId": "s", "SecretsManagerAccessRoleArn": role,
        **more.get("PostgreSQLSettings", {}),
    }  # fmt: skip
    asked = {"EndpointIdentifier": unique, "EndpointType": "source", "EngineName": "postgres", **more}
    refused(
        "InvalidParameterValueException", reason, aws("dms").create_endpoint, **asked | {"PostgreSQLSettings": settings}
    )


def test_DMS_W_09_encryption_does_not_change_from_s3_to_kms(aws, make_target):
    refused(
        "InvalidParameterValueException", "from sse-s3 to sse-kms", aws("dms").modify_endpoint,
        EndpointArn=make_target(), S3Settings={"EncryptionMode": "sse-kms", "ServerSideEncryptionKmsKeyId": "k"},
    )  # fmt: skip


def test_a_modified_endpoint_keeps_what_is_not_named_wherever_it_was_named(aws, make_source):
    arn = make_source(PostgreSQLSettings={"MapBooleanAsBoolean": True, "ExecuteTimeout": 30})
    changed = aws("dms").modify_endpoint(EndpointArn=arn, ExtraConnectionAttributes="mapBooleanAsBoolean=false")
    settings = changed["Endpoint"]["PostgreSQLSettings"]
    assert (settings["MapBooleanAsBoolean"], settings["ExecuteTimeout"]) == (False, 30)
    settings = aws("dms").modify_endpoint(EndpointArn=arn, DatabaseName="other")["Endpoint"]["PostgreSQLSettings"]
    assert (settings["DatabaseName"], settings["MapBooleanAsBoolean"]) == ("other", False)


def test_a_deleted_endpoint_is_gone(aws, make_target):
    arn = make_target()
    assert aws("dms").delete_endpoint(EndpointArn=arn)["Endpoint"]["Status"] == "deleting"
    by_arn = [{"Name": "endpoint-arn", "Values": [arn]}]
    aws("dms").get_waiter("endpoint_deleted").wait(Filters=by_arn, WaiterConfig=QUICKLY)


def test_DMS_ST_14_an_instance_is_stored_in_lower_case_and_becomes_available(aws, unique):
    dms = aws("dms")
    made = dms.create_replication_instance(
        ReplicationInstanceIdentifier=unique.upper(), ReplicationInstanceClass="dms.t3.micro", EngineVersion="3.5.4"
    )["ReplicationInstance"]
    assert (made["ReplicationInstanceStatus"], made["ReplicationInstanceIdentifier"]) == ("creating", unique)
    by_arn = [{"Name": "replication-instance-arn", "Values": [made["ReplicationInstanceArn"]]}]
    dms.get_waiter("replication_instance_available").wait(Filters=by_arn, WaiterConfig=QUICKLY)
    dms.delete_replication_instance(ReplicationInstanceArn=made["ReplicationInstanceArn"])
    dms.get_waiter("replication_instance_deleted").wait(Filters=by_arn, WaiterConfig=QUICKLY)


@pytest.mark.parametrize(
    "more, reason", [({"EngineVersion": "2.0"}, "3.6.1"), ({"ReplicationInstanceClass": "m5.large"}, "dms.t3.micro")]
)
def test_DMS_V_02_an_unknown_version_or_class_is_refused_with_those_there_are(aws, unique, more, reason):
    asked = {"ReplicationInstanceIdentifier": unique, "ReplicationInstanceClass": "dms.t3.micro", **more}
    refused("InvalidParameterValueException", reason, aws("dms").create_replication_instance, **asked)


def test_tags_are_added_listed_and_removed(aws, make_target):
    dms, arn = aws("dms"), make_target()
    dms.add_tags_to_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    dms.remove_tags_from_resource(ResourceArn=arn, TagKeys=["a"])
    tags = dms.list_tags_for_resource(ResourceArn=arn)["TagList"]
    assert [(t["Key"], t["Value"]) for t in tags] == [("b", "2")]
    refused("ResourceNotFoundFault", "nobody", dms.list_tags_for_resource, ResourceArn="nobody")
