"""As whom a service calls AWS: in a session of the role that it was given, or as its caller.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_terms-and-concepts.html
"""

import time
from functools import lru_cache

from localstack.aws.api import RequestContext
from localstack.aws.connect import ServiceLevelClientFactory, connect_to
from localstack.utils.aws.request_context import extract_access_key_id_from_auth_header

SESSION_SECONDS = 3600


def role_clients(role: str, service: str, region: str, source: str | None = None) -> ServiceLevelClientFactory:
    """Clients in a session of the role; the parameters are those of ``role_credentials``."""
    return connect_to(**role_credentials(role, service, region, source), region_name=region)


def role_credentials(role: str, service: str, region: str, source: str | None = None) -> dict:
    """boto3's arguments for the credentials of a session of the role (an ARN), assumed by ``service`` (``dms``).

    ``source`` is the resource for which the service acts. A session is used for an hour. Raises ClientError.
    """
    return session(role, service, region, source, int(time.monotonic() // SESSION_SECONDS))


@lru_cache(256)
def session(role: str, service: str, region: str, source: str | None, _hour: int) -> dict:
    sts = connect_to(region_name=region).sts.request_metadata(service_principal=service, source_arn=source)
    credentials = sts.assume_role(RoleArn=role, RoleSessionName=service)["Credentials"]
    return {
        "aws_access_key_id": credentials["AccessKeyId"],
        "aws_secret_access_key": credentials["SecretAccessKey"],
        "aws_session_token": credentials["SessionToken"],
    }


def caller_key(context: RequestContext) -> str:
    """The caller's access key id, for a service that acts with its caller's permissions."""
    return extract_access_key_id_from_auth_header(context.request.headers) or context.account_id
