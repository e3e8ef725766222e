"""Which database user an IAM identity is.

https://docs.aws.amazon.com/redshift/latest/mgmt/generating-iam-credentials-overview.html
"""

from localstack.aws.api import RequestContext
from localstack.aws.connect import connect_to
from localstack.utils.aws.request_context import extract_access_key_id_from_auth_header


def database_user(context: RequestContext) -> str:
    """``IAMR:<role>`` of an assumed role, ``IAM:<user>`` of a user, ``IAM:root`` of the account itself."""
    caller = connect_to(
        aws_access_key_id=extract_access_key_id_from_auth_header(context.request.headers) or context.account_id,
        aws_secret_access_key="unchecked",
        region_name=context.region,
    ).sts.get_caller_identity()["Arn"]
    resource = caller.split(":", 5)[5].split("/")
    if resource[0] == "assumed-role":
        return f"IAMR:{resource[1]}"
    return f"IAM:{resource[-1]}"
