"""What a crawl of native Delta targets does. The logs are written by the protocol, as Spark writes them."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest


def schema_of(**fields):
    """Spark's JSON schema."""
    described = [{"name": n, "type": t, "nullable": True, "metadata": {}} for n, t in fields.items()]
    return json.dumps({"type": "struct", "fields": described})


def metadata(schema, *partition_columns):
    return {
        "metaData": {
            "id": "1d3b7a2e-0000-4000-8000-000000000000",
            "format": {"provider": "parquet", "options": {}},
            "schemaString": schema,
            "partitionColumns": list(partition_columns),
            "configuration": {},
            "createdTime": 1653462383292,
        }
    }


PROTOCOL = {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}
ORDERS = schema_of(Order_Id="string", price="decimal(10,2)", at="timestamp", month="string")


def commit(timestamp):
    return {"commitInfo": {"timestamp": timestamp, "operation": "WRITE"}}


def added(path):
    return {"add": {"path": path, "partitionValues": {}, "size": 1, "modificationTime": 0, "dataChange": True}}


@pytest.fixture
def delta_crawler(crawler, bucket):
    """``delta_crawler("orders")`` crawls these folders of the bucket as native Delta tables."""

    def create(*folders, **more):
        paths = [f"s3://{bucket}/{folder}" for folder in folders]
        target = {"DeltaTables": paths, "CreateNativeDeltaTable": True, "WriteManifest": False}
        return crawler(Targets={"DeltaTargets": [target]}, **more)

    return create


def columns(table):
    return {column["Name"]: column["Type"] for column in table["StorageDescriptor"]["Columns"]}


def test_GL_DELTA_OBS_native_entry_is_the_crawlers(bucket, glue, database, delta_crawler, put_commit, run, tables):
    put_commit("silver/Orders", 0, commit(1653462383292), PROTOCOL, metadata(ORDERS, "month"), added("a.parquet"))
    put_commit("silver/Orders", 1, commit(1653462390000), added("b.parquet"))
    name = delta_crawler("silver/Orders")
    assert run(name)["Status"] == "SUCCEEDED"
    table = tables()["orders"]
    location = f"s3://{bucket}/silver/Orders/"
    assert table["TableType"] == "EXTERNAL_TABLE"
    assert table["Parameters"] == {
        "EXTERNAL": "true",
        "classification": "delta",
        "table_type": "delta",
        "spark.sql.sources.provider": "delta",
        "spark.sql.partitionProvider": "catalog",
        "spark.sql.sources.schema.numParts": "1",
        "spark.sql.sources.schema.part.0": ORDERS,
        "delta.lastUpdateVersion": "1",
        "delta.lastCommitTimestamp": "1653462390000",
        "CrawlerSchemaSerializerVersion": "1.0",
        "CrawlerSchemaDeserializerVersion": "1.0",
        "UPDATED_BY_CRAWLER": name,
    }
    storage = table["StorageDescriptor"]
    assert columns(table) == {"order_id": "string", "price": "decimal(10,2)", "at": "timestamp"}
    assert table["PartitionKeys"] == [{"Name": "month", "Type": "string"}]
    assert storage["Location"] == location
    assert storage["InputFormat"] == "org.apache.hadoop.mapred.SequenceFileInputFormat"
    assert storage["OutputFormat"] == "org.apache.hadoop.hive.ql.io.HiveSequenceFileOutputFormat"
    assert storage["SerdeInfo"] == {
        "SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
        "Parameters": {"serialization.format": "1", "path": location},
    }
    assert (storage["Compressed"], storage["NumberOfBuckets"]) == (False, -1)
    assert glue.get_partitions(DatabaseName=database, TableName="orders")["Partitions"] == []


def test_GL_18_native_crawl_writes_no_manifest(aws, bucket, delta_crawler, put_commit, run):
    put_commit("orders", 0, commit(1), PROTOCOL, metadata(ORDERS))
    run(delta_crawler("orders"))
    keys = [item["Key"] for item in aws("s3").list_objects_v2(Bucket=bucket)["Contents"]]
    assert keys == ["orders/_delta_log/00000000000000000000.json"]


