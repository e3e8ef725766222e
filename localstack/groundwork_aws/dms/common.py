"""What the operations of DMS share: faults, ARNs, filters, pages."""

import re
import secrets
import string
from datetime import UTC, datetime

from localstack.aws.api import CommonServiceException, RequestContext

from groundwork_aws.dms.models import DmsStore, dms_stores


def store_of(context: RequestContext) -> DmsStore:
    return dms_stores[context.account_id][context.region]


def not_found(message: str) -> CommonServiceException:
    return CommonServiceException("ResourceNotFoundFault", message)


def already_exists(message: str) -> CommonServiceException:
    return CommonServiceException("ResourceAlreadyExistsFault", message)


def wrong_state(message: str) -> CommonServiceException:
    return CommonServiceException("InvalidResourceStateFault", message)


def invalid(message: str) -> CommonServiceException:
    return CommonServiceException("InvalidParameterValueException", message)


def now() -> datetime:
    return datetime.now(UTC)


def require(request: dict, *names: str) -> None:
    for name in names:
        if request.get(name) in (None, ""):
            raise invalid(f"The parameter {name} must be provided and must not be blank.")


IDENTIFIER = re.compile(r"[A-Za-z](?:-?[A-Za-z0-9])*")


def check_identifier(name: str, value: str, longest: int = 255) -> None:
    if len(value) > longest or not IDENTIFIER.fullmatch(value):
        rules = (
            "Identifiers must begin with a letter; must contain only ASCII letters, digits, and hyphens; and must not "
            "end with a hyphen or contain two consecutive hyphens"
        )
        raise invalid(f"The parameter {name} is not a valid identifier: {value}. {rules}")


def make_arn(context: RequestContext, kind: str, resource_id: str | None) -> str:
    """The ARN of a new ``rep``, ``endpoint`` or ``task``: ``resource_id``, or 26 characters, is its last part."""
    if resource_id:
        check_identifier("ResourceIdentifier", resource_id, 31)
    else:
        resource_id = "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(26))
    return f"arn:aws:dms:{context.region}:{context.account_id}:{kind}:{resource_id}"


def filtered(items: list[dict], request: dict, keys: dict[str, str], what: str) -> list[dict]:
    """The items that pass the request's filters; ``keys`` says which field a filter looks at.

    A filter that nothing passes is a ResourceNotFoundFault: the waiters for deletion live on it.
    """
    filters = request.get("Filters") or []
    for one in filters:
        if one["Name"] not in keys:
            raise invalid(f"The filter {one['Name']} is not one of {', '.join(keys)}")
        items = [item for item in items if str(item.get(keys[one["Name"]])) in one["Values"]]
    if filters and not items:
        raise not_found(f"No {what} found matching provided filters")
    return items


def paged(items: list[dict], request: dict, name: str, most: int = 100) -> dict:
    """One page of the items; the Marker of the next is the number of items before it."""
    size, start = request.get("MaxRecords") or most, request.get("Marker") or "0"
    if not 20 <= size <= most:
        raise invalid(f"MaxRecords must be from 20 to {most}, not {size}")
    if not start.isdigit():
        raise invalid(f"The Marker {start} is not one that this operation gave out")
    end = int(start) + size
    page = {name: items[int(start) : end]}
    return {**page, "Marker": str(end)} if end < len(items) else page


def tag(store: DmsStore, arn: str, tags: list[dict] | None) -> None:
    store.tags.setdefault(arn, {}).update({t["Key"]: t.get("Value", "") for t in tags or []})
