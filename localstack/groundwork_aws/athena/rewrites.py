"""Calls and casts that take more than another name: Trino's way of writing them, as expressions of DuckDB's.

A rewrite gets the call's arguments, already translated, and answers None where it cannot keep Trino's meaning.
"""

from collections.abc import Callable

from sqlglot import exp

from groundwork_aws.athena.functions import JODA_FORMATS, MYSQL_FORMATS


def call(name: str, *arguments: exp.Expression) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=list(arguments))


def text_of(node: exp.Expression) -> str | None:
    return node.this if isinstance(node, exp.Literal) and node.is_string else None


def rewrite_concat(arguments: list) -> exp.Expression:
    """Trino's concat of a NULL is NULL, as with ``||``; DuckDB's leaves it out."""
    result = arguments[0]
    for argument in arguments[1:]:
        result = exp.DPipe(this=result, expression=argument, safe=False)
    return exp.Paren(this=result)


def rewrite_greatest(name: str) -> Callable:
    """Trino's greatest and least are NULL when any argument is."""

    def rewrite(arguments: list) -> exp.Expression:
        nulls = exp.or_(*(exp.Is(this=a.copy(), expression=exp.Null()) for a in arguments))
        return exp.Case(ifs=[exp.If(this=nulls, true=exp.Null())], default=call(name, *arguments))

    return rewrite


def rewrite_from_base(arguments: list) -> exp.Expression | None:
    """``from_base(substr(to_hex(md5(to_utf8(x))), 1, 8), 16)``, the usual checksum, casts DuckDB's own hex."""
    value, radix = arguments
    prefixes = {"16": "0x", "10": "", "2": "0b"}
    if radix.name not in prefixes:
        return None
    parts = value.expressions if isinstance(value, exp.Anonymous) and value.name.lower() == "substr" else []
    digest = parts and parts[0]
    if is_call(digest, "hex") and is_call(digest.expressions[0], "trino_md5"):
        value = call("substr", call("md5", without_encoding(digest.expressions[0].expressions[0])), *parts[1:])
    digits = (
        exp.DPipe(this=exp.Literal.string(prefixes[radix.name]), expression=value) if prefixes[radix.name] else value
    )
    return exp.Cast(this=exp.Paren(this=digits), to=exp.DataType.build("bigint"))


def is_call(node, name: str) -> bool:
    return isinstance(node, exp.Anonymous) and node.name.lower() == name


def without_encoding(node: exp.Expression) -> exp.Expression:
    return node.expressions[0] if is_call(node, "encode") else node


def rewrite_date_format(arguments: list) -> exp.Expression | None:
    pattern = mysql_format(text_of(arguments[1]))
    return pattern and call("strftime", arguments[0], exp.Literal.string(pattern))


def rewrite_date_parse(arguments: list) -> exp.Expression | None:
    pattern = mysql_format(text_of(arguments[1]))
    return pattern and call("strptime", arguments[0], exp.Literal.string(pattern))


def rewrite_format_datetime(arguments: list) -> exp.Expression | None:
    pattern = joda_format(text_of(arguments[1]))
    return pattern and call("strftime", arguments[0], exp.Literal.string(pattern))


def rewrite_parse_datetime(arguments: list) -> exp.Expression | None:
    pattern = joda_format(text_of(arguments[1]))
    zoned = pattern and call("strptime", arguments[0], exp.Literal.string(pattern))
    return zoned and exp.Cast(this=zoned, to=exp.DataType.build("timestamptz"))


def mysql_format(pattern: str | None) -> str | None:
    """In strftime's letters; None where it has a letter that Trino does not have, or is not a literal."""
    if pattern is None:
        return None
    result, letters = "", iter(pattern)
    for letter in letters:
        if letter == "%":
            letter = next(letters, "")
            if letter not in MYSQL_FORMATS:
                return None
            result += MYSQL_FORMATS[letter]
        else:
            result += letter
    return result


def joda_format(pattern: str | None) -> str | None:
    if pattern is None:
        return None
    result, rest = "", pattern
    while rest:
        if rest[0] == "'":
            literal, _, rest = rest[1:].partition("'")
            result += literal or "'"
            continue
        run = rest[: len(rest) - len(rest.lstrip(rest[0]))]
        if rest[0].isalpha() and run not in JODA_FORMATS:
            return None
        result += JODA_FORMATS[run] if rest[0].isalpha() else run.replace("%", "%%")
        rest = rest[len(run) :]
    return result


def rewrite_date_add(arguments: list) -> exp.Expression | None:
    unit, count, value = arguments
    name = text_of(unit)
    if name is None or name.lower() not in (
        "millisecond",
        "second",
        "minute",
        "hour",
        "day",
        "week",
        "month",
        "quarter",
        "year",
    ):
        return None
    return exp.Paren(this=exp.Add(this=value, expression=call(f"to_{name.lower()}s", count)))


def rewrite_regexp_replace(arguments: list) -> exp.Expression | None:
    """Trino replaces every match and writes a group as $1."""
    subject, pattern = arguments[:2]
    replacement = text_of(arguments[2]) if len(arguments) == 3 else ""
    if replacement is None:
        return None
    for group in range(10):
        replacement = replacement.replace(f"${group}", f"\\{group}")
    return call("regexp_replace", subject, pattern, exp.Literal.string(replacement), exp.Literal.string("g"))


def rewrite_replace(arguments: list) -> exp.Expression:
    return call("replace", *arguments, *([exp.Literal.string("")] if len(arguments) == 2 else []))


def rewrite_json_extract(arguments: list) -> exp.Expression:
    return call("json_extract", *arguments)


REWRITES: dict[str, Callable[[list], exp.Expression | None]] = {
    "concat": rewrite_concat,
    "date_add": rewrite_date_add,
    "date_format": rewrite_date_format,
    "date_parse": rewrite_date_parse,
    "format_datetime": rewrite_format_datetime,
    "from_base": rewrite_from_base,
    "greatest": rewrite_greatest("greatest"),
    "json_extract": rewrite_json_extract,
    "least": rewrite_greatest("least"),
    "parse_datetime": rewrite_parse_datetime,
    "regexp_replace": rewrite_regexp_replace,
    "replace": rewrite_replace,
}


def rewrite_cast(node: exp.Cast) -> None:
    """A cast to varchar prints as Trino does, decimal is decimal(38, 0), and a timestamp has no precision in DuckDB."""
    kind = node.to.this
    if kind in (exp.DataType.Type.VARCHAR, exp.DataType.Type.TEXT):
        length = node.to.expressions
        text = call("trino_varchar", node.this)
        node.replace(call("left", text, length[0].this) if length else text)
    elif kind is exp.DataType.Type.DECIMAL and not node.to.expressions:
        node.set("to", exp.DataType.build("decimal(38, 0)"))
    elif kind in (exp.DataType.Type.TIMESTAMP, exp.DataType.Type.TIMESTAMPTZ, exp.DataType.Type.TIME):
        node.to.set("expressions", None)
