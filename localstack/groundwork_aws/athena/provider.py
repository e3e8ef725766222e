"""The Athena API: queries, their results, workgroups, saved queries and the catalog's metadata.

https://docs.aws.amazon.com/athena/latest/APIReference/Welcome.html
"""

from localstack.aws.api import RequestContext, handler
from localstack.services.plugins import ServiceLifecycleHook

from groundwork_aws.athena.data_catalogs import DataCatalogs
from groundwork_aws.athena.executions import Executions, abandon, current_page
from groundwork_aws.athena.models import Execution, athena_stores
from groundwork_aws.athena.requests import InvalidRequestException, find_work_group, page, required, store_of
from groundwork_aws.athena.saved_queries import SavedQueries
from groundwork_aws.athena.work_groups import WorkGroups
from groundwork_aws.identity.roles import caller_key


class AthenaProvider(WorkGroups, SavedQueries, DataCatalogs, ServiceLifecycleHook):
    service = "athena"
    version = "2017-05-18"

    def __init__(self) -> None:
        self.executions = Executions()

    def on_after_state_load(self) -> None:
        for _, _, store in athena_stores.iter_stores():
            for execution in store.executions.values():
                abandon(execution)

    @handler("StartQueryExecution", expand=False)
    def start_query_execution(self, context: RequestContext, request: dict) -> dict:
        """Not honoured: ResultReuseConfiguration (nothing is reused), EngineConfiguration."""
        required(request, "QueryString")
        return {
            "QueryExecutionId": self.executions.start(store_of(context), request, caller_key(context), context.region)
        }

    @handler("StopQueryExecution", expand=False)
    def stop_query_execution(self, context: RequestContext, request: dict) -> dict:
        self.executions.stop(self.find(context, request))
        return {}

    @handler("GetQueryExecution", expand=False)
    def get_query_execution(self, context: RequestContext, request: dict) -> dict:
        return {"QueryExecution": self.find(context, request).description}

    @handler("BatchGetQueryExecution", expand=False)
    def batch_get_query_execution(self, context: RequestContext, request: dict) -> dict:
        executions, wanted = store_of(context).executions, request["QueryExecutionIds"]
        missing = [
            {"QueryExecutionId": i, "ErrorCode": "INVALID_INPUT", "ErrorMessage": f"QueryExecution {i} was not found"}
            for i in wanted
            if i not in executions
        ]
        found = [executions[i].description for i in wanted if i in executions]
        return {"QueryExecutions": found, "UnprocessedQueryExecutionIds": missing}

    @handler("ListQueryExecutions", expand=False)
    def list_query_executions(self, context: RequestContext, request: dict) -> dict:
        """The workgroup's executions, the newest first."""
        store, group = store_of(context), request.get("WorkGroup") or "primary"
        find_work_group(store, group)
        ids = [e.id for e in reversed(store.executions.values()) if e.description["WorkGroup"] == group]
        shown, more = page(ids, request)
        return {"QueryExecutionIds": shown, **more}

    @handler("GetQueryResults", expand=False)
    def get_query_results(self, context: RequestContext, request: dict) -> dict:
        execution = self.find(context, request)
        state = execution.status["State"]
        if state in ("QUEUED", "RUNNING"):
            raise InvalidRequestException(f"Query has not yet finished. Current state: {state}")
        if state != "SUCCEEDED":
            raise InvalidRequestException(f"Query did not finish successfully. Final query state: {state}")
        return current_page(execution, request, caller_key(context), context.region)

    @handler("GetQueryRuntimeStatistics", expand=False)
    def get_query_runtime_statistics(self, context: RequestContext, request: dict) -> dict:
        """Rows are those of a query that succeeded; the stages' plan is absent, and so is the number of rows read."""
        execution = self.find(context, request)
        return {"QueryRuntimeStatistics": runtime_statistics(execution)}

    def find(self, context: RequestContext, request: dict) -> Execution:
        required(request, "QueryExecutionId")
        executions = store_of(context).executions
        if request["QueryExecutionId"] not in executions:
            raise InvalidRequestException(f"QueryExecution {request['QueryExecutionId']} was not found")
        return executions[request["QueryExecutionId"]]


def runtime_statistics(execution: Execution) -> dict:
    statistics = execution.description["Statistics"]
    timeline = {k: v for k, v in statistics.items() if k.endswith("TimeInMillis")}
    if execution.status["State"] != "SUCCEEDED" or execution.description["StatementType"] != "DML":
        return {"Timeline": timeline}
    rows = {
        "InputBytes": statistics["DataScannedInBytes"],
        "OutputBytes": execution.output_bytes,
        "OutputRows": execution.rows,
    }
    return {"Timeline": timeline, "Rows": rows}
