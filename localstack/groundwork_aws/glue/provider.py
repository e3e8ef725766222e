"""The Glue API: Data Catalog and crawlers.

https://docs.aws.amazon.com/glue/latest/webapi/Welcome.html
"""

from datetime import datetime, timezone

from localstack.aws.api import CommonServiceException, RequestContext, handler

from groundwork_aws.glue.models import GlueStore, glue_stores


class GlueProvider:
    service = "glue"
    version = "2017-03-31"

    @handler("CreateDatabase", expand=False)
    def create_database(self, context: RequestContext, request: dict) -> dict:
        store, definition = store_of(context), request["DatabaseInput"]
        if definition["Name"] in store.databases:
            raise CommonServiceException("AlreadyExistsException", "Database already exists.")
        store.databases[definition["Name"]] = {
            **definition,
            "CreateTime": datetime.now(timezone.utc),
            "CatalogId": context.account_id,
        }
        return {}

    @handler("GetDatabase", expand=False)
    def get_database(self, context: RequestContext, request: dict) -> dict:
        return {"Database": find_database(store_of(context), request["Name"])}

    @handler("DeleteDatabase", expand=False)
    def delete_database(self, context: RequestContext, request: dict) -> dict:
        store = store_of(context)
        find_database(store, request["Name"])
        del store.databases[request["Name"]]
        return {}


def store_of(context: RequestContext) -> GlueStore:
    return glue_stores[context.account_id][context.region]


def find_database(store: GlueStore, name: str) -> dict:
    if name not in store.databases:
        raise CommonServiceException("EntityNotFoundException", f"Database {name} not found.")
    return store.databases[name]
