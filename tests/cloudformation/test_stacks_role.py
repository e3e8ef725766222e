"""The role in which CloudFormation makes the stacks may do what the types' own handlers ask for, and no more.

Which permissions those are is in the registry's schema of each type
(https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html). Which of them a handler
needs depends on the properties; those of properties that no template has are named here.
"""

import fnmatch
import json
from pathlib import Path

import cfnlint
import pytest
from cfnlint.decode import decode

from groundwork.install import ROOT

SCHEMAS = Path(cfnlint.__file__).parent / "data" / "schemas"
TEMPLATES = ROOT / "cloudformation" / "templates"
# Deployed by a person.
BY_HAND = {"account", "ci"}
NOT_USED = [
    # services of which no template has a resource
    "autoscaling:*", "billing:*", "firehose:*", "lakeformation:*", "redshift:*", "s3tables:*", "vpc-lattice:*",
    "vpce:*",
    # snapshots, replicas and restores
    "rds:*AutomatedBackupsReplication", "rds:*ReadReplica", "rds:*Snapshot", "rds:RestoreDBInstance*",
    "redshift-serverless:*SnapshotCopyConfiguration*", "redshift-serverless:RestoreFrom*",
    "secretsmanager:*Replicat*", "secretsmanager:*Region*",
    # options of a type: connections, data protection, permissions boundaries, VPN
    "ec2:*VpnGateway*", "glue:*Connection", "iam:*PermissionsBoundary", "logs:*DataProtectionPolicy",
    "logs:*IndexPolic*", "logs:*ResourcePolic*", "logs:PutBearerTokenAuthentication",
    "logs:PutLogGroupDeletionProtection", "s3:PutObjectAcl", "s3:REST.PUT.OBJECT", "sns:*DataProtectionPolicy",
    # DMS and Redshift use the key by a grant; it is never disabled
    "kms:*GenerateDataKeyPair*", "kms:CancelKeyDeletion", "kms:DisableKey", "kms:EnableKey", "kms:Encrypt",
    "kms:GenerateDataKeyWithoutPlaintext", "kms:ListGrants", "kms:ReEncrypt*", "kms:RetireGrant", "kms:RevokeGrant",
    # roles are given by ARN, and made by our templates; a bucket is emptied before its stack is deleted
    "iam:CreatePolicy", "iam:ListRoles", "s3:DeleteObject",
    # the secret's value is never read back
    "secretsmanager:GetSecretValue",
]  # fmt: skip


def resources(template: str) -> dict:
    document, problems = decode(str(TEMPLATES / f"{template}.yaml"))
    assert not problems
    return document["Resources"]


def asked_for() -> dict[str, set[str]]:
    """The permissions that the handlers of the templates' types ask for, by type."""
    index = json.loads((SCHEMAS / "providers" / "us-east-1.json").read_text())
    names = {file.stem for file in TEMPLATES.glob("*.yaml")} - BY_HAND
    types = {resource["Type"] for name in names for resource in resources(name).values()}
    schemas = {type: json.loads((SCHEMAS / "resources" / f"{index[type]}.json").read_text()) for type in types}
    kinds = ("create", "read", "update", "delete")
    return {
        type: {p for kind in kinds for p in schema.get("handlers", {}).get(kind, {}).get("permissions", [])}
        for type, schema in schemas.items()
    }


@pytest.fixture(scope="module")
def allowed() -> list[str]:
    [policy] = resources("ci")["StacksRole"]["Properties"]["Policies"]
    statements = policy["PolicyDocument"]["Statement"]
    return [action for s in statements if s["Effect"] == "Allow" for action in s["Action"]]


def matches(permission: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(permission.lower(), pattern.lower()) for pattern in patterns)


@pytest.mark.parametrize("type, permissions", sorted(asked_for().items()), ids=lambda value: str(value)[:60])
def test_the_role_may_do_what_a_type_asks_for(type, permissions, allowed):
    assert [p for p in sorted(permissions) if not matches(p, allowed) and not matches(p, NOT_USED)] == []


def test_the_role_may_do_nothing_that_no_type_asks_for(allowed):
    every = [permission for permissions in asked_for().values() for permission in permissions]
    assert [pattern for pattern in allowed if not any(matches(p, [pattern]) for p in every)] == []


def test_nothing_is_left_out_that_no_type_asks_for():
    every = [permission for permissions in asked_for().values() for permission in permissions]
    assert [pattern for pattern in NOT_USED if not any(matches(p, [pattern]) for p in every)] == []
