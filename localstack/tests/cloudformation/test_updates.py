"""An update of a type that LocalStack does not update is no success."""

import json
import time

from tests.cloudformation.test_resource import deploy
from tests.cloudformation.test_types import delete


def alarm(name: str, threshold: int) -> dict:
    return {
        "Alarm": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "AlarmName": name, "Namespace": "AWS/DMS", "MetricName": "CDCLatencySource", "Statistic": "Maximum",
                "Period": 300, "EvaluationPeriods": 3, "Threshold": threshold,
                "ComparisonOperator": "GreaterThanThreshold",
            },
        }
    }  # fmt: skip


def role(name: str, action: str) -> dict:
    allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}
    return {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "RoleName": name,
                "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []},
                "Policies": [{"PolicyName": "p", "PolicyDocument": allow}],
            },
        }
    }


def parameter(name: str, value: str) -> dict:
    return {"Name": {"Type": "AWS::SSM::Parameter", "Properties": {"Name": name, "Type": "String", "Value": value}}}


def update(aws, name: str, resources: dict) -> tuple[str, str]:
    """The stack's state after the update, and why resources failed."""
    client = aws("cloudformation")
    client.update_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}))
    status = ended(client, name)
    events = client.describe_stack_events(StackName=name)["StackEvents"]
    return status, " ".join(e.get("ResourceStatusReason", "") for e in events if "FAILED" in e["ResourceStatus"])


def test_an_update_that_localstack_does_not_make_fails_and_names_the_property(aws, unique):
    assert deploy(aws, unique, alarm(unique, 1))["status"] == "CREATE_COMPLETE"
    status, reasons = update(aws, unique, alarm(unique, 2))
    assert status == "UPDATE_FAILED"
    assert "AWS::CloudWatch::Alarm: LocalStack cannot change Threshold" in reasons
    delete(aws, unique)


def test_an_update_that_a_type_of_ours_refuses_fails_the_stack(aws, unique):
    def provider(client_id: str) -> dict:
        properties = {"Url": f"https://{unique}.example.com", "ClientIdList": [client_id]}
        return {"Provider": {"Type": "AWS::IAM::OIDCProvider", "Properties": properties}}

    assert deploy(aws, unique, provider("sts.amazonaws.com"))["status"] == "CREATE_COMPLETE"
    status, reasons = update(aws, unique, provider("another"))
    assert status == "UPDATE_FAILED"
    assert "AWS::IAM::OIDCProvider cannot be updated in place" in reasons
    delete(aws, unique)


def test_a_change_set_that_fails_leaves_the_stack_failed(aws, unique):
    client = aws("cloudformation")
    assert deploy(aws, unique, alarm(unique, 1))["status"] == "CREATE_COMPLETE"
    body = json.dumps({"Resources": alarm(unique, 2)})
    client.create_change_set(StackName=unique, ChangeSetName="bigger", ChangeSetType="UPDATE", TemplateBody=body)
    client.get_waiter("change_set_create_complete").wait(
        StackName=unique, ChangeSetName="bigger", WaiterConfig={"Delay": 1}
    )
    client.execute_change_set(StackName=unique, ChangeSetName="bigger")
    assert ended(client, unique) == "UPDATE_FAILED"
    delete(aws, unique)


def ended(client, name: str) -> str:
    deadline = time.monotonic() + 240
    while (status := client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]).endswith("PROGRESS"):
        assert time.monotonic() < deadline, status
        time.sleep(0.2)
    return status


def test_what_did_not_change_holds_up_no_update(aws, unique):
    parts = [alarm(unique, 1), role(unique, "s3:GetObject")]
    assert deploy(aws, unique, parts[0] | parts[1] | parameter(f"/{unique}", "a"))["status"] == "CREATE_COMPLETE"
    status, reasons = update(aws, unique, parts[0] | parts[1] | parameter(f"/{unique}", "b"))
    assert status == "UPDATE_COMPLETE", reasons
    assert aws("ssm").get_parameter(Name=f"/{unique}")["Parameter"]["Value"] == "b"
    delete(aws, unique)
