"""CREATE TABLE AS SELECT and INSERT INTO, as Parquet; and the refusal of every write that Athena refuses.

https://docs.aws.amazon.com/athena/latest/ug/ctas.html
"""

import re
from dataclasses import dataclass

from groundwork_aws.athena import ddl
from groundwork_aws.athena.catalog import Catalog, Table
from groundwork_aws.athena.engine import Cancelled, Engine, Run, Target, Written
from groundwork_aws.athena.errors import QueryFailed, failed
from groundwork_aws.athena.relations import list_folder, quoted
from groundwork_aws.athena.statements import Statement
from groundwork_aws.athena.types import TRINO_NAMES, duckdb_type, hive_type

NUMBERS = {"tinyint", "smallint", "integer", "bigint", "float", "double", "decimal"}
OPTION = re.compile(r"\s*(\w+)\s*=\s*(?:'([^']*)'|ARRAY\s*\[([^\]]*)\])\s*(?:,|$)", re.I)
COMPRESSIONS = {"SNAPPY", "GZIP", "ZSTD", "NONE"}


@dataclass(frozen=True)
class Write:
    """A statement's context: ``results`` is the workgroup's folder for results, ``id`` the query's."""

    statement: Statement
    database: str
    catalog: Catalog
    s3: object
    engine: Engine
    run: Run
    results: str
    id: str
    kms_key: str | None


def execute(write: Write) -> Written:
    """Raises QueryFailed or Cancelled; a table that could not be filled is not created."""
    action = write.statement.action
    if action == "CREATE_TABLE_AS_SELECT":
        return create_table_as(write)
    database, name = ddl.named(write.statement, write.database)
    table = write.catalog.table(database, name, (1, 1))
    if table.is_delta:
        raise failed("NOT_SUPPORTED", f"Delta Lake table {database}.{name} is read-only: Athena cannot {action} it")
    if action != "INSERT":
        raise failed("NOT_SUPPORTED", "Modifying Hive table rows is only supported for transactional tables")
    return insert(write, table)


def insert(write: Write, table: Table) -> Written:
    """Rows become files beside those that are there; a new partition is registered."""
    if table.view or not table.is_parquet:
        raise failed("NOT_SUPPORTED", f"Cannot insert into {table.database}.{table.name}: it is not a Parquet table")
    every = table.columns + table.partition_keys
    named = [n.strip(' "').lower() for n in write.statement.parts.get("columns", "").split(",") if n.strip()]
    target_columns = [(n, t) for n, t in every if n in named] if named else every
    if named and [n for n, _ in target_columns] != named:
        raise failed(
            "SYNTAX_ERROR", f"Insert columns must be the table's, in its order: {', '.join(n for n, _ in every)}"
        )

    def shape(names: list[str], types: list) -> list[str]:
        check_types(target_columns, types)
        places = {name: f"c{i}" for i, (name, _) in enumerate(target_columns)}
        return [f"CAST({places.get(n, 'NULL')} AS {duckdb_type(t)}) AS {quoted(n)}" for n, t in every]

    keys = [name for name, _ in table.partition_keys]
    written = write_query(write, Target(table.location.rstrip("/"), keys, write.id, shape, kms_key=write.kms_key))
    register_partitions(write.catalog, table, written.files)
    return written


def check_types(columns: list[tuple[str, str]], types: list) -> None:
    declared = [trino_name(kind) for _, kind in columns]
    given = [TRINO_NAMES.get(kind.id, "varchar") for kind in types]
    fits = len(declared) == len(given) and all(
        a == b or b == "unknown" or {a, b} <= NUMBERS for a, b in zip(declared, given, strict=True)
    )
    if not fits:
        table, query = ", ".join(declared), ", ".join(given)
        raise failed("TYPE_MISMATCH", f"Insert query has mismatched column types: Table: [{table}], Query: [{query}]")


def trino_name(hive: str) -> str:
    kind = duckdb_type(hive).lower()
    if kind.endswith("[]"):
        return "array"
    return TRINO_NAMES[kind.partition("(")[0]]


