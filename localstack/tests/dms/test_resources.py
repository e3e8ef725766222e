"""The whole of DMS in one template, as a user would deploy it."""

import json

from tests.cloudformation.test_resource import deploy
from tests.dms.conftest import DMS_MAY_ASSUME, document, include


def attribute(name: str, attribute: str) -> dict:
    return {"Fn::GetAtt": [name, attribute]}


def template(schema: str, bucket: str, role: str, port: int, unique: str) -> dict:
    subnets = {
        f"Subnet{zone}": {
            "Type": "AWS::EC2::Subnet",
            "Properties": {
                "VpcId": {"Ref": "Vpc"},
                "CidrBlock": f"10.9.{n}.0/24",
                "AvailabilityZone": f"us-east-1{zone}",
            },
        }
        for n, zone in enumerate("ab")
    }
    secret = {"username": "dms", "password": "right", "host": "127.0.0.1", "port": port}
    return {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.9.0.0/16"}},
        **subnets,
        "VpcRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {"RoleName": "dms-vpc-role", "AssumeRolePolicyDocument": DMS_MAY_ASSUME},
        },
        "Group": {
            "Type": "AWS::DMS::ReplicationSubnetGroup",
            "DependsOn": "VpcRole",
            "Properties": {
                "ReplicationSubnetGroupDescription": "Two zones",
                "SubnetIds": [{"Ref": "Subneta"}, {"Ref": "Subnetb"}],
            },
        },
        "Instance": {
            "Type": "AWS::DMS::ReplicationInstance",
            "Properties": {
                "ReplicationInstanceIdentifier": unique,
                "ReplicationInstanceClass": "dms.t3.medium",
                "AllocatedStorage": "50",
                "EngineVersion": "3.6.1",
                "MultiAZ": "false",
                "PubliclyAccessible": False,
                "AutoMinorVersionUpgrade": True,
                "ReplicationSubnetGroupIdentifier": {"Ref": "Group"},
                "Tags": [{"Key": "part", "Value": "replication"}],
            },
        },
        "Secret": {"Type": "AWS::SecretsManager::Secret", "Properties": {"SecretString": json.dumps(secret)}},
        "Source": {
            "Type": "AWS::DMS::Endpoint",
            "Properties": {
                "EndpointType": "source",
                "EngineName": "postgres",
                "DatabaseName": "postgres",
                "SslMode": "none",
                "ExtraConnectionAttributes": "trimSpaceInChar=true;",
                "PostgreSqlSettings": {
                    "SecretsManagerSecretId": {"Ref": "Secret"},
                    "SecretsManagerAccessRoleArn": role,
                    "MapBooleanAsBoolean": True,
                },
            },
        },
        "Target": {
            "Type": "AWS::DMS::Endpoint",
            "Properties": {
                "EndpointType": "target",
                "EngineName": "s3",
                "S3Settings": {
                    "BucketName": bucket,
                    "BucketFolder": "olist",
                    "ServiceAccessRoleArn": role,
                    "DataFormat": "parquet",
                    "IncludeOpForFullLoad": True,
                    "TimestampColumnName": "dms_timestamp",
                },
            },
        },
        "Task": {
            "Type": "AWS::DMS::ReplicationTask",
            "Properties": {
                "MigrationType": "full-load",
                "ReplicationInstanceArn": {"Ref": "Instance"},
                "SourceEndpointArn": {"Ref": "Source"},
                "TargetEndpointArn": {"Ref": "Target"},
                "TableMappings": document(include(schema)),
                "ReplicationTaskSettings": json.dumps({"FullLoadSettings": {"MaxFullLoadSubTasks": 4}}),
            },
        },
    }


def test_DMS_8_a_stack_makes_a_task_that_loads_and_is_deleted_again(
    aws, source, source_server, schema, bucket, role, unique
):
    source.execute("CREATE TABLE flags (flag boolean); INSERT INTO flags VALUES (true)")
    stack = deploy(aws, unique, template(schema, bucket, role, source_server.port, unique))
    assert stack["status"] == "CREATE_COMPLETE", stack
    resources = aws("cloudformation").describe_stack_resources(StackName=unique)["StackResources"]
    physical = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in resources}
    dms = aws("dms")
    by_arn = [{"Name": "replication-instance-arn", "Values": [physical["Instance"]]}]
    [instance] = dms.describe_replication_instances(Filters=by_arn)["ReplicationInstances"]
    assert instance["AllocatedStorage"] == 50
    assert len(instance["ReplicationSubnetGroup"]["Subnets"]) == 2
    [task] = dms.describe_replication_tasks(Filters=by_arn)["ReplicationTasks"]
    assert (task["Status"], task["ReplicationTaskArn"]) == ("ready", physical["Task"])
    aws("cloudformation").delete_stack(StackName=unique)
    aws("cloudformation").get_waiter("stack_delete_complete").wait(StackName=unique, WaiterConfig={"Delay": 1})
    assert all(i["ReplicationInstanceArn"] != physical["Instance"] for i in
               dms.describe_replication_instances()["ReplicationInstances"])  # fmt: skip


def test_a_property_that_would_be_ignored_fails_the_stack(aws, role, bucket, unique):
    settings = {"BucketName": bucket, "ServiceAccessRoleArn": role, "DataFormat": "parquet"}
    target = {
        "Type": "AWS::DMS::Endpoint",
        "Properties": {
            "EndpointType": "target", "EngineName": "s3", "S3Settings": settings, "CertificateArn": "arn:aws:dms:x",
        },
    }  # fmt: skip
    stack = deploy(aws, unique, {"Target": target})
    assert "FAILED" in stack["status"]
    assert "CertificateArn would be ignored" in stack["reasons"]
