"""What IAM decides, case by case: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html"""

from pathlib import Path

import pytest
import yaml

from groundwork.deployment.iam.conditions import UnknownElement
from groundwork.deployment.iam.policies import Request, decide, statements_of

FILE = yaml.safe_load(Path(__file__).with_name("decisions.yaml").read_text())
CASES = {name: {**FILE["defaults"], **case} for name, case in FILE["cases"].items()}


def statements(name: str, bodies: list[dict]) -> list:
    return statements_of(name, {"Version": "2012-10-17", "Statement": bodies})


@pytest.mark.parametrize("name", CASES)
def test_iam_decides(name):
    case = CASES[name]
    identity = case.get("identity", [])
    if "condition" in case:
        identity = [{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": case["condition"]}]
    request = Request(case["principal"], case["action"], case["resource"], case.get("context", {}))
    resource = statements("resource", case["resource_policy"]) if "resource_policy" in case else None

    decision = decide(request, statements("identity", identity), resource)

    assert decision.allowed is case["allowed"], decision
    assert decision.reason


def test_a_decision_names_the_statements_that_made_it():
    identity = statements(
        "read",
        [
            {"Sid": "Objects", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"},
            {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::secret/*"},
        ],
    )
    role = "arn:aws:iam::111122223333:role/reader"
    allowed = decide(Request(role, "s3:GetObject", "arn:aws:s3:::lake/a"), identity)
    denied = decide(Request(role, "s3:GetObject", "arn:aws:s3:::secret/a"), identity)
    assert [s.name for s in allowed.statements] == ["read[Objects]"]
    assert [s.name for s in denied.statements] == ["read[1]"]


@pytest.mark.parametrize(
    "body",
    [
        {"Effect": "Allow", "NotPrincipal": {"AWS": "*"}, "Action": "*", "Resource": "*"},
        {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"BinaryEquals": {"a:b": "QQ=="}}},
        {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringNotalike": {"a:b": "c"}}},
    ],
)
def test_what_is_not_evaluated_here_is_refused_and_not_guessed(body):
    with pytest.raises(UnknownElement):
        decide(Request("arn:aws:iam::111122223333:role/r", "s3:GetObject", "*", {"a:b": "c"}), statements("p", [body]))
