"""The conditions that GetPartitions takes: a subset of SQL over the partition keys.

Done: AND, OR, NOT, parentheses, ``=``, ``<>``, ``!=``, ``<``, ``<=``, ``>``, ``>=``, IN, BETWEEN and LIKE, between a
key and literals. A key of an integer type or ``decimal`` compares as a number, any other as text.
https://docs.aws.amazon.com/glue/latest/webapi/API_GetPartitions.html
"""

import operator
import re
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

COMPARISONS = {
    exp.EQ: operator.eq,
    exp.NEQ: operator.ne,
    exp.LT: operator.lt,
    exp.LTE: operator.le,
    exp.GT: operator.gt,
    exp.GTE: operator.ge,
}
NUMERIC = re.compile(r"tinyint|smallint|int|integer|bigint|long|decimal.*")


class UnsupportedExpression(Exception):
    """The condition is not SQL, names no partition key, or uses what is not done; the text says which."""


def partition_filter(text: str | None, keys: Sequence[dict]) -> Callable[[Sequence[str]], bool]:
    """A predicate over a partition's values, in the keys' order. Raises UnsupportedExpression, also when called."""
    if not text or not text.strip():
        return lambda values: True
    try:
        condition = sqlglot.parse_one(text, into=exp.Condition, dialect="hive")
    except SqlglotError:
        raise UnsupportedExpression(f"Unsupported expression '{text}': it does not parse") from None
    types = {key["Name"].lower(): key.get("Type", "string").lower() for key in keys}

    def matches(values: Sequence[str]) -> bool:
        row = {name: typed(value, types[name]) for name, value in zip(types, values, strict=True)}
        return bool(evaluate(condition, row, types))

    return matches


def evaluate(node: exp.Expression, row: dict, types: dict[str, str]) -> bool:
    match node:
        case exp.Paren():
            return evaluate(node.this, row, types)
        case exp.Not():
            return not evaluate(node.this, row, types)
        case exp.And():
            return evaluate(node.left, row, types) and evaluate(node.right, row, types)
        case exp.Or():
            return evaluate(node.left, row, types) or evaluate(node.right, row, types)
        case exp.In() if node.expressions:
            value, kind = key_of(node.this, row, types)
            return value in [literal(item, kind) for item in node.expressions]
        case exp.Between():
            value, kind = key_of(node.this, row, types)
            return literal(node.args["low"], kind) <= value <= literal(node.args["high"], kind)
        case exp.Like():
            value, _ = key_of(node.this, row, types)
            return re.fullmatch(like_pattern(literal(node.expression, "string")), str(value)) is not None
    if type(node) in COMPARISONS:
        value, kind = key_of(node.this, row, types)
        return COMPARISONS[type(node)](value, literal(node.expression, kind))
    raise UnsupportedExpression(f"Unsupported expression '{node.sql('hive')}'")


def key_of(node: exp.Expression, row: dict, types: dict[str, str]) -> tuple:
    if not isinstance(node, exp.Column) or node.name.lower() not in row:
        raise UnsupportedExpression(f"Unsupported expression: '{node.sql('hive')}' is not a partition key")
    return row[node.name.lower()], types[node.name.lower()]


def literal(node: exp.Expression, kind: str):
    negative = isinstance(node, exp.Neg)
    node = node.this if negative else node
    if not isinstance(node, exp.Literal):
        raise UnsupportedExpression(f"Unsupported expression: '{node.sql('hive')}' is not a literal")
    return typed(f"-{node.this}" if negative else node.this, kind)


def typed(text: str, kind: str):
    if not NUMERIC.fullmatch(kind):
        return text
    try:
        return Decimal(text)
    except InvalidOperation:
        raise UnsupportedExpression(f"'{text}' is not a value of type {kind}") from None


def like_pattern(pattern: str) -> str:
    wildcards = {"%": ".*", "_": "."}
    return "(?s)" + "".join(wildcards.get(character) or re.escape(character) for character in pattern)
