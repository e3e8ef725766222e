"""A catalog's table as a relation that DuckDB reads: Parquet files by their declared columns, or a Delta log."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import duckdb

from groundwork_aws.athena.catalog import Catalog, Table
from groundwork_aws.athena.errors import QueryFailed, failed
from groundwork_aws.athena.types import duckdb_type

# Which of Parquet's types Athena reads a column of a declared type from
READABLE = {
    "BOOLEAN": {"BOOLEAN"}, "TINYINT": {"INT32"}, "SMALLINT": {"INT32"}, "INTEGER": {"INT32"},
    "BIGINT": {"INT32", "INT64"}, "FLOAT": {"FLOAT"}, "DOUBLE": {"DOUBLE", "FLOAT"}, "DATE": {"INT32"},
    "VARCHAR": {"BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"}, "BLOB": {"BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"},
    "TIMESTAMP": {"INT96", "INT64"}, "DECIMAL": {"INT32", "INT64", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"},
}  # fmt: skip
PARQUET_NAMES = {"BYTE_ARRAY": "BINARY"}


@dataclass(frozen=True)
class File:
    """An object under a table's location."""

    uri: str
    etag: str
    size: int

    @property
    def pattern(self) -> str:
        return escaped(self.uri)


@dataclass(frozen=True)
class Folder:
    """The data files under a location. ``pattern`` matches all of them, and is None where it would match others too."""

    files: list[File]
    pattern: str | None

    def source(self, files: list[File]) -> str:
        """Some of the files, as DuckDB takes them: of a pattern's it learns the sizes by listing, not one by one."""
        if self.pattern and len(files) == len(self.files):
            return literal(self.pattern)
        return f"[{', '.join(literal(file.pattern) for file in files)}]"


@dataclass(frozen=True)
class Relation:
    """What reads a table, and its columns with their types in DuckDB."""

    sql: str
    columns: list[tuple[str, str]]

    @property
    def stub(self) -> str:
        """The same columns without rows."""
        nothing = ", ".join(f"CAST(NULL AS {kind}) AS {quoted(name)}" for name, kind in self.columns)
        return f"(SELECT {nothing} WHERE false)"


def relation(table: Table, catalog: Catalog, s3, connection: duckdb.DuckDBPyConnection, checked: set) -> Relation:
    """The SELECT that reads the whole table. Raises QueryFailed when its data cannot be read at all."""
    if table.is_delta:
        return delta_relation(table, connection)
    if not table.is_parquet:
        raise failed(
            "HIVE_UNSUPPORTED_FORMAT",
            f"{table.database}.{table.name} is neither Parquet nor Delta: this engine reads only those",
        )
    try:
        columns = [(name, duckdb_type(kind)) for name, kind in table.columns]
        keys = [(name, duckdb_type(kind)) for name, kind in table.partition_keys]
    except ValueError as error:
        raise failed("HIVE_INVALID_METADATA", f"{table.database}.{table.name}: {error}") from error
    folders = [(table.location, ())]
    if table.partition_keys:
        folders = [(p.location, p.values) for p in catalog.partitions(table)]
    branches = []
    for location, values in folders:
        folder = list_folder(s3, location)
        if folder.files:
            check_files(table, folder, checked, connection)
            branches.append(scan(folder, columns, zip(keys, values, strict=True)))
    empty = Relation("", columns + keys)
    return Relation("\nUNION ALL ".join(branches) or f"SELECT * FROM {empty.stub}", empty.columns)


def scan(folder: Folder, columns: list[tuple[str, str]], keys: Iterable) -> str:
    """Columns go by name, as Athena reads Parquet unless told otherwise; one that a file lacks is NULL."""
    partition = [f"CAST({partition_value(v)} AS {kind}) AS {quoted(name)}" for (name, kind), v in keys]
    schema = ", ".join(
        f"{literal(name)}: {{name: {literal(name)}, type: {literal(kind)}, default_value: NULL}}"
        for name, kind in columns
    )
    if len(folder.files) == 1:
        # given a schema, DuckDB reads a file in one thread, as it does not look at its row groups in time
        declared = ", ".join([*(f"CAST({quoted(n)} AS {kind}) AS {quoted(n)}" for n, kind in columns), *partition])
        found = f"SELECT * FROM read_parquet({literal(folder.files[0].pattern)})"
        return f"SELECT {declared} FROM ({found} UNION ALL BY NAME SELECT * FROM {Relation('', columns).stub})"
    selected = ", ".join([*(quoted(name) for name, _ in columns), *partition])
    return f"SELECT {selected} FROM read_parquet({folder.source(folder.files)}, schema=MAP {{{schema}}})"


