"""Athena's CloudFormation types."""

import json

import pytest
from botocore.exceptions import WaiterError


def template(name: str, bucket: str, query: str = "SELECT 1", **configuration) -> str:
    results = {"OutputLocation": f"s3://{bucket}/results/"}
    group = {
        "Name": name,
        "RecursiveDeleteOption": True,
        "WorkGroupConfiguration": {
            "EnforceWorkGroupConfiguration": True,
            "ResultConfiguration": results,
            **configuration,
        },
    }
    top = {"Name": "top", "Database": "shop", "QueryString": query, "WorkGroup": {"Ref": "Group"}}
    return json.dumps(
        {
            "Resources": {
                "Group": {"Type": "AWS::Athena::WorkGroup", "Properties": group},
                "Top": {"Type": "AWS::Athena::NamedQuery", "Properties": top},
            },
            "Outputs": {"Group": {"Value": {"Ref": "Group"}}, "Top": {"Value": {"Ref": "Top"}}},
        }
    )


def outputs(client, name: str) -> dict:
    stack = client.describe_stacks(StackName=name)["Stacks"][0]
    return {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}


def wait(client, waiter: str, name: str) -> None:
    client.get_waiter(waiter).wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def test_a_stack_makes_changes_and_removes_a_work_group_and_its_queries(aws, lake, unique):
    client, athena = aws("cloudformation"), aws("athena")
    body = template(unique, lake.bucket, BytesScannedCutoffPerQuery=20_000_000)
    client.create_stack(StackName=unique, TemplateBody=body)
    wait(client, "stack_create_complete", unique)
    made = outputs(client, unique)
    assert made["Group"] == unique
    assert athena.get_named_query(NamedQueryId=made["Top"])["NamedQuery"]["WorkGroup"] == unique

    client.update_stack(StackName=unique, TemplateBody=template(unique, lake.bucket, "SELECT 2"))
    wait(client, "stack_update_complete", unique)
    configuration = athena.get_work_group(WorkGroup=unique)["WorkGroup"]["Configuration"]
    assert "BytesScannedCutoffPerQuery" not in configuration
    assert configuration["EnforceWorkGroupConfiguration"] is True
    queries = athena.list_named_queries(WorkGroup=unique)["NamedQueryIds"]
    found = athena.batch_get_named_query(NamedQueryIds=queries)["NamedQueries"]
    assert [q["QueryString"] for q in found] == ["SELECT 2"]

    client.delete_stack(StackName=unique)
    wait(client, "stack_delete_complete", unique)
    assert unique not in [g["Name"] for g in athena.list_work_groups()["WorkGroups"]]
    assert athena.batch_get_named_query(NamedQueryIds=queries)["NamedQueries"] == []


def test_a_configuration_that_is_not_honoured_fails_the_stack(aws, lake, unique):
    client = aws("cloudformation")
    body = template(
        unique,
        lake.bucket,
        CustomerContentEncryptionConfiguration={"KmsKey": "arn:aws:kms:us-east-1:000000000000:key/x"},
    )
    client.create_stack(StackName=unique, TemplateBody=body, OnFailure="DO_NOTHING")
    with pytest.raises(WaiterError):
        wait(client, "stack_create_complete", unique)
    events = client.describe_stack_events(StackName=unique)["StackEvents"]
    assert any("CustomerContentEncryptionConfiguration" in e.get("ResourceStatusReason", "") for e in events)
