"""Running queries: states, results on S3, their pages and statistics."""

import pytest
from botocore.exceptions import ClientError

CSV = (
    '"order_id","customer","price","items","weight","purchased_at"\n'
    '"a1","ana","10.50","1","0.25","2017-07-09 21:57:05.000"\n'
    '"b2",,"0.99","2","1.0E10","2018-01-02 03:04:05.000"\n'
    '"c3","","120.00","3",,\n'
)


def refusal(call, *arguments, **named) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(*arguments, **named)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def test_AT_01_a_query_ends_in_succeeded(lake):
    execution = lake.run("SELECT 1")
    assert execution["Status"]["State"] == "SUCCEEDED"
    assert execution["Status"]["SubmissionDateTime"] <= execution["Status"]["CompletionDateTime"]


def test_AT_01_the_same_token_with_the_same_parameters_is_the_same_query(lake):
    token = "a" * 32
    first = lake.start("SELECT 1", ClientRequestToken=token)
    assert lake.start("SELECT 1", ClientRequestToken=token) == first
    assert refusal(lake.start, "SELECT 2", ClientRequestToken=token) == (
        "InvalidRequestException",
        "Idempotent parameters do not match",
    )


def test_AT_02_AT_03_the_result_is_a_csv_named_by_the_query_with_metadata_beside_it(lake):
    execution = lake.run("SELECT 1")
    location = execution["ResultConfiguration"]["OutputLocation"]
    assert location == f"s3://{lake.bucket}/results/{execution['QueryExecutionId']}.csv"
    assert lake.read(location) == b'"_col0"\n"1"\n'
    lake.read(location + ".metadata")


def test_AT_04_values_are_quoted_null_is_an_unquoted_empty_field(lake):
    execution = lake.run("SELECT * FROM orders ORDER BY order_id")
    assert lake.read(execution["ResultConfiguration"]["OutputLocation"]).decode() == CSV


def test_AT_04_quotes_and_line_breaks_in_values_survive(lake):
    assert lake.query("SELECT 'say \"hi\"' AS a, 'two\nlines' AS b, 'a,b' AS c") == [
        ["a", "b", "c"],
        ['say "hi"', "two\nlines", "a,b"],
    ]


@pytest.mark.parametrize("condition, rows", [("true", '"1","2"\n'), ("false", "")])
def test_AT_04_names_may_repeat_and_a_result_without_rows_is_its_header(lake, condition, rows):
    execution = lake.run(f'SELECT 1 AS "a""b", 2 AS "a""b" WHERE {condition}')
    assert lake.read(execution["ResultConfiguration"]["OutputLocation"]).decode() == '"a""b","a""b"\n' + rows


def test_AT_07_the_first_row_is_the_header_and_a_null_has_no_value(lake):
    assert lake.query("SELECT order_id, customer FROM orders ORDER BY 1") == [
        ["order_id", "customer"],
        ["a1", "ana"],
        ["b2", None],
        ["c3", ""],
    ]


def test_AT_07_results_come_in_pages(lake):
    identifier = lake.run("SELECT order_id FROM orders ORDER BY 1")["QueryExecutionId"]
    pages = lake.athena.get_paginator("get_query_results").paginate(
        QueryExecutionId=identifier, PaginationConfig={"PageSize": 3}
    )
    rows = [[r["Data"][0]["VarCharValue"] for r in page["ResultSet"]["Rows"]] for page in pages]
    assert rows == [["order_id", "a1", "b2"], ["c3"]]


def test_AT_07_a_page_has_at_most_a_thousand_rows(lake):
    identifier = lake.run("SELECT n FROM UNNEST(sequence(1, 1500)) AS t(n)")["QueryExecutionId"]
    page = lake.athena.get_query_results(QueryExecutionId=identifier)
    assert len(page["ResultSet"]["Rows"]) == 1000
    code, _ = refusal(lake.athena.get_query_results, QueryExecutionId=identifier, MaxResults=1001)
    assert code == "InvalidRequestException"


def test_AT_07_a_failed_query_has_no_results(lake):
    identifier = lake.run("SELECT * FROM nothing")["QueryExecutionId"]
    assert refusal(lake.athena.get_query_results, QueryExecutionId=identifier) == (
        "InvalidRequestException",
        "Query did not finish successfully. Final query state: FAILED",
    )


def test_AT_08_columns_have_trinos_types(lake):
    identifier = lake.run("SELECT * FROM orders")["QueryExecutionId"]
    found = lake.athena.get_query_results(QueryExecutionId=identifier)["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    assert [(c["Name"], c["Type"], c["Precision"], c["Scale"]) for c in found] == [
        ("order_id", "varchar", 2147483647, 0),
        ("customer", "varchar", 2147483647, 0),
        ("price", "decimal", 10, 2),
        ("items", "integer", 10, 0),
        ("weight", "double", 17, 0),
        ("purchased_at", "timestamp", 3, 0),
    ]
    assert {c["Nullable"] for c in found} == {"UNKNOWN"}


