"""Query executions: QUEUED, RUNNING, then SUCCEEDED, FAILED or CANCELLED, on a bounded pool of threads."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from functools import cache
from urllib.parse import urlsplit

from botocore.exceptions import ClientError
from localstack import config
from localstack.aws.connect import connect_to

from groundwork_aws import settings
from groundwork_aws.athena import results
from groundwork_aws.athena.catalog import Catalog
from groundwork_aws.athena.engine import Cancelled, Engine
from groundwork_aws.athena.errors import QueryFailed, SyntaxRefused, failed
from groundwork_aws.athena.models import AthenaStore, Execution
from groundwork_aws.athena.requests import PRIMARY, InvalidRequestException, find_work_group, idempotent
from groundwork_aws.athena.statements import Statement, classify
from groundwork_aws.athena.work_groups import ENGINE, check_result_configuration

WORKERS = 4
PAGE_BYTES = 1 << 18


class Executions:
    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="athena")

    def start(self, store: AthenaStore, request: dict, account: str, region: str) -> str:
        earlier = idempotent(store, "StartQueryExecution", request)
        if earlier:
            return earlier
        group = find_work_group(store, request.get("WorkGroup") or PRIMARY)
        if group["State"] == "DISABLED":
            raise InvalidRequestException(f"WorkGroup {group['Name']} is disabled.")
        results_to = result_configuration(group, request, connect_to(aws_access_key_id=account, region_name=region).s3)
        try:
            statement = classify(request["QueryString"])
        except SyntaxRefused as error:
            raise InvalidRequestException(str(error), "MALFORMED_QUERY") from error
        execution = new_execution(statement, group, results_to, request)
        store.executions[execution.id] = execution
        if request.get("ClientRequestToken"):
            store.tokens["StartQueryExecution", request["ClientRequestToken"]] = (request, execution.id)
        self.pool.submit(carry_out, execution, statement, account, region)
        return execution.id

    def stop(self, execution: Execution) -> None:
        """A query that has ended stays as it ended."""
        execution.run.interrupt()


@cache
def engine(account: str, region: str) -> Engine:
    scratch = settings.read().state_dir / "athena" / f"{account}-{region}"
    endpoint = urlsplit(config.internal_service_url()).netloc.replace("localhost", "127.0.0.1")
    return Engine(endpoint, account, region, scratch, WORKERS)


def result_configuration(group: dict, request: dict, s3) -> dict:
    """Where the results go. An enforced workgroup's settings replace the client's without an error."""
    own = group["Configuration"].get("ResultConfiguration") or {}
    asked = request.get("ResultConfiguration") or {}
    if group["Configuration"].get("EnforceWorkGroupConfiguration"):
        chosen = dict(own)
    else:
        chosen = {**own, **asked}
    check_result_configuration(chosen)
    if not chosen.get("OutputLocation"):
        raise InvalidRequestException(
            "No output location provided. An output location is required either through the Workgroup result "
            "configuration setting or as an API input."
        )
    bucket = urlsplit(chosen["OutputLocation"]).netloc
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        raise InvalidRequestException(f"Unable to verify/create output bucket {bucket}") from error
    return chosen


def new_execution(statement: Statement, group: dict, results_to: dict, request: dict) -> Execution:
    identifier = str(uuid.uuid4())
    suffix = ".csv" if statement.action == "SELECT" else ".txt" if statement.kind != "DML" else ""
    location = f"{results_to['OutputLocation'].rstrip('/')}/{identifier}{suffix}"
    asked = request.get("QueryExecutionContext") or {}
    description = {
        "QueryExecutionId": identifier,
        "Query": request["QueryString"],
        "StatementType": statement.kind,
        "SubstatementType": statement.action,
        "ResultConfiguration": {**results_to, "OutputLocation": location},
        "ResultReuseConfiguration": {"ResultReuseByAgeConfiguration": {"Enabled": False}},
        "QueryExecutionContext": {k: v.lower() for k, v in asked.items()},
        "Status": {"State": "QUEUED", "SubmissionDateTime": datetime.now(timezone.utc)},
        "Statistics": {},
        "WorkGroup": group["Name"],
        "EngineVersion": group["Configuration"]["EngineVersion"],
    }
    return Execution(description, request, group["Configuration"].get("BytesScannedCutoffPerQuery"))


def carry_out(execution: Execution, statement: Statement, account: str, region: str) -> None:
    """Run a query to its end and say how it ended."""
    queued = (datetime.now(timezone.utc) - execution.submitted).total_seconds()
    started = time.monotonic()
    clients = connect_to(aws_access_key_id=account, region_name=region)
    try:
        execution.run.check()
        execution.status["State"] = "RUNNING"
        scanned = run(execution, statement, clients, engine(account, region))
        end, state = {}, "SUCCEEDED"
    except Cancelled as error:
        scanned, state = error.bytes_scanned, "CANCELLED"
        end = {"StateChangeReason": str(error)}
    except Exception as error:
        failure = error if isinstance(error, QueryFailed) else failed("GENERIC_INTERNAL_ERROR", str(error))
        scanned, state = 0, "FAILED"
        end = {"StateChangeReason": failure.reason, "AthenaError": failure.athena_error()}
    execution.description["Statistics"] = statistics(queued, time.monotonic() - started, scanned)
    execution.description["Status"] = {
        "State": state,
        "SubmissionDateTime": execution.submitted,
        "CompletionDateTime": datetime.now(timezone.utc),
        **end,
    }


def run(execution: Execution, statement: Statement, clients, engine: Engine) -> int:
    """Returns how many bytes were scanned."""
    target = execution.description["ResultConfiguration"]["OutputLocation"]
    bucket, key = split(target)
    database = execution.description["QueryExecutionContext"].get("Database", "")
    outcome = engine.select(statement.sql, database, Catalog(clients.glue), clients.s3, target, execution.run)
    if execution.cutoff is not None and outcome.bytes_scanned > execution.cutoff:
        clients.s3.delete_object(Bucket=bucket, Key=key)
        raise Cancelled("Bytes scanned limit was exceeded", execution.cutoff)
    execution.columns, execution.rows = outcome.columns, outcome.rows
    execution.output_bytes = clients.s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
    # Athena's own format of this file is not public; GetQueryResults does not need it
    clients.s3.put_object(Bucket=bucket, Key=f"{key}.metadata", Body=b"")
    return outcome.bytes_scanned


def statistics(queued: float, worked: float, scanned: int) -> dict:
    return {
        "EngineExecutionTimeInMillis": round(worked * 1000),
        "DataScannedInBytes": scanned,
        "TotalExecutionTimeInMillis": round((queued + worked) * 1000),
        "QueryQueueTimeInMillis": round(queued * 1000),
        "ServicePreProcessingTimeInMillis": 0,
        "QueryPlanningTimeInMillis": 0,
        "ServiceProcessingTimeInMillis": 0,
        "ResultReuseInformation": {"ReusedPreviousResult": False},
    }


def current_page(execution: Execution, request: dict, account: str, region: str) -> dict:
    """The rows of GetQueryResults, read from the result in S3; NextToken is the place in it where the next page begins."""
    s3 = connect_to(aws_access_key_id=account, region_name=region).s3
    bucket, key = split(execution.description["ResultConfiguration"]["OutputLocation"])
    limit = request.get("MaxResults") or 1000
    token = request.get("NextToken") or "0"
    if not 1 <= limit <= 1000:
        raise InvalidRequestException("MaxResults is more than maximum allowed length 1000.")
    if not token.isdigit():
        raise InvalidRequestException("Invalid pagination token provided")
    start, size = int(token), execution.output_bytes
    length = PAGE_BYTES
    while True:
        last = min(start + length, size) - 1
        chunk = s3.get_object(Bucket=bucket, Key=key, Range=f"bytes={start}-{last}")["Body"].read()
        rows, consumed = results.read_rows(chunk, limit)
        if len(rows) == limit or last + 1 == size:
            break
        length *= 4
    more = {"NextToken": str(start + consumed)} if start + consumed < size else {}
    shown = [{"Data": [{} if v is None else {"VarCharValue": v} for v in row]} for row in rows]
    columns = [column.info() for column in execution.columns]
    return {"ResultSet": {"Rows": shown, "ResultSetMetadata": {"ColumnInfo": columns}}, "UpdateCount": 0, **more}


def split(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri)
    return parts.netloc, parts.path.lstrip("/")
