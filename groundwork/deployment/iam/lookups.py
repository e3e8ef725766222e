"""Functions of the expressions in ``operations.yaml``: what a call does not say of the resources that it names.

The answers come from the AWS of the environment, while the resources are there.
"""

from functools import cache

from botocore.exceptions import ClientError
from jmespath import functions

from groundwork.aws import client


class Lookups(functions.Functions):
    @functions.signature({"types": ["string", "array"]})
    def _func_without_slash(self, name):
        return [n.removeprefix("/") for n in name] if isinstance(name, list) else name.removeprefix("/")

    @functions.signature({"types": ["string"]})
    def _func_copy_source(self, source):
        return source.removeprefix("/").partition("?versionId")[0]

    @functions.signature({"types": ["string"]})
    def _func_stack_name(self, name):
        return name.split("/")[1] if name.startswith("arn:") else name

    @functions.signature({"types": ["string"]})
    def _func_secret(self, name):
        return described_secret(name)["ARN"]

    @functions.signature({"types": ["string"]})
    def _func_secret_key(self, name):
        """The ARN of the secret's own KMS key; None for Secrets Manager's, which needs no permission."""
        key = described_secret(name).get("KmsKeyId")
        return client("kms").describe_key(KeyId=key)["KeyMetadata"]["Arn"] if key else None

    @functions.signature({"types": ["string"]})
    def _func_role(self, name):
        return name if name.startswith("arn:") else client("iam").get_role(RoleName=name)["Role"]["Arn"]

    @functions.signature({"types": ["string"]})
    def _func_instance_role(self, profile):
        found = client("iam").get_instance_profile(InstanceProfileName=profile.rpartition("/")[2])
        return found["InstanceProfile"]["Roles"][0]["Arn"]

    @functions.signature({"types": ["string"]})
    def _func_warehouse(self, name):
        if name.startswith("arn:"):
            return name
        return client("redshift-serverless").get_workgroup(workgroupName=name)["workgroup"]["workgroupArn"]

    @functions.signature({"types": ["string"]})
    def _func_namespace(self, name):
        return client("redshift-serverless").get_namespace(namespaceName=name)["namespace"]["namespaceArn"]

    @functions.signature({"types": ["string"]})
    def _func_query_work_group(self, query):
        return work_group_of(query)


@cache
def described_secret(name: str) -> dict:
    try:
        return client("secretsmanager").describe_secret(SecretId=name)
    except client("secretsmanager").exceptions.ResourceNotFoundException:
        # It is not there, so the caller was asking for whatever has this name.
        return {"ARN": name if name.startswith("arn:") else f"arn:aws:secretsmanager:*:*:secret:{name}-??????"}


@cache
def work_group_of(query: str) -> str | None:
    try:
        return client("athena").get_query_execution(QueryExecutionId=query)["QueryExecution"]["WorkGroup"]
    except ClientError:
        return None
