"""Records every AWS call that LocalStack answers, with the principal that made it.

A principal is told by the access key: a role's session is the role, and each component of the platform has a key named
after it. What a service does in its own name has LocalStack's key or the account's number: no policy of ours governs
it, so it is left out, but for the roles that the service assumes.
"""

from datetime import UTC, datetime
from functools import lru_cache

from localstack.aws import handlers
from localstack.aws.api import RequestContext
from localstack.constants import INTERNAL_AWS_ACCESS_KEY_ID
from localstack.http import Response
from localstack.runtime import hooks
from localstack.services.edge import ROUTER
from localstack.utils.aws.request_context import extract_access_key_id_from_auth_header
from moto.sts.models import sts_backends

from groundwork_aws import settings
from groundwork_aws.identity.call_log import CallLog, identifying

# Where the recorded calls are answered, one JSON object per line.
PATH = "/_groundwork/calls"


@hooks.on_infra_start()
def record_calls() -> None:
    read = settings.read()
    log = CallLog(read.state_dir / "iam" / "calls.jsonl", keep=read.localstack_state_dir is not None)

    def record(_chain, context: RequestContext, _response) -> None:
        principal = principal_of(context) if context.operation else None
        if principal:
            log.write(described(context, principal))

    handlers.run_custom_response_handlers.append(record)
    ROUTER.add(PATH, lambda _request: Response(log.read(), mimetype="application/jsonl"))


def described(context: RequestContext, principal: str) -> dict:
    answer, error, operation = context.service_response, context.service_exception, context.operation
    key = answer.get("SSEKMSKeyId") if isinstance(answer, dict) else None
    caller = context.internal_request_params or {}
    request = identifying(operation.input_shape, context.service_request) if operation.input_shape else None
    details = {
        "request": request,
        "error": error.code if error else None,
        # the key with which S3 encrypts or decrypted the object
        "kms_key": key,
        # on whose behalf a service assumes a role
        "source_arn": caller.get("source_arn"),
    }
    return {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "principal": principal,
        "service": context.service.service_name,
        "operation": operation.name,
        "parameters": [name for name, value in (context.service_request or {}).items() if value is not None],
        "account": context.account_id,
        "region": context.region,
        **{name: value for name, value in details.items() if value},
    }


def principal_of(context: RequestContext) -> str | None:
    """A role's ARN, a service's principal, or the access key's id; None for what a service does in its own name."""
    key = extract_access_key_id_from_auth_header(context.request.headers)
    if key and not is_the_services_own(key):
        return role_of(key, context.account_id) or key
    service = (context.internal_request_params or {}).get("service_principal")
    return f"{service}.amazonaws.com" if service else None


def is_the_services_own(key: str) -> bool:
    return key == INTERNAL_AWS_ACCESS_KEY_ID or (len(key) == 12 and key.isdigit())


@lru_cache(4096)
def role_of(key: str, account: str) -> str | None:
    session = sts_backends[account]["aws"].get_assumed_role_from_access_key(key)
    return session.role_arn if session else None
