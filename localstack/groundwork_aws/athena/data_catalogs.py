"""The catalog's metadata as Athena's API shows it: always from Glue, through the one catalog AwsDataCatalog.

https://docs.aws.amazon.com/athena/latest/APIReference/API_GetTableMetadata.html
"""

import re

from botocore.exceptions import ClientError
from localstack.aws.api import CommonServiceException, RequestContext, handler
from localstack.aws.connect import connect_to

from groundwork_aws.athena.requests import InvalidRequestException, page, required

CATALOG = "AwsDataCatalog"


class DataCatalogs:
    @handler("ListDataCatalogs", expand=False)
    def list_data_catalogs(self, context: RequestContext, request: dict) -> dict:
        return {"DataCatalogsSummary": [{"CatalogName": CATALOG, "Type": "GLUE"}]}

    @handler("GetDataCatalog", expand=False)
    def get_data_catalog(self, context: RequestContext, request: dict) -> dict:
        required(request, "Name")
        check_catalog(request["Name"])
        parameters = {"catalog-id": context.account_id}
        return {"DataCatalog": {"Name": CATALOG, "Type": "GLUE", "Parameters": parameters}}

    @handler("GetDatabase", expand=False)
    def get_database(self, context: RequestContext, request: dict) -> dict:
        required(request, "CatalogName", "DatabaseName")
        check_catalog(request["CatalogName"])
        return {"Database": database(asked(glue(context).get_database, Name=request["DatabaseName"])["Database"])}

    @handler("ListDatabases", expand=False)
    def list_databases(self, context: RequestContext, request: dict) -> dict:
        required(request, "CatalogName")
        check_catalog(request["CatalogName"])
        found = glue(context).get_paginator("get_databases").paginate().build_full_result()["DatabaseList"]
        shown, more = page([database(d) for d in found], request)
        return {"DatabaseList": shown, **more}

    @handler("GetTableMetadata", expand=False)
    def get_table_metadata(self, context: RequestContext, request: dict) -> dict:
        required(request, "CatalogName", "DatabaseName", "TableName")
        check_catalog(request["CatalogName"])
        found = asked(glue(context).get_table, DatabaseName=request["DatabaseName"], Name=request["TableName"])
        return {"TableMetadata": table_metadata(found["Table"])}

    @handler("ListTableMetadata", expand=False)
    def list_table_metadata(self, context: RequestContext, request: dict) -> dict:
        """``Expression`` is a regular expression over the tables' names."""
        required(request, "CatalogName", "DatabaseName")
        check_catalog(request["CatalogName"])
        asked(glue(context).get_database, Name=request["DatabaseName"])
        pages = glue(context).get_paginator("get_tables").paginate(DatabaseName=request["DatabaseName"])
        wanted = re.compile(request.get("Expression") or ".*")
        found = [t for t in pages.build_full_result()["TableList"] if wanted.fullmatch(t["Name"])]
        shown, more = page([table_metadata(t) for t in found], request)
        return {"TableMetadataList": shown, **more}


def glue(context: RequestContext):
    return connect_to(aws_access_key_id=context.account_id, region_name=context.region).glue


def check_catalog(name: str) -> None:
    if name.lower() != CATALOG.lower():
        raise InvalidRequestException(f"Data catalog {name} was not found")


def asked(call, **arguments) -> dict:
    """Glue's answer. What it does not have is Athena's MetadataException."""
    try:
        return call(**arguments)
    except ClientError as error:
        details = error.response["Error"]
        raise CommonServiceException("MetadataException", details["Message"], status_code=400) from error


def database(found: dict) -> dict:
    return {k: found[k] for k in ("Name", "Description", "Parameters") if k in found}


def table_metadata(found: dict) -> dict:
    """The parameters carry what the storage descriptor says, as Athena shows it; clients read ``location`` there."""
    storage = found.get("StorageDescriptor") or {}
    serde = (storage.get("SerdeInfo") or {}).get("SerializationLibrary")
    shown = {
        "location": storage.get("Location"),
        "inputformat": storage.get("InputFormat"),
        "outputformat": storage.get("OutputFormat"),
        "serde.serialization.lib": serde,
    }
    return {
        **{k: found[k] for k in ("Name", "CreateTime", "LastAccessTime", "TableType") if k in found},
        "Columns": storage.get("Columns") or [],
        "PartitionKeys": found.get("PartitionKeys") or [],
        "Parameters": (found.get("Parameters") or {}) | {k: v for k, v in shown.items() if v},
    }