def check_files(table: Table, folder: Folder, checked: set, connection: duckdb.DuckDBPyConnection) -> None:
    """Athena does not read a column as another type than the file's, where DuckDB would convert it.

    ``checked`` remembers what was found to be right, so that a file's footer is looked at once.
    """
    declared = {name: duckdb_type(kind).partition("(")[0] for name, kind in table.columns}
    fingerprint = hash(tuple(declared.items()))
    fresh = [file for file in folder.files if (file.uri, file.etag, fingerprint) not in checked]
    if not fresh:
        return
    found = connection.execute(
        f"SELECT file_name, lower(name), type, coalesce(converted_type, '') || coalesce(logical_type, '') "
        f"FROM parquet_schema({folder.source(fresh)}) WHERE num_children IS NULL"
    ).fetchall()
    for uri, name, physical, meaning in found:
        if name in declared and not readable(declared[name], physical, meaning):
            stored, wanted = PARQUET_NAMES.get(physical, physical), dict(table.columns)[name]
            raise failed(
                "HIVE_BAD_DATA",
                f"Field {name}'s type {stored} in parquet file {uri} is incompatible with type {wanted} "
                "defined in table schema",
            )
    checked.update((file.uri, file.etag, fingerprint) for file in fresh)


def readable(declared: str, physical: str, meaning: str) -> bool:
    if declared not in READABLE:  # nested: its leaves are the file's
        return True
    is_decimal, is_date, is_time = ("DECIMAL" in meaning.upper(), "DATE" in meaning.upper(), "TIME" in meaning.upper())
    if (declared == "DECIMAL", declared == "DATE") != (is_decimal, is_date):
        return False
    if declared == "TIMESTAMP" and not is_time and physical != "INT96":
        return False
    return physical in READABLE[declared]


def partition_value(value: str) -> str:
    return "NULL" if value == "__HIVE_DEFAULT_PARTITION__" else literal(value)


def delta_relation(table: Table, connection: duckdb.DuckDBPyConnection) -> Relation:
    """The schema is the log's own; Delta's timestamps are instants, which Athena shows without a zone, in UTC."""
    scan = f"delta_scan({literal(table.location.rstrip('/'))})"
    try:
        found = connection.sql(f"SELECT * FROM {scan}")
    except duckdb.Error as error:
        raise delta_error(table, error) from error
    zoned = "TIMESTAMP WITH TIME ZONE"
    types = [str(kind) for kind in found.types]
    selected = [
        f"CAST({quoted(name)} AS TIMESTAMP) AS {quoted(name)}" if kind == zoned else quoted(name)
        for name, kind in zip(found.columns, types, strict=True)
    ]
    columns = [(n, "TIMESTAMP" if kind == zoned else kind) for n, kind in zip(found.columns, types, strict=True)]
    return Relation(f"SELECT {', '.join(selected)} FROM {scan}", columns)


def delta_error(table: Table, error: duckdb.Error) -> QueryFailed:
    reason = str(error).splitlines()[0]
    return failed(
        "DELTA_LAKE_INVALID_SCHEMA",
        f"Metadata not found in transaction log for {table.database}.{table.name} at {table.location}: {reason}",
    )


def list_folder(s3, location: str) -> Folder:
    """The data files under a location and in its folders; names that begin with _ or . are hidden, as in Hive."""
    parts = urlsplit(location)
    prefix = parts.path.strip("/") + "/" if parts.path.strip("/") else ""
    listed = list(objects(s3, parts.netloc, prefix))
    files = [
        File(f"s3://{parts.netloc}/{o['Key']}", o["ETag"], o["Size"])
        for o in listed
        if o["Size"] and not any(p.startswith(("_", ".")) for p in o["Key"][len(prefix) :].split("/"))
    ]
    return Folder(files, escaped(f"s3://{parts.netloc}/{prefix}") + "**" if len(files) == len(listed) else None)


def objects(s3, bucket: str, prefix: str) -> Iterator[dict]:
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            yield from page.get("Contents", [])
    except s3.exceptions.NoSuchBucket as error:
        raise failed("PERMISSION_DENIED", f"The specified bucket does not exist: {bucket}") from error


def escaped(uri: str) -> str:
    """DuckDB takes every name of a file for a pattern."""
    return re.sub(r"[*?[]", r"[\g<0>]", uri)


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
