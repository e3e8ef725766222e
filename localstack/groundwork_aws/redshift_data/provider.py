"""The Redshift Data API: SQL without a connection.

https://docs.aws.amazon.com/redshift-data/latest/APIReference/Welcome.html

Only Redshift Serverless is behind it: ``WorkgroupName`` is honoured, ``ClusterIdentifier`` names nothing that exists.
Not honoured: ``WithEvent`` sends no event. Not there: DescribeTable, ListDatabases, ListSchemas, ListTables.
"""

from localstack.aws.api import RequestContext, handler
from localstack.services.plugins import ServiceLifecycleHook

from groundwork_aws.redshift_data import requests, results
from groundwork_aws.redshift_data.connections import resolve
from groundwork_aws.redshift_data.errors import not_found, validation_error
from groundwork_aws.redshift_data.models import RedshiftDataStore, Statement, redshift_data_stores
from groundwork_aws.redshift_data.worker import cancel, fail, submit


class RedshiftDataProvider(ServiceLifecycleHook):
    service = "redshift-data"
    version = "2019-12-20"

    def on_after_state_load(self) -> None:
        """Statements that were under way, and sessions, ended with their connections."""
        for _, _, store in redshift_data_stores.iter_stores():
            store.sessions.clear()
            for statement in store.statements.values():
                if not statement.is_over():
                    fail(statement, "ERROR: the service was restarted while the statement ran")

    @handler("ExecuteStatement", expand=False)
    def execute_statement(self, context: RequestContext, request: dict) -> dict:
        return self._execute(context, request, [request["Sql"]], is_batch=False)

    @handler("BatchExecuteStatement", expand=False)
    def batch_execute_statement(self, context: RequestContext, request: dict) -> dict:
        return self._execute(context, request, request["Sqls"], is_batch=True)

    def _execute(self, context: RequestContext, request: dict, sqls: list[str], is_batch: bool) -> dict:
        requests.check_execute(request, sqls)
        bound = requests.bound(sqls, request.get("Parameters", []))
        store = store_of(context)
        with store.lock:
            store.forget_old()
            known = store.statements.get(store.tokens.get(request.get("ClientToken", ""), ""))
            statement = known or requests.new_statement(request, sqls, is_batch)
            if not known:
                login = resolve(context, store, request, statement)
                store.statements[statement.id] = statement
                if request.get("ClientToken"):
                    store.tokens[request["ClientToken"]] = statement.id
                submit(statement, bound, login)
        session = {"SessionId": statement.session.id} if statement.session else {}
        return {"Id": statement.id, "CreatedAt": statement.created, **statement.target, **session}

    @handler("DescribeStatement", expand=False)
    def describe_statement(self, context: RequestContext, request: dict) -> dict:
        statement, part = find(store_of(context), request["Id"])
        if part is not None:
            return described_part(part)
        return described(statement)

    @handler("GetStatementResult", expand=False)
    def get_statement_result(self, context: RequestContext, request: dict) -> dict:
        return self._result(context, request, "JSON", results.records)

    @handler("GetStatementResultV2", expand=False)
    def get_statement_result_v2(self, context: RequestContext, request: dict) -> dict:
        return {**self._result(context, request, "CSV", results.csv_records), "ResultFormat": "CSV"}

    def _result(self, context: RequestContext, request: dict, wanted_format: str, page) -> dict:
        statement, part = find(store_of(context), request["Id"])
        if part is None and statement.is_batch:
            raise validation_error(f"Statement {statement.id} is a batch: ask for the result of {statement.id}:<n>.")
        part = part or statement.parts[0]
        if statement.result_format != wanted_format:
            raise validation_error(f"The result format of statement {request['Id']} is {statement.result_format}.")
        if part.result is None:
            raise not_found("Query does not have result. Please check query status with DescribeStatement.")
        start = int(request.get("NextToken") or 0)
        more = (
            {"NextToken": str(start + results.PAGE_ROWS)} if start + results.PAGE_ROWS < len(part.result.rows) else {}
        )
        return {
            "Records": page(part.result, start),
            "ColumnMetadata": part.result.columns,
            "TotalNumRows": len(part.result.rows),
            **more,
        }

    @handler("CancelStatement", expand=False)
    def cancel_statement(self, context: RequestContext, request: dict) -> dict:
        statement, part = find(store_of(context), request["Id"])
        if part is not None:
            raise validation_error("A sub-statement cannot be cancelled: cancel the batch.")
        if not cancel(statement):
            raise validation_error(f"Could not cancel a query that is already in {statement.status} state.")
        return {"Status": True}

    @handler("ListStatements", expand=False)
    def list_statements(self, context: RequestContext, request: dict) -> dict:
        """Newest first; all of the account's, because one user runs everything here."""
        chosen = [s for s in reversed(store_of(context).statements.values()) if requests.matches(s, request)]
        start, size = int(request.get("NextToken") or 0), request.get("MaxResults") or 100
        more = {"NextToken": str(start + size)} if start + size < len(chosen) else {}
        return {"Statements": [listed(s) for s in chosen[start : start + size]], **more}


