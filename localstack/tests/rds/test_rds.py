"""An RDS instance is the PostgreSQL that runs, or it is refused."""

import json

import psycopg
import pytest
from botocore.exceptions import ClientError
from tests.cloudformation.test_resource import deploy
from tests.cloudformation.test_types import delete, physical, update


def template(name: str, version: str = "17.6", deletion_protection: bool = False, **parameters: str) -> dict:
    subnets = {
        f"Subnet{zone}": {
            "Type": "AWS::EC2::Subnet",
            "Properties": {
                "VpcId": {"Ref": "Vpc"}, "CidrBlock": f"10.8.{n}.0/24", "AvailabilityZone": f"us-east-1{zone}",
            },
        }
        for n, zone in enumerate("ab")
    }  # fmt: skip
    return {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.8.0.0/16"}},
        **subnets,
        "Subnets": {
            "Type": "AWS::RDS::DBSubnetGroup",
            "Properties": {
                "DBSubnetGroupDescription": "Two zones", "SubnetIds": [{"Ref": "Subneta"}, {"Ref": "Subnetb"}],
            },
        },
        "Parameters": {
            "Type": "AWS::RDS::DBParameterGroup",
            "Properties": {
                "Family": "postgres17",
                "Description": "Logical replication",
                "Parameters": {"rds.logical_replication": "1", **parameters},
            },
        },
        "Instance": {
            "Type": "AWS::RDS::DBInstance",
            "Properties": {
                "DBInstanceIdentifier": name,
                "DBInstanceClass": "db.t4g.micro",
                "AllocatedStorage": "20",
                "Engine": "postgres",
                "EngineVersion": version,
                "DBName": name,
                "MasterUsername": f"{name}_master",
                "ManageMasterUserPassword": True,
                "DBParameterGroupName": {"Ref": "Parameters"},
                "DBSubnetGroupName": {"Ref": "Subnets"},
                "DeletionProtection": deletion_protection,
                "StorageEncrypted": True,
                "PubliclyAccessible": False,
            },
        },
    }  # fmt: skip


@pytest.fixture
def rds(aws):
    yield aws("rds")
    for instance in aws("rds").describe_db_instances()["DBInstances"]:
        name = instance["DBInstanceIdentifier"]
        aws("rds").modify_db_instance(DBInstanceIdentifier=name, DeletionProtection=False)
        aws("rds").delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)


def master_connection(aws, instance: dict, database: str):
    secret = aws("secretsmanager").get_secret_value(SecretId=instance["MasterUserSecret"]["SecretArn"])
    login = json.loads(secret["SecretString"])
    endpoint = instance["Endpoint"]
    return psycopg.connect(
        host=endpoint["Address"], port=endpoint["Port"], dbname=database, user=login["username"],
        password=login["password"],
    )  # fmt: skip


def test_a_stack_makes_an_instance_whose_master_user_can_work_and_deletes_it(aws, rds, source, unique):
    stack = deploy(aws, unique, template(unique))
    assert stack["status"] == "CREATE_COMPLETE", stack
    [instance] = rds.describe_db_instances(DBInstanceIdentifier=unique)["DBInstances"]
    assert instance["EngineVersion"].startswith("17.")
    assert instance["StorageEncrypted"]
    with master_connection(aws, instance, unique) as connection:
        connection.execute("CREATE SCHEMA shop; CREATE TABLE shop.orders (id int)")
    delete(aws, unique)
    with pytest.raises(ClientError, match="DBInstanceNotFound"):
        rds.describe_db_instances(DBInstanceIdentifier=unique)
    with pytest.raises(ClientError, match="ResourceNotFound"):
        aws("secretsmanager").describe_secret(SecretId=instance["MasterUserSecret"]["SecretArn"])
    assert not source.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [f"{unique}_master"]).fetchone()
    assert not source.execute("SELECT 1 FROM pg_database WHERE datname = %s", [unique]).fetchone()


def test_a_database_that_was_there_before_outlives_the_instance(aws, rds, source, unique):
    source.execute(f"CREATE DATABASE {unique}")
    assert deploy(aws, unique, template(unique))["status"] == "CREATE_COMPLETE"
    delete(aws, unique)
    assert source.execute("SELECT 1 FROM pg_database WHERE datname = %s", [unique]).fetchone()


@pytest.mark.parametrize(
    "differing, reason",
    [
        ({"version": "16.9"}, "the PostgreSQL that runs here is 17"),
        ({"version": "17.99"}, "the PostgreSQL that runs here is 17"),
        ({"max_connections": "77"}, "max_connections=77"),
        ({"rds.force_ssl": "1"}, "needs ssl=on, the PostgreSQL here has off"),
        ({"rds.adaptive_autovacuum": "1"}, "no counterpart"),
    ],
    ids=["major version", "newer minor version", "parameter", "TLS", "unknown parameter"],
)
def test_a_server_that_is_not_what_was_asked_for_fails_the_stack(aws, rds, unique, differing, reason):
    stack = deploy(aws, unique, template(unique, **differing))
    assert "FAILED" in stack["status"]
    assert reason in stack["reasons"]
    assert rds.describe_db_instances()["DBInstances"] == []


def test_one_server_stands_for_one_instance(aws, rds, unique):
    assert deploy(aws, unique, template(unique))["status"] == "CREATE_COMPLETE"
    second = deploy(aws, f"{unique}b", template(f"{unique}b"))
    assert f"stands for arn:aws:rds:us-east-1:000000000000:db:{unique} already" in second["reasons"]
    delete(aws, unique)


def test_a_protected_instance_is_not_deleted_until_the_protection_is_lifted(aws, rds, unique):
    assert deploy(aws, unique, template(unique, deletion_protection=True))["status"] == "CREATE_COMPLETE"
    with pytest.raises(ClientError, match="Cannot delete protected DB Instance"):
        rds.delete_db_instance(DBInstanceIdentifier=unique, SkipFinalSnapshot=True)
    rds.modify_db_instance(DBInstanceIdentifier=unique, DeletionProtection=False)
    delete(aws, unique)


def test_an_update_changes_the_instance_and_checks_the_parameters_again(aws, rds, unique):
    assert deploy(aws, unique, template(unique))["status"] == "CREATE_COMPLETE"
    bigger = template(unique)
    bigger["Instance"]["Properties"]["DBInstanceClass"] = "db.t4g.small"
    update(aws, unique, bigger)
    [instance] = rds.describe_db_instances(DBInstanceIdentifier=unique)["DBInstances"]
    assert instance["DBInstanceClass"] == "db.t4g.small"
    group = physical(aws, unique)["Parameters"]
    with pytest.raises(ClientError, match="max_connections=77"):
        rds.modify_db_parameter_group(
            DBParameterGroupName=group,
            Parameters=[{"ParameterName": "max_connections", "ParameterValue": "77", "ApplyMethod": "pending-reboot"}],
        )
    delete(aws, unique)
