"""An MWAA environment is the Airflow that runs, or it is refused."""

import json
from pathlib import Path

import pytest
from tests.cloudformation.test_resource import deploy
from tests.cloudformation.test_types import delete

from groundwork.install import venv
from groundwork.local import services

AIRFLOW = "3.3.1"
MWAA_MAY_ASSUME = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": ["airflow.amazonaws.com", "airflow-env.amazonaws.com"]},
        }
    ],
}


@pytest.fixture(scope="module")
def airflow(airflow_port, tmp_path_factory):
    home = tmp_path_factory.mktemp("airflow")
    service = services.Service(
        name="airflow",
        command=[str(venv("airflow") / "bin" / "python"), str(Path(__file__).with_name("version_of_airflow.py")),
                 str(airflow_port)],
        port=airflow_port,
        environment={"AIRFLOW_HOME": str(home)},
        health=f"http://127.0.0.1:{airflow_port}/api/v2/version",
    )  # fmt: skip
    with services.running(service, home / "log"):
        yield f"127.0.0.1:{airflow_port}"


@pytest.fixture
def versioned(aws, bucket):
    aws("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


def template(name: str, bucket: str, zones: str = "ab", **properties) -> dict:
    subnets = {
        f"Subnet{n}": {
            "Type": "AWS::EC2::Subnet",
            "Properties": {
                "VpcId": {"Ref": "Vpc"}, "CidrBlock": f"10.6.{n}.0/24", "AvailabilityZone": f"us-east-1{zone}",
            },
        }
        for n, zone in enumerate(zones)
    }  # fmt: skip
    return {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.6.0.0/16"}},
        **subnets,
        "Group": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {"GroupDescription": "Airflow", "VpcId": {"Ref": "Vpc"}},
        },
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": MWAA_MAY_ASSUME}},
        "Environment": {
            "Type": "AWS::MWAA::Environment",
            "Properties": {
                "Name": name,
                "AirflowVersion": AIRFLOW,
                "DagS3Path": "mwaa/dags",
                "SourceBucketArn": f"arn:aws:s3:::{bucket}",
                "ExecutionRoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
                "NetworkConfiguration": {
                    "SubnetIds": [{"Ref": "Subnet0"}, {"Ref": "Subnet1"}], "SecurityGroupIds": [{"Ref": "Group"}],
                },
                "WebserverAccessMode": "PRIVATE_ONLY",
                "LoggingConfiguration": {"TaskLogs": {"Enabled": True, "LogLevel": "INFO"}},
                **properties,
            },
        },
    }  # fmt: skip


def test_a_stack_makes_an_environment_of_the_running_airflow_changes_it_and_deletes_it(aws, airflow, versioned, unique):
    version = aws("s3").put_object(Bucket=versioned, Key="requirements.txt", Body=b"")["VersionId"]
    files = {"RequirementsS3Path": "requirements.txt", "RequirementsS3ObjectVersion": version}
    stack = deploy(aws, unique, template(unique, versioned, **files))
    assert stack["status"] == "CREATE_COMPLETE", stack
    environment = aws("mwaa").get_environment(Name=unique)["Environment"]
    assert (environment["Status"], environment["WebserverUrl"]) == ("AVAILABLE", airflow)
    logs = environment["LoggingConfiguration"]["TaskLogs"]["CloudWatchLogGroupArn"]
    assert logs.endswith(f":log-group:airflow-{unique}-Task")
    body = json.dumps({"Resources": template(unique, versioned, MaxWorkers=5, **files)})
    aws("cloudformation").update_stack(StackName=unique, TemplateBody=body)
    aws("cloudformation").get_waiter("stack_update_complete").wait(StackName=unique, WaiterConfig={"Delay": 1})
    assert aws("mwaa").get_environment(Name=unique)["Environment"]["MaxWorkers"] == 5
    delete(aws, unique)
    assert unique not in aws("mwaa").list_environments()["Environments"]


@pytest.mark.parametrize(
    "differing, reason",
    [
        ({"AirflowVersion": "2.10.3"}, f"the Airflow that runs here is {AIRFLOW}"),
        ({"RequirementsS3Path": "nowhere.txt"}, "no object nowhere.txt"),
        ({"zones": "aa"}, "different availability zones"),
        ({"EnvironmentClass": "mw1.huge"}, "EnvironmentClass"),
    ],
    ids=["version", "file", "zones", "class"],
)
def test_what_mwaa_would_refuse_fails_the_stack(aws, airflow, versioned, unique, differing, reason):
    stack = deploy(aws, unique, template(unique, versioned, **differing))
    assert "FAILED" in stack["status"]
    assert reason in stack["reasons"]


def test_a_bucket_that_keeps_no_versions_is_refused(aws, airflow, bucket, unique):
    assert "must have versioning enabled" in deploy(aws, unique, template(unique, bucket))["reasons"]
