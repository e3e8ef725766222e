"""The SQL that makes a table comparable wherever it lies: its row count, its key set and each column as one number.

Every engine turns a value into the same text, hashes the text with MD5, reads the first eight hexadecimal digits as a
number and sums these over the rows, so the rows' order does not matter. A column's value is hashed together with its
row's key: values that moved to other rows change the sum. In a table without a key the whole row is the key.

The texts: integers and decimals as they print (``numeric(10,2)`` with two decimals everywhere), times to the second,
doubles as whole billionths rounded down, because PostgreSQL and Redshift round a half to even and Trino away from
zero. NULL counts 2³², which no hash reaches, so it differs from the empty string.
"""

from collections.abc import Callable
from dataclasses import dataclass

from groundwork_contracts import Column, Contract

NULL = 4294967296
SEPARATOR = "|"
KEY_SET = "key set"
# Hexadecimal digits of the key's hash by which differing rows are narrowed down.
BUCKET_DIGITS = 3


@dataclass(frozen=True)
class Engine:
    """How an SQL engine spells a text's MD5, its first eight digits as a number, and a column's canonical text."""

    name: str
    digest: Callable[[str], str]
    hashed: Callable[[str], str]
    texts: dict[str, Callable[[str], str]]

    def text(self, column: Column) -> str:
        return self.texts.get(column.base_type, printed)(quoted(column.name))


def quoted(name: str) -> str:
    return f'"{name}"'


def as_it_is(column: str) -> str:
    return column


def printed(column: str) -> str:
    return f"cast({column} as varchar)"


def billionths(column: str) -> str:
    return f"cast(cast(floor({column} * 1e9) as bigint) as varchar)"


def to_char(column: str) -> str:
    return f"to_char({column}, 'YYYY-MM-DD HH24:MI:SS')"


def date_format(column: str) -> str:
    return f"date_format({column}, '%Y-%m-%d %H:%i:%s')"


SHARED = {"varchar": as_it_is, "text": as_it_is, "double precision": billionths}

POSTGRES = Engine(
    "PostgreSQL",
    digest=lambda text: f"md5({text})",
    hashed=lambda text: f"('x' || substr(md5({text}), 1, 8))::bit(32)::bigint",
    texts={**SHARED, "timestamp": to_char},
)
ATHENA = Engine(
    "Athena",
    digest=lambda text: f"to_hex(md5(to_utf8({text})))",
    hashed=lambda text: f"from_base(substr(to_hex(md5(to_utf8({text}))), 1, 8), 16)",
    texts={**SHARED, "timestamp": date_format},
)
# https://docs.aws.amazon.com/redshift/latest/dg/r_STRTOL.html
REDSHIFT = Engine(
    "Redshift",
    digest=lambda text: f"md5({text})",
    hashed=lambda text: f"strtol(substring(md5({text}), 1, 8), 16)",
    texts={**SHARED, "timestamp": to_char},
)


def key_text(engine: Engine, contract: Contract) -> str:
    """What tells a row from the others: its key, or all of it."""
    columns = {column.name: column for column in contract.columns}
    parts = [f"coalesce({engine.text(columns[name])}, '')" for name in contract.key or columns]
    return f" || '{SEPARATOR}' || ".join(parts)


def column_hash(engine: Engine, contract: Contract, column: Column) -> str:
    bound = f"{key_text(engine, contract)} || '{SEPARATOR}' || " if contract.key else ""
    value = f"{bound}{engine.text(column)}"
    return f"case when {quoted(column.name)} is null then {NULL} else {engine.hashed(value)} end"


def fingerprint_query(engine: Engine, contract: Contract, table: str) -> str:
    """One row: the count, the key set's sum, then each column's."""
    hashes = [engine.hashed(key_text(engine, contract))]
    hashes += [column_hash(engine, contract, column) for column in contract.columns]
    sums = "".join(f",\n  coalesce(sum({h}), 0)" for h in hashes)
    return f"select count(*){sums}\nfrom {table}"


def bucket_query(engine: Engine, contract: Contract, table: str, aspect: str) -> str:
    """A row per bucket of keys with its sum: only buckets that differ are then read."""
    return (
        f"select {bucket(engine, contract)}, count(*), sum({aspect_hash(engine, contract, aspect)})\n"
        f"from {table} group by 1"
    )


def rows_query(engine: Engine, contract: Contract, table: str, aspect: str, buckets: list[str]) -> str:
    """The keys and hashes of the rows in these buckets."""
    wanted = ", ".join(f"'{b}'" for b in buckets)
    return (
        f"select {key_text(engine, contract)}, {aspect_hash(engine, contract, aspect)}\n"
        f"from {table} where {bucket(engine, contract)} in ({wanted})"
    )


def bucket(engine: Engine, contract: Contract) -> str:
    return f"lower(substr({engine.digest(key_text(engine, contract))}, 1, {BUCKET_DIGITS}))"


def aspect_hash(engine: Engine, contract: Contract, aspect: str) -> str:
    column = next((c for c in contract.columns if c.name == aspect), None)
    return column_hash(engine, contract, column) if column else engine.hashed(key_text(engine, contract))
