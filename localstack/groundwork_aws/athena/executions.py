"""Query executions: QUEUED, RUNNING, then SUCCEEDED, FAILED or CANCELLED, on a bounded pool of threads."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache
from threading import Lock
from urllib.parse import urlsplit

from botocore.exceptions import ClientError
from localstack.aws.connect import connect_to

from groundwork_aws import settings
from groundwork_aws.athena import ddl, results, writes
from groundwork_aws.athena.catalog import Catalog
from groundwork_aws.athena.engine import Cancelled, Engine, Run
from groundwork_aws.athena.errors import QueryFailed, SyntaxRefused, failed
from groundwork_aws.athena.models import AthenaStore, Execution
from groundwork_aws.athena.requests import PRIMARY, InvalidRequestException, find_work_group, idempotent
from groundwork_aws.athena.statements import Statement, classify, prepared_call, with_values
from groundwork_aws.athena.types import Column, hive_type
from groundwork_aws.athena.work_groups import check_result_configuration
from localstack import config

WORKERS = 4
PAGE_BYTES = 1 << 18
# Queries that come at once must not each make the engine.
MAKING = Lock()


class Executions:
    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="athena")

    def start(self, store: AthenaStore, request: dict, caller: str, region: str) -> str:
        """``caller`` is the access key of whoever asks: Athena has no permissions but its caller's."""
        earlier = idempotent(store, "StartQueryExecution", request)
        if earlier:
            return earlier
        group = find_work_group(store, request.get("WorkGroup") or PRIMARY)
        if group["State"] == "DISABLED":
            raise InvalidRequestException(f"WorkGroup {group['Name']} is disabled.")
        results_to = result_configuration(group, request, connect_to(aws_access_key_id=caller, region_name=region).s3)
        try:
            statement = classify(complete(store, group["Name"], request))
        except SyntaxRefused as error:
            raise InvalidRequestException(str(error), "MALFORMED_QUERY") from error
        execution = new_execution(statement, group, results_to, request)
        store.executions[execution.id] = execution
        if request.get("ClientRequestToken"):
            store.tokens["StartQueryExecution", request["ClientRequestToken"]] = (request, execution.id)
        self.pool.submit(carry_out, execution, statement, caller, region)
        return execution.id

    def stop(self, execution: Execution) -> None:
        """A query that has ended stays as it ended."""
        execution.run.interrupt()


def complete(store: AthenaStore, group: str, request: dict) -> str:
    """The statement with the values of its parameters, that of EXECUTE being the prepared one. Raises SyntaxRefused."""
    sql, values = request["QueryString"], request.get("ExecutionParameters") or []
    called = prepared_call(sql)
    if called:
        name, given = called
        if (group, name) not in store.prepared_statements:
            raise SyntaxRefused(f"PreparedStatement {name} was not found in workGroup {group}")
        sql, values = store.prepared_statements[group, name]["QueryStatement"], given or values
    return with_values(sql, values)


def engine(caller: str, region: str) -> Engine:
    """Each caller has one of its own, which reads S3 as that caller."""
    with MAKING:
        return made_engine(caller, region)


@cache
def made_engine(caller: str, region: str) -> Engine:
    scratch = settings.read().state_dir / "athena" / f"{caller}-{region}"
    endpoint = urlsplit(config.internal_service_url()).netloc.replace("localhost", "127.0.0.1")
    return Engine(endpoint, caller, region, scratch, WORKERS)


def result_configuration(group: dict, request: dict, s3) -> dict:
    """Where the results go. An enforced workgroup's settings replace the client's without an error."""
    own = group["Configuration"].get("ResultConfiguration") or {}
    asked = request.get("ResultConfiguration") or {}
    chosen = dict(own) if group["Configuration"].get("EnforceWorkGroupConfiguration") else {**own, **asked}
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
    location = f"{results_to['OutputLocation'].rstrip('/')}/{identifier}{statement.result_suffix}"
    asked = request.get("QueryExecutionContext") or {}
    description = {
        "QueryExecutionId": identifier,
        "Query": request["QueryString"],
        "StatementType": statement.kind,
        "SubstatementType": statement.action,
        "ResultConfiguration": {**results_to, "OutputLocation": location},
        "ResultReuseConfiguration": {"ResultReuseByAgeConfiguration": {"Enabled": False}},
        **{k: request[k] for k in ("ExecutionParameters",) if k in request},
        "QueryExecutionContext": {k: v.lower() for k, v in asked.items()},
        "Status": {"State": "QUEUED", "SubmissionDateTime": datetime.now(UTC)},
        "Statistics": {},
        "WorkGroup": group["Name"],
        "EngineVersion": group["Configuration"]["EngineVersion"],
    }
    return Execution(description, request, Run(group["Configuration"].get("BytesScannedCutoffPerQuery")))


