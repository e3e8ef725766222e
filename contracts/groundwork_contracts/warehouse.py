"""A table of the contracts in the warehouse: Redshift's DDL, and the statements that load it.

COPY of Parquet goes by position (https://docs.aws.amazon.com/redshift/latest/dg/copy-usage_notes-copy-from-columnar.html),
so a table has the contract's columns in the contract's order. `LOADS` holds for each table the version of silver that
the warehouse has; it is written in the transaction that loads the table.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from groundwork_contracts import Column, Contract

SCHEMA = "silver"
LOADS = f"{SCHEMA}._loads"
OPERATION = "_op"
# The longest VARCHAR that Redshift has, in bytes.
LONGEST_VARCHAR = 65535
BYTES_PER_CHARACTER = 4


@dataclass(frozen=True)
class Load:
    """What brings a table to a version of silver: the URL of a COPY manifest with the whole table, or with changes.

    ``mode`` is ``full`` or ``changes``: rows with `OPERATION` before their columns, U for a new or changed row, D for
    one that is gone.
    """

    mode: str
    manifest: str
    version: int


def create_schema() -> list[str]:
    return [
        f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}",
        f"CREATE TABLE IF NOT EXISTS {LOADS} (table_name varchar(128) NOT NULL, version bigint NOT NULL)",
    ]


def create_table(contract: Contract) -> str:
    """The table's DDL. Redshift's primary key is informational: the planner uses it, nothing enforces it."""
    width = max(len(column.name) for column in contract.columns)
    lines = [f"    {column.name:{width}} {column_definition(column)}" for column in contract.columns]
    if contract.key:
        lines.append(f"    PRIMARY KEY ({', '.join(contract.key)})")
    attributes = ["DISTSTYLE AUTO"]
    if contract.partition:
        attributes.append(f"SORTKEY ({contract.partition.name})")
    body = ",\n".join(lines)
    return f"CREATE TABLE IF NOT EXISTS {table_of(contract)} (\n{body}\n)\n" + "\n".join(attributes) + "\n"


def table_of(contract: Contract) -> str:
    return f"{SCHEMA}.{contract.table}"


def column_definition(column: Column) -> str:
    return f"{redshift_type(column)}{' NOT NULL' if column.required else ''}"


def redshift_type(column: Column) -> str:
    """Redshift's type of a source column: its VARCHAR counts bytes where PostgreSQL's counts characters."""
    if column.base_type == "varchar":
        return f"varchar({min(column.type_arguments[0] * BYTES_PER_CHARACTER, LONGEST_VARCHAR)})"
    if column.base_type == "text":
        return f"varchar({LONGEST_VARCHAR})"
    return column.type


def statements(contract: Contract, load: Load, there: Iterable[str], role: str) -> list[str]:
    """The transaction that loads the table, for a batch of the Data API. ``there`` are the columns that it has already.

    Raises ValueError where the table's columns cannot become the contract's by adding some at the end.
    """
    prepare = [create_table(contract), *add_columns(contract, list(there))]
    apply = replace(contract, load, role) if load.mode == "full" else merge(contract, load, role)
    return [*prepare, *apply, *record(contract, load)]


def add_columns(contract: Contract, there: list[str]) -> list[str]:
    """Statements for the columns that the contract has gained."""
    wanted = [column.name for column in contract.columns]
    if not there:
        return []
    if there != wanted[: len(there)]:
        raise ValueError(
            f"{table_of(contract)} has the columns {', '.join(there)}, and its contract {', '.join(wanted)}: COPY goes "
            "by position, so drop the table and run the pipeline again"
        )
    table = table_of(contract)
    return [f"ALTER TABLE {table} ADD COLUMN {c.name} {redshift_type(c)}" for c in contract.columns[len(there) :]]


def replace(contract: Contract, load: Load, role: str) -> list[str]:
    """Not TRUNCATE, which commits on Redshift: readers see the old rows until the new ones are there."""
    return [f"DELETE FROM {table_of(contract)}", copy(table_of(contract), load.manifest, role)]


def merge(contract: Contract, load: Load, role: str) -> list[str]:
    """Changed rows first go, then come: MERGE would want every column named twice and does no more.

    A table without a key only gains rows.
    """
    table, changes = table_of(contract), f"changes_of_{contract.table}"
    same_key = " AND ".join(f"{table}.{name} = {changes}.{name}" for name in contract.key)
    columns = ", ".join(column.name for column in contract.columns)
    return [
        f"CREATE TEMP TABLE {changes} ({OPERATION} varchar(1), LIKE {table})",
        copy(changes, load.manifest, role),
        *([f"DELETE FROM {table} USING {changes} WHERE {same_key}"] if contract.key else []),
        f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {changes} WHERE {OPERATION} = 'U'",
        f"DROP TABLE {changes}",
    ]


def copy(table: str, manifest: str, role: str) -> str:
    return f"COPY {table} FROM '{manifest}' IAM_ROLE '{role}' FORMAT AS PARQUET MANIFEST"


def record(contract: Contract, load: Load) -> list[str]:
    return [
        f"DELETE FROM {LOADS} WHERE table_name = '{contract.table}'",
        f"INSERT INTO {LOADS} VALUES ('{contract.table}', {load.version})",
    ]
