"""What a crawl of S3 targets does, through the API: real Parquet on S3 in, catalog entries out."""

import json
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from tests.glue.conftest import parquet_bytes

ORDERS = {"Op": ["I"], "order_id": ["a"], "price": [1.5]}
SELLERS = {"seller_id": ["s"], "city": ["Rio"], "state": ["RJ"]}
KEEP = {"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"}


def columns(table):
    return {column["Name"]: column["Type"] for column in table["StorageDescriptor"]["Columns"]}


def partitions_of(glue, database, table):
    found = glue.get_partitions(DatabaseName=database, TableName=table)["Partitions"]
    return {tuple(partition["Values"]): partition for partition in found}


def configured(**configuration):
    return json.dumps({"Version": 1.0, **configuration})


# --- the entry --------------------------------------------------------------------------------------------------------


def test_GL_14_table_is_named_after_its_folder(crawler, put_parquet, run, tables):
    put_parquet("shop/Order-Items/LOAD00000001.parquet", **ORDERS)
    assert run(crawler("shop/Order-Items", TablePrefix="Bronze_"))["Status"] == "SUCCEEDED"
    assert list(tables()) == ["bronze_order_items"]


def test_GL_OBS_parquet_entry_is_the_crawlers(aws, bucket, crawler, put_parquet, run, tables):
    put_parquet("orders/LOAD00000001.parquet", **ORDERS)
    put_parquet("orders/LOAD00000002.parquet", **{**ORDERS, "order_id": ["b"]})
    name = crawler("orders/")
    run(name)
    table = tables()["orders"]
    storage, formats = table["StorageDescriptor"], "org.apache.hadoop.hive.ql.io.parquet.MapredParquet"
    assert (table["TableType"], table["PartitionKeys"]) == ("EXTERNAL_TABLE", [])
    assert (storage["InputFormat"], storage["OutputFormat"]) == (f"{formats}InputFormat", f"{formats}OutputFormat")
    assert storage["SerdeInfo"] == {
        "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        "Parameters": {"serialization.format": "1"},
    }
    assert storage["Location"] == f"s3://{bucket}/orders/"
    size = sum(item["Size"] for item in aws("s3").list_objects_v2(Bucket=bucket)["Contents"])
    expected = {
        "CrawlerSchemaDeserializerVersion": "1.0",
        "CrawlerSchemaSerializerVersion": "1.0",
        "UPDATED_BY_CRAWLER": name,
        "averageRecordSize": str(size // 2),
        "classification": "parquet",
        "compressionType": "none",
        "objectCount": "2",
        "recordCount": "2",
        "sizeKey": str(size),
        "typeOfData": "file",
    }
    assert expected.items() <= table["Parameters"].items()
    assert table["Parameters"] == storage["Parameters"]


@pytest.mark.guess
def test_GL_OBS_owner_is_owner_and_the_crawls_id_is_kept(glue, crawler, put_parquet, run, tables):
    put_parquet("orders/a.parquet", **ORDERS)
    name = crawler("orders/")
    run(name)
    table, crawl = tables()["orders"], glue.list_crawls(CrawlerName=name)["Crawls"][0]
    assert (table["Owner"], table["Parameters"]["CRAWL_RUN_ID"]) == ("owner", crawl["CrawlId"])


def test_columns_have_hive_types_and_lower_case_names(crawler, put_parquet, run, tables):
    put_parquet(
        "types/a.parquet",
        Flag=[True],
        small=pa.array([1], pa.int16()),
        number=pa.array([1], pa.int32()),
        big=[1],
        real=pa.array([1], pa.float32()),
        price=pa.array([Decimal("1.50")], pa.decimal128(10, 2)),
        day=[date(2017, 1, 1)],
        at=[datetime(2017, 1, 1)],
        raw=[b"x"],
        tags=[["a"]],
        place=[{"Lat": 1.0, "names": ["x"]}],
    )
    run(crawler("types/"))
    assert columns(tables()["types"]) == {
        "flag": "boolean",
        "small": "smallint",
        "number": "int",
        "big": "bigint",
        "real": "float",
        "price": "decimal(10,2)",
        "day": "date",
        "at": "timestamp",
        "raw": "binary",
        "tags": "array<string>",
        "place": "struct<lat:double,names:array<string>>",
    }


# --- what is a table, what is a partition -----------------------------------------------------------------------------


def test_GL_15_hive_folders_are_partitions(glue, bucket, database, crawler, put_parquet, run, tables):
    put_parquet("orders/Year=2017/month=01/a.parquet", **ORDERS)
    put_parquet("orders/Year=2018/month=a%3Ab/a.parquet", **ORDERS)
    run(crawler("orders/"))
    keys = [{"Name": "year", "Type": "string"}, {"Name": "month", "Type": "string"}]
    assert tables()["orders"]["PartitionKeys"] == keys
    found = partitions_of(glue, database, "orders")
    assert set(found) == {("2017", "01"), ("2018", "a:b")}
    storage = found["2017", "01"]["StorageDescriptor"]
    assert storage["Location"] == f"s3://{bucket}/orders/Year=2017/month=01/"
    assert [column["Name"] for column in storage["Columns"]] == ["op", "order_id", "price"]


def test_GL_15_plain_folders_are_numbered_partitions(glue, database, crawler, put_parquet, run, tables):
    put_parquet("events/2017/01/a.parquet", **ORDERS)
    put_parquet("events/2018/02/a.parquet", **ORDERS)
    run(crawler("events/"))
    assert [key["Name"] for key in tables()["events"]["PartitionKeys"]] == ["partition_0", "partition_1"]
    assert set(partitions_of(glue, database, "events")) == {("2017", "01"), ("2018", "02")}


def test_GL_16_two_similar_tables_under_one_target_merge(glue, database, crawler, put_parquet, run, tables):
    put_parquet("shop/table1/a.parquet", **ORDERS)
    put_parquet("shop/table2/a.parquet", **ORDERS)
    run(crawler("shop/"))
    assert list(tables()) == ["shop"]
    assert set(partitions_of(glue, database, "shop")) == {("table1",), ("table2",)}


def test_GL_16_one_target_per_table_keeps_similar_tables_apart(crawler, put_parquet, run, tables):
    put_parquet("shop/table1/a.parquet", **ORDERS)
    put_parquet("shop/table2/a.parquet", **ORDERS)
    run(crawler("shop/table1/", "shop/table2/"))
    assert list(tables()) == ["table1", "table2"]


def test_GL_15_folders_with_different_schemas_are_tables(crawler, put_parquet, run, tables):
    put_parquet("shop/orders/a.parquet", **ORDERS)
    put_parquet("shop/sellers/a.parquet", **SELLERS)
    run(crawler("shop/"))
    assert list(tables()) == ["orders", "sellers"]


def test_GL_13_combining_policy_makes_one_table_of_different_schemas(crawler, put_parquet, run, tables):
    put_parquet("shop/orders/a.parquet", **ORDERS)
    put_parquet("shop/sellers/a.parquet", **SELLERS)
    grouping = {"TableGroupingPolicy": "CombineCompatibleSchemas"}
    run(crawler("shop/", Configuration=configured(Grouping=grouping)))
    assert list(columns(tables()["shop"])) == ["op", "order_id", "price", "seller_id", "city", "state"]


def test_GL_13_table_level_says_where_tables_are(glue, database, crawler, put_parquet, run, tables):
    for table in ("table1", "table2"):
        put_parquet(f"shop/{table}/year=2017/a.parquet", **ORDERS)
    run(crawler("shop/", Configuration=configured(Grouping={"TableLevelConfiguration": 3})))
    assert list(tables()) == ["table1", "table2"]
    assert set(partitions_of(glue, database, "table1")) == {("2017",)}


def test_GL_13_partition_index_is_recorded_with_the_table(crawler, put_parquet, run, tables):
    put_parquet("orders/year=2017/a.parquet", **ORDERS)
    run(crawler("orders/", Configuration=configured(CreatePartitionIndex=True)))
    assert tables()["orders"]["Parameters"]["partition_filtering.enabled"] == "true"


@pytest.mark.guess
def test_GL_14_name_that_another_location_has_gets_a_hash(crawler, put_parquet, run, tables):
    put_parquet("one/orders/a.parquet", **ORDERS)
    put_parquet("two/orders/a.parquet", **ORDERS)
    name = crawler("one/orders/", "two/orders/")
    run(name)
    first, second = sorted(tables())
    assert (first, second[:7], len(second)) == ("orders", "orders_", len("orders_") + 32)
    run(name)
    assert sorted(tables()) == [first, second]


@pytest.mark.guess
def test_GL_15_partition_column_in_the_files_is_only_a_key(crawler, put_parquet, run, tables):
    put_parquet("orders/price=1/a.parquet", **ORDERS)
    run(crawler("orders/"))
    assert list(columns(tables()["orders"])) == ["op", "order_id"]


@pytest.mark.guess
def test_GL_15_files_side_by_side_that_differ_are_tables(crawler, put_parquet, run, tables):
    put_parquet("shop/orders.parquet", **ORDERS)
    put_parquet("shop/sellers.parquet", **SELLERS)
    run(crawler("shop/"))
    assert list(tables()) == ["orders_parquet", "sellers_parquet"]


# --- what is looked at ------------------------------------------------------------------------------------------------


def test_GL_17_exclusions_are_globs_below_the_path(bucket, run, put_parquet, crawler, tables):
    kept = ["orders/year=1/a.parquet", "orders/year=1/skip.parquet"]
    excluded = ["orders/skip.parquet", "orders/old/b.parquet", "orders/year=1/tmp/c.parquet", "orders/year=1/d2.csv"]
    for key in kept + excluded:
        put_parquet(key, **ORDERS)
    exclusions = ["*.parquet", "old/**", "**/tmp/*", "**d[0-9].{csv,json}"]
    run(crawler(Targets={"S3Targets": [{"Path": f"s3://{bucket}/orders", "Exclusions": exclusions}]}))
    assert tables()["orders"]["Parameters"]["objectCount"] == str(len(kept))


def test_GL_17_sample_size_limits_what_is_read_of_a_folder(aws, bucket, crawler, put_parquet, run, tables):
    put_parquet("orders/a.parquet", **ORDERS)
    put_parquet("orders/b.parquet", **{**ORDERS, "only_here": [1]})
    run(crawler(Targets={"S3Targets": [{"Path": f"s3://{bucket}/orders/", "SampleSize": 1}]}))
    table = tables()["orders"]
    assert "only_here" not in columns(table)
    assert (table["Parameters"]["objectCount"], table["Parameters"]["recordCount"]) == ("2", "2")


@pytest.mark.guess
def test_hidden_and_empty_objects_are_not_data(aws, bucket, crawler, put_parquet, run, tables):
    put_parquet("orders/a.parquet", **ORDERS)
    for key in ("orders/_SUCCESS", "orders/_temporary/b", "orders/.c.crc"):
        aws("s3").put_object(Bucket=bucket, Key=key, Body=b"no data")
    aws("s3").put_object(Bucket=bucket, Key="orders/folder/", Body=b"")
    assert run(crawler("orders/"))["Status"] == "SUCCEEDED"
    assert tables()["orders"]["Parameters"]["objectCount"] == "1"


def test_a_neighbour_whose_name_begins_alike_is_not_in_the_target(crawler, put_parquet, run, tables):
    put_parquet("orders/a.parquet", **ORDERS)
    put_parquet("orders_old/a.parquet", **SELLERS)
    run(crawler("orders"))
    assert list(tables()) == ["orders"]


def test_a_footer_longer_than_the_first_read_is_read(crawler, put_parquet, run, tables):
    put_parquet("wide/a.parquet", **{f"a_column_with_quite_a_long_name_{n}": [n] for n in range(300)})
    assert run(crawler("wide/"))["Status"] == "SUCCEEDED"
    assert len(columns(tables()["wide"])) == 300


# --- what can go wrong ------------------------------------------------------------------------------------------------


def test_G1_empty_prefix_succeeds_with_no_tables(glue, crawler, run, tables):
    name = crawler("nothing/here/")
    assert run(name)["Status"] == "SUCCEEDED"
    assert tables() == {}
    assert glue.get_crawler_metrics(CrawlerNameList=[name])["CrawlerMetricsList"][0]["TablesCreated"] == 0


def test_G1_missing_bucket_fails_and_the_others_are_crawled(bucket, crawler, put_parquet, run, tables):
    put_parquet("orders/a.parquet", **ORDERS)
    paths = [f"s3://{bucket}-missing/orders", f"s3://{bucket}/orders"]
    last = run(crawler(Targets={"S3Targets": [{"Path": path} for path in paths]}))
    assert last["Status"] == "FAILED"
    assert f"s3://{bucket}-missing/orders/ cannot be listed" in last["ErrorMessage"]
    assert "NoSuchBucket" in last["ErrorMessage"]
    assert list(tables()) == ["orders"]


@pytest.mark.guess
def test_path_of_a_file_fails_the_crawl_and_says_what_to_name(bucket, crawler, put_parquet, run, tables):
    put_parquet("orders/a.parquet", **ORDERS)
    last = run(crawler("orders/a.parquet"))
    assert (last["Status"], tables()) == ("FAILED", {})
    assert f"s3://{bucket}/orders/a.parquet is an object: name the folder" in last["ErrorMessage"]


WHOLE_FILE = parquet_bytes(**ORDERS)


@pytest.mark.guess
@pytest.mark.parametrize(
    "body",
    [WHOLE_FILE[:-20], b"PAR1 and no footer", WHOLE_FILE[:-8] + b"\xff\xff\xff\x0fPAR1", b"{}"],
    ids=["cut off", "no footer", "footer too long", "another format"],
)
def test_corrupt_file_fails_the_crawl_names_the_file_and_leaves_its_table(
    aws, bucket, crawler, put_parquet, run, tables, body
):
    put_parquet("orders/a.parquet", **ORDERS)
    name = crawler("orders/", "sellers/")
    run(name)
    before = tables()["orders"]

    put_parquet("orders/b.parquet", **{**ORDERS, "added": [1]})
    aws("s3").put_object(Bucket=bucket, Key="orders/c.parquet", Body=body)
    put_parquet("sellers/a.parquet", **SELLERS)
    last = run(name)
    assert last["Status"] == "FAILED"
    assert f"s3://{bucket}/orders/c.parquet cannot be read as Parquet" in last["ErrorMessage"]
    assert tables()["orders"] == before
    assert "sellers" in tables()


@pytest.mark.guess
def test_format_that_is_not_classified_fails_the_crawl_and_is_named(aws, bucket, crawler, run, tables):
    aws("s3").put_object(Bucket=bucket, Key="orders/orders.csv", Body=b"order_id,price\na,1\n")
    last = run(crawler("orders/"))
    assert (last["Status"], tables()) == ("FAILED", {})
    assert f"s3://{bucket}/orders/orders.csv is not a Parquet file" in last["ErrorMessage"]


@pytest.mark.guess
def test_database_that_is_missing_is_made(glue, crawler, put_parquet, run, unique):
    put_parquet("orders/a.parquet", **ORDERS)
    run(crawler("orders/", DatabaseName=f"{unique}_new"))
    assert glue.get_table(DatabaseName=f"{unique}_new", Name="orders")["Table"]


# --- crawling again ---------------------------------------------------------------------------------------------------


def test_crawling_again_without_a_change_writes_nothing(glue, crawler, put_parquet, run, tables):
    put_parquet("orders/year=2017/a.parquet", **ORDERS)
    name = crawler("orders/")
    run(name)
    before = tables()
    run(name)
    assert tables() == before
    metrics = glue.get_crawler_metrics(CrawlerNameList=[name])["CrawlerMetricsList"][0]
    assert [metrics[f"Tables{what}"] for what in ("Created", "Updated", "Deleted")] == [0, 0, 0]


def test_GL_11_update_adds_retypes_and_removes_columns(glue, database, crawler, put_parquet, run, tables):
    put_parquet("orders/a.parquet", a=["x"], b=[1], c=[1], d=[1], e=[1])
    name = crawler("orders/")
    run(name)
    described = {"Name": "orders", "Description": "by hand", "Parameters": {"by": "hand"}}
    known = tables()["orders"]
    kept = {key: known[key] for key in ("StorageDescriptor", "PartitionKeys", "TableType")}
    glue.update_table(DatabaseName=database, TableInput={**kept, **described})
    put_parquet("orders/a.parquet", a=["x"], b=[1.5], c=[1], d=[1], f=["new"])
    run(name)
    table = tables()["orders"]
    assert columns(table) == {"a": "string", "b": "double", "c": "bigint", "d": "bigint", "f": "string"}
    assert "by" not in table["Parameters"]


def test_GL_11_log_changes_no_table_but_adds_new_ones(glue, database, crawler, put_parquet, run, tables):
    put_parquet("shop/orders/year=2017/a.parquet", **ORDERS)
    put_parquet("shop/sellers/year=2017/a.parquet", **SELLERS)
    name = crawler("shop/", SchemaChangePolicy=KEEP, Configuration=configured(Grouping={"TableLevelConfiguration": 3}))
    run(name)
    before = tables()
    put_parquet("shop/orders/year=2017/a.parquet", **ORDERS, added=[1])
    put_parquet("shop/orders/year=2018/a.parquet", **ORDERS, added=[1])
    put_parquet("shop/cities/year=2018/a.parquet", city=["Rio"])
    run(name)
    after = tables()
    assert sorted(after) == ["cities", "orders", "sellers"]
    assert {table: after[table] for table in before} == before
    assert set(partitions_of(glue, database, "orders")) == {("2017",), ("2018",)}


def test_GL_13_merging_new_columns_keeps_the_old_ones(glue, database, crawler, put_parquet, run, tables):
    put_parquet("orders/a.parquet", a=["x"], b=[1], c=[1], d=[1], gone=[1])
    tables_behaviour = {"Tables": {"AddOrUpdateBehavior": "MergeNewColumns"}}
    name = crawler("orders/", SchemaChangePolicy=KEEP, Configuration=configured(CrawlerOutput=tables_behaviour))
    run(name)
    put_parquet("orders/a.parquet", a=["x"], b=[1.5], c=[1], d=[1], new=["x"])
    run(name)
    expected = {"a": "string", "b": "bigint", "c": "bigint", "d": "bigint", "gone": "bigint", "new": "string"}
    assert columns(tables()["orders"]) == expected


def test_GL_13_partitions_inherit_the_tables_columns(glue, database, crawler, put_parquet, run):
    put_parquet("orders/year=2017/a.parquet", **ORDERS)
    put_parquet("orders/year=2018/a.parquet", **ORDERS, added=[1])
    inherit = {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}}
    name = crawler("orders/")
    run(name)
    assert "added" not in columns(partitions_of(glue, database, "orders")["2017",])
    glue.update_crawler(Name=name, Configuration=configured(CrawlerOutput=inherit))
    run(name)
    assert "added" in columns(partitions_of(glue, database, "orders")["2017",])


