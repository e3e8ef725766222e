"""DDL and the statements that show the catalog: what Athena leaves to Hive, done on the Glue catalog.

Their result is lines of text. https://docs.aws.amazon.com/athena/latest/ug/ddl-reference.html
"""

import base64
import json
import re
from collections.abc import Callable

from botocore.exceptions import ClientError

from groundwork_aws.athena.catalog import VIEW_PREFIX, VIEW_SUFFIX, Catalog, Table
from groundwork_aws.athena.errors import QueryFailed, failed
from groundwork_aws.athena.statements import Statement, TableDefinition, table_definition
from groundwork_aws.athena.types import Column, duckdb_type
from groundwork_aws.glue import delta_log
from groundwork_aws.glue.hive_types import from_spark
from groundwork_aws.glue.listing import Location

PARQUET = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {
        "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        "Parameters": {"serialization.format": "1"},
    },
}
DELTA = {
    "InputFormat": "org.apache.hadoop.mapred.SequenceFileInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveSequenceFileOutputFormat",
    "SerdeInfo": {
        "SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
        "Parameters": {"serialization.format": "1"},
    },
}
DDL_TASK = "Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask."

Lines = tuple[list[Column], list[str]]


def execute(statement: Statement, database: str, catalog: Catalog, s3) -> Lines:
    """Do it; the answer is its columns, if it shows anything, and its lines. Raises QueryFailed."""
    return ACTIONS[statement.action](statement, database, catalog, s3)


def semantic_error(number: int, message: str) -> QueryFailed:
    return failed("FAILED", f"SemanticException [Error {number}]: {message}")


def task_error(message: str) -> QueryFailed:
    return failed("FAILED", f"{DDL_TASK} {message}")


def named(statement: Statement, database: str) -> tuple[str, str]:
    parts = statement.parts
    return (parts.get("in_db") or parts.get("db") or database).lower(), parts["name"].lower()


def known_table(statement: Statement, database: str, catalog: Catalog) -> Table:
    schema, name = named(statement, database)
    table = catalog.find_table(schema, name)
    if table is None:
        raise semantic_error(10001, f"Table not found {schema}.{name}")
    return table


def known_database(name: str, catalog: Catalog) -> str:
    if not catalog.has_database(name):
        raise semantic_error(10072, f"Database does not exist: {name}")
    return name


def text_column(name: str) -> Column:
    return Column(name, "string", 0, 0)


# --- showing ---------------------------------------------------------------------------------------------------------


def show_databases(statement: Statement, database: str, catalog: Catalog, s3) -> Lines:
    return [text_column("database_name")], matching(catalog.databases(), statement.parts.get("pattern"))


def show_tables(statement: Statement, database: str, catalog: Catalog, s3) -> Lines:
    schema = known_database(statement.parts.get("db", database).lower(), catalog)
    return [text_column("tab_name")], matching([t.name for t in catalog.tables(schema)], statement.parts.get("pattern"))


def matching(names: list[str], pattern: str | None) -> list[str]:
    """Hive's patterns: * is any text, | separates choices."""
    if pattern is None:
        return names
    choices = [".*".join(re.escape(p) for p in choice.strip().split("*")) for choice in pattern.split("|")]
    return [name for name in names if any(re.fullmatch(choice, name, re.I) for choice in choices)]


def show_columns(statement: Statement, database: str, catalog: Catalog, s3) -> Lines:
    table = known_table(statement, database, catalog)
    return [text_column("field")], [name for name, _ in table.columns + table.partition_keys]


def describe(statement: Statement, database: str, catalog: Catalog, s3) -> Lines:
    table = known_table(statement, database, catalog)
    columns = [text_column(name) for name in ("col_name", "data_type", "comment")]
    lines = [described(*column) for column in table.columns + table.partition_keys]
    if table.partition_keys:
        lines += ["\t \t ", "# Partition Information\t \t ", described("# col_name", "data_type", "comment"), "\t \t "]
        lines += [described(*key) for key in table.partition_keys]
    return columns, lines


def described(name: str, kind: str, comment: str = "") -> str:
    return f"{name:<20}\t{kind:<20}\t{comment:<20}"


