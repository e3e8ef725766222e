"""COPY from Parquet, in the statement's own transaction.

https://docs.aws.amazon.com/redshift/latest/dg/copy-usage_notes-copy-from-columnar.html

DuckDB decodes the files and writes PostgreSQL's binary COPY format into a pipe, from which psycopg streams it to the
server: no row ever becomes a Python object, and no more than a few row groups are in memory.
"""

import fcntl
import os
import re
import tempfile
import threading
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path

import duckdb
import duckdb_extension_postgres_scanner
import psycopg

from groundwork_aws.redshift_data.commands import CopyCommand
from groundwork_aws.redshift_data.lake import File, Lake
from groundwork_aws.redshift_data.parquet import FileColumn, check_column, file_columns, named, spectrum_error
from groundwork_aws.redshift_data.tokens import RedshiftError, literal, quote

CHUNK_BYTES = 1 << 20

COLUMNS_OF_TABLE = """
select attname, format_type(atttypid, atttypmod), attidentity
from pg_attribute where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped order by attnum
"""


@dataclass(frozen=True)
class TableColumn:
    """``type`` is PostgreSQL's name with its arguments, ``identity`` whether the server makes the value."""

    name: str
    type: str
    identity: bool

    @property
    def length(self) -> int | None:
        """The bytes that a character column takes."""
        match = re.fullmatch(r"(?:character varying|character)\((\d+)\)", self.type)
        return int(match[1]) if match else None


def copy(connection: psycopg.Connection, lake: Lake, command: CopyCommand) -> int:
    """Load the files and return the number of rows. Raises RedshiftError; the caller rolls back."""
    columns = target_columns(connection, command)
    with tempfile.TemporaryDirectory(prefix="copy-") as folder, decoder() as reader:
        fetch = lake.fetch_manifest if command.manifest else lake.fetch
        files = fetch(command.source, Path(folder))
        layouts = {file.url: file_columns(reader, file) for file in files}
        for file in files:
            check_layout(file, layouts[file.url], columns, command)
        try:
            return stream(connection, reader, selection(files, layouts, columns), copy_statement(command, columns))
        except duckdb.Error as error:
            raise unreadable(reader, files, error) from error
        except (psycopg.errors.IntegrityError, psycopg.errors.StringDataRightTruncation) as error:
            raise too_long(reader, files, layouts, columns) or error from error


@cache
def database() -> duckdb.DuckDBPyConnection:
    """One for all commands: making it takes longer than a small COPY. They share its memory."""
    connection = duckdb.connect(config={"memory_limit": "512MB", "threads": 2, "autoinstall_known_extensions": "false"})
    folder = Path(duckdb_extension_postgres_scanner.__file__).parent / "extensions" / f"v{duckdb.__version__}"
    connection.load_extension(str(folder / "postgres_scanner.duckdb_extension"))
    # A load's order of rows means nothing, and keeping it would hold finished row groups back in memory, as would a
    # cache of files that are read once.
    connection.execute("set preserve_insertion_order = false; set enable_external_file_cache = false")
    return connection


def decoder() -> duckdb.DuckDBPyConnection:
    return database().cursor()


def target_columns(connection: psycopg.Connection, command: CopyCommand) -> list[TableColumn]:
    rows = connection.execute(COLUMNS_OF_TABLE, [quote(*command.table)]).fetchall()
    if not rows:
        raise RedshiftError(f"Cannot COPY into nonexistent table {'.'.join(command.table)}")
    table = {name: TableColumn(name, kind, bool(identity)) for name, kind, identity in rows}
    missing = [name for name in command.columns if name not in table]
    if missing:
        raise RedshiftError(f'column "{missing[0]}" of relation "{command.table[-1]}" does not exist')
    if command.columns:
        return [table[name] for name in command.columns]
    return [column for column in table.values() if command.explicit_ids or not column.identity]