def create_table_as(write: Write) -> Written:
    parts = write.statement.parts
    database, name = ddl.named(write.statement, write.database)
    ddl.known_database(database, write.catalog)
    if write.catalog.find_table(database, name):
        if "if_not_exists" in parts:
            return Written(0, [], 0, [])
        raise failed("TABLE_ALREADY_EXISTS", f"line 1:1: Table 'awsdatacatalog.{database}.{name}' already exists")
    options = table_options(parts.get("options", ""))
    keys = options.get("partitioned_by", [])
    location = options.get("external_location", f"{write.results.rstrip('/')}/tables/{write.id}").rstrip("/")
    if list_folder(write.s3, location).files:
        raise failed(
            "HIVE_PATH_ALREADY_EXISTS", f"Target directory for table '{database}.{name}' already exists: {location}"
        )

    def shape(names: list[str], types: list) -> list[str]:
        if keys and names[-len(keys) :] != keys:
            raise failed("SYNTAX_ERROR", f"Partition keys must be the last columns in the table: {', '.join(keys)}")
        return [f"c{i} AS {quoted(n)}" for i, n in enumerate(names)]

    compression = options.get("write_compression") or options.get("parquet_compression") or "GZIP"
    with_data = "no_data" not in parts
    written = write_query(write, Target(location, keys, write.id, shape, compression, with_data, write.kms_key))
    columns = [(n, hive_type(t)) for n, t in written.columns]
    data, partitioned = columns[: len(columns) - len(keys)], columns[len(columns) - len(keys) :]
    properties = {"EXTERNAL": "TRUE", "parquet.compression": compression}
    definition = ddl.table_input(name, data, partitioned, f"{location}/", properties, ddl.PARQUET)
    ddl.register(write.catalog, database, definition, False)
    register_partitions(write.catalog, write.catalog.table(database, name), written.files)
    return written


def table_options(text: str) -> dict:
    """https://docs.aws.amazon.com/athena/latest/ug/create-table-as.html#ctas-table-properties"""
    options, place = {}, 0
    while place < len(text.rstrip()):
        found = OPTION.match(text, place)
        if not found:
            raise failed("SYNTAX_ERROR", f"table properties do not parse: {text[place:].strip()}")
        options[found[1].lower()] = (
            found[2] if found[2] is not None else [k.strip(" '").lower() for k in found[3].split(",")]
        )
        place = found.end()
    known = {"format", "external_location", "partitioned_by", "write_compression", "parquet_compression"}
    if set(options) - known:
        raise failed("NOT_SUPPORTED", f"table property {', '.join(sorted(set(options) - known))} is not supported here")
    if options.get("format", "").upper() != "PARQUET":
        raise failed("NOT_SUPPORTED", "only tables WITH (format = 'PARQUET') can be created here")
    compression = options.get("write_compression") or options.get("parquet_compression") or "GZIP"
    if compression.upper() not in COMPRESSIONS:
        raise failed(
            "NOT_SUPPORTED", f"compression {compression} is not supported: use one of {', '.join(sorted(COMPRESSIONS))}"
        )
    return options


def write_query(write: Write, target: Target) -> Written:
    """A query that fails, is stopped or scans more than it may leaves no file."""
    query = write.statement.parts["query"]
    try:
        written = write.engine.write(query, write.database, write.catalog, write.s3, target, write.run)
        write.run.check_scanned(written.bytes_scanned)
    except (Cancelled, QueryFailed):
        remove_files(write, target.folder)
        raise
    return written


def remove_files(write: Write, folder: str) -> None:
    """Every file that the query wrote has its id in its name."""
    for file in list_folder(write.s3, folder).files:
        if write.id in file.uri.rpartition("/")[2]:
            bucket, _, key = file.uri.removeprefix("s3://").partition("/")
            write.s3.delete_object(Bucket=bucket, Key=key)


def register_partitions(catalog: Catalog, table: Table, files: list[str]) -> None:
    """The folders that were written to, as partitions; those that are there stay."""
    if not table.partition_keys:
        return
    count = len(table.partition_keys)
    known = {p.values for p in catalog.partitions(table)}
    folders = {file.rpartition("/")[0] for file in files}
    for folder in sorted(folders):
        values = tuple(part.partition("=")[2] for part in folder.split("/")[-count:])
        if values not in known:
            catalog.create_partition(table, values, f"{folder}/")
