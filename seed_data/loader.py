"""Loads Olist's nine CSV files into the source, a PostgreSQL database, exactly as they are.

Everything happens in one transaction: other sessions see the old tables or the new ones, and an error leaves
what was there. Run as ``python -m seed_data.loader FOLDER DSN``.
"""

import argparse
import hashlib
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import psycopg
from groundwork_contracts import Contract, load_contracts
from psycopg import sql

from seed_data import ddl
from seed_data.csv_folder import SeedError, check_folder, chunks


@dataclass(frozen=True)
class Progress:
    """How far a table is: bytes of its file, and ``rows`` when it is in (None before)."""

    table: str
    bytes_read: int
    bytes_total: int
    rows: int | None = None


@dataclass(frozen=True)
class Loaded:
    """Rows per table; ``changed`` is False when the folder's very data was there already."""

    rows: dict[str, int]
    changed: bool


def load(
    csv_folder: Path | str,
    dsn: str,
    contracts: dict[str, Contract],
    progress: Callable[[Progress], None] = lambda step: None,
) -> Loaded:
    """Make the source hold this folder's data. Does nothing when it holds it already; other data is replaced.

    Raises SeedError, and then the database is as it was.
    """
    folder, tables = Path(csv_folder), list(contracts.values())
    mark = f"Olist's data, fingerprint {fingerprint(check_folder(folder, tables), tables)}"
    with connect(dsn) as connection:
        if holds(connection, mark, tables):
            return Loaded(count_rows(connection, tables), changed=False)
        try:
            rows = replace_tables(connection, folder, tables, progress)
            connection.execute(f"COMMENT ON SCHEMA {ddl.SCHEMA} IS {sql.Literal(mark).as_string()}")
            connection.commit()
        except psycopg.Error as error:
            raise SeedError(f"the source refused the load: {error}\n→ mend the cause, then load again") from error
    return Loaded(rows, changed=True)


def fingerprint(files: str, tables: Iterable[Contract]) -> str:
    """What the loaded tables depend on: the files' bytes and the contracts' DDL."""
    statements = [
        *map(ddl.create_table, tables), *ddl.primary_keys(tables), *ddl.foreign_keys(tables),
        *ddl.replica_identities(tables), *ddl.ownership(tables),
    ]  # fmt: skip
    return hashlib.blake2b("\n".join([files, *statements]).encode(), digest_size=16).hexdigest()


def replace_tables(connection, folder: Path, tables: list[Contract], progress) -> dict[str, int]:
    """Drop, create, fill and key the tables within the connection's transaction."""
    for statement in ddl.owner_role(roles(connection)):
        connection.execute(statement)
    names = ", ".join(f"{t.schema}.{t.table}" for t in tables)
    connection.execute(f"DROP TABLE IF EXISTS {names} CASCADE")
    rows = {}
    for table in tables:
        connection.execute(ddl.create_table(table))
        rows[table.table] = copy_file(connection, folder / table.csv_file, table, progress)
    add_keys(connection, tables)
    connection.execute(f"ANALYZE {names}")
    for statement in [*ddl.replica_identities(tables), *ddl.ownership(tables)]:
        connection.execute(statement)
    return rows


def copy_file(connection, file: Path, table: Contract, progress) -> int:
    """Stream one file into its table. Returns the number of rows."""
    columns = ", ".join(column.name for column in table.columns)
    statement = (
        f"COPY {table.schema}.{table.table} ({columns}) FROM STDIN "
        f"(FORMAT csv, HEADER match, FREEZE, ENCODING 'UTF8', FORCE_NULL ({columns}))"
    )
    done, total = 0, file.stat().st_size
    try:
        with connection.cursor() as cursor:
            with cursor.copy(statement) as copy:
                for chunk in chunks(file):
                    copy.write(chunk)
                    done += len(chunk)
                    progress(Progress(table.table, done, total))
            rows = cursor.rowcount
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        raise SeedError(row_problem(file, error)) from error
    progress(Progress(table.table, total, total, rows))
    return rows


def row_problem(file: Path, error: psycopg.Error) -> str:
    """The database's complaint about a row; its context is like ``COPY orders, line 3, column x: "y"``."""
    where = (error.diag.context or "").split(", ", 1)[-1].splitlines()[0]
    place, _, content = where.partition(":")
    return (
        f"{file}, {place}: {error.diag.message_primary}"
        + (f"\n  in:{content[:200]}" if content else "")
        + "\n→ mend that row, or unpack Kaggle's file anew; the database was left as it was"
    )


def add_keys(connection, tables: list[Contract]) -> None:
    files = {table.table: table.csv_file for table in tables}
    for statement in [*ddl.primary_keys(tables), *ddl.foreign_keys(tables)]:
        try:
            connection.execute(statement)
        except psycopg.IntegrityError as error:
            raise SeedError(
                f"{files[error.diag.table_name]}: {error.diag.message_detail or error.diag.message_primary}"
                "\n→ the nine files must be of one data set, each complete; the database was left as it was"
            ) from error


# --- the database around the tables ------------------------------------------------------------------------


def connect(dsn: str) -> psycopg.Connection:
    try:
        return psycopg.connect(dsn, connect_timeout=10)
    except psycopg.OperationalError as error:
        raise SeedError(f"cannot connect to the source: {error}\n→ start it, or mend the DSN") from error


def create_dms_role(dsn: str, password: str) -> None:
    """Make, or set right, the role that DMS connects as. It may come before or after the tables."""
    with connect(dsn) as connection:
        for statement in ddl.dms_role(password, roles(connection)):
            connection.execute(statement)


def roles(connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT rolname FROM pg_roles")}


def holds(connection, mark: str, tables: Iterable[Contract]) -> bool:
    """Whether the schema's comment is the mark and every table is still there."""
    found = connection.execute(
        "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = %s", [ddl.SCHEMA]
    ).fetchone()
    there = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [ddl.SCHEMA]).fetchall()
    return found == (mark,) and {(t.table,) for t in tables} <= set(there)


def count_rows(connection, tables: Iterable[Contract]) -> dict[str, int]:
    return {t.table: connection.execute(f"SELECT count(*) FROM {t.schema}.{t.table}").fetchone()[0] for t in tables}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder with Kaggle's nine CSV files")
    parser.add_argument("dsn", help="connection string of the source's database")
    arguments = parser.parse_args()
    try:
        loaded = load(arguments.folder, arguments.dsn, load_contracts(), print_progress)
    except SeedError as error:
        sys.exit(f"seed: {error}")
    if not loaded.changed:
        print("The source holds this data already.")


def print_progress(step: Progress) -> None:
    if step.rows is not None:
        print(f"{step.table:40}{step.rows:>12,} rows", flush=True)


if __name__ == "__main__":
    main()