def show_partitions(statement: Statement, database: str, catalog: Catalog, s3) -> Lines:
    table = known_table(statement, database, catalog)
    if not table.partition_keys:
        raise task_error(f"Table {table.name} is not a partitioned table")
    if table.is_delta:
        raise failed("NOT_SUPPORTED", f"{table.database}.{table.name} is a Delta table: its partitions are in its log")
    keys = [name for name, _ in table.partition_keys]
    lines = ["/".join(f"{k}={v}" for k, v in zip(keys, p.values, strict=True)) for p in catalog.partitions(table)]
    return [text_column("partition")], sorted(lines)


def show_properties(statement: Statement, database: str, catalog: Catalog, s3) -> Lines:
    table = known_table(statement, database, catalog)
    return [text_column("prpt_name"), text_column("prpt_value")], [
        f"{k}\t{v}" for k, v in sorted(table.parameters.items())
    ]


def show_create_table(statement: Statement, database: str, catalog: Catalog, s3) -> Lines:
    table = known_table(statement, database, catalog)
    lines = [f"CREATE EXTERNAL TABLE `{table.database}.{table.name}`("]
    lines += [f"  `{name}` {kind}{end}" for (name, kind), end in with_ends(table.columns)]
    if table.partition_keys:
        lines.append("PARTITIONED BY ( ")
        lines += [f"  `{name}` {kind}{end}" for (name, kind), end in with_ends(table.partition_keys)]
    lines += ["ROW FORMAT SERDE ", f"  '{table.serde}' ", "STORED AS INPUTFORMAT ", f"  '{table.input_format}' "]
    lines += ["OUTPUTFORMAT ", f"  '{table.output_format}'", "LOCATION", f"  '{table.location}'", "TBLPROPERTIES ("]
    lines += [f"  '{k}'='{v}'{end}" for (k, v), end in with_ends(sorted(table.parameters.items()))]
    return [text_column("createtab_stmt")], lines


def with_ends(items: list) -> list[tuple]:
    """Each with the comma or the closing bracket that comes after it."""
    return [(item, ", " if i < len(items) - 1 else ")") for i, item in enumerate(items)]


# --- defining --------------------------------------------------------------------------------------------------------


def create_database(statement: Statement, database: str, catalog: Catalog, s3) -> Lines:
    parts = statement.parts
    given = {"Description": parts.get("comment"), "LocationUri": parts.get("location")}
    definition = {"Name": parts["name"].lower()} | {k: v for k, v in given.items() if v}
    try:
        catalog.glue.create_database(DatabaseInput=definition)
    except ClientError as error:
        if "if_not_exists" not in parts or error.response["Error"]["Code"] != "AlreadyExistsException":
            raise task_error(f"Database {definition['Name']} already exists") from error
    return [], []


def drop_database(statement: Statement, database: str, catalog: Catalog, s3) -> Lines:
    name = statement.parts["name"].lower()
    if not catalog.has_database(name):
        if "if_exists" in statement.parts:
            return [], []
        raise semantic_error(10072, f"Database does not exist: {name}")
    if catalog.tables(name) and "cascade" not in statement.parts:
        raise task_error(f"InvalidOperationException(message:Database {name} is not empty. One or more tables exist.)")
    catalog.glue.delete_database(Name=name)
    return [], []


def drop_table(statement: Statement, database: str, catalog: Catalog, s3) -> Lines:
    """The data stays where it is: the tables are external."""
    schema, name = named(statement, database)
    if catalog.find_table(schema, name) is None:
        if "if_exists" in statement.parts:
            return [], []
        raise semantic_error(10001, f"Table not found {schema}.{name}")
    catalog.glue.delete_table(DatabaseName=schema, Name=name)
    return [], []


def create_table(statement: Statement, database: str, catalog: Catalog, s3) -> Lines:
    schema, name = named(statement, database)
    known_database(schema, catalog)
    definition = table_definition(statement.sql)
    if not re.match(r"s3://[^/]+", definition.location):
        raise task_error(
            f"MetaException(message:Invalid location {definition.location!r}: a table needs an s3:// folder)"
        )
    is_delta = definition.properties.get("table_type", "").lower() == "delta"
    build = delta_input if is_delta else parquet_input
    register(catalog, schema, build(name, definition, s3), "if_not_exists" in statement.parts)
    return [], []


