"""Checks of requests that several of the API's parts share."""

from localstack.aws.api import CommonServiceException, RequestContext

from groundwork_aws.athena.models import AthenaStore, athena_stores

PRIMARY = "primary"


class InvalidRequestException(CommonServiceException):
    def __init__(self, message: str, code: str = "INVALID_INPUT") -> None:
        super().__init__("InvalidRequestException", message, status_code=400)
        self.AthenaErrorCode = code


class ResourceNotFoundException(CommonServiceException):
    def __init__(self, message: str, name: str) -> None:
        super().__init__("ResourceNotFoundException", message, status_code=400)
        self.ResourceName = name


def required(request: dict, *names: str) -> None:
    for name in names:
        if not request.get(name):
            raise InvalidRequestException(f"{name[0].lower()}{name[1:]} is required")


def page(items: list, request: dict, default: int = 50) -> tuple[list, dict]:
    """The part of a listing that is asked for, and its NextToken if there is more."""
    token = request.get("NextToken") or "0"
    if not token.isdigit():
        raise InvalidRequestException("Invalid pagination token provided")
    start, size = int(token), request.get("MaxResults") or default
    more = {"NextToken": str(start + size)} if start + size < len(items) else {}
    return items[start : start + size], more


def store_of(context: RequestContext) -> AthenaStore:
    """The caller's state, in which the workgroup ``primary`` always is."""
    store = athena_stores[context.account_id][context.region]
    if PRIMARY not in store.work_groups:
        from groundwork_aws.athena.work_groups import primary

        store.work_groups[PRIMARY] = primary()
    return store


def find_work_group(store: AthenaStore, name: str) -> dict:
    if name not in store.work_groups:
        raise InvalidRequestException(f"WorkGroup {name} is not found.", "WORKGROUP_NOT_FOUND")
    return store.work_groups[name]


def arn(context: RequestContext, kind: str, name: str) -> str:
    return f"arn:aws:athena:{context.region}:{context.account_id}:{kind}/{name}"


def idempotent(store: AthenaStore, operation: str, request: dict) -> str | None:
    """The id that an earlier request with the same ClientRequestToken got. Raises when that request was another one."""
    token = request.get("ClientRequestToken")
    if (operation, token) not in store.tokens:
        return None
    earlier, identifier = store.tokens[operation, token]
    if earlier != request:
        raise InvalidRequestException("Idempotent parameters do not match", "INVALID_INPUT")
    return identifier
