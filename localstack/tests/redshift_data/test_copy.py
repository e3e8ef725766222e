"""COPY from Parquet through the Data API (AWS_FIDELITY 7.2)."""

import json
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

ORDERS = pa.table(
    {
        "order_id": pa.array(["a", "b", "ü"]),
        "items": pa.array([1, 2, None], pa.int32()),
        "price": pa.array([Decimal("1.50"), Decimal("-2.25"), None], pa.decimal128(10, 2)),
        "bought": pa.array([datetime(2017, 7, 1, 12, 30, 0, 123456), None, datetime(1969, 12, 31)], pa.timestamp("us")),
        "day": pa.array([date(2017, 7, 1), None, date(1900, 1, 1)], pa.date32()),
    }
)
COLUMNS = "order_id varchar(128) not null, items int, price decimal(10,2), bought timestamp, day date"


def test_RS_CP_09_a_batch_loads_a_table_from_a_manifest(warehouse, schema, copy_role, put_parquet, put_manifest):
    first, second = put_parquet("orders/1.parquet", ORDERS), put_parquet("orders/2.parquet", ORDERS.slice(0, 1))
    manifest = put_manifest("orders.manifest", first, second)
    for _ in range(2):
        answer = warehouse.batch(
            f"CREATE SCHEMA IF NOT EXISTS {schema}",
            f"CREATE TABLE IF NOT EXISTS {schema}.orders ({COLUMNS}, primary key (order_id)) diststyle auto",
            f"DELETE FROM {schema}.orders",
            f"COPY {schema}.orders FROM '{manifest}' IAM_ROLE '{copy_role}' FORMAT PARQUET MANIFEST",
            f"GRANT USAGE ON SCHEMA {schema} TO PUBLIC",
        )
        assert answer["Status"] == "FINISHED", answer
    assert answer["SubStatements"][3]["ResultRows"] == 4
    assert warehouse.rows(f"select * from {schema}.orders where order_id <> 'a' order by order_id") == [
        ["b", 2, "-2.25", None, None],
        ["ü", None, None, "1969-12-31 00:00:00", "1900-01-01"],
    ]
    assert (
        warehouse.rows(f"select bought::varchar from {schema}.orders where order_id = 'a'")
        == [["2017-07-01 12:30:00.123456"]] * 2
    )


@pytest.fixture
def orders(warehouse, schema):
    """An empty table that the three orders fit."""
    assert warehouse.run(f"create table {schema}.orders ({COLUMNS})").get("Error") is None
    return f"{schema}.orders"


@pytest.fixture
def copy(warehouse, copy_role):
    def run(table: str, url: str, options: str = "") -> dict:
        return warehouse.run(f"copy {table} from '{url}' iam_role '{copy_role}' format as parquet {options}")

    return run


def with_column(name: str, values: pa.Array) -> pa.Table:
    return ORDERS.set_column(ORDERS.schema.get_field_index(name), name, values)


def test_RS_CP_02_columns_go_by_position_not_by_name(warehouse, orders, copy, put_parquet):
    url = put_parquet("o.parquet", ORDERS.rename_columns(["price", "day", "items", "order_id", "bought"]))
    assert copy(orders, url)["ResultRows"] == 3
    assert warehouse.rows(f"select order_id, items from {orders} where items = 1") == [["a", 1]]


def test_RS_CP_02_files_with_other_names_are_one_load(warehouse, orders, copy, put_parquet):
    put_parquet("p/1.parquet", ORDERS)
    url = put_parquet("p/2.parquet", ORDERS.rename_columns([f"c{n}" for n in range(5)]))
    assert copy(orders, url.rsplit("/", 1)[0])["ResultRows"] == 6


@pytest.mark.parametrize(
    "table",
    [ORDERS.drop_columns(["day"]), ORDERS.append_column("more", pa.array([1, 2, 3]))],
    ids=["too few", "too many"],
)
def test_RS_CP_02_another_number_of_columns_is_refused(warehouse, orders, copy, put_parquet, table):
    error = copy(orders, put_parquet("o.parquet", table))["Error"]
    assert f"Table columns: 5, Data columns: {table.num_columns}" in error


@pytest.mark.guess
def test_RS_CP_03_a_column_list_takes_the_files_columns(warehouse, orders, copy, put_parquet):
    url = put_parquet("o.parquet", ORDERS.select(["day", "order_id"]))
    assert copy(f"{orders} (day, order_id)", url)["ResultRows"] == 3
    assert warehouse.rows(f"select order_id, items from {orders} where day = '2017-07-01'") == [["a", None]]


@pytest.mark.parametrize(
    "name, values",
    [
        ("items", pa.array([1, 2, 3], pa.int64())),
        ("items", pa.array(["1", "2", "3"])),
        ("price", pa.array([1.5, 2.5, 3.5])),
        ("price", pa.array([Decimal("1.5")] * 3, pa.decimal128(10, 1))),
        ("bought", pa.array([date(2017, 7, 1)] * 3)),
        ("order_id", pa.array([["a"], ["b"], ["c"]])),
    ],
    ids=["bigint", "text", "double", "scale", "date", "list"],
)
def test_RS_CP_04_nothing_is_cast(warehouse, orders, copy, put_parquet, name, values):
    answer = copy(orders, put_parquet("o.parquet", with_column(name, values)))
    assert "has an incompatible Parquet schema for column" in answer["Error"]
    assert f"o.parquet.{name}'" in answer["Error"]
    assert warehouse.rows(f"select count(*) from {orders}") == [[0]]