def check_layout(file: File, found: list[FileColumn], wanted: list[TableColumn], command: CopyCommand) -> None:
    """RS-CP-02: by position, and as many columns as the table has, unless FILLRECORD may add NULLs."""
    if len(found) > len(wanted) or (len(found) < len(wanted) and not command.fill_record):
        raise spectrum_error(
            f"Unmatched number of columns between table and file. Table columns: {len(wanted)}, "
            f"Data columns: {len(found)}, File name: {file.url}"
        )
    for file_column, column in zip(found, wanted, strict=False):
        check_column(file, file_column, column.type)


def selection(files: list[File], layouts: dict[str, list[FileColumn]], columns: list[TableColumn]) -> str:
    """The query over all files. Files whose columns bear the same names are one scan."""
    scans = []
    for _, group in groupby(files, key=lambda file: [(c.name, c.logical) for c in layouts[file.url]]):
        same = list(group)
        layout = layouts[same[0].url]
        values = [column.as_postgres(target.type) for column, target in zip(layout, columns, strict=False)]
        values += ["null"] * (len(columns) - len(layout))
        scans.append(f"select {', '.join(values)} from {scan(same)}")
    return " union all ".join(scans)


def scan(files: list[File]) -> str:
    paths = ", ".join(literal(str(file.path)) for file in files)
    return f"read_parquet([{paths}], binary_as_string = true, hive_partitioning = false)"


def copy_statement(command: CopyCommand, columns: list[TableColumn]) -> str:
    names = ", ".join(quote(column.name) for column in columns)
    return f"copy {quote(*command.table)} ({names}) from stdin (format binary)"


def stream(connection: psycopg.Connection, reader: duckdb.DuckDBPyConnection, query: str, statement: str) -> int:
    """Let DuckDB write the query's rows into the server's COPY. Raises what fails first, on either side."""
    read_end, write_end = os.pipe()
    widen(write_end)
    failures = []

    def write() -> None:
        try:
            reader.execute(f"copy ({query}) to '/dev/fd/{write_end}' (format postgres_binary, use_tmp_file false)")
        except duckdb.Error as error:
            failures.append(error)
        finally:
            os.close(write_end)

    writer = threading.Thread(target=write, name="copy-parquet")
    writer.start()
    try:
        with connection.cursor() as cursor:
            with cursor.copy(statement) as target, os.fdopen(read_end, "rb", buffering=0) as source:
                while chunk := source.read(CHUNK_BYTES):
                    target.write(chunk)
                writer.join()
                if failures:  # the server must not take a cut stream for a whole one
                    raise failures[0]
            return cursor.rowcount
    finally:
        writer.join()


def widen(pipe: int) -> None:
    """Fewer turns between writer and reader, where the system lets a pipe grow."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, CHUNK_BYTES)


def unreadable(reader: duckdb.DuckDBPyConnection, files: list[File], error: duckdb.Error) -> RedshiftError:
    """Find the file that cannot be read, to name it."""
    for file in files:
        try:
            reader.execute(f"select count(columns(*)) from {scan([file])}").fetchall()
        except duckdb.Error as file_error:
            return spectrum_error(f"File '{file.url}' cannot be read: {named(file, file_error)}")
    return spectrum_error(str(error))


def too_long(reader: duckdb.DuckDBPyConnection, files, layouts, columns: list[TableColumn]) -> RedshiftError | None:
    """RS-CP-13: the value that is longer than its column, in bytes, or None when that was not the reason."""
    for file in files:
        for found, column in zip(layouts[file.url], columns, strict=False):
            limit = column.length
            if limit is None:
                continue
            longest = reader.execute(f"select max(strlen({quote(found.name)})) from {scan([file])}").fetchone()[0]
            if longest and longest > limit:
                return spectrum_error(
                    f"The length of the data column {column.name} is longer than the length defined in the table. "
                    f"Table: {limit}, Data: {longest}, File name: {file.url}"
                )
    return None
