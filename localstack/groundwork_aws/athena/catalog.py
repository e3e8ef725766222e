"""The Glue Data Catalog as Athena sees it: databases, tables and their partitions, through Glue's API."""

import base64
import json
from dataclasses import dataclass, field

from botocore.exceptions import ClientError

from groundwork_aws.athena.errors import failed

VIEW_PREFIX, VIEW_SUFFIX = "/* Presto View: ", " */"


@dataclass(frozen=True)
class View:
    """A query under a name; tables it names without a database are of ``database``."""

    sql: str
    database: str


@dataclass(frozen=True)
class Partition:
    values: tuple[str, ...]
    location: str


@dataclass(frozen=True)
class Table:
    """A table of the catalog; types are Hive's, as the catalog has them."""

    database: str
    name: str
    columns: list[tuple[str, str]]
    partition_keys: list[tuple[str, str]]
    location: str
    parameters: dict[str, str] = field(default_factory=dict)
    input_format: str = ""
    output_format: str = ""
    serde: str = ""
    view: View | None = None

    @property
    def is_delta(self) -> bool:
        kind = self.parameters.get("table_type", "").lower()
        return "delta" in (kind, self.parameters.get("spark.sql.sources.provider", "").lower())

    @property
    def is_parquet(self) -> bool:
        return "parquet" in f"{self.serde} {self.input_format} {self.parameters.get('classification', '')}".lower()


class Catalog:
    """``glue`` is a boto3 client of Glue."""

    def __init__(self, glue) -> None:
        self.glue = glue

    def databases(self) -> list[str]:
        return sorted(d["Name"] for page in self.pages("get_databases") for d in page["DatabaseList"])

    def has_database(self, name: str) -> bool:
        try:
            self.glue.get_database(Name=name)
        except ClientError as error:
            if error.response["Error"]["Code"] == "EntityNotFoundException":
                return False
            raise
        return True

    def tables(self, database: str) -> list[Table]:
        pages = self.pages("get_tables", DatabaseName=database)
        return sorted((table_of(t) for page in pages for t in page["TableList"]), key=lambda t: t.name)

    def find_table(self, database: str, name: str) -> Table | None:
        try:
            return table_of(self.glue.get_table(DatabaseName=database, Name=name)["Table"])
        except ClientError as error:
            if error.response["Error"]["Code"] == "EntityNotFoundException":
                return None
            raise

    def table(self, database: str, name: str, position: tuple[int, int] | None = None) -> Table:
        """Raises QueryFailed in Athena's words when it, or its database, is not there."""
        table = self.find_table(database, name)
        if table is None:
            if not self.has_database(database):
                raise failed("SCHEMA_NOT_FOUND", f"Schema '{database}' does not exist", position)
            raise failed("TABLE_NOT_FOUND", f"Table 'awsdatacatalog.{database}.{name}' does not exist", position)
        return table

    def partitions(self, table: Table) -> list[Partition]:
        pages = self.pages("get_partitions", DatabaseName=table.database, TableName=table.name)
        return [
            Partition(tuple(p["Values"]), p["StorageDescriptor"]["Location"])
            for page in pages
            for p in page["Partitions"]
        ]

    def create_partition(self, table: Table, values: tuple[str, ...], location: str) -> None:
        found = self.glue.get_table(DatabaseName=table.database, Name=table.name)["Table"]
        storage = found["StorageDescriptor"] | {"Location": location}
        partition = {"Values": list(values), "StorageDescriptor": storage}
        self.glue.create_partition(DatabaseName=table.database, TableName=table.name, PartitionInput=partition)

    def pages(self, operation: str, **arguments):
        while True:
            page = getattr(self.glue, operation)(**arguments)
            yield page
            if not page.get("NextToken"):
                return
            arguments["NextToken"] = page["NextToken"]


def table_of(definition: dict) -> Table:
    storage = definition.get("StorageDescriptor") or {}
    return Table(
        database=definition["DatabaseName"],
        name=definition["Name"],
        columns=[(c["Name"].lower(), c.get("Type", "string")) for c in storage.get("Columns") or []],
        partition_keys=[(c["Name"].lower(), c.get("Type", "string")) for c in definition.get("PartitionKeys") or []],
        location=storage.get("Location") or "",
        parameters=definition.get("Parameters") or {},
        input_format=storage.get("InputFormat") or "",
        output_format=storage.get("OutputFormat") or "",
        serde=(storage.get("SerdeInfo") or {}).get("SerializationLibrary") or "",
        view=view_of(definition),
    )


def view_of(definition: dict) -> View | None:
    """Athena keeps a view as base64 of JSON inside a comment."""
    text = definition.get("ViewOriginalText") or ""
    if definition.get("TableType") != "VIRTUAL_VIEW" or not text.startswith(VIEW_PREFIX):
        return None
    found = json.loads(base64.b64decode(text.removeprefix(VIEW_PREFIX).removesuffix(VIEW_SUFFIX)))
    return View(found["originalSql"], found.get("schema") or definition["DatabaseName"])
