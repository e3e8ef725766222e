"""What the handlers of all parts of the Glue API share: the store, the errors and the pages."""

import base64
from collections.abc import Iterable
from threading import RLock

from localstack.aws.api import CommonServiceException, RequestContext

from groundwork_aws.glue.models import GlueStore, glue_stores

# LocalStack serves requests side by side: whatever checks before it changes the state holds this.
LOCK = RLock()


def store_of(context: RequestContext) -> GlueStore:
    return glue_stores[context.account_id][context.region]


def not_found(message: str) -> CommonServiceException:
    return CommonServiceException("EntityNotFoundException", message)


def already_exists(message: str) -> CommonServiceException:
    return CommonServiceException("AlreadyExistsException", message)


def invalid(message: str) -> CommonServiceException:
    return CommonServiceException("InvalidInputException", message)


def required(request: dict, *names: str) -> None:
    """Raise InvalidInputException, in AWS's words, for the first member that is absent or empty."""
    for name in names:
        if request.get(name) in (None, "", []):
            member = name[0].lower() + name[1:]
            raise invalid(
                f"1 validation error detected: Value null at '{member}' failed to satisfy constraint: "
                "Member must not be null"
            )


def one_of(request: dict, name: str, allowed: Iterable[str]) -> None:
    """Raise InvalidInputException for a value that is not in the enumeration; absent is fine."""
    if name in request and request[name] not in allowed:
        member = name[0].lower() + name[1:]
        raise invalid(
            f"1 validation error detected: Value '{request[name]}' at '{member}' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{', '.join(allowed)}]"
        )


def refused(request: dict, *names: str) -> None:
    """Raise InvalidInputException for a parameter that AWS knows and this Glue would have to ignore."""
    for name in names:
        if request.get(name):
            raise invalid(f"{name} is not supported by this Glue: leave it out")


def page(items: list, request: dict, limit: int = 100) -> tuple[list, dict]:
    """The items a request asks for, and the ``NextToken`` to add to the answer when there are more."""
    size = request.get("MaxResults") or limit
    if not 1 <= size <= limit:
        raise invalid(f"MaxResults must be between 1 and {limit}, not {size}")
    start = offset_of(request["NextToken"]) if request.get("NextToken") else 0
    more = start + size < len(items)
    return items[start : start + size], {"NextToken": token_of(start + size)} if more else {}


def token_of(offset: int) -> str:
    return base64.urlsafe_b64encode(f"from {offset}".encode()).decode()


def offset_of(token: str) -> int:
    try:
        word, offset = base64.urlsafe_b64decode(token).decode().split()
        if word == "from":
            return int(offset)
    except ValueError:
        pass
    raise invalid("Invalid NextToken")