def remove(aws, bucket, key):
    aws("s3").delete_object(Bucket=bucket, Key=key)


def test_GL_12_vanished_table_is_deprecated_by_default(aws, bucket, crawler, put_parquet, run, tables):
    put_parquet("orders/a.parquet", **ORDERS)
    name = crawler("orders/")
    run(name)
    remove(aws, bucket, "orders/a.parquet")
    assert run(name)["Status"] == "SUCCEEDED"
    table = tables()["orders"]
    assert int(table["Parameters"]["DEPRECATED_BY_CRAWLER"]) > 1_700_000_000_000
    assert table["StorageDescriptor"]["Parameters"]["DEPRECATED_BY_CRAWLER"]

    put_parquet("orders/a.parquet", **ORDERS)
    run(name)
    assert "DEPRECATED_BY_CRAWLER" not in tables()["orders"]["Parameters"]


@pytest.mark.parametrize(("behaviour", "left"), [("DELETE_FROM_DATABASE", []), ("LOG", ["orders"])])
def test_GL_12_vanished_table_is_deleted_or_left(aws, glue, bucket, crawler, put_parquet, run, tables, behaviour, left):
    put_parquet("orders/a.parquet", **ORDERS)
    policy = {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": behaviour}
    name = crawler("orders/", SchemaChangePolicy=policy)
    run(name)
    remove(aws, bucket, "orders/a.parquet")
    run(name)
    assert list(tables()) == left
    metrics = glue.get_crawler_metrics(CrawlerNameList=[name])["CrawlerMetricsList"][0]
    assert metrics["TablesDeleted"] == 1 - len(left)


def test_GL_12_tables_of_others_are_left_alone(aws, glue, bucket, database, crawler, put_parquet, run, tables):
    storage = {"Columns": [], "Location": f"s3://{bucket}/shop/by_hand/"}
    glue.create_table(DatabaseName=database, TableInput={"Name": "by_hand", "StorageDescriptor": storage})
    policy = {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "DELETE_FROM_DATABASE"}
    run(crawler("shop/", SchemaChangePolicy=policy))
    assert list(tables()) == ["by_hand"]


@pytest.mark.parametrize(
    ("behaviour", "left"),
    [("DELETE_FROM_DATABASE", {"2018": False}), ("DEPRECATE_IN_DATABASE", {"2017": True, "2018": False})],
)
def test_GL_12_G2_vanished_partition(aws, glue, bucket, database, crawler, put_parquet, run, behaviour, left):
    for year in ("2017", "2018"):
        put_parquet(f"orders/year={year}/a.parquet", **ORDERS)
    policy = {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": behaviour}
    name = crawler("orders/", SchemaChangePolicy=policy)
    run(name)
    remove(aws, bucket, "orders/year=2017/a.parquet")
    run(name)
    found = partitions_of(glue, database, "orders")
    assert {v[0]: "DEPRECATED_BY_CRAWLER" in partition["Parameters"] for v, partition in found.items()} == left


def test_partition_keys_that_change_replace_the_partitions(
    glue, aws, bucket, database, crawler, put_parquet, run, tables
):
    put_parquet("orders/2017/a.parquet", **ORDERS)
    name = crawler("orders/")
    run(name)
    remove(aws, bucket, "orders/2017/a.parquet")
    put_parquet("orders/year=2017/month=1/a.parquet", **ORDERS)
    run(name)
    assert [key["Name"] for key in tables()["orders"]["PartitionKeys"]] == ["year", "month"]
    assert set(partitions_of(glue, database, "orders")) == {("2017", "1")}


# --- the log ----------------------------------------------------------------------------------------------------------


def test_GL_02_log_tells_what_the_crawl_did(aws, database, crawler, put_parquet, run):
    put_parquet("orders/a.parquet", **ORDERS)
    name = crawler("orders/")
    last = run(name)
    assert (last["LogGroup"], last["LogStream"]) == ("/aws-glue/crawlers", name)
    events = aws("logs").get_log_events(logGroupName=last["LogGroup"], logStreamName=last["LogStream"])["events"]
    prefix = f"[{last['MessagePrefix']}]"
    messages = [event["message"] for event in events]
    assert messages[0] == f"{prefix} BENCHMARK : Running Start Crawl for Crawler {name}"
    assert f"{prefix} INFO : Created table orders in database {database}" in messages
    assert messages[-1] == f"{prefix} BENCHMARK : Crawler has finished running and is in state READY"