def carry_out(execution: Execution, statement: Statement, caller: str, region: str) -> None:
    """Run a query to its end and say how it ended."""
    queued = (datetime.now(UTC) - execution.submitted).total_seconds()
    started = time.monotonic()
    clients = connect_to(aws_access_key_id=caller, region_name=region)
    try:
        execution.run.check()
        execution.status["State"] = "RUNNING"
        scanned = run(execution, statement, clients, engine(caller, region))
        end, state = {}, "SUCCEEDED"
    except Cancelled as error:
        scanned, state = error.bytes_scanned, "CANCELLED"
        end = {"StateChangeReason": str(error)}
    except Exception as error:
        scanned, state, end = 0, "FAILED", failure(error)
    execution.description["Statistics"] = statistics(queued, time.monotonic() - started, scanned)
    if execution.update_count is not None:
        location = execution.description["ResultConfiguration"]["OutputLocation"]
        execution.description["Statistics"]["DataManifestLocation"] = f"{location}-manifest.csv"
    execution.description["Status"] = ended(execution, state, end)


def abandon(execution: Execution) -> None:
    """End a query of which nothing runs any more."""
    if execution.status["State"] in ("QUEUED", "RUNNING"):
        end = failure(RuntimeError("The service was restarted during the query"))
        execution.description["Status"] = ended(execution, "FAILED", end)


def failure(error: Exception) -> dict:
    failure = error if isinstance(error, QueryFailed) else failed("GENERIC_INTERNAL_ERROR", str(error))
    return {"StateChangeReason": failure.reason, "AthenaError": failure.athena_error()}


def ended(execution: Execution, state: str, end: dict) -> dict:
    times = {"SubmissionDateTime": execution.submitted, "CompletionDateTime": datetime.now(UTC)}
    return {"State": state, **times, **end}


def run(execution: Execution, statement: Statement, clients, engine: Engine) -> int:
    """Returns how many bytes were scanned."""
    if statement.action == "SELECT":
        return run_select(execution, statement, clients, engine)
    if statement.kind == "DML":
        return run_write(execution, statement, clients, engine)
    columns, lines = run_text(execution, statement, clients, engine)
    body = "".join(f"{line}\n" for line in lines).encode()
    execution.columns, execution.rows, execution.output_bytes = columns, len(lines), len(body)
    put_result(execution, clients.s3, body)
    return 0


def run_select(execution: Execution, statement: Statement, clients, engine: Engine) -> int:
    target = execution.description["ResultConfiguration"]["OutputLocation"]
    catalog = Catalog(clients.glue)
    key = encryption(execution).get("SSEKMSKeyId")
    outcome = engine.select(statement.sql, execution.database, catalog, clients.s3, target, execution.run, key)
    bucket, key = split(target)
    try:
        execution.run.check_scanned(outcome.bytes_scanned)
    except Cancelled:
        clients.s3.delete_object(Bucket=bucket, Key=key)
        raise
    execution.columns, execution.rows = outcome.columns, outcome.rows
    execution.output_bytes = clients.s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
    put_metadata(execution, clients.s3)
    return outcome.bytes_scanned


def run_write(execution: Execution, statement: Statement, clients, engine: Engine) -> int:
    location = execution.description["ResultConfiguration"]["OutputLocation"]
    written = writes.execute(
        writes.Write(
            statement, execution.database, Catalog(clients.glue), clients.s3, engine, execution.run,
            location.rpartition("/")[0], execution.id, encryption(execution).get("SSEKMSKeyId"),
        )
    )  # fmt: skip
    execution.update_count = written.rows
    bucket, key = split(location)
    clients.s3.put_object(
        Bucket=bucket, Key=f"{key}-manifest.csv", Body="".join(f"{f}\n" for f in written.files).encode()
    )
    put_metadata(execution, clients.s3)
    return written.bytes_scanned