def test_AT_09_a_statement_has_its_type(lake):
    execution = lake.run("SELECT 1")
    assert (execution["StatementType"], execution["SubstatementType"]) == ("DML", "SELECT")


def test_AT_10_AT_12_statistics_count_the_bytes_read_of_the_columns_asked_for(lake):
    size = lake.put_parquet("wide/part-0.parquet", wide_table(), compression="none")
    lake.create_table("wide", [("a", "bigint"), ("b", "bigint")])
    one, both, none = (
        lake.run(sql)["Statistics"]["DataScannedInBytes"]
        for sql in ("SELECT sum(a) FROM wide", "SELECT sum(a), sum(b) FROM wide", "SELECT 1")
    )
    assert none == 0
    assert 0.4 * size < one < 0.6 * size < both < 1.1 * size
    assert lake.run("SELECT sum(a) FROM wide")["Statistics"]["DataScannedInBytes"] == one


def wide_table():
    import pyarrow as pa

    return pa.table({"a": range(100_000), "b": range(100_000, 200_000)})


def test_AT_11_runtime_statistics_have_a_timeline_and_rows(lake):
    identifier = lake.run("SELECT order_id FROM orders")["QueryExecutionId"]
    found = lake.athena.get_query_runtime_statistics(QueryExecutionId=identifier)["QueryRuntimeStatistics"]
    assert set(found["Timeline"]) == {
        "QueryQueueTimeInMillis", "ServicePreProcessingTimeInMillis", "QueryPlanningTimeInMillis",
        "EngineExecutionTimeInMillis", "ServiceProcessingTimeInMillis", "TotalExecutionTimeInMillis",
    }  # fmt: skip
    assert found["Rows"]["OutputRows"] == 3
    assert found["Rows"]["OutputBytes"] > 0


def test_a_running_query_is_interrupted_when_it_is_stopped(lake):
    identifier = lake.start(
        "SELECT count(*) FROM UNNEST(sequence(1, 30000)) a(x), UNNEST(sequence(1, 3000000)) b(y) WHERE x * y % 7 = 3"
    )
    state = wait_for(lake, identifier, lambda s: s["State"] == "RUNNING")
    lake.athena.stop_query_execution(QueryExecutionId=identifier)
    state = wait_for(lake, identifier, lambda s: s["State"] not in ("RUNNING", "QUEUED"))
    assert state["State"] == "CANCELLED"
    assert "StateChangeReason" in state


def wait_for(lake, identifier: str, condition) -> dict:
    import time

    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        status = lake.athena.get_query_execution(QueryExecutionId=identifier)["QueryExecution"]["Status"]
        if condition(status):
            return status
        time.sleep(0.02)
    raise TimeoutError(status)


def test_stopping_a_query_that_has_ended_leaves_it_as_it_is(lake):
    identifier = lake.run("SELECT 1")["QueryExecutionId"]
    lake.athena.stop_query_execution(QueryExecutionId=identifier)
    assert wait_for(lake, identifier, bool)["State"] == "SUCCEEDED"


def test_executions_are_listed_the_newest_first_and_got_in_batches(lake):
    older, newer = lake.run("SELECT 1")["QueryExecutionId"], lake.run("SELECT 2")["QueryExecutionId"]
    assert lake.athena.list_query_executions(MaxResults=2)["QueryExecutionIds"] == [newer, older]
    found = lake.athena.batch_get_query_execution(QueryExecutionIds=[older, "0" * 36])
    assert [e["Query"] for e in found["QueryExecutions"]] == ["SELECT 1"]
    assert [u["QueryExecutionId"] for u in found["UnprocessedQueryExecutionIds"]] == ["0" * 36]


def test_an_unknown_query_execution_is_an_invalid_request(lake):
    identifier = "00000000-0000-0000-0000-000000000000"
    assert refusal(lake.athena.get_query_execution, QueryExecutionId=identifier) == (
        "InvalidRequestException",
        f"QueryExecution {identifier} was not found",
    )


def test_AT_14_a_query_without_an_output_location_is_refused(lake):
    code, message = refusal(lake.athena.start_query_execution, QueryString="SELECT 1")
    assert code == "InvalidRequestException"
    assert message.startswith("No output location provided.")


def test_a_missing_output_bucket_is_named(lake):
    where = {"OutputLocation": "s3://no-such-bucket-anywhere/x/"}
    assert refusal(lake.start, "SELECT 1", ResultConfiguration=where) == (
        "InvalidRequestException",
        "Unable to verify/create output bucket no-such-bucket-anywhere",
    )
