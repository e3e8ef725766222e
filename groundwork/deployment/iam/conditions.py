"""Condition operators of policies.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html

Not known, and refused: BinaryEquals.
"""

import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from ipaddress import ip_address, ip_network

Context = dict[str, str | list[str]]
VARIABLE = re.compile(r"\$\{([^}]+)\}")
LITERAL_VARIABLES = {"*", "?", "$"}


class UnknownElement(ValueError):
    """Something in a policy that this evaluation does not know; guessing would make its answer worthless."""


def holds(condition: dict, context: Context) -> bool:
    """Whether a statement's Condition holds: all of its operators, and all keys of each. Raises UnknownElement."""
    given = {key.lower(): value for key, value in context.items()}
    return all(
        key_holds(name, given.get(key.lower()), as_list(wanted), given)
        for name, keys in condition.items()
        for key, wanted in keys.items()
    )


def key_holds(name: str, given: str | list[str] | None, wanted: list[str], context: Context) -> bool:
    quantifier, name = name.split(":", 1) if ":" in name else ("", name)
    if name == "Null":
        return (given is None) == (wanted[0].lower() == "true")
    if_exists, name = name.endswith("IfExists"), name.removesuffix("IfExists")
    compare, negated = operator_named(name)
    if given is None:
        # A key that is not there fulfils what says "not".
        return if_exists or negated or quantifier == "ForAllValues"
    values = [value for value in (substituted(w, context) for w in wanted) if value is not None]

    def fulfilled(one: str) -> bool:
        return negated != any(compare(one, value) for value in values)

    if quantifier == "ForAnyValue":
        return any(fulfilled(one) for one in as_list(given))
    return all(fulfilled(one) for one in as_list(given))


@cache
def operator_named(name: str) -> tuple[Callable[[str, str], bool], bool]:
    """The comparison of an operator, and whether it is negated."""
    if name in OPERATORS:
        return OPERATORS[name], False
    positive = "IpAddress" if name == "NotIpAddress" else name.replace("Not", "", 1)
    if "Not" in name and positive in OPERATORS:
        return OPERATORS[positive], True
    raise UnknownElement(f"the condition operator {name} is not known here")


def substituted(text: str, context: Context) -> str | None:
    """The text with its policy variables replaced; None when one has no value, for then nothing matches.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    """
    names = [name for name in VARIABLE.findall(text) if name not in LITERAL_VARIABLES]
    if any(name.lower() not in context for name in names):
        return None
    return VARIABLE.sub(lambda m: m[0] if m[1] in LITERAL_VARIABLES else str(context[m[1].lower()]), text)


def matches(pattern: str, text: str) -> bool:
    """``*`` stands for any characters, ``?`` for one; ``${*}``, ``${?}`` and ``${$}`` stand for themselves."""
    return bool(compiled(pattern).fullmatch(text))


@cache
def compiled(pattern: str) -> re.Pattern:
    parts = re.split(r"(\$\{[*?$]\}|\*|\?)", pattern)
    translated = {"*": ".*", "?": "."}
    return re.compile(
        "".join(translated.get(p) or re.escape(p[2] if re.fullmatch(r"\$\{.\}", p) else p) for p in parts), re.DOTALL
    )


def arn_matches(arn: str, pattern: str) -> bool:
    """Each of an ARN's six parts is compared by itself: a ``*`` does not reach over a colon, but in the last one."""
    parts, patterns = arn.split(":", 5), pattern.split(":", 5)
    return len(parts) == len(patterns) == 6 and all(map(matches, patterns, parts))


def in_network(address: str, network: str) -> bool:
    return ip_address(address) in ip_network(network, strict=False)


def moment(text: str) -> datetime:
    if text.lstrip("-").isdigit():
        return datetime.fromtimestamp(int(text), UTC)
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def as_list(value) -> list:
    return value if isinstance(value, list) else [value]


def compared(convert: Callable, compare: Callable) -> Callable[[str, str], bool]:
    return lambda given, wanted: compare(convert(given), convert(wanted))


ORDERS = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}
OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": operator.eq,
    "StringEqualsIgnoreCase": compared(str.lower, operator.eq),
    "StringLike": lambda given, wanted: matches(wanted, given),
    "Bool": compared(lambda text: str(text).lower(), operator.eq),
    "IpAddress": in_network,
    "ArnEquals": arn_matches,
    "ArnLike": arn_matches,
    **{f"Numeric{name}": compared(float, order) for name, order in ORDERS.items()},
    **{f"Date{name}": compared(moment, order) for name, order in ORDERS.items()},
}