def run_text(execution: Execution, statement: Statement, clients, engine: Engine) -> ddl.Lines:
    catalog, database = Catalog(clients.glue), execution.database
    if statement.action == "EXPLAIN":
        plan = engine.explain(statement.parts["query"], database, catalog, clients.s3, execution.run)
        return [Column("Query Plan", "varchar")], plan
    if statement.action == "CREATE_VIEW":
        found = engine.columns(statement.parts["query"], database, catalog, clients.s3, execution.run)
        columns = [(name, hive_type(kind)) for name, kind in found]
        return ddl.create_view(statement, database, catalog, columns)
    return ddl.execute(statement, database, catalog, clients.s3)


def put_result(execution: Execution, s3, body: bytes) -> None:
    bucket, key = split(execution.description["ResultConfiguration"]["OutputLocation"])
    try:
        s3.put_object(Bucket=bucket, Key=key, Body=body, **encryption(execution))
    except ClientError as error:
        raise failed("RESULT_WRITE", f"Writing s3://{bucket}/{key} failed: {error}") from error
    put_metadata(execution, s3)


def put_metadata(execution: Execution, s3) -> None:
    """Athena's own format of this file is not public, and GetQueryResults does not need it."""
    bucket, key = split(execution.description["ResultConfiguration"]["OutputLocation"])
    s3.put_object(Bucket=bucket, Key=f"{key}.metadata", Body=b"", **encryption(execution))


def encryption(execution: Execution) -> dict:
    wanted = execution.description["ResultConfiguration"].get("EncryptionConfiguration") or {}
    if wanted.get("EncryptionOption") == "SSE_KMS":
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": wanted["KmsKey"]}
    return {"ServerSideEncryption": "AES256"} if wanted else {}


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


def current_page(execution: Execution, request: dict, caller: str, region: str) -> dict:
    """GetQueryResults' answer, out of the result in S3; NextToken is the place in it where the next page begins."""
    s3 = connect_to(aws_access_key_id=caller, region_name=region).s3
    limit = request.get("MaxResults") or 1000
    token = request.get("NextToken") or "0"
    if not 1 <= limit <= 1000:
        raise InvalidRequestException("MaxResults is more than maximum allowed length 1000.")
    if not token.isdigit() or int(token) > execution.output_bytes:
        raise InvalidRequestException("Invalid pagination token provided")
    rows, end = result_rows(execution, s3, int(token), limit)
    more = {"NextToken": str(end)} if end < execution.output_bytes else {}
    shown = [{"Data": [{} if v is None else {"VarCharValue": v} for v in row]} for row in rows]
    columns = [column.info() for column in execution.columns]
    updated = {"UpdateCount": execution.update_count or 0}
    return {"ResultSet": {"Rows": shown, "ResultSetMetadata": {"ColumnInfo": columns}}, **updated, **more}


def result_rows(execution: Execution, s3, start: int, limit: int) -> tuple[list[list[str | None]], int]:
    """Up to ``limit`` rows from a place in the result on, and the place after them."""
    bucket, key = split(execution.description["ResultConfiguration"]["OutputLocation"])
    read = results.read_rows if execution.description["SubstatementType"] == "SELECT" else results.read_lines
    length, size = PAGE_BYTES, execution.output_bytes
    while start < size:
        last = min(start + length, size) - 1
        try:
            chunk = s3.get_object(Bucket=bucket, Key=key, Range=f"bytes={start}-{last}")["Body"].read()
        except ClientError as error:
            raise InvalidRequestException(f"Could not find results at s3://{bucket}/{key}") from error
        rows, consumed = read(chunk, limit)
        if len(rows) == limit or last + 1 == size:
            return rows, start + consumed
        length *= 4
    return [], start


def split(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri)
    return parts.netloc, parts.path.lstrip("/")
