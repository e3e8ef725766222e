"""Holds the calls that were made against the policies that govern them: what AWS would deny, and what nothing uses."""

import json
import re
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from groundwork.aws import client
from groundwork.deployment.iam.account import Role, deployed_roles, resource_policy
from groundwork.deployment.iam.authorizations import UnknownOperation, requests_of
from groundwork.deployment.iam.conditions import as_list, matches
from groundwork.deployment.iam.policies import Decision, Request, Statement, decide
from groundwork.deployment.iam.templates import roles_of_templates
from groundwork.settings import Settings, UserError

PRINCIPALS = Path(__file__).with_name("principals.yaml")
KEPT = Path(__file__).with_name("kept.yaml")
SIBLINGS = re.compile(r"(:s3:::[^/]+/|:table/[^/]+/).*")
# Of a call, what makes it another one for IAM.
SIGNIFICANT = ("principal", "service", "operation", "account", "region", "request", "error", "kms_key", "source_arn")


@dataclass(frozen=True)
class Denied:
    """Calls that AWS would deny for one reason; ``statement`` would allow them."""

    role: str
    action: str
    resource: str
    operation: str
    reason: str
    statement: dict = field(hash=False)
    calls: int


@dataclass(frozen=True)
class Unused:
    """A permission that no call needed: an action or a resource of a statement. ``kept`` says why it stays."""

    role: str
    statement: str
    permission: str
    kept: str | None


@dataclass(frozen=True)
class Parity:
    """``roles`` counts the calls of each role, ``without_role`` those of principals that the templates do not govern.

    ``unknown`` are calls of which nobody has said what they need.
    """

    roles: dict[str, int]
    denied: list[Denied]
    unknown: list[str]
    unused: list[Unused]
    without_role: dict[str, int]
    not_examined: list[str]


def parity_of_platform(settings: Settings) -> Parity:
    """Examine what the platform has done since its LocalStack started. Raises UserError when it does not answer."""
    calls = recorded_calls()
    roles = deployed_roles(f"groundwork-{settings.environment}-")
    roles |= roles_of_templates(settings.root / "cloudformation", settings.environment)
    principals, kept = (yaml.safe_load(file.read_text()) for file in (PRINCIPALS, KEPT))
    return examine(calls, roles, principals, resource_policy, kept)


def recorded_calls() -> list[dict]:
    """The calls that the endpoint has recorded, the oldest first. AWS itself has no such record."""
    url = f"{client('s3').meta.endpoint_url}/_groundwork/calls"
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return [json.loads(line) for line in answer]
    except OSError as error:
        raise UserError(f"{url} has no record of calls ({error}): `make demo` brings the platform up") from None


def examine(
    calls: Iterable[dict],
    roles: dict[str, Role],
    principals: dict[str, str],
    policy_of: Callable[[str], list[Statement]],
    kept: list[dict],
) -> Parity:
    """``roles`` by ARN, ``principals`` access keys to role names, ``policy_of`` a resource's own policy."""
    by_key = {key: role for key, name in principals.items() for role in roles.values() if role.name == name}
    counts: Counter[str] = Counter()
    without_role: Counter[str] = Counter()
    denied: dict[Denied, int] = Counter()
    unknown: dict[str, str] = {}
    used: set[tuple] = set()
    for call, times in distinct(calls):
        role = roles.get(call["principal"]) or by_key.get(call["principal"])
        if role is None and not governed_by_trust(call, roles):
            without_role[call["principal"]] += times
            continue
        counts[role.name if role else call["principal"]] += times
        try:
            requests = requests_of(call, role.arn if role else call["principal"])
        except UnknownOperation as error:
            unknown.setdefault(f"{call['service']}:{call['operation']}", str(error))
            continue
        for request in requests:
            decision = decide(request, role.statements if role else [], policy_of(request.resource))
            if decision.allowed:
                used |= set(patterns_used(role, request, decision)) if role else set()
            else:
                denied[denial(role.name if role else call["principal"], call, request, decision)] += times
    found = [Denied(**{**vars(one), "calls": times}) for one, times in denied.items()]
    return Parity(
        roles=dict(counts.most_common()),
        denied=sorted(found, key=lambda d: (d.role, d.action, d.resource)),
        unknown=sorted(unknown.values()),
        unused=[one for role in roles.values() if counts[role.name] for one in unused_of(role, used, kept)],
        without_role=dict(without_role.most_common()),
        not_examined=sorted(role.name for role in roles.values() if not counts[role.name]),
    )


def distinct(calls: Iterable[dict]) -> Iterator[tuple[dict, int]]:
    """Each call once, with how often it was made."""
    texts = Counter(
        json.dumps({"parameters": call["parameters"], **{k: call[k] for k in SIGNIFICANT if k in call}})
        for call in calls
    )
    return ((json.loads(text), times) for text, times in texts.items())


def governed_by_trust(call: dict, roles: dict[str, Role]) -> bool:
    """Whether a service assumes one of the roles, for which their trust policies are decisive."""
    return call["operation"] == "AssumeRole" and call["request"]["RoleArn"] in roles


def denial(role: str, call: dict, request: Request, decision: Decision) -> Denied:
    """Objects of one bucket are one denial, and tables of one database."""
    resource = SIBLINGS.sub(r"\1*", request.resource)
    statement = {"Effect": "Allow", "Action": request.action, "Resource": resource}
    if decision.reason.startswith("the resource's own policy"):
        kind = "AWS" if request.principal.startswith("arn:") else "Service"
        statement = {"Effect": "Allow", "Principal": {kind: request.principal}, "Action": request.action}
    reason = ", ".join([decision.reason, *(s.name for s in decision.statements)])
    return Denied(role, request.action, resource, f"{call['service']}:{call['operation']}", reason, statement, 0)


# --- what nothing uses ------------------------------------------------------------------------------------------------


def patterns_used(role: Role, request: Request, decision: Decision) -> Iterator[tuple]:
    for s in decision.statements:
        if s in role.statements and "Action" in s.body and "Resource" in s.body:
            yield from ((role.name, s, pattern) for pattern in s.matching("Action", request.action.lower()))
            yield from ((role.name, s, p) for p in s.matching("Resource", request.resource, request.context))


def unused_of(role: Role, used: set[tuple], kept: list[dict]) -> Iterator[Unused]:
    """Of what AWS manages nothing is said: one takes it or leaves it."""
    for s in role.statements:
        if s.denies or s.policy in role.managed_by_aws or "Action" not in s.body:
            continue
        actions = [pattern for pattern in as_list(s.body["Action"]) if (role.name, s, pattern) not in used]
        whole = len(actions) == len(as_list(s.body["Action"]))
        resources = [] if whole else [p for p in as_list(s.body["Resource"]) if (role.name, s, p) not in used]
        for permission in (*actions, *resources):
            yield Unused(role.name, s.name, permission, reason_to_keep(role.name, s.name, permission, kept))


def reason_to_keep(role: str, statement: str, permission: str, kept: list[dict]) -> str | None:
    found = {"role": role, "statement": statement, "permission": permission}
    reasons = [k["because"] for k in kept if all(matches(k.get(part, "*"), text) for part, text in found.items())]
    return reasons[0] if reasons else None
