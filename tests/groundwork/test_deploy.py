"""Why a stack failed, by CloudFormation's recorded events: the reasons of the last attempt, those that came first."""

from datetime import UTC, datetime

import pytest

from groundwork.deployment import deploy
from tests.recorded import recorded_answers

STACK = "groundwork-production-warehouse"


def event(resource: str, kind: str, status: str, reason: str = "") -> dict:
    told = {"ResourceStatusReason": reason} if reason else {}
    return {
        "StackId": "1", "EventId": "1", "StackName": STACK, "LogicalResourceId": resource, "ResourceType": kind,
        "ResourceStatus": status, "Timestamp": datetime(2026, 11, 22, tzinfo=UTC), **told,
    }  # fmt: skip


# As CloudFormation lists them, the newest first: an update that failed, and a creation that had failed before.
EVENTS = [
    event(STACK, "AWS::CloudFormation::Stack", "UPDATE_ROLLBACK_COMPLETE"),
    event(STACK, "AWS::CloudFormation::Stack", "UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed"),
    event("CopyRole", "AWS::IAM::Role", "UPDATE_FAILED", "Resource update cancelled"),
    event("Workgroup", "AWS::RedshiftServerless::Workgroup", "UPDATE_FAILED", "BaseCapacity 3 is not allowed"),
    event("Workgroup", "AWS::RedshiftServerless::Workgroup", "UPDATE_IN_PROGRESS"),
    event(STACK, "AWS::CloudFormation::Stack", "UPDATE_IN_PROGRESS", "User Initiated"),
    event("Namespace", "AWS::RedshiftServerless::Namespace", "CREATE_FAILED", "an old story"),
    event(STACK, "AWS::CloudFormation::Stack", "CREATE_IN_PROGRESS", "User Initiated"),
]


@pytest.fixture
def cloudformation():
    with recorded_answers("cloudformation") as stub:
        yield stub


def test_the_reason_that_came_first_is_told_first(cloudformation):
    cloudformation.add_response("describe_stack_events", {"StackEvents": EVENTS}, {"StackName": STACK})
    first, second = deploy.failure_reason(STACK).split("; ")
    assert first == "Workgroup (AWS::RedshiftServerless::Workgroup): BaseCapacity 3 is not allowed"
    assert second.startswith("CopyRole")


def test_an_earlier_attempt_is_not_told_again(cloudformation):
    cloudformation.add_response("describe_stack_events", {"StackEvents": EVENTS}, {"StackName": STACK})
    assert "an old story" not in deploy.failure_reason(STACK)
