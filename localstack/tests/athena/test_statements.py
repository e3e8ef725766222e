"""DDL, the statements that show the catalog, and the writes of Parquet."""

import pytest
from botocore.exceptions import ClientError


def lines(lake, sql: str) -> list[str]:
    """The result of a statement that shows something, a line a row."""
    return [" ".join(row[0].split()) for row in lake.query(sql)]


def test_AT_02_AT_09_ddl_has_a_text_result_and_scans_nothing(lake):
    execution = lake.run("SHOW TABLES 'orders'")
    location = execution["ResultConfiguration"]["OutputLocation"]
    assert location.endswith(f"{execution['QueryExecutionId']}.txt")
    assert lake.read(location) == b"orders\n"
    lake.read(location + ".metadata")
    assert (execution["StatementType"], execution["Statistics"]["DataScannedInBytes"]) == ("UTILITY", 0)


def test_databases_are_created_shown_and_dropped(lake, unique):
    assert lake.run(f"CREATE DATABASE {unique} COMMENT 'ours'")["StatementType"] == "DDL"
    assert lake.query(f"SHOW DATABASES LIKE '{unique[:-1]}*'") == [[unique]]
    assert "already exists" in lake.reason(f"CREATE SCHEMA {unique}")
    lake.query(f"CREATE SCHEMA IF NOT EXISTS {unique}")
    lake.query(f"DROP DATABASE {unique}")
    assert lake.reason(f"DROP DATABASE {unique}") == (
        f"FAILED: SemanticException [Error 10072]: Database does not exist: {unique}"
    )
    lake.query(f"DROP DATABASE IF EXISTS {unique}")


def test_a_parquet_table_is_created_described_and_dropped(lake, unique):
    location = f"s3://{lake.bucket}/{unique}/"
    create = f"""
        -- with a comment before it
        CREATE EXTERNAL TABLE {unique} (id int, price decimal(10, 2), tags array<string>)
        PARTITIONED BY (month string) STORED AS PARQUET LOCATION '{location}'
    """
    lake.query(create)
    assert "already exists" in lake.reason(create).lower()
    lake.query(create.replace("TABLE", "TABLE IF NOT EXISTS"))
    assert lines(lake, f"SHOW COLUMNS IN {unique}") == ["id", "price", "tags", "month"]
    assert lines(lake, f"DESCRIBE {unique}")[:4] == [
        "id int",
        "price decimal(10,2)",
        "tags array<string>",
        "month string",
    ]
    assert lines(lake, f"SHOW CREATE TABLE {unique}")[0] == f"CREATE EXTERNAL TABLE `{lake.database}.{unique}`("
    assert lake.query(f"SELECT * FROM {unique}") == [["id", "price", "tags", "month"]]
    lake.query(f"DROP TABLE {unique}")
    assert lake.reason(f"DROP TABLE {unique}").startswith("FAILED: SemanticException [Error 10001]: Table not found")


def test_AT_19_a_delta_table_is_created_from_its_location_alone(lake, unique):
    import pyarrow as pa

    lake.put_delta(unique, [("id", "integer")], {"2017-07": pa.table({"id": pa.array([1], pa.int32())})}, "month")
    tail = f"LOCATION 's3://{lake.bucket}/{unique}/' TBLPROPERTIES ('table_type'='DELTA')"
    assert "LOCATION and TBLPROPERTIES" in lake.reason(f"CREATE EXTERNAL TABLE {unique} (id int) {tail}")
    lake.query(f"CREATE EXTERNAL TABLE {unique} {tail}")
    assert lines(lake, f"SHOW COLUMNS IN {unique}") == ["id", "month"]
    assert lake.query(f"SELECT * FROM {unique}") == [["id", "month"], ["1", "2017-07"]]


def test_AT_19_a_delta_table_without_a_log_is_not_created(lake, unique):
    tail = f"LOCATION 's3://{lake.bucket}/{unique}/' TBLPROPERTIES ('table_type'='DELTA')"
    assert lake.reason(f"CREATE EXTERNAL TABLE {unique} {tail}").startswith("DELTA_LAKE_INVALID_SCHEMA: ")
    assert lake.query(f"SHOW TABLES '{unique}'") == []


def test_AT_05_AT_09_a_table_is_made_from_a_query(lake, unique):
    execution = lake.run(f"CREATE TABLE {unique} WITH (format = 'PARQUET') AS SELECT order_id, price FROM orders")
    assert (execution["StatementType"], execution["Status"]["State"]) == ("DML", "SUCCEEDED")
    manifest = lake.read(execution["Statistics"]["DataManifestLocation"]).decode().split()
    folder = f"s3://{lake.bucket}/results/tables/{execution['QueryExecutionId']}/"
    assert [file.startswith(folder) for file in manifest] == [True]
    found = lake.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
    assert (found["UpdateCount"], found["ResultSet"]["Rows"]) == (3, [])
    assert lake.query(f"SELECT sum(price) AS total, count(*) AS n FROM {unique}") == [["total", "n"], ["131.49", "3"]]
    assert lake.reason(f"CREATE TABLE {unique} WITH (format = 'PARQUET') AS SELECT 1 AS a").startswith(
        "TABLE_ALREADY_EXISTS"
    )


