"""Templates fail closed: DESIGN's rule that nothing is ignored without saying so."""

import json
from contextlib import suppress

import pytest
from botocore.exceptions import WaiterError


def deploy(aws, name: str, resources: dict) -> dict:
    """Create the stack, wait for its end, and give back its state and the reasons of what failed."""
    client = aws("cloudformation")
    client.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}), OnFailure="DO_NOTHING")
    with suppress(WaiterError):  # it carries less than the stack's events
        client.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 240})
    events = client.describe_stack_events(StackName=name)["StackEvents"]
    reasons = " ".join(e.get("ResourceStatusReason", "") for e in events)
    return {"status": client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"], "reasons": reasons}


def database(**properties) -> dict:
    return {"Database": {"Type": "AWS::Glue::Database", "Properties": properties}}


def test_a_database_is_created_and_deleted_with_its_stack(aws, unique):
    stack = deploy(aws, unique, database(CatalogId="000000000000", DatabaseInput={"Name": unique}))
    assert stack["status"] == "CREATE_COMPLETE", stack
    assert aws("glue").get_database(Name=unique)["Database"]["Name"] == unique
    aws("cloudformation").delete_stack(StackName=unique)
    aws("cloudformation").get_waiter("stack_delete_complete").wait(StackName=unique, WaiterConfig={"Delay": 1})
    with pytest.raises(aws("glue").exceptions.EntityNotFoundException):
        aws("glue").get_database(Name=unique)


@pytest.mark.parametrize(
    "resources, reason",
    [
        ({"X": {"Type": "AWS::Nowhere::Thing", "Properties": {}}}, "AWS::Nowhere::Thing"),
        (database(CatalogId="0", DatabaseInput={"Name": "x", "Colour": "red"}), "Colour"),
        (database(DatabaseInput={"Name": "x"}), "CatalogId"),
    ],
    ids=["unknown type", "unknown property", "missing property"],
)
def test_a_template_fails_and_names_what_is_wrong(aws, unique, resources, reason):
    stack = deploy(aws, unique, resources)
    assert "FAILED" in stack["status"]
    assert reason in stack["reasons"]
