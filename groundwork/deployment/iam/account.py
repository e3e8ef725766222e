"""The policies that are deployed: read from IAM, S3 and KMS, where every parameter of the templates is resolved."""

import json
from dataclasses import dataclass
from functools import cache

from botocore.exceptions import ClientError

from groundwork.aws import client
from groundwork.deployment.iam.policies import Statement, statements_of


@dataclass(frozen=True)
class Role:
    """``name`` is how the templates call it, ``stack.LogicalId``."""

    name: str
    arn: str
    statements: list[Statement]
    managed_by_aws: list[str]


def deployed_roles(prefix: str) -> dict[str, Role]:
    """The roles of the stacks whose names begin with ``prefix``, by ARN."""
    cloudformation = client("cloudformation")
    pages = cloudformation.get_paginator("describe_stacks").paginate()
    stacks = [s["StackName"] for page in pages for s in page["Stacks"] if s["StackName"].startswith(prefix)]
    roles = [
        role_named(resource["PhysicalResourceId"], f"{stack.removeprefix(prefix)}.{resource['LogicalResourceId']}")
        for stack in stacks
        for resource in cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
        if resource["ResourceType"] == "AWS::IAM::Role"
    ]
    return {role.arn: role for role in roles}


def role_named(physical: str, name: str) -> Role:
    iam = client("iam")
    arn = iam.get_role(RoleName=physical)["Role"]["Arn"]
    inline = [
        iam.get_role_policy(RoleName=physical, PolicyName=policy)
        for page in iam.get_paginator("list_role_policies").paginate(RoleName=physical)
        for policy in page["PolicyNames"]
    ]
    attached = [
        policy
        for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=physical)
        for policy in page["AttachedPolicies"]
    ]
    documents = {policy["PolicyName"]: policy["PolicyDocument"] for policy in inline}
    documents |= {policy["PolicyName"]: managed_document(policy["PolicyArn"]) for policy in attached}
    statements = [s for policy, document in documents.items() for s in statements_of(policy, document)]
    return Role(name, arn, statements, [p["PolicyName"] for p in attached if ":iam::aws:" in p["PolicyArn"]])


@cache
def managed_document(arn: str) -> dict:
    version = client("iam").get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    return client("iam").get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]


@cache
def resource_policy(arn: str) -> list[Statement]:
    """The statements of the resource's own policy: a bucket's, a key's, a role's; none where it has none."""
    _, _, service, _, _, rest = arn.split(":", 5) if arn.startswith("arn:") else [""] * 6
    try:
        if service == "s3":
            text = client("s3").get_bucket_policy(Bucket=rest.partition("/")[0])["Policy"]
        elif service == "kms":
            text = client("kms").get_key_policy(KeyId=arn, PolicyName="default")["Policy"]
        elif service == "iam" and rest.startswith("role/"):
            role = client("iam").get_role(RoleName=rest.rpartition("/")[2])["Role"]
            return statements_of("trust policy", role["AssumeRolePolicyDocument"])
        else:
            return []
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchBucketPolicy", "NoSuchBucket", "NoSuchEntity"):
            return []
        raise
    return statements_of(f"policy of {rest.partition('/')[0]}", json.loads(text))
