"""Reading the catalog's tables: Parquet by name, partitions, Delta, views, and what can be wrong with them."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

DELTA = {"classification": "delta", "table_type": "DELTA"}


@pytest.fixture(scope="session")
def delta(lake):
    """A Delta table of three rows in two months, known to the catalog by its location alone."""
    july = pa.table({"id": pa.array([1, 2], pa.int32()), "at": [datetime(2017, 7, 9, 21, 57, 5, tzinfo=UTC), None]})
    august = pa.table({"id": pa.array([3], pa.int32()), "at": [datetime(2017, 8, 1, tzinfo=UTC)]})
    fields = [("id", "integer"), ("at", "timestamp")]
    lake.put_delta("events", fields, {"2017-07": july, "2017-08": august}, "month")
    lake.create_table("events", [("col", "array<string>")], parameters=DELTA)
    return "events"


def test_columns_are_read_by_name_and_one_that_a_file_lacks_is_null(lake):
    lake.put_parquet("evolved/old.parquet", pa.table({"b": ["x"], "a": [1]}))
    lake.put_parquet("evolved/new.parquet", pa.table({"a": [2], "b": ["y"], "c": ["z"]}))
    lake.put_parquet("evolved/_hidden/no.parquet", pa.table({"a": [3]}))
    lake.create_table("evolved", [("a", "bigint"), ("b", "string"), ("c", "string")])
    assert lake.query("SELECT * FROM evolved ORDER BY a") == [["a", "b", "c"], ["1", "x", None], ["2", "y", "z"]]


@pytest.mark.parametrize("folder", ["days", "odd [names]", "*"])
def test_files_of_nested_folders_belong_to_the_table_and_those_beside_do_not(lake, folder):
    for number, key in enumerate(["LOAD 1.parquet", "2017/07/a+b%20=c.parquet", "2017/08/d.parquet"]):
        lake.put_parquet(f"nested/{folder}/{key}", pa.table({"a": [number]}))
    lake.put_parquet(f"nested/{folder}_2/no.parquet", pa.table({"a": [9]}))
    name = f"nested_{len(folder)}"
    lake.create_table(name, [("a", "bigint")], location=f"s3://{lake.bucket}/nested/{folder}/")
    assert lake.query(f"SELECT a FROM {name} ORDER BY a") == [["a"], ["0"], ["1"], ["2"]]


@pytest.mark.parametrize("folders", [["m=2017-07", "m=2017-08"], ["first", "second"]])
def test_partitions_have_their_values_from_the_catalog(lake, folders):
    name = f"by_{folders[0].partition('=')[0]}"
    for number, folder in enumerate(folders):
        lake.put_parquet(f"{name}/{folder}/part-0.parquet", pa.table({"a": [number]}))
    lake.create_table(name, [("a", "bigint")], keys=[("m", "string")])
    for value, folder in zip(["2017-07", "2017-08"], folders, strict=True):
        lake.add_partition(name, [value], f"{name}/{folder}/")
    assert lake.query(f"SELECT a, m FROM {name} ORDER BY a") == [["a", "m"], ["0", "2017-07"], ["1", "2017-08"]]
    assert lake.query(f"SELECT a FROM {name} WHERE m = '2017-08'") == [["a"], ["1"]]


def test_AT_12_a_partition_that_is_ruled_out_is_not_read(lake):
    for month in ("01", "02"):
        rows = pa.table({"a": range(50_000)})
        lake.put_parquet(f"months/m={month}/part-0.parquet", rows, compression="none")
    lake.create_table("months", [("a", "bigint")], keys=[("m", "string")])
    for month in ("01", "02"):
        lake.add_partition("months", [month], f"months/m={month}/")
    whole = lake.run("SELECT sum(a) FROM months")["Statistics"]["DataScannedInBytes"]
    half = lake.run("SELECT sum(a) FROM months WHERE m = '02'")["Statistics"]["DataScannedInBytes"]
    assert 0 < half < 0.6 * whole


def test_a_table_without_files_has_no_rows(lake):
    lake.create_table("nothing_yet", [("a", "bigint"), ("b", "decimal(10,2)")])
    assert lake.query("SELECT * FROM nothing_yet") == [["a", "b"]]


def test_AT_21_AT_22_a_delta_table_is_read_from_its_log(lake, delta):
    assert lake.query("SELECT * FROM events ORDER BY id") == [
        ["id", "at", "month"],
        ["1", "2017-07-09 21:57:05.000", "2017-07"],
        ["2", None, "2017-07"],
        ["3", "2017-08-01 00:00:00.000", "2017-08"],
    ]


def test_AT_21_sparks_own_entry_is_a_delta_table_too(lake, delta):
    location = f"s3://{lake.bucket}/events"
    lake.create_table(
        "by_spark", [("col", "array<string>")], parameters={"spark.sql.sources.provider": "DELTA"}, location=location
    )
    assert lake.query("SELECT count(*) AS n FROM by_spark WHERE month = '2017-07'") == [["n"], ["2"]]


def test_AT_18_there_is_no_time_travel_on_delta(lake, delta):
    reason = lake.reason("SELECT * FROM events FOR TIMESTAMP AS OF TIMESTAMP '2017-01-01 00:00:00'")
    assert reason.startswith("NOT_SUPPORTED: line 1:15: ")


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO events SELECT 4, NULL, '2017-09'",
        "UPDATE events SET id = 5",
        "DELETE FROM events WHERE id = 1",
        "MERGE INTO events USING orders ON false WHEN MATCHED THEN DELETE",
    ],
)
def test_AT_20_a_delta_table_cannot_be_written(lake, delta, statement):
    assert "is read-only" in lake.reason(statement)
    assert lake.query("SELECT count(*) AS n FROM events") == [["n"], ["3"]]


def test_a_delta_table_without_a_log_is_named(lake):
    lake.create_table("no_log", [], parameters=DELTA)
    reason = lake.reason("SELECT * FROM no_log")
    assert reason.startswith(
        f"DELTA_LAKE_INVALID_SCHEMA: Metadata not found in transaction log for {lake.database}.no_log"
    )


@pytest.mark.guess
def test_AT_16_a_missing_table_database_or_column_is_named_with_its_place(lake):
    assert lake.reason("SELECT *\nFROM nothing") == (
        f"TABLE_NOT_FOUND: line 2:6: Table 'awsdatacatalog.{lake.database}.nothing' does not exist"
    )
    assert lake.reason("SELECT * FROM no_db.t") == "SCHEMA_NOT_FOUND: line 1:15: Schema 'no_db' does not exist"
    assert lake.reason("SELECT order_id, o.nope FROM orders o") == (
        "COLUMN_NOT_FOUND: line 1:18: Column 'o.nope' cannot be resolved"
    )


def test_AT_15_a_failure_carries_an_athena_error(lake):
    status = lake.run("SELECT * FROM nothing")["Status"]
    assert status["AthenaError"] == {
        "ErrorCategory": 2,
        "ErrorType": 1000,
        "Retryable": False,
        "ErrorMessage": status["StateChangeReason"],
    }


def test_a_corrupt_parquet_file_is_named(lake):
    lake.put_parquet("corrupt/good.parquet", pa.table({"a": [1]}))
    lake.s3.put_object(Bucket=lake.bucket, Key="corrupt/torn.parquet", Body=b"PAR1 and then nothing of the kind")
    lake.create_table("corrupt", [("a", "bigint")])
    reason = lake.reason("SELECT sum(a) FROM corrupt")
    assert reason.startswith("HIVE_BAD_DATA: ")
    assert f"s3://{lake.bucket}/corrupt/torn.parquet" in reason


def test_a_column_of_another_type_than_the_files_is_bad_data(lake):
    lake.put_parquet("mistyped/part-0.parquet", pa.table({"a": ["1", "2"]}))
    lake.create_table("mistyped", [("a", "bigint")])
    reason = lake.reason("SELECT a FROM mistyped")
    assert reason.startswith("HIVE_BAD_DATA: ")
    assert f"s3://{lake.bucket}/mistyped/part-0.parquet" in reason


def test_names_are_case_insensitive_and_may_carry_the_catalog(lake):
    sql = f'SELECT ORDERS.Order_ID FROM "awsdatacatalog"."{lake.database}"."ORDERS" WHERE orders.ITEMS = 1'
    assert lake.query(sql) == [["order_id"], ["a1"]]


def test_the_catalog_is_shown_through_athenas_api(lake):
    where = {"CatalogName": "AwsDataCatalog", "DatabaseName": lake.database}
    found = lake.athena.get_table_metadata(**where, TableName="orders")["TableMetadata"]
    assert found["Parameters"]["location"] == f"s3://{lake.bucket}/orders/"
    assert [c["Name"] for c in found["Columns"]][:2] == ["order_id", "customer"]
    names = [t["Name"] for t in lake.athena.list_table_metadata(**where, Expression="ord.*")["TableMetadataList"]]
    assert names == ["orders"]
    assert lake.athena.get_database(**where)["Database"]["Name"] == lake.database
    with pytest.raises(lake.athena.exceptions.MetadataException):
        lake.athena.get_table_metadata(**where, TableName="nothing")
    assert lake.athena.list_data_catalogs()["DataCatalogsSummary"][0]["CatalogName"] == "AwsDataCatalog"
