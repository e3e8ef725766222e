"""The Data Catalog's databases, tables and table versions.

https://docs.aws.amazon.com/glue/latest/webapi/API_CreateTable.html and its neighbours. Names are folded to lower case,
as Hive wants them. Only the account's own catalog exists: another ``CatalogId`` is not found. Refused because they
would be ignored: ``PartitionIndexes``, ``OpenTableFormatInput``, ``TransactionId``, ``QueryAsOfTime``,
``TargetDatabase`` and ``FederatedDatabase``.
"""

import re
from datetime import UTC, datetime

from localstack.aws.api import RequestContext, handler

from groundwork_aws.glue.api import (
    LOCK,
    already_exists,
    invalid,
    not_found,
    page,
    refused,
    required,
    store_of,
)
from groundwork_aws.glue.models import CatalogTable, GlueStore


class DataCatalog:
    # --- databases ---

    @handler("CreateDatabase", expand=False)
    def create_database(self, context: RequestContext, request: dict) -> dict:
        store, definition = catalog_of(context, request), request["DatabaseInput"]
        name = checked_name(definition)
        refused(definition, "TargetDatabase", "FederatedDatabase")
        with LOCK:
            if name in store.databases:
                raise already_exists("Database already exists.")
            created = {"CreateTime": now(), "CatalogId": context.account_id}
            store.databases[name] = {**definition, "Name": name, **created}
            store.tables[name] = {}
        if request.get("Tags"):
            store.tags.update_tags(arn(context, "database", name), request["Tags"])
        return {}

    @handler("GetDatabase", expand=False)
    def get_database(self, context: RequestContext, request: dict) -> dict:
        return {"Database": find_database(catalog_of(context, request), request["Name"])}

    @handler("GetDatabases", expand=False)
    def get_databases(self, context: RequestContext, request: dict) -> dict:
        store = catalog_of(context, request)
        databases, more = page([store.databases[name] for name in sorted(store.databases)], request)
        return {"DatabaseList": databases, **more}

    @handler("UpdateDatabase", expand=False)
    def update_database(self, context: RequestContext, request: dict) -> dict:
        store, definition = catalog_of(context, request), request["DatabaseInput"]
        refused(definition, "TargetDatabase", "FederatedDatabase")
        with LOCK:
            known = find_database(store, request["Name"])
            if checked_name(definition) != known["Name"]:
                raise invalid("A database cannot be renamed: DatabaseInput.Name must be its name")
            kept = {key: known[key] for key in ("Name", "CreateTime", "CatalogId")}
            store.databases[known["Name"]] = {**definition, **kept}
        return {}

    @handler("DeleteDatabase", expand=False)
    def delete_database(self, context: RequestContext, request: dict) -> dict:
        """Takes the database's tables and partitions with it, as AWS does."""
        store = catalog_of(context, request)
        with LOCK:
            name = find_database(store, request["Name"])["Name"]
            del store.databases[name], store.tables[name]
            store.tags.delete_all_tags(arn(context, "database", name))
        return {}

    # --- tables ---

    @handler("CreateTable", expand=False)
    def create_table(self, context: RequestContext, request: dict) -> dict:
        store, definition = catalog_of(context, request), request.get("TableInput") or {}
        refused(request, "PartitionIndexes", "OpenTableFormatInput", "TransactionId")
        name = checked_name(definition)
        check_columns(definition)
        with LOCK:
            tables = tables_of(store, request["DatabaseName"])
            if name in tables:
                raise already_exists("Table already exists.")
            created = now()
            fixed = {
                "Name": name,
                "DatabaseName": request["DatabaseName"].lower(),
                "CreateTime": created,
                "UpdateTime": created,
                "CreatedBy": f"arn:aws:iam::{context.account_id}:root",
                "IsRegisteredWithLakeFormation": False,
                "CatalogId": context.account_id,
                "VersionId": "0",
            }
            tables[name] = CatalogTable([{**defaults(definition), **fixed}])
        return {}

    @handler("GetTable", expand=False)
    def get_table(self, context: RequestContext, request: dict) -> dict:
        refused(request, "TransactionId", "QueryAsOfTime")
        store = catalog_of(context, request)
        return {"Table": find_table(store, request["DatabaseName"], request["Name"]).current}

    @handler("GetTables", expand=False)
    def get_tables(self, context: RequestContext, request: dict) -> dict:
        """``Expression`` is a regular expression that a whole name must match."""
        refused(request, "TransactionId", "QueryAsOfTime")
        tables = tables_of(catalog_of(context, request), request["DatabaseName"])
        try:
            pattern = re.compile(request.get("Expression") or ".*")
        except re.error as error:
            raise invalid(f"Invalid Expression: {error}") from None
        names = sorted(name for name in tables if pattern.fullmatch(name))
        found, more = page([tables[name].current for name in names], request)
        return {"TableList": found, **more}

    @handler("UpdateTable", expand=False)
    def update_table(self, context: RequestContext, request: dict) -> dict:
        """Replaces the definition; the old version is kept unless ``SkipArchive``."""
        refused(request, "TransactionId", "UpdateOpenTableFormatInput", "ViewUpdateAction")
        store, definition = catalog_of(context, request), request.get("TableInput") or {}
        name = checked_name(definition)
        check_columns(definition)
        with LOCK:
            table = find_table(store, request["DatabaseName"], request.get("Name") or name)
            if name != table.current["Name"]:
                raise invalid("A table cannot be renamed: TableInput.Name must be its name")
            if request.get("VersionId") not in (None, table.current["VersionId"]):
                raise invalid(f"VersionId {request['VersionId']} is not the current version of table {name}")
            if table.partitions and definition.get("PartitionKeys", []) != table.current["PartitionKeys"]:
                raise invalid(f"The partition keys of table {name} cannot change while it has partitions")
            kept = (
                "Name",
                "DatabaseName",
                "CreateTime",
                "CreatedBy",
                "IsRegisteredWithLakeFormation",
                "CatalogId",
            )
            version = str(int(table.current["VersionId"]) + 1)
            updated = {key: table.current[key] for key in kept} | {"UpdateTime": now(), "VersionId": version}
            if request.get("SkipArchive"):
                table.versions.pop()
            table.versions.append({**defaults(definition), **updated})
        return {}

    @handler("DeleteTable", expand=False)
    def delete_table(self, context: RequestContext, request: dict) -> dict:
        refused(request, "TransactionId")
        store = catalog_of(context, request)
        with LOCK:
            name = find_table(store, request["DatabaseName"], request["Name"]).current["Name"]
            del tables_of(store, request["DatabaseName"])[name]
        return {}

    @handler("BatchDeleteTable", expand=False)
    def batch_delete_table(self, context: RequestContext, request: dict) -> dict:
        refused(request, "TransactionId")
        errors = []
        with LOCK:
            tables = tables_of(catalog_of(context, request), request["DatabaseName"])
            for name in request["TablesToDelete"]:
                if tables.pop(name.lower(), None) is None:
                    detail = {
                        "ErrorCode": "EntityNotFoundException",
                        "ErrorMessage": f"Table {name} not found.",
                    }
                    errors.append({"TableName": name, "ErrorDetail": detail})
        return {"Errors": errors}

    # --- versions ---

    @handler("GetTableVersion", expand=False)
    def get_table_version(self, context: RequestContext, request: dict) -> dict:
        table = find_table(catalog_of(context, request), request["DatabaseName"], request["TableName"])
        wanted = request.get("VersionId") or table.current["VersionId"]
        for version in table.versions:
            if version["VersionId"] == wanted:
                return {"TableVersion": {"Table": version, "VersionId": wanted}}
        raise not_found(f"Version {wanted} of table {request['TableName']} not found.")

    @handler("GetTableVersions", expand=False)
    def get_table_versions(self, context: RequestContext, request: dict) -> dict:
        """The newest first."""
        table = find_table(catalog_of(context, request), request["DatabaseName"], request["TableName"])
        versions = [{"Table": v, "VersionId": v["VersionId"]} for v in reversed(table.versions)]
        found, more = page(versions, request)
        return {"TableVersions": found, **more}


