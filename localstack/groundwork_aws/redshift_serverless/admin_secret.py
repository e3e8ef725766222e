"""The secret in which Redshift manages a namespace's administrator password.

https://docs.aws.amazon.com/redshift/latest/mgmt/redshift-secrets-manager-integration.html

Its name holds a "!", with which only a service may make a secret; LocalStack knows it by a tag that it does not keep.
"""

import json

from localstack.aws.api import RequestContext
from localstack.aws.connect import connect_to

MADE_BY_A_SERVICE = {"Key": "BYPASS_SECRET_ID_VALIDATION", "Value": "true"}


def create(context: RequestContext, namespace: dict, password: str, kms_key: str | None) -> dict:
    """Make the secret and return what the namespace says about it."""
    secret = secrets_manager(context).create_secret(
        Name=f"redshift!{namespace['namespaceName']}-{namespace['adminUsername']}",
        SecretString=json.dumps({"username": namespace["adminUsername"], "password": password}),
        Tags=[MADE_BY_A_SERVICE],
        **({"KmsKeyId": kms_key} if kms_key else {}),
    )
    return {"adminPasswordSecretArn": secret["ARN"], **({"adminPasswordSecretKmsKeyId": kms_key} if kms_key else {})}


def delete(context: RequestContext, namespace: dict) -> None:
    secrets_manager(context).delete_secret(
        SecretId=namespace.pop("adminPasswordSecretArn"), ForceDeleteWithoutRecovery=True
    )
    namespace.pop("adminPasswordSecretKmsKeyId", None)


def secrets_manager(context: RequestContext):
    return connect_to(aws_access_key_id=context.account_id, region_name=context.region).secretsmanager