def test_RS_CP_05_a_decimal_has_the_bytes_of_its_precision(warehouse, orders, copy, put_parquet):
    longer = pa.array([Decimal("1.50")] * 3, pa.decimal128(18, 2))
    error = copy(orders, put_parquet("o.parquet", with_column("price", longer)))["Error"]
    assert "column 'price' has an invalid type length. Expecting: 5 len in file: 8" in error


@pytest.mark.guess
@pytest.mark.parametrize(
    "options", [{}, {"use_deprecated_int96_timestamps": True}, {"coerce_timestamps": "ms"}], ids=["us", "int96", "ms"]
)
@pytest.mark.parametrize("zone", [None, "UTC"])
def test_RS_CP_06_every_form_of_a_timestamp_is_read(warehouse, orders, copy, put_parquet, options, zone):
    values = pa.array([datetime(2017, 7, 1, 12), None, datetime(1969, 12, 31)], pa.timestamp("us", zone))
    assert copy(orders, put_parquet("o.parquet", with_column("bought", values), **options))["ResultRows"] == 3
    rows = warehouse.rows(f"select bought from {orders} where bought is not null order by 1")
    assert rows == [["1969-12-31 00:00:00"], ["2017-07-01 12:00:00"]]


@pytest.mark.parametrize(
    "options, error",
    [
        ("region 'us-east-1'", "REGION argument is not supported for PARQUET based COPY"),
        ("maxerror 10", "MAXERROR argument is not supported for PARQUET based COPY"),
        ("truncatecolumns", "TRUNCATECOLUMNS argument is not supported for PARQUET based COPY"),
        ("nonsense", 'syntax error at or near "nonsense"'),
    ],
)
def test_RS_CP_01_RS_CP_08_AF_RS_1_options_of_text_files_are_refused(orders, copy, options, error):
    assert error in copy(orders, "s3://anything/at-all", options)["Error"]


def test_RS_CP_01_other_formats_are_refused(warehouse, orders, copy_role):
    error = warehouse.error(f"copy {orders} from 's3://b/k' iam_role '{copy_role}' format as csv")
    assert error == "ERROR: FORMAT CSV is not supported here\n  Hint: Only PARQUET is."


def test_RS_CP_01_fillrecord_adds_nulls(warehouse, orders, copy, put_parquet):
    assert copy(orders, put_parquet("o.parquet", ORDERS.drop_columns(["day"])), "fillrecord")["ResultRows"] == 3


@pytest.mark.guess
@pytest.mark.parametrize(
    "entry, error",
    [
        ({"meta": {}}, "has no meta.content_length"),
        ({"meta": {"content_length": 7}}, "manifest"),
        ({"url": "s3://{bucket}/gone"}, "Status 404,Error NoSuchKey"),
        ({"url": "s3://{bucket}/gone", "mandatory": False}, "No file of the manifest exists"),
    ],
    ids=["no length", "wrong length", "missing mandatory file", "no file at all"],
)
def test_RS_CP_09_a_manifest_says_what_there_is(bucket, orders, copy, put_parquet, put_manifest, entry, error):
    url = put_parquet("o.parquet", ORDERS)
    entry = {k: v.format(bucket=bucket) if isinstance(v, str) else v for k, v in entry.items()}
    assert error in copy(orders, put_manifest("o.manifest", url, **entry), "manifest")["Error"]


def test_RS_CP_09_a_file_that_is_not_mandatory_may_be_missing(aws, bucket, orders, copy, put_parquet):
    url = put_parquet("o.parquet", ORDERS)
    size = aws("s3").head_object(Bucket=bucket, Key="o.parquet")["ContentLength"]
    entries = [{"url": u, "meta": {"content_length": size}} for u in (url, f"s3://{bucket}/gone")]
    aws("s3").put_object(Bucket=bucket, Key="m", Body=json.dumps({"entries": entries}).encode())
    assert copy(orders, f"s3://{bucket}/m", "manifest")["ResultRows"] == 3


def test_RS_CP_09_a_missing_manifest_is_named(bucket, orders, copy):
    error = copy(orders, f"s3://{bucket}/no.manifest", "manifest")["Error"]
    assert error.startswith("ERROR: Problem reading manifest file - S3ServiceException:")
    assert f"s3://{bucket}/no.manifest" in error


def test_RS_CP_09_a_manifest_that_is_no_json_is_named(aws, bucket, orders, copy):
    aws("s3").put_object(Bucket=bucket, Key="m", Body=b"{")
    assert copy(orders, f"s3://{bucket}/m", "manifest")["Error"].startswith(
        f"ERROR: Manifest file is not in correct json format: s3://{bucket}/m"
    )