def test_AT_03_AT_05_insert_adds_files_and_partitions(lake, unique):
    lake.query(f"CREATE EXTERNAL TABLE {unique} (id int) PARTITIONED BY (month string) STORED AS PARQUET "
               f"LOCATION 's3://{lake.bucket}/{unique}/'")  # fmt: skip
    execution = lake.run(f"INSERT INTO {unique} SELECT 1, '2017-07' UNION ALL SELECT 2, '2017-08'")
    identifier = execution["QueryExecutionId"]
    assert execution["ResultConfiguration"]["OutputLocation"].endswith(identifier)
    assert lake.athena.get_query_results(QueryExecutionId=identifier)["UpdateCount"] == 2
    lake.query(f"INSERT INTO {unique} VALUES (3, '2017-08')")
    assert lines(lake, f"SHOW PARTITIONS {unique}") == ["month=2017-07", "month=2017-08"]
    assert lake.query(f"SELECT id, month FROM {unique} ORDER BY 1")[1:] == [
        ["1", "2017-07"],
        ["2", "2017-08"],
        ["3", "2017-08"],
    ]


def test_an_insert_of_other_types_is_refused(lake):
    assert lake.reason("INSERT INTO orders SELECT 1").startswith(
        "TYPE_MISMATCH: Insert query has mismatched column types"
    )
    assert lake.query("SELECT count(*) AS n FROM orders") == [["n"], ["3"]]


def test_a_view_is_a_query_under_a_name(lake, unique):
    lake.query(f"CREATE VIEW {unique} AS SELECT customer, price FROM orders WHERE customer IS NOT NULL")
    lake.query(f"CREATE OR REPLACE VIEW {unique} AS SELECT customer, price FROM orders WHERE customer = 'ana'")
    assert lake.query(f"SELECT v.* FROM {unique} v") == [["customer", "price"], ["ana", "10.50"]]
    lake.query(f"DROP VIEW {unique}")


def test_explain_shows_a_plan_and_reads_nothing(lake):
    execution = lake.run("EXPLAIN SELECT customer, sum(price) FROM orders GROUP BY 1")
    assert (execution["StatementType"], execution["Statistics"]["DataScannedInBytes"]) == ("UTILITY", 0)
    assert lake.read(execution["ResultConfiguration"]["OutputLocation"])


@pytest.mark.parametrize(
    "sql",
    [
        "PRAGMA database_list",
        "COPY orders TO 's3://somewhere/x.csv'",
        "ATTACH 'x.db'",
        "SET memory_limit = '1GB'",
        "INSTALL spatial",
        "CREATE TABLE t (a int)",
        "SELECT 1; SELECT 2",
        "FROM orders SELECT *",
        "SELECT * EXCLUDE (price) FROM orders",
        "SELECT * FROM read_parquet('s3://bucket/x.parquet')",
        "SELECT price::varchar FROM orders",
        "SELECT [1, 2]",
        "SELECT {'a': 1}",
        "SELECT 7 // 2",
        "SELECT DISTINCT ON (customer) price FROM orders",
        "SELECT price FROM orders QUALIFY row_number() OVER () = 1",
        "SELECT",
        "SELEC 1",
        "SELECT 'unclosed",
        "",
        "-- nothing",
    ],
)
@pytest.mark.guess
def test_AT_16_what_athena_does_not_parse_is_refused_at_once(lake, sql):
    with pytest.raises(ClientError) as caught:
        lake.start(sql or " ")
    assert caught.value.response["Error"]["Code"] == "InvalidRequestException"
    assert caught.value.response["Error"]["Message"]


@pytest.mark.parametrize(
    "call", ["list_sort_desc(array[1])", "strftime(purchased_at, '%Y')", "getenv('HOME')", "trino_md5('a')"]
)
def test_a_function_of_duckdbs_own_is_not_there(lake, call):
    name = call.partition("(")[0]
    assert (
        lake.reason(f"SELECT {call} FROM orders") == f"FUNCTION_NOT_FOUND: line 1:8: Function '{name}' not registered"
    )


def test_a_path_instead_of_a_table_is_not_read(lake):
    assert lake.reason('SELECT * FROM "/etc/passwd"').startswith("TABLE_NOT_FOUND: line 1:15: ")


def test_a_question_mark_stands_for_an_execution_parameter(lake):
    sql = "SELECT order_id FROM orders WHERE customer = ? AND price > ?"
    assert lake.query(sql, ExecutionParameters=["'ana'", "1.5"]) == [["order_id"], ["a1"]]
    for values in (["'ana'"], ["'ana'", "price"], ["'ana'", "1) OR (1 = 1"]):
        with pytest.raises(ClientError, match="InvalidRequestException"):
            lake.start(sql, ExecutionParameters=values)


def test_a_prepared_statement_is_executed_with_its_values(lake, unique):
    lake.athena.create_work_group(Name=unique, Configuration={"EnforceWorkGroupConfiguration": False})
    named = {"StatementName": "by_customer", "WorkGroup": unique}
    lake.athena.create_prepared_statement(**named, QueryStatement="SELECT order_id FROM orders WHERE customer = ?")
    where = {"WorkGroup": unique, "ResultConfiguration": {"OutputLocation": f"s3://{lake.bucket}/results/"}}
    assert lake.query("EXECUTE by_customer USING 'ana'", **where) == [["order_id"], ["a1"]]
    lake.athena.delete_prepared_statement(**named)
    with pytest.raises(ClientError, match="was not found"):
        lake.start("EXECUTE by_customer USING 'ana'", **where)