def test_delta_types_are_hive_types(delta_crawler, put_commit, run, tables):
    place = {"type": "struct", "fields": [{"name": "Lat", "type": "double", "nullable": True, "metadata": {}}]}
    schema = schema_of(
        flag="boolean", tiny="byte", small="short", number="integer", big="long", real="float", text="string",
        raw="binary", day="date", local="timestamp_ntz",
        tags={"type": "array", "elementType": "long", "containsNull": True},
        counts={"type": "map", "keyType": "string", "valueType": "integer", "valueContainsNull": True},
        place=place,
    )  # fmt: skip
    put_commit("types", 0, commit(1), PROTOCOL, metadata(schema))
    run(delta_crawler("types", TablePrefix="quarantine_"))
    assert columns(tables()["quarantine_types"]) == {
        "flag": "boolean", "tiny": "tinyint", "small": "smallint", "number": "int", "big": "bigint", "real": "float",
        "text": "string", "raw": "binary", "day": "date", "local": "timestamp", "tags": "array<bigint>",
        "counts": "map<string,int>", "place": "struct<lat:double>",
    }  # fmt: skip


def test_newest_schema_wins_and_the_table_is_updated(delta_crawler, put_commit, run, tables):
    put_commit("orders", 0, commit(1), PROTOCOL, metadata(schema_of(a="string")))
    name = delta_crawler("orders")
    run(name)
    put_commit("orders", 1, commit(2), metadata(schema_of(a="string", b="long")))
    put_commit("orders", 2, commit(3), added("a.parquet"))
    run(name)
    table = tables()["orders"]
    assert columns(table) == {"a": "string", "b": "bigint"}
    assert table["Parameters"]["delta.lastUpdateVersion"] == "2"


def test_schema_is_read_from_the_checkpoint_when_its_commit_is_gone(
    aws, bucket, delta_crawler, put_commit, run, tables
):
    rows = [None, {"schemaString": schema_of(a="string", b="long"), "partitionColumns": ["b"]}]
    kind = pa.struct([("schemaString", pa.string()), ("partitionColumns", pa.list_(pa.string()))])
    buffer = io.BytesIO()
    pq.write_table(pa.table({"metaData": pa.array(rows, kind)}), buffer)
    key = f"orders/_delta_log/{10:020}.checkpoint.parquet"
    aws("s3").put_object(Bucket=bucket, Key=key, Body=buffer.getvalue())
    put_commit("orders", 10, commit(2), added("b.parquet"))
    put_commit("orders", 11, commit(3), added("c.parquet"))
    assert run(delta_crawler("orders"))["Status"] == "SUCCEEDED"
    table = tables()["orders"]
    assert (columns(table), table["PartitionKeys"]) == ({"a": "string"}, [{"Name": "b", "Type": "bigint"}])
    assert table["Parameters"]["delta.lastUpdateVersion"] == "11"


def test_folder_that_is_no_delta_table_fails_the_crawl_and_the_others_are_crawled(
    bucket, delta_crawler, put_commit, put_parquet, run, tables
):
    put_parquet("sellers/a.parquet", seller_id=["s"])
    put_commit("orders", 0, commit(1), PROTOCOL, metadata(ORDERS))
    last = run(delta_crawler("sellers", "orders"))
    assert last["Status"] == "FAILED"
    assert f"s3://{bucket}/sellers/ is not a Delta table" in last["ErrorMessage"]
    assert list(tables()) == ["orders"]


def test_corrupt_commit_fails_the_crawl_and_is_named(aws, bucket, delta_crawler, put_commit, run, tables):
    put_commit("orders", 0, commit(1), PROTOCOL, metadata(ORDERS))
    key = f"orders/_delta_log/{1:020}.json"
    aws("s3").put_object(Bucket=bucket, Key=key, Body=b'{"add": {"pa')
    last = run(delta_crawler("orders"))
    assert (last["Status"], tables()) == ("FAILED", {})
    assert f"s3://{bucket}/{key} cannot be read as a Delta commit" in last["ErrorMessage"]


def test_G1_folder_with_nothing_in_it_succeeds_with_no_tables(delta_crawler, run, tables):
    assert run(delta_crawler("nothing"))["Status"] == "SUCCEEDED"
    assert tables() == {}


def test_GL_12_vanished_delta_table_is_deprecated(aws, bucket, delta_crawler, put_commit, run, tables):
    put_commit("orders", 0, commit(1), PROTOCOL, metadata(ORDERS))
    name = delta_crawler("orders")
    run(name)
    aws("s3").delete_object(Bucket=bucket, Key="orders/_delta_log/00000000000000000000.json")
    run(name)
    assert "DEPRECATED_BY_CRAWLER" in tables()["orders"]["Parameters"]