def test_RS_CP_10_a_prefix_names_every_key_that_starts_with_it(bucket, orders, copy, put_parquet):
    for key in ("load/a1.parquet", "load/a2.parquet", "load/b.parquet"):
        put_parquet(key, ORDERS)
    assert copy(orders, f"s3://{bucket}/load/a")["ResultRows"] == 6
    error = copy(orders, f"s3://{bucket}/load/c")["Error"]
    assert error.startswith("ERROR: The specified S3 prefix 'load/c' does not exist")


def test_RS_CP_10_a_missing_bucket_is_named(orders, copy, unique):
    error = copy(orders, f"s3://{unique}-gone/x")["Error"]
    assert "Status 404,Error NoSuchBucket" in error
    assert f"s3://{unique}-gone/x" in error


def test_RS_CP_11_a_corrupt_file_is_named_and_nothing_is_loaded(aws, bucket, warehouse, orders, copy, put_parquet):
    put_parquet("p/1.parquet", ORDERS)
    put_parquet("p/2.parquet", ORDERS)
    content = bytearray(aws("s3").get_object(Bucket=bucket, Key="p/2.parquet")["Body"].read())
    content[4:60] = b"\xff" * 56  # the first pages; the footer stays good
    aws("s3").put_object(Bucket=bucket, Key="p/2.parquet", Body=bytes(content))
    assert f"File 's3://{bucket}/p/2.parquet' cannot be read" in copy(orders, f"s3://{bucket}/p/")["Error"]
    aws("s3").put_object(Bucket=bucket, Key="p/2.parquet", Body=b"this is no Parquet file")
    assert (
        f"File 's3://{bucket}/p/2.parquet' has an invalid version number" in copy(orders, f"s3://{bucket}/p/")["Error"]
    )
    assert warehouse.rows(f"select count(*) from {orders}") == [[0]]


def test_RS_CP_11_a_failed_load_rolls_the_batch_back(warehouse, orders, bucket, copy_role, put_parquet):
    good = put_parquet("o.parquet", ORDERS)
    load = f"copy {orders} from '{{}}' iam_role '{copy_role}' format parquet"
    warehouse.run(load.format(good))
    answer = warehouse.batch(f"delete from {orders}", load.format(good), load.format(f"s3://{bucket}/gone"))
    assert [s["Status"] for s in answer["SubStatements"]] == ["FINISHED", "FINISHED", "FAILED"]
    assert warehouse.rows(f"select count(*) from {orders}") == [[3]]


def test_RS_CP_11_the_row_count_is_known_in_the_session(warehouse, orders, copy_role, put_parquet):
    url = put_parquet("o.parquet", ORDERS)
    first = warehouse.run(f"copy {orders} from '{url}' iam_role default format parquet", SessionKeepAliveSeconds=60)
    assert first["ResultRows"] == 3
    assert warehouse.rows("select pg_last_copy_count()", SessionId=first["SessionId"]) == [[3]]


def test_RS_CP_12_the_role_must_be_attached_and_exist(aws, warehouse, orders, copy_role, unique):
    sql = f"copy {orders} from 's3://b/k' iam_role '{{}}' format parquet"
    error = warehouse.error(sql.format(f"arn:aws:iam::000000000000:role/{unique}"))
    assert error.startswith(f"ERROR: Not authorized to get credentials of role arn:aws:iam::000000000000:role/{unique}")


def test_RS_CP_13_a_text_that_is_too_long_is_an_error(warehouse, schema, copy, put_parquet):
    warehouse.run(f"create table {schema}.t (a varchar(3))")
    url = put_parquet("t.parquet", pa.table({"a": ["abc", "éé"]}))
    error = copy(f"{schema}.t", url)["Error"]
    assert "The length of the data column a is longer than the length defined in the table. Table: 3, Data: 4" in error


def test_RS_CP_14_an_identity_is_made_here_or_loaded_explicitly(warehouse, schema, copy, put_parquet):
    warehouse.run(f"create table {schema}.t (id bigint generated by default as identity(1,1), a varchar(3))")
    assert copy(f"{schema}.t", put_parquet("a.parquet", pa.table({"a": ["x"]})))["ResultRows"] == 1
    url = put_parquet("b.parquet", pa.table({"id": pa.array([70], pa.int64()), "a": ["y"]}))
    assert copy(f"{schema}.t", url, "explicit_ids")["ResultRows"] == 1
    assert warehouse.rows(f"select id, a from {schema}.t order by id") == [[1, "x"], [70, "y"]]


def test_RS_Q_05_copy_refuses_a_null_where_there_must_be_none(warehouse, orders, copy, put_parquet):
    url = put_parquet("o.parquet", with_column("order_id", pa.array(["a", None, "c"])))
    assert copy(orders, url)["Error"].startswith("ERROR: Cannot insert a NULL value into column order_id")


def test_RS_CP_02_a_missing_table_is_named(copy):
    assert copy("nowhere.t", "s3://b/k")["Error"] == "ERROR: Cannot COPY into nonexistent table nowhere.t"
