"""Named queries and prepared statements.

https://docs.aws.amazon.com/athena/latest/APIReference/API_NamedQuery.html
"""

import uuid
from datetime import UTC, datetime

from localstack.aws.api import RequestContext, handler

from groundwork_aws.athena.models import AthenaStore
from groundwork_aws.athena.requests import (
    PRIMARY,
    InvalidRequestException,
    ResourceNotFoundException,
    find_work_group,
    idempotent,
    page,
    required,
    store_of,
)


class SavedQueries:
    @handler("CreateNamedQuery", expand=False)
    def create_named_query(self, context: RequestContext, request: dict) -> dict:
        required(request, "Name", "Database", "QueryString")
        store = store_of(context)
        earlier = idempotent(store, "CreateNamedQuery", request)
        if earlier:
            return {"NamedQueryId": earlier}
        group = find_work_group(store, request.get("WorkGroup") or PRIMARY)
        identifier = str(uuid.uuid4())
        kept = {k: request[k] for k in ("Name", "Description", "Database", "QueryString") if k in request}
        store.named_queries[identifier] = {**kept, "NamedQueryId": identifier, "WorkGroup": group["Name"]}
        if request.get("ClientRequestToken"):
            store.tokens["CreateNamedQuery", request["ClientRequestToken"]] = (request, identifier)
        return {"NamedQueryId": identifier}

    @handler("GetNamedQuery", expand=False)
    def get_named_query(self, context: RequestContext, request: dict) -> dict:
        return {"NamedQuery": named_query(store_of(context), request)}

    @handler("BatchGetNamedQuery", expand=False)
    def batch_get_named_query(self, context: RequestContext, request: dict) -> dict:
        queries, wanted = store_of(context).named_queries, request["NamedQueryIds"]
        missing = [
            {"NamedQueryId": i, "ErrorCode": "INVALID_INPUT", "ErrorMessage": f"NamedQuery {i} was not found"}
            for i in wanted
            if i not in queries
        ]
        return {"NamedQueries": [queries[i] for i in wanted if i in queries], "UnprocessedNamedQueryIds": missing}

    @handler("ListNamedQueries", expand=False)
    def list_named_queries(self, context: RequestContext, request: dict) -> dict:
        store, group = store_of(context), request.get("WorkGroup") or PRIMARY
        find_work_group(store, group)
        ids = [i for i, query in store.named_queries.items() if query["WorkGroup"] == group]
        shown, more = page(ids, request)
        return {"NamedQueryIds": shown, **more}

    @handler("UpdateNamedQuery", expand=False)
    def update_named_query(self, context: RequestContext, request: dict) -> dict:
        required(request, "Name", "QueryString")
        query = named_query(store_of(context), request)
        query.update({k: request[k] for k in ("Name", "Description", "QueryString") if k in request})
        return {}

    @handler("DeleteNamedQuery", expand=False)
    def delete_named_query(self, context: RequestContext, request: dict) -> dict:
        store = store_of(context)
        del store.named_queries[named_query(store, request)["NamedQueryId"]]
        return {}

    # --- prepared statements, which EXECUTE runs ---

    @handler("CreatePreparedStatement", expand=False)
    def create_prepared_statement(self, context: RequestContext, request: dict) -> dict:
        required(request, "StatementName", "WorkGroup", "QueryStatement")
        store, key = store_of(context), (request["WorkGroup"], request["StatementName"])
        find_work_group(store, request["WorkGroup"])
        if key in store.prepared_statements:
            raise InvalidRequestException(f"PreparedStatement {key[1]} already exists in WorkGroup {key[0]}")
        store.prepared_statements[key] = prepared_statement(request)
        return {}

    @handler("GetPreparedStatement", expand=False)
    def get_prepared_statement(self, context: RequestContext, request: dict) -> dict:
        return {"PreparedStatement": find_prepared_statement(store_of(context), request)}

    @handler("ListPreparedStatements", expand=False)
    def list_prepared_statements(self, context: RequestContext, request: dict) -> dict:
        required(request, "WorkGroup")
        store = store_of(context)
        find_work_group(store, request["WorkGroup"])
        statements = [
            {"StatementName": s["StatementName"], "LastModifiedTime": s["LastModifiedTime"]}
            for s in store.prepared_statements.values()
            if s["WorkGroupName"] == request["WorkGroup"]
        ]
        shown, more = page(statements, request)
        return {"PreparedStatements": shown, **more}

    @handler("UpdatePreparedStatement", expand=False)
    def update_prepared_statement(self, context: RequestContext, request: dict) -> dict:
        required(request, "QueryStatement")
        statement = find_prepared_statement(store_of(context), request)
        statement.update(prepared_statement(request))
        return {}

    @handler("DeletePreparedStatement", expand=False)
    def delete_prepared_statement(self, context: RequestContext, request: dict) -> dict:
        store = store_of(context)
        find_prepared_statement(store, request)
        del store.prepared_statements[request["WorkGroup"], request["StatementName"]]
        return {}


def named_query(store: AthenaStore, request: dict) -> dict:
    required(request, "NamedQueryId")
    if request["NamedQueryId"] not in store.named_queries:
        raise InvalidRequestException(f"NamedQuery {request['NamedQueryId']} was not found")
    return store.named_queries[request["NamedQueryId"]]


def prepared_statement(request: dict) -> dict:
    described = {"Description": request["Description"]} if "Description" in request else {}
    return {
        "StatementName": request["StatementName"],
        "QueryStatement": request["QueryStatement"],
        "WorkGroupName": request["WorkGroup"],
        "LastModifiedTime": datetime.now(UTC),
        **described,
    }


def find_prepared_statement(store: AthenaStore, request: dict) -> dict:
    required(request, "StatementName", "WorkGroup")
    key = (request["WorkGroup"], request["StatementName"])
    if key not in store.prepared_statements:
        raise ResourceNotFoundException(f"PreparedStatement {key[1]} was not found in WorkGroup {key[0]}", key[1])
    return store.prepared_statements[key]
