"""What a request to the Data API may hold, and the statement that it makes.

https://docs.aws.amazon.com/redshift/latest/mgmt/data-api-calling-considerations.html
"""

import fnmatch
import uuid

from groundwork_aws.redshift_data.errors import validation_error
from groundwork_aws.redshift_data.models import Statement, SubStatement
from groundwork_aws.redshift_data.parameters import BadParameters, bind
from groundwork_aws.redshift_data.tokens import RedshiftError

MAX_SQL_BYTES = 100 * 1024
MAX_BATCH = 40
MAX_SESSION_SECONDS = 24 * 3600
STATUSES = {"SUBMITTED", "PICKED", "STARTED", "FINISHED", "ABORTED", "FAILED", "ALL"}


def check_execute(request: dict, sqls: list[str]) -> None:
    """Raises ValidationException."""
    if not 1 <= len(sqls) <= MAX_BATCH:
        raise validation_error(f"Sqls must have 1 to {MAX_BATCH} statements.")
    if any(len(sql.encode()) > MAX_SQL_BYTES for sql in sqls):
        raise validation_error("The SQL statement is longer than 100 KB.")
    if any(not sql.strip() for sql in sqls):
        raise validation_error("The SQL statement is empty.")
    if "SessionId" in request:
        given = {"WorkgroupName", "ClusterIdentifier", "Database", "SecretArn", "DbUser"} & set(request)
        if given:
            raise validation_error(f"SessionId and {', '.join(sorted(given))} can't be specified together.")
    elif "Database" not in request:
        raise validation_error("Database is required when no SessionId is given.")
    elif ("WorkgroupName" in request) == ("ClusterIdentifier" in request):
        raise validation_error("Exactly one of ClusterIdentifier and WorkgroupName is required.")
    elif "WorkgroupName" in request and "DbUser" in request:
        raise validation_error("DbUser can't be specified with WorkgroupName.")
    if not 0 <= request.get("SessionKeepAliveSeconds", 0) <= MAX_SESSION_SECONDS:
        raise validation_error("SessionKeepAliveSeconds must be between 0 and 86400.")
    if request.get("ResultFormat", "JSON") not in ("JSON", "CSV"):
        raise validation_error("ResultFormat must be JSON or CSV.")


def new_statement(request: dict, sqls: list[str], is_batch: bool) -> Statement:
    id = str(uuid.uuid4())
    return Statement(
        id=id,
        parts=[SubStatement(f"{id}:{n}" if is_batch else id, sql) for n, sql in enumerate(sqls, 1)],
        target={},
        is_batch=is_batch,
        name=request.get("StatementName", ""),
        parameters=request.get("Parameters", []),
        result_format=request.get("ResultFormat", "JSON"),
    )


def bound(sqls: list[str], parameters: list[dict]) -> list[str]:
    """The texts with their parameters' values in them. Raises ValidationException."""
    try:
        return bind(sqls, parameters)
    except (BadParameters, RedshiftError) as error:
        raise validation_error(str(error)) from error


def matches(statement: Statement, request: dict) -> bool:
    """Whether ListStatements' filters let a statement through; without a status, finished ones only."""
    status = request.get("Status", "FINISHED")
    if status not in STATUSES:
        raise validation_error(f"Status {status} is not one of {', '.join(sorted(STATUSES))}.")
    wanted = {"Database", "WorkgroupName", "ClusterIdentifier"} & set(request)
    return (
        status in ("ALL", statement.status)
        and fnmatch.fnmatchcase(statement.name, request.get("StatementName", "") + "*")
        and all(statement.target.get(field) == request[field] for field in wanted)
    )
