"""Redshift's data types and PostgreSQL's for them.

https://docs.aws.amazon.com/redshift/latest/dg/c_Supported_data_types.html
https://docs.aws.amazon.com/redshift/latest/dg/c_unsupported-postgresql-datatypes.html
"""

from dataclasses import dataclass

from groundwork_aws.redshift_data.tokens import Cursor, RedshiftError, Token, syntax_error

SIMPLE = {
    "SMALLINT": "smallint", "INT2": "smallint", "INTEGER": "integer", "INT": "integer", "INT4": "integer",
    "BIGINT": "bigint", "INT8": "bigint", "REAL": "real", "FLOAT4": "real", "FLOAT8": "double precision",
    "BOOLEAN": "boolean", "BOOL": "boolean", "DATE": "date", "TIMESTAMPTZ": "timestamptz", "TIMETZ": "timetz",
}  # fmt: skip
CHARACTERS = {"VARCHAR", "NVARCHAR", "TEXT", "CHAR", "NCHAR", "BPCHAR", "CHARACTER"}
# Redshift has these, and nothing here does what they do.
NOT_DONE = {"SUPER", "GEOMETRY", "GEOGRAPHY", "HLLSKETCH", "VARBYTE", "VARBINARY", "INTERVALY2M", "INTERVALD2S"}
# What PostgreSQL 8.0, from which Redshift comes, knew and Redshift switched off: these have their own error.
UNSUPPORTED = {
    "BYTEA", "MONEY", "BIT", "JSON", "JSONB", "XML", "INET", "CIDR", "MACADDR", "POINT", "LINE", "LSEG", "BOX", "PATH",
    "POLYGON", "CIRCLE", "UUID", "TSVECTOR", "TSQUERY", "NAME", "SERIAL", "BIGSERIAL", "SMALLSERIAL",
}  # fmt: skip
MAX_VARCHAR, MAX_CHAR, DEFAULT_VARCHAR = 65535, 4096, 256


@dataclass(frozen=True)
class Type:
    """``sql`` is PostgreSQL's; ``max_bytes`` limits a character type, whose length PostgreSQL counts in characters."""

    sql: str
    max_bytes: int | None = None


def read_type(cursor: Cursor, column: str | None = None) -> Type:
    """Read the type that comes next; ``column`` is ``table.column`` where one is defined. Raises RedshiftError."""
    token = cursor.next()
    kind = read_named(cursor, token, column)
    if cursor.peek() and cursor.peek().text == "[":
        raise unsupported(f"{token.text.lower()}[]", token, column)
    return kind


def read_named(cursor: Cursor, token: Token, column: str | None) -> Type:
    word = token.upper
    if word in SIMPLE:
        return Type(SIMPLE[word])
    if word in CHARACTERS:
        return read_characters(cursor, word)
    if word in ("DECIMAL", "NUMERIC", "DEC"):
        return read_decimal(cursor)
    if word == "FLOAT":
        digits = read_arguments(cursor)
        return Type("real" if digits and int(digits[0]) <= 24 else "double precision")
    if word == "DOUBLE":
        cursor.expect("PRECISION")
        return Type("double precision")
    if word in ("TIMESTAMP", "TIME"):
        return Type(read_time(cursor, word.lower()))
    if word in NOT_DONE or word == "INTERVAL":
        raise RedshiftError(f"type {word.lower()} is not done here", position=token.position)
    if word in UNSUPPORTED:
        raise unsupported(word.lower(), token, column)
    if token.kind not in ("word", "quoted"):
        raise syntax_error(token)
    raise RedshiftError(f'type "{token.name()}" does not exist', position=token.position)


def read_characters(cursor: Cursor, word: str) -> Type:
    """RS-Q-03: lengths are bytes, TEXT is VARCHAR(256) whatever it says, and a fixed one has a limit of its own."""
    varying = word in ("VARCHAR", "NVARCHAR", "TEXT") or (word != "BPCHAR" and cursor.accept("VARYING"))
    limit, default = (MAX_VARCHAR, DEFAULT_VARCHAR) if varying else (MAX_CHAR, 256 if word == "BPCHAR" else 1)
    arguments = read_arguments(cursor)
    if not arguments or word == "TEXT":
        length = default
    elif arguments[0] == "MAX":
        length = limit
    else:
        length = int(arguments[0])
    if not 1 <= length <= limit:
        name = "varchar" if varying else "char"
        raise RedshiftError(f"length for type {name} cannot exceed {limit}")
    return Type(f"varchar({length})" if varying else f"char({length})", length)


def read_decimal(cursor: Cursor) -> Type:
    arguments = [int(a) for a in read_arguments(cursor)] or [18, 0]
    precision, scale = (arguments + [0])[:2]
    if not 1 <= precision <= 38:
        raise RedshiftError(f"NUMERIC precision {precision} must be between 1 and 38")
    if scale > min(precision, 37):
        raise RedshiftError(f"NUMERIC scale {scale} must be between 0 and precision {precision}")
    return Type(f"numeric({precision},{scale})")


def read_time(cursor: Cursor, name: str) -> str:
    if cursor.accept("WITH", "TIME", "ZONE"):
        return name + "tz"
    cursor.accept("WITHOUT", "TIME", "ZONE")
    return name


def read_arguments(cursor: Cursor) -> list[str]:
    if cursor.peek() is None or cursor.peek().text != "(":
        return []
    arguments = [token for token in cursor.parenthesised() if token.text != ","]
    for token in arguments:
        if not (token.kind == "number" and token.text.isdigit()) and token.upper != "MAX":
            raise syntax_error(token)
    return [token.text.upper() for token in arguments]


def unsupported(name: str, token: Token, column: str | None) -> RedshiftError:
    if column:
        return RedshiftError(f'Column "{column}" has unsupported type "{name}".', position=token.position)
    return RedshiftError(f'type "{name}" does not exist', position=token.position)
