"""Guards against accidents: a local endpoint, credentials that do not serve, an account that nobody named.

Each raises UserError with one line that says what is wrong and what to do.
"""

import ipaddress
import os
import sys
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from groundwork.aws import client
from groundwork.settings import Settings, UserError

# Each could have an endpoint of its own in the environment or in ~/.aws/config.
SERVICES = (
    "athena", "budgets", "ce", "cloudformation", "cloudwatch", "dms", "ec2", "emr", "events", "glue", "iam", "kms",
    "logs", "mwaa", "rds", "redshift-data", "redshift-serverless", "s3", "secretsmanager", "sns", "ssm", "sts",
)  # fmt: skip


def check_account(settings: Settings) -> str:
    """The account of the credentials, once it is certain that it is AWS's and the expected one."""
    check_endpoints()
    return check_identity(settings)


def check_endpoints() -> None:
    for service in SERVICES:
        url = client(service).meta.endpoint_url
        if is_local(urlsplit(url).hostname or ""):
            raise UserError(
                f"{service} would be asked at {url}, no address of AWS: unset AWS_ENDPOINT_URL "
                f"and AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}, and endpoint_url in ~/.aws/config"
            )


def is_local(host: str) -> bool:
    """A name without a dot, an address that is not public, or a name that is known to lead to this machine."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".localhost", ".localstack.cloud", ".internal", ".local"))


def check_identity(settings: Settings) -> str:
    expected = os.environ.get("EXPECTED_ACCOUNT") or settings.parameters.get("account_id")
    try:
        found = client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise UserError(f"AWS takes no credentials of yours ({error}): `aws sso login`, or set AWS_PROFILE") from error
    if found != expected:
        raise UserError(
            f"the credentials are those of account {found}, and {settings.environment} belongs to {expected}: "
            f"take others, or write account_id in cloudformation/environments/{settings.environment}.yaml "
            "(EXPECTED_ACCOUNT=… goes before it)"
        )
    return found


def confirm(environment: str, question: str) -> None:
    """Have the environment's name typed; a program gives it as CONFIRM."""
    given = os.environ.get("CONFIRM")
    if not given and sys.stdin.isatty():
        given = input(f"{question} Type the environment's name ({environment}): ")
    if given != environment:
        raise UserError(f"nothing was done: this wants CONFIRM={environment}, or the name typed")
