"""What a recorded call needs permission for: requests to IAM, as the table ``operations.yaml`` says."""

import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from itertools import product
from pathlib import Path

import jmespath
import yaml
from jmespath.exceptions import JMESPathTypeError

from groundwork.deployment.iam.lookups import Lookups
from groundwork.deployment.iam.policies import Request

TABLE = Path(__file__).with_name("operations.yaml")
PLACEHOLDER = re.compile(r"\{([^}]+)\}")


class UnknownOperation(LookupError):
    """The table does not say what the operation needs, or not on which resource."""


@cache
def table() -> dict:
    return yaml.safe_load(TABLE.read_text())


def requests_of(call: dict, principal: str) -> list[Request]:
    """All that IAM is asked about a call. Raises UnknownOperation."""
    operations = table()["operations"].get(call["service"], {})
    if call["operation"] not in operations:
        raise UnknownOperation(f"{call['service']}:{call['operation']} is not in {TABLE.name}")
    facts = {**call, **call.get("request", {})}
    return [
        request
        for needed in operations[call["operation"]]
        if "when" not in needed or evaluated(needed["when"], facts)
        for request in requests_for(needed, facts, principal)
    ]


def requests_for(needed: dict, facts: dict, principal: str) -> Iterator[Request]:
    context = context_of(needed, facts, principal)
    for name in needed["resources"]:
        arns = list(filled(table()["forms"][name], facts))
        if not arns:
            operation, request = f"{facts['service']}:{facts['operation']}", facts.get("request", {})
            raise UnknownOperation(f"{operation} does not say which {name} it is for: {request}")
        for arn in arns:
            yield Request(principal, needed["action"], arn, context)


def context_of(needed: dict, facts: dict, principal: str) -> dict:
    """The condition keys of a call. Clients on AWS use TLS; here they do not, which is not held against them.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
    """
    keys = {
        "aws:SecureTransport": "true",
        "aws:RequestedRegion": facts["region"],
        "aws:ResourceAccount": facts["account"],
        "kms:ViaService": f"{needed['via']}.{facts['region']}.amazonaws.com" if "via" in needed else None,
        **{key: evaluated(expression, facts) for key, expression in needed.get("context", {}).items()},
    }
    if principal.startswith("arn:"):
        keys |= {
            "aws:PrincipalArn": principal,
            "aws:PrincipalAccount": facts["account"],
            "aws:userid": facts["principal"],
        }
    else:
        # A service says for which resource of which account it assumes a role.
        keys |= {"aws:SourceAccount": facts["account"], "aws:SourceArn": facts.get("source_arn")}
    return {key: value for key, value in keys.items() if value is not None}


def filled(template: str, facts: dict) -> Iterator[str]:
    """The template with each of its expressions evaluated; none when one of them has no value."""
    literals, expressions = PLACEHOLDER.split(template)[::2], PLACEHOLDER.findall(template)
    values = [evaluated(expression, facts) for expression in expressions]
    for chosen in product(*(v if isinstance(v, list) else [v] if v else [] for v in values)):
        yield literals[0] + "".join(f"{value}{text}" for value, text in zip(chosen, literals[1:], strict=True))


def evaluated(expression: str, facts: dict):
    """The value of an expression; None also for a function of what the call does not say."""
    with suppress(JMESPathTypeError):
        return compiled(expression).search(facts, jmespath.Options(custom_functions=Lookups()))


@cache
def compiled(expression: str):
    return jmespath.compile(expression)
