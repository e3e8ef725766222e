"""A catalog's table as a relation that DuckDB reads: Parquet files by their declared columns, or a Delta log."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import duckdb

from groundwork_aws.athena.catalog import Catalog, Table
from groundwork_aws.athena.errors import QueryFailed, failed
from groundwork_aws.athena.types import duckdb_type


@dataclass(frozen=True)
class File:
    """An object under a table's location."""

    uri: str
    etag: str
    size: int


def relation(table: Table, catalog: Catalog, s3, connection: duckdb.DuckDBPyConnection) -> str:
    """The SELECT that reads the whole table. Raises QueryFailed when its data cannot be read at all."""
    if table.is_delta:
        return delta_relation(table, connection)
    if not table.is_parquet:
        raise failed(
            "HIVE_UNSUPPORTED_FORMAT",
            f"{table.database}.{table.name} is neither Parquet nor Delta: this engine reads only those",
        )
    if not table.partition_keys:
        return parquet_relation(table, list_files(s3, table.location), ())
    branches = []
    for partition in catalog.partitions(table):
        files = list_files(s3, partition.location)
        if files:
            branches.append(parquet_relation(table, files, partition.values))
    return "\nUNION ALL ".join(branches) or parquet_relation(table, [], tuple("" for _ in table.partition_keys))


def parquet_relation(table: Table, files: list[File], values: tuple[str, ...]) -> str:
    """Columns go by name, as Athena reads Parquet unless told otherwise; one that a file lacks is NULL."""
    try:
        columns = [(name, duckdb_type(kind)) for name, kind in table.columns]
        keys = [(name, duckdb_type(kind)) for name, kind in table.partition_keys]
    except ValueError as error:
        raise failed("HIVE_INVALID_METADATA", f"{table.database}.{table.name}: {error}") from error
    partition = [
        f"CAST({partition_value(v)} AS {kind}) AS {quoted(name)}" for (name, kind), v in zip(keys, values, strict=True)
    ]
    if not files:
        nothing = [f"CAST(NULL AS {kind}) AS {quoted(name)}" for name, kind in columns + keys]
        return f"SELECT {', '.join(nothing)} WHERE false"
    schema = ", ".join(
        f"{literal(name)}: {{name: {literal(name)}, type: {literal(kind)}, default_value: NULL}}"
        for name, kind in columns
    )
    uris = ", ".join(literal(f.uri) for f in files)
    selected = ", ".join([*(quoted(name) for name, _ in columns), *partition])
    return f"SELECT {selected} FROM read_parquet([{uris}], schema=MAP {{{schema}}})"


def partition_value(value: str) -> str:
    return "NULL" if value == "__HIVE_DEFAULT_PARTITION__" else literal(value)


def delta_relation(table: Table, connection: duckdb.DuckDBPyConnection) -> str:
    """The schema is the log's own; Delta's timestamps are instants, which Athena shows without a zone, in UTC."""
    scan = f"delta_scan({literal(table.location.rstrip('/'))})"
    try:
        found = connection.sql(f"SELECT * FROM {scan}")
    except duckdb.Error as error:
        raise delta_error(table, error) from error
    columns = [
        f"CAST({quoted(name)} AS TIMESTAMP) AS {quoted(name)}" if kind == "TIMESTAMP WITH TIME ZONE" else quoted(name)
        for name, kind in zip(found.columns, found.types, strict=True)
    ]
    return f"SELECT {', '.join(columns)} FROM {scan}"


def delta_error(table: Table, error: duckdb.Error) -> QueryFailed:
    reason = str(error).splitlines()[0]
    return failed(
        "DELTA_LAKE_INVALID_SCHEMA",
        f"Metadata not found in transaction log for {table.database}.{table.name} at {table.location}: {reason}",
    )


def list_files(s3, location: str) -> list[File]:
    """The data files under a location, folders within folders too; names that begin with _ or . are hidden, as in Hive."""
    parts = urlsplit(location)
    prefix = parts.path.strip("/") + "/" if parts.path.strip("/") else ""
    return [
        File(f"s3://{parts.netloc}/{o['Key']}", o["ETag"], o["Size"])
        for o in objects(s3, parts.netloc, prefix)
        if o["Size"] and not any(p.startswith(("_", ".")) for p in o["Key"][len(prefix) :].split("/"))
    ]


def objects(s3, bucket: str, prefix: str) -> Iterator[dict]:
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            yield from page.get("Contents", [])
    except s3.exceptions.NoSuchBucket as error:
        raise failed("PERMISSION_DENIED", f"The specified bucket does not exist: {bucket}") from error


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
