"""Calls held against policies: what is denied, what is unused, what nobody governs."""

from groundwork.deployment.iam import report
from groundwork.deployment.iam.account import Role
from groundwork.deployment.iam.parity import examine
from groundwork.deployment.iam.policies import statements_of

ACCOUNT = "111122223333"
READER = f"arn:aws:iam::{ACCOUNT}:role/reader-x1"
POLICY = {
    "Statement": [
        {"Sid": "Read", "Effect": "Allow", "Action": ["s3:GetObject", "s3:GetObjectTagging"],
         "Resource": ["arn:aws:s3:::lake/*", "arn:aws:s3:::pond/*"]},
        {"Sid": "Keys", "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"},
    ]
}  # fmt: skip
TRUST = {"Statement": {"Effect": "Allow", "Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:AssumeRole"}}


def roles(document: dict = POLICY, managed: list[str] | None = None) -> dict[str, Role]:
    return {READER: Role("lake.Reader", READER, statements_of("read-the-lake", document), managed or [])}


def call(principal: str, operation: str, **request) -> dict:
    service, _, name = operation.partition(":")
    return {
        "time": "2026-03-01T00:00:00.000+00:00", "principal": principal, "service": service, "operation": name,
        "account": ACCOUNT, "region": "us-east-1", "parameters": list(request), "request": request,
    }  # fmt: skip


def read(key: str, bucket: str = "lake", principal: str = READER) -> dict:
    return call(principal, "s3:GetObject", Bucket=bucket, Key=key)


def examined(calls: list[dict], of=None, principals=None, policy_of=lambda arn: [], kept=()):
    return examine(calls, of or roles(), principals or {}, policy_of, list(kept))


def test_calls_that_the_policies_allow_are_counted_and_not_denied():
    parity = examined([read("a"), read("a"), read("b")])
    assert parity.roles == {"lake.Reader": 3}
    assert parity.denied == [] and parity.unknown == []


def test_a_denied_call_names_role_action_and_resource_and_the_statement_that_would_allow_it():
    [denied] = examined([call(READER, "s3:PutObject", Bucket="lake", Key="a/b")] * 2).denied
    assert (denied.role, denied.action, denied.resource) == ("lake.Reader", "s3:PutObject", "arn:aws:s3:::lake/*")
    assert denied.statement == {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::lake/*"}
    assert denied.calls == 2
    text = report.denials([denied])
    assert "lake.Reader may not s3:PutObject on arn:aws:s3:::lake/* (2 calls of s3:PutObject)" in text
    assert "{Effect: Allow, Action: 's3:PutObject', Resource: 'arn:aws:s3:::lake/*'}" in text


def test_objects_of_one_bucket_are_one_denial():
    calls = [read(key, bucket) for key in ("a", "b") for bucket in ("sea", "ocean")]
    assert [(d.resource, d.calls) for d in examined(calls).denied] == [
        ("arn:aws:s3:::ocean/*", 2),
        ("arn:aws:s3:::sea/*", 2),
    ]


def test_tables_of_one_database_are_one_denial():
    calls = [call(READER, "glue:GetTable", DatabaseName="olist", Name=name) for name in ("orders", "sellers")]
    catalog = f"arn:aws:glue:us-east-1:{ACCOUNT}"
    assert [(d.resource, d.calls) for d in examined(calls).denied] == [
        (f"{catalog}:catalog", 2),
        (f"{catalog}:database/olist", 2),
        (f"{catalog}:table/olist/*", 2),
    ]


def test_a_denying_statement_of_a_buckets_policy_is_named():
    deny = {"Sid": "Nobody", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}
    parity = examined([read("a")], policy_of=lambda arn: statements_of("policy of lake", {"Statement": [deny]}))
    assert [d.reason for d in parity.denied] == ["an explicit deny, policy of lake[Nobody]"]


def test_a_components_key_is_governed_by_the_role_that_it_has_on_aws():
    parity = examined([read("a", "sea", "emr")], principals={"emr": "lake.Reader"})
    assert parity.roles == {"lake.Reader": 1}
    assert [d.role for d in parity.denied] == ["lake.Reader"]


def test_a_principal_without_a_role_is_reported_and_not_judged():
    parity = examined([read("a", principal="test")])
    assert parity.without_role == {"test": 1}
    assert parity.roles == {} and parity.denied == []


def test_a_role_that_nothing_acted_in_is_not_said_to_have_unused_permissions():
    parity = examined([read("a", principal="test")])
    assert parity.not_examined == ["lake.Reader"]
    assert parity.unused == []


def test_the_service_that_assumes_a_role_is_held_against_its_trust_policy():
    def policy_of(arn: str) -> list:
        return statements_of("trust policy", TRUST)

    assume = [call(f"{service}.amazonaws.com", "sts:AssumeRole", RoleArn=READER) for service in ("glue", "dms")]
    parity = examined(assume, policy_of=policy_of)
    assert [(d.role, d.action) for d in parity.denied] == [("dms.amazonaws.com", "sts:AssumeRole")]
    assert parity.denied[0].statement["Principal"] == {"Service": "dms.amazonaws.com"}


def test_an_operation_that_nobody_described_is_reported():
    parity = examined([call(READER, "s3:PutBucketCors", Bucket="lake")])
    assert parity.unknown == ["s3:PutBucketCors is not in operations.yaml"]


def test_actions_and_resources_that_no_call_needed_are_reported():
    unused = examined([read("a")]).unused
    assert [(u.statement, u.permission) for u in unused] == [
        ("read-the-lake[Read]", "s3:GetObjectTagging"),
        ("read-the-lake[Read]", "arn:aws:s3:::pond/*"),
        ("read-the-lake[Keys]", "kms:Decrypt"),
    ]


def test_a_denied_call_uses_nothing():
    deny = {"Effect": "Deny", "Action": "*", "Resource": "*"}
    parity = examined([read("a")], roles({"Statement": [*POLICY["Statement"], deny]}))
    assert "s3:GetObject" in [u.permission for u in parity.unused]


def test_a_permission_that_is_kept_says_why():
    kept = [{"role": "lake.*", "permission": "kms:*", "because": "AWS asks for it"}]
    reasons = {u.permission: u.kept for u in examined([read("a")], kept=kept).unused}
    assert reasons["kms:Decrypt"] == "AWS asks for it"
    assert reasons["s3:GetObjectTagging"] is None


def test_the_report_names_what_nobody_explains_before_what_stays_for_a_reason():
    kept = [{"permission": "s3:*Tagging", "because": "AWS asks for it"}]
    assert report.unused_lines(examined([read("a")], kept=kept)) == [
        "lake.Reader read-the-lake[Keys]: kms:Decrypt",
        "lake.Reader read-the-lake[Read]: arn:aws:s3:::pond/*",
        "lake.Reader read-the-lake[Read]: s3:GetObjectTagging\n  stays: AWS asks for it",
    ]


def test_nothing_is_said_about_unused_permissions_of_policies_that_aws_manages():
    parity = examined([read("a")], roles(managed=["read-the-lake"]))
    assert parity.unused == [] and parity.denied == []
