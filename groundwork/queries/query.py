"""Ask Athena or the warehouse, through their APIs."""

import time
from dataclasses import dataclass

from botocore.exceptions import ClientError

from groundwork.aws import client, variable
from groundwork.settings import UserError


@dataclass(frozen=True)
class Answer:
    """Rows as text, None for NULL."""

    columns: list[str]
    rows: list[list[str | None]]


def athena(sql: str, limit: int | None = None) -> Answer:
    """Run SQL in the platform's workgroup. Raises UserError with Athena's reason."""
    api = client("athena")
    try:
        query = api.start_query_execution(QueryString=sql, WorkGroup=variable("athena_workgroup"))["QueryExecutionId"]
    except ClientError as error:
        raise UserError(f"Athena: {error.response['Error']['Message']}") from None
    while (status := api.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"])["State"] in (
        "QUEUED",
        "RUNNING",
    ):
        time.sleep(0.05)
    if status["State"] != "SUCCEEDED":
        raise UserError(f"Athena: {status.get('StateChangeReason', status['State'])}")
    columns, rows = None, []
    for page in api.get_paginator("get_query_results").paginate(QueryExecutionId=query):
        columns = columns or [c["Name"] for c in page["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]]
        rows += [[cell.get("VarCharValue") for cell in row["Data"]] for row in page["ResultSet"]["Rows"]]
        if limit is not None and len(rows) > limit:
            break
    if rows and rows[0] == columns:
        rows = rows[1:]
    return Answer(columns or [], rows[:limit])


def warehouse(sql: str, limit: int | None = None) -> Answer:
    """Run SQL through the Redshift Data API. Raises UserError with Redshift's error."""
    api = client("redshift-data")
    try:
        statement = api.execute_statement(
            Sql=sql, WorkgroupName=variable("redshift_workgroup"), Database=variable("redshift_database")
        )["Id"]
    except ClientError as error:
        raise UserError(f"Redshift: {error.response['Error']['Message']}") from None
    while (state := api.describe_statement(Id=statement))["Status"] in ("SUBMITTED", "PICKED", "STARTED"):
        time.sleep(0.05)
    if state["Status"] != "FINISHED":
        raise UserError(f"Redshift: {state.get('Error', state['Status'])}")
    if not state["HasResultSet"]:
        return Answer([], [])
    columns, rows = None, []
    for page in api.get_paginator("get_statement_result").paginate(Id=statement):
        columns = columns or [c["name"] for c in page["ColumnMetadata"]]
        rows += [[text_of(field) for field in record] for record in page["Records"]]
        if limit is not None and len(rows) > limit:
            break
    return Answer(columns or [], rows[:limit])


def text_of(field: dict) -> str | None:
    kind, value = next(iter(field.items()))
    if kind == "isNull":
        return None
    return str(value).lower() if kind == "booleanValue" else str(value)


ENGINES = {"athena": athena, "warehouse": warehouse}