def store_of(context: RequestContext) -> RedshiftDataStore:
    return redshift_data_stores[context.account_id][context.region]


def find(store: RedshiftDataStore, id: str):
    """The statement, and its part when the id is ``<id>:<n>``."""
    whole, _, number = id.partition(":")
    statement = store.statements.get(whole)
    if statement is None or (number and not (number.isdigit() and 1 <= int(number) <= len(statement.parts))):
        raise not_found("Query does not exist.")
    return statement, statement.parts[int(number) - 1] if number else None


def described(statement: Statement) -> dict:
    parts = statement.parts
    answer = {
        "Id": statement.id,
        "Status": statement.status,
        "CreatedAt": statement.created,
        "UpdatedAt": statement.updated,
        "RedshiftPid": statement.pid,
        "ResultFormat": statement.result_format,
        **statement.target,
        **({"Error": statement.error} if statement.error else {}),
        **({"SessionId": statement.session.id} if statement.session else {}),
        **({"QueryParameters": statement.parameters} if statement.parameters else {}),
        "HasResultSet": any(part.result is not None for part in parts),
        "Duration": sum(part.duration for part in parts if part.duration >= 0) if statement.is_over() else -1,
        "RedshiftQueryId": 0 if statement.is_batch else -1,
    }
    if statement.is_batch:
        return {**answer, "SubStatements": [described_part(part) for part in parts], "ResultRows": -1, "ResultSize": -1}
    figures = described_part(parts[0])
    return {**answer, **{k: figures[k] for k in ("QueryString", "ResultRows", "ResultSize")}}


def described_part(part) -> dict:
    return {
        "Id": part.id,
        "QueryString": part.sql,
        "Status": part.status,
        "CreatedAt": part.created,
        "UpdatedAt": part.updated,
        "Duration": part.duration,
        "ResultRows": part.rows,
        "ResultSize": part.result.size if part.result else -1,
        "HasResultSet": part.result is not None,
        "RedshiftQueryId": -1,
        **({"Error": part.error} if part.error else {}),
    }


def listed(statement: Statement) -> dict:
    texts = [part.sql for part in statement.parts]
    return {
        "Id": statement.id,
        "Status": statement.status,
        "CreatedAt": statement.created,
        "UpdatedAt": statement.updated,
        "IsBatchStatement": statement.is_batch,
        "ResultFormat": statement.result_format,
        **({"QueryStrings": texts} if statement.is_batch else {"QueryString": texts[0]}),
        **({"StatementName": statement.name} if statement.name else {}),
        **({"SecretArn": statement.target["SecretArn"]} if "SecretArn" in statement.target else {}),
        **({"QueryParameters": statement.parameters} if statement.parameters else {}),
        **({"SessionId": statement.session.id} if statement.session else {}),
    }