def parquet_input(name: str, definition: TableDefinition, s3) -> dict:
    if "parquet" not in f"{definition.stored_as} {definition.serde}".lower():
        raise failed("NOT_SUPPORTED", "only tables STORED AS PARQUET and Delta tables can be created here")
    if not definition.columns:
        raise task_error("MetaException(message:at least one column must be specified for the table)")
    for column, kind in definition.columns + definition.partition_keys:
        try:
            duckdb_type(kind)
        except ValueError as error:
            raise task_error(f"InvalidObjectException(message:column {column}: {error})") from error
    properties = {"EXTERNAL": "TRUE", **definition.properties}
    return table_input(name, definition.columns, definition.partition_keys, definition.location, properties, PARQUET)


def delta_input(name: str, definition: TableDefinition, s3) -> dict:
    """Athena takes the schema from the table's log and refuses to be told one."""
    if definition.columns or definition.partition_keys or definition.stored_as or definition.serde:
        raise task_error("a Delta table is created from LOCATION and TBLPROPERTIES ('table_type'='DELTA') alone")
    try:
        found = delta_log.read_table(s3, Location.of(definition.location))
    except (delta_log.BadLog, ClientError) as error:
        raise failed("DELTA_LAKE_INVALID_SCHEMA", str(error)) from error
    if found is None:
        raise failed("DELTA_LAKE_INVALID_SCHEMA", f"there is no Delta table at {definition.location}")
    fields = [(f["name"], from_spark(f["type"])) for f in json.loads(found.schema)["fields"]]
    columns = [(n.lower(), t) for n, t in fields if n not in found.partition_columns]
    keys = [(n.lower(), t) for n, t in fields if n in found.partition_columns]
    properties = {"EXTERNAL": "TRUE", **definition.properties}
    return table_input(name, columns, keys, definition.location, properties, DELTA)


def table_input(name: str, columns: list, keys: list, location: str, properties: dict, storage: dict) -> dict:
    return {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": properties,
        "PartitionKeys": [{"Name": n, "Type": t} for n, t in keys],
        "StorageDescriptor": {
            "Columns": [{"Name": n, "Type": t} for n, t in columns],
            "Location": location,
            **storage,
        },
    }


def create_view(statement: Statement, database: str, catalog: Catalog, columns: list[tuple[str, str]]) -> Lines:
    """``columns`` are the query's, which the engine knows; the view keeps its SQL as Athena's views do."""
    schema, name = named(statement, database)
    text = json.dumps({"originalSql": statement.parts["query"], "catalog": "awsdatacatalog", "schema": database})
    definition = {
        "Name": name,
        "TableType": "VIRTUAL_VIEW",
        "Parameters": {"presto_view": "true", "comment": "Presto View"},
        "ViewOriginalText": VIEW_PREFIX + base64.b64encode(text.encode()).decode() + VIEW_SUFFIX,
        "ViewExpandedText": "/* Presto View */",
        "StorageDescriptor": {"Columns": [{"Name": n, "Type": t} for n, t in columns], "Location": ""},
    }
    if "replace" in statement.parts and catalog.find_table(schema, name):
        catalog.glue.delete_table(DatabaseName=schema, Name=name)
    register(catalog, schema, definition, False)
    return [], []


def register(catalog: Catalog, database: str, definition: dict, if_not_exists: bool) -> None:
    try:
        catalog.glue.create_table(DatabaseName=database, TableInput=definition)
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        if code == "AlreadyExistsException" and if_not_exists:
            return
        raise task_error(f"{code.removesuffix('Exception')}Exception(message:{message})") from error


ACTIONS: dict[str, Callable[[Statement, str, Catalog, object], Lines]] = {
    "SHOW_DATABASES": show_databases,
    "SHOW_TABLES": show_tables,
    "SHOW_COLUMNS": show_columns,
    "SHOW_CREATE_TABLE": show_create_table,
    "SHOW_PARTITIONS": show_partitions,
    "SHOW_TBLPROPERTIES": show_properties,
    "DESCRIBE_TABLE": describe,
    "CREATE_DATABASE": create_database,
    "DROP_DATABASE": drop_database,
    "CREATE_TABLE": create_table,
    "DROP_TABLE": drop_table,
    "DROP_VIEW": drop_table,
}
