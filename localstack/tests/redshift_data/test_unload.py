"""UNLOAD to Parquet through the Data API (AWS_FIDELITY 7.2)."""

import json
from datetime import datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

QUERY = (
    "select 1::int as id, ''two''::varchar(5) as name, 1.50::decimal(10,2) as price, true as good, "
    "timestamp ''2017-07-01 10:00:00.5'' as at, null::float as nothing "
    "union all select 2, '''', null::decimal(10,2), false, null, 2.5"
)


@pytest.fixture
def unload(warehouse, copy_role):
    def run(url: str, options: str = "", query: str = QUERY) -> dict:
        return warehouse.run(f"unload ('{query}') to '{url}' iam_role '{copy_role}' format as parquet {options}")

    return run


def test_RS_CP_UNLOAD_writes_a_file_and_a_manifest_that_copy_takes(aws, bucket, warehouse, schema, unload, copy_role):
    answer = unload(f"s3://{bucket}/out/orders_", "manifest")
    assert (answer.get("Error"), answer["ResultRows"]) == (None, 2)
    keys = [o["Key"] for o in aws("s3").list_objects_v2(Bucket=bucket)["Contents"]]
    assert keys == ["out/orders_0000_part_00.parquet", "out/orders_manifest"]
    body = aws("s3").get_object(Bucket=bucket, Key=keys[0])["Body"].read()
    assert pq.read_table(pa.BufferReader(body)).to_pylist() == [
        {"id": 1, "name": "two", "price": Decimal("1.50"), "good": True,
         "at": datetime(2017, 7, 1, 10, 0, 0, 500000), "nothing": None},
        {"id": 2, "name": "", "price": None, "good": False, "at": None, "nothing": 2.5},
    ]  # fmt: skip
    manifest = json.loads(aws("s3").get_object(Bucket=bucket, Key=keys[1])["Body"].read())
    assert manifest == {"entries": [{"url": f"s3://{bucket}/{keys[0]}", "meta": {"content_length": len(body)}}]}
    table = f"{schema}.t (id int, name varchar(5), price decimal(10,2), good boolean, at timestamp, nothing float)"
    warehouse.run(f"create table {table}")
    load = f"copy {schema}.t from 's3://{bucket}/{keys[1]}' iam_role '{copy_role}' format parquet manifest"
    assert warehouse.run(load).get("Error") is None
    assert warehouse.rows(f"select id, name, price from {schema}.t order by id") == [[1, "two", "1.50"], [2, "", None]]


@pytest.mark.guess
def test_RS_CP_UNLOAD_overwrites_only_when_told(aws, bucket, unload):
    unload(f"s3://{bucket}/out/")
    assert "Specified unload destination on S3 is not empty" in unload(f"s3://{bucket}/out/")["Error"]
    assert unload(f"s3://{bucket}/out/", "allowoverwrite").get("Error") is None
    aws("s3").put_object(Bucket=bucket, Key="out/old", Body=b"")
    assert unload(f"s3://{bucket}/out/", "cleanpath parallel off").get("Error") is None
    assert [o["Key"] for o in aws("s3").list_objects_v2(Bucket=bucket)["Contents"]] == ["out/0000_part_00.parquet"]


@pytest.mark.parametrize(
    "options, error",
    [
        ("partition by (id)", "PARTITION BY is not done here"),
        ("header", "HEADER argument is not supported for PARQUET based UNLOAD"),
        ("allowoverwrite cleanpath", "CLEANPATH and ALLOWOVERWRITE can not be specified together"),
    ],
)
def test_RS_CP_UNLOAD_options_that_do_not_fit_are_refused(bucket, unload, options, error):
    assert error in unload(f"s3://{bucket}/out/", options)["Error"]


def test_RS_CP_UNLOAD_the_query_goes_through_the_gate(bucket, unload):
    error = unload(f"s3://{bucket}/out/", query="select string_agg(a) from t")["Error"]
    assert error == "ERROR: function string_agg(...) does not exist\n  Position: 8"