# --- finding ----------------------------------------------------------------------------------------------------------


def catalog_of(context: RequestContext, request: dict) -> GlueStore:
    if request.get("CatalogId") not in (None, context.account_id):
        raise not_found(f"Catalog {request['CatalogId']} not found.")
    return store_of(context)


def find_database(store: GlueStore, name: str) -> dict:
    if name.lower() not in store.databases:
        raise not_found(f"Database {name} not found.")
    return store.databases[name.lower()]


def tables_of(store: GlueStore, database: str) -> dict[str, CatalogTable]:
    return store.tables[find_database(store, database)["Name"]]


def find_table(store: GlueStore, database: str, name: str) -> CatalogTable:
    tables = tables_of(store, database)
    if name.lower() not in tables:
        raise not_found(f"Table {name} not found.")
    return tables[name.lower()]


# --- checking ---------------------------------------------------------------------------------------------------------


def checked_name(definition: dict) -> str:
    required(definition, "Name")
    name = definition["Name"]
    if len(name) > 255 or not name.isprintable():
        raise invalid(f"Name must have 1 to 255 printable characters: {name!r}")
    return name.lower()


def check_columns(definition: dict) -> None:
    columns = (definition.get("StorageDescriptor") or {}).get("Columns") or []
    seen = set()
    for column in [*columns, *(definition.get("PartitionKeys") or [])]:
        required(column, "Name")
        if column["Name"].lower() in seen:
            raise invalid(f"Duplicate column {column['Name']} in table {definition['Name']}")
        seen.add(column["Name"].lower())


def defaults(definition: dict) -> dict:
    """A TableInput as GetTable answers it: what is left out there is there, empty."""
    return {"Retention": 0, "PartitionKeys": [], "Parameters": {}, **definition}


def arn(context: RequestContext, kind: str, name: str) -> str:
    return f"arn:aws:glue:{context.region}:{context.account_id}:{kind}/{name}"


def now() -> datetime:
    return datetime.now(UTC)
