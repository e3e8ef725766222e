"""Tasks: their states, what they select and write, and what ends them."""

import json
import re
from decimal import Decimal

import pytest
from botocore.exceptions import ClientError
from tests.dms.conftest import QUICKLY, check_connection, document, include, transform


def refused(code: str, message: str, call, **arguments) -> None:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    assert error["Code"] == code
    assert message in error["Message"]


@pytest.fixture
def orders(source, schema):
    """Three orders."""
    source.execute("CREATE TABLE orders (id int PRIMARY KEY, price numeric(10,2), city text)")
    source.execute("INSERT INTO orders VALUES (1, 9.99, 'Franca'), (2, 20, 'Bauru'), (3, NULL, NULL)")


# --- states -----------------------------------------------------------------------------------------------------------


def test_DMS_ST_02_DMS_ST_10_DMS_ST_11_a_full_load_ends_in_stopped(replication, orders, aws):
    made = replication()
    by_arn = [{"Name": "replication-task-arn", "Values": [made.task]}]
    aws("dms").get_waiter("replication_task_ready").wait(Filters=by_arn, WaiterConfig=QUICKLY)
    assert made.start()["ReplicationTask"]["Status"] == "starting"
    made.wait_for("running", "stopped")  # the waiter takes starting for a failure
    aws("dms").get_waiter("replication_task_stopped").wait(Filters=by_arn, WaiterConfig=QUICKLY)
    task = made.describe()
    assert task["StopReason"] == "Stop Reason FULL_LOAD_ONLY_FINISHED"
    stats = task["ReplicationTaskStats"]
    assert (stats["FullLoadProgressPercent"], stats["TablesLoaded"], stats["TablesErrored"]) == (100, 1, 0)
    assert stats["FreshStartDate"] == stats["StartDate"] <= stats["FullLoadStartDate"] <= stats["StopDate"]


def test_DMS_ST_13_table_statistics_count_the_rows(replication, orders, aws, schema):
    made = replication()
    made.run()
    table = made.tables()["orders"]
    assert (table["SchemaName"], table["TableState"], table["FullLoadRows"]) == (schema, "Table completed", 3)
    assert (table["Inserts"], table["ValidationState"]) == (0, "Not enabled")
    other = [{"Name": "table-state", "Values": ["Table error"]}]
    found = aws("dms").describe_table_statistics(ReplicationTaskArn=made.task, Filters=other)
    assert found["TableStatistics"] == []


def test_DMS_ST_03_the_first_start_and_the_later_ones_have_their_types(replication, orders, source):
    made = replication()
    again = "InvalidParameterCombinationException"
    refused(again, "RESUME_PROCESSING, valid only", made.start, how="resume-processing")
    made.run()
    refused(again, "START_REPLICATION, valid only for tasks running for the first time", made.start)
    source.execute("DELETE FROM orders WHERE id = 3")
    first = made.describe()["ReplicationTaskStats"]["FreshStartDate"]
    assert made.run("resume-processing")["Status"] == "stopped"
    assert made.tables()["orders"]["FullLoadRows"] == 3  # it was complete: it is not loaded again
    assert made.describe()["ReplicationTaskStats"]["FreshStartDate"] == first
    assert made.run("reload-target")["Status"] == "stopped"
    assert made.tables()["orders"]["FullLoadRows"] == 2


def test_DMS_ST_06_E9_a_start_needs_successful_connection_tests(replication, orders, aws):
    made = replication(tested=False)
    reason = "Test connection for replication instance and endpoint should be successful"
    refused("InvalidResourceStateFault", reason, made.start)
    made.test_connections()
    aws("dms").modify_endpoint(EndpointArn=made.target, S3Settings={"BucketFolder": "other"})
    refused("InvalidResourceStateFault", reason, made.start)


def test_DMS_ST_05_a_wrong_state_or_name_is_refused(replication, orders, aws):
    dms, made = aws("dms"), replication()
    refused("InvalidResourceStateFault", "cannot be stopped", dms.stop_replication_task, ReplicationTaskArn=made.task)
    nowhere = "arn:aws:dms:us-east-1:000000000000:task:NOWHERE"
    refused("ResourceNotFoundFault", nowhere, dms.delete_replication_task, ReplicationTaskArn=nowhere)
    task = made.describe()
    twice = {name: task[name] for name in (
        "ReplicationTaskIdentifier", "SourceEndpointArn", "TargetEndpointArn", "ReplicationInstanceArn",
        "MigrationType", "TableMappings",
    )}  # fmt: skip
    refused("ResourceAlreadyExistsFault", "already exists", dms.create_replication_task, **twice)
    refused("InvalidResourceStateFault", "is part of", dms.delete_endpoint, EndpointArn=made.source)
    other = {**twice, "ReplicationTaskIdentifier": "other", "MigrationType": "full-load-and-apply"}
    refused("InvalidParameterValueException", "MigrationType must be", dms.create_replication_task, **other)


def test_E9_a_running_task_is_stopped_resumed_and_not_deleted(replication, source, schema, aws):
    source.execute("CREATE TABLE slow AS SELECT i, repeat('x', 500) AS filler FROM generate_series(1, 400000) i")
    source.execute("CREATE TABLE other (i int); INSERT INTO other VALUES (1)")
    made = replication(settings={"FullLoadSettings": {"MaxFullLoadSubTasks": 1}}, rules=[
        include(schema, "slow", **{"load-order": "2"}), include(schema, "other", **{"load-order": "1"}),
    ])  # fmt: skip
    made.start()
    made.wait_for("running")
    refused("InvalidResourceStateFault", "running", aws("dms").delete_replication_task, ReplicationTaskArn=made.task)
    assert (
        made.aws("dms").stop_replication_task(ReplicationTaskArn=made.task)["ReplicationTask"]["Status"] == "stopping"
    )
    assert made.wait_for("stopped")["StopReason"] == "Stop Reason NORMAL"
    assert {name: t["TableState"] for name, t in made.tables().items()} == dict.fromkeys(
        ("slow", "other"), "Table cancelled"
    )
    assert made.objects() == []
    assert aws("s3").list_multipart_uploads(Bucket=made.bucket).get("Uploads", []) == []
    made.run("resume-processing")
    assert {name: t["FullLoadRows"] for name, t in made.tables().items()} == {"slow": 400000, "other": 1}


def test_DMS_ST_12_a_deleted_task_is_waited_for_and_gone(replication, orders, aws):
    made = replication()
    assert aws("dms").delete_replication_task(ReplicationTaskArn=made.task)["ReplicationTask"]["Status"] == "deleting"
    by_arn = [{"Name": "replication-task-arn", "Values": [made.task]}]
    aws("dms").get_waiter("replication_task_deleted").wait(Filters=by_arn, WaiterConfig=QUICKLY)


def test_DMS_ST_12_settings_are_left_out_where_asked(replication, orders, aws):
    made = replication()
    by_arn = [{"Name": "replication-task-arn", "Values": [made.task]}]
    [short] = aws("dms").describe_replication_tasks(Filters=by_arn, WithoutSettings=True)["ReplicationTasks"]
    assert not {"ReplicationTaskSettings", "TableMappings"} & set(short)
    assert json.loads(made.describe()["ReplicationTaskSettings"])["FullLoadSettings"]["MaxFullLoadSubTasks"] == 8


# --- faults -----------------------------------------------------------------------------------------------------------


def test_AF_DMS_1_a_password_that_became_wrong_ends_the_task_in_failed(replication, orders, aws, unique):
    made = replication()
    secret = json.loads(aws("secretsmanager").get_secret_value(SecretId=f"{unique}-source")["SecretString"])
    wrong = json.dumps({**secret, "password": "wrong"})
    aws("secretsmanager").put_secret_value(SecretId=f"{unique}-source", SecretString=wrong)
    task = made.run()
    assert (task["Status"], task["StopReason"]) == ("failed", "Stop Reason FATAL_ERROR")
    assert "password authentication failed" in task["LastFailureMessage"]


def test_DMS_M_12_a_mapping_that_matches_nothing_fails_the_task(replication, orders, schema):
    task = replication(rules=[include(schema, "nothing")]).run()
    assert task["Status"] == "failed"
    assert "No tables were found" in task["LastFailureMessage"]
    assert f"{schema}.nothing" in task["LastFailureMessage"]


def test_DMS_M_12_it_stops_where_that_is_allowed(replication, orders, schema):
    made = replication(rules=[include(schema, "no")], settings={"ErrorBehavior": {"FailOnNoTablesCaptured": False}})
    assert made.run()["Status"] == "stopped"


def test_a_bucket_that_is_gone_ends_the_task_in_failed(replication, orders, aws):
    made = replication()
    aws("s3").delete_bucket(Bucket=made.bucket)
    task = made.run()
    assert task["Status"] == "failed"
    assert "NoSuchBucket" in task["LastFailureMessage"]
    assert made.tables()["orders"]["TableState"] == "Table error"


@pytest.mark.guess
def test_one_table_that_fails_fails_the_task_after_the_others_are_loaded(replication, orders, source, schema):
    source.execute("CREATE TABLE bad (n numeric); INSERT INTO bad VALUES (1e30)")
    made = replication()
    task = made.run()
    assert task["Status"] == "failed"
    assert f"{schema}.bad" in task["LastFailureMessage"]
    assert {name: t["TableState"] for name, t in made.tables().items()} == {
        "bad": "Table error", "orders": "Table completed",
    }  # fmt: skip
    assert task["ReplicationTaskStats"]["TablesErrored"] == 1


@pytest.mark.parametrize(
    "more, reason",
    [
        ({"TableMappings": "{"}, "Invalid Table Mappings document"),
        ({"ReplicationTaskSettings": "{"}, "Invalid Task Settings JSON"),
        ({"ReplicationTaskSettings": '{"FullLoadSettings": {"MaxFullLoadSubTasks": 99}}'}, "from 1 to 49"),
        ({"CdcStartPosition": "0/0"}, "CdcStartPosition"),
    ],
)
def test_E6_E7_a_bad_document_is_refused(replication, aws, schema, more, reason):
    made = replication(tested=False)
    refused(
        "InvalidParameterValueException", reason, aws("dms").create_replication_task,
        **{"ReplicationTaskIdentifier": "bad", "SourceEndpointArn": made.source, "TargetEndpointArn": made.target,
           "ReplicationInstanceArn": made.instance, "MigrationType": "full-load",
           "TableMappings": document(include(schema)), **more},
    )  # fmt: skip


# --- what is written --------------------------------------------------------------------------------------------------


def test_DMS_TS_02_op_and_the_timestamp_come_before_the_columns(replication, orders):
    made = replication(
        target={"IncludeOpForFullLoad": True, "TimestampColumnName": "dms_timestamp", "BucketFolder": "olist"}
    )
    made.run()
    [key] = made.objects()
    assert re.fullmatch(r"olist/t\w+/orders/LOAD00000001\.parquet", key)
    file = made.parquet(key)
    assert file.schema.names == ["Op", "dms_timestamp", "id", "price", "city"]
    rows = file.read().to_pylist()
    assert [row["Op"] for row in rows] == ["I", "I", "I"]
    assert (rows[0]["id"], rows[0]["price"], rows[2]["city"]) == (1, Decimal("9.99"), None)


def test_DMS_TS_01_DMS_TS_03_DMS_TS_04_the_timestamp_is_a_required_text_with_microseconds(replication, orders):
    made = replication(target={"TimestampColumnName": "at"})
    made.run()
    file = made.parquet(made.objects()[0])
    assert [file.schema.column(i).max_definition_level for i in range(4)] == [0, 1, 1, 1]  # DMS_TS_03
    times = file.read()["at"].to_pylist()
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", time) for time in times)
    assert times == sorted(set(times))  # DMS_TS_04: each row has its own


def test_DMS_TS_05_every_row_carries_the_start_of_the_task_where_asked(replication, orders):
    made = replication(target={"TimestampColumnName": "at", "UseTaskStartTimeForFullLoadTimestamp": True})
    made.run()
    started = made.describe()["ReplicationTaskStartDate"]
    assert set(made.parquet(made.objects()[0]).read()["at"].to_pylist()) == {f"{started:%Y-%m-%d %H:%M:%S.%f}"}


def test_DMS_S3_01_DMS_S3_12_files_are_numbered_in_hexadecimal(replication, source, schema):
    source.execute("CREATE TABLE t AS SELECT i, repeat(md5(i::text), 4) AS text FROM generate_series(1, 200) i")
    made = replication(target={"MaxFileSize": 1, "RowGroupLength": 10})
    made.run()
    names = [key.rpartition("/")[2] for key in made.objects()]
    assert names[0] == "LOAD00000001.parquet"
    assert {"LOAD00000009.parquet", "LOAD0000000A.parquet", "LOAD00000010.parquet"} <= set(names)
    assert sum(made.parquet(key).metadata.num_rows for key in made.objects()) == 200


def test_DMS_S3_02_an_empty_table_makes_no_folder(replication, orders, source):
    source.execute("CREATE TABLE nothing (id int)")
    made = replication()
    made.run()
    assert [key.split("/")[1] for key in made.objects()] == ["orders"]
    assert made.tables()["nothing"]["TableState"] == "Table completed"


@pytest.mark.parametrize("mode, left", [("DROP_AND_CREATE", 1), ("TRUNCATE_BEFORE_LOAD", 1), ("DO_NOTHING", 2)])
def test_DMS_S3_15_earlier_files_are_cleared_unless_nothing_is_to_be_done(replication, orders, aws, schema, mode, left):
    made = replication(settings={"FullLoadSettings": {"TargetTablePrepMode": mode}})
    aws("s3").put_object(Bucket=made.bucket, Key=f"{schema}/orders/20260101-000000000.parquet", Body=b"old")
    aws("s3").put_object(Bucket=made.bucket, Key=f"{schema}/orders_of_others/kept", Body=b"kept")
    made.run()
    assert len([key for key in made.objects() if key.startswith(f"{schema}/orders/")]) == left
    assert f"{schema}/orders_of_others/kept" in made.objects()


def test_DMS_M_05_a_filter_chooses_the_rows(replication, orders, schema):
    cheap = {
        "filter-type": "source",
        "column-name": "price",
        "filter-conditions": [{"filter-operator": "lte", "value": "10"}],
    }
    made = replication(rules=[include(schema, "orders", filters=[cheap])])
    made.run()
    assert made.parquet(made.objects()[0]).read()["id"].to_pylist() == [1]


def test_DMS_M_11_transformations_show_in_key_and_columns(replication, orders, schema):
    text = {"type": "string", "length": 20}
    made = replication(rules=[
        include(schema),
        transform("schema", "rename", schema, value="shop"),
        transform("table", "add-suffix", schema, value="_raw"),
        transform("column", "remove-column", schema, column="price"),
        transform("column", "convert-uppercase", schema, column="city"),
        transform("column", "add-column", schema, value="op", expression="$AR_H_OPERATION", **{"data-type": text}),
        transform("column", "add-column", schema, value="label", expression="'order ' || $id", **{"data-type": text}),
    ])  # fmt: skip
    made.run()
    assert made.objects() == ["shop/orders_raw/LOAD00000001.parquet"]
    rows = made.parquet(made.objects()[0]).read().to_pylist()
    assert rows[0] == {"id": 1, "CITY": "Franca", "op": "INSERT", "label": "order 1"}


def test_an_expression_that_is_not_done_fails_the_task_and_is_named(replication, orders, schema):
    added = transform(
        "column", "add-column", schema, value="x", expression="hex($id)", **{"data-type": {"type": "string"}}
    )
    task = replication(rules=[include(schema), added]).run()
    assert task["Status"] == "failed"
    assert "hex($id)" in task["LastFailureMessage"]


def test_DMS_M_10_two_tables_are_not_written_to_one_folder(replication, orders, source, schema):
    source.execute("CREATE TABLE old (id int)")
    made = replication(rules=[include(schema), transform("table", "rename", schema, value="one")])
    assert "one: S3 targets do not support that" in made.run()["LastFailureMessage"]


@pytest.mark.parametrize(
    "settings, codec, encoding",
    [
        ({}, "UNCOMPRESSED", "RLE_DICTIONARY"),
        ({"CompressionType": "GZIP", "EncodingType": "plain"}, "GZIP", None),
        ({"EncodingType": "plain-dictionary"}, "UNCOMPRESSED", "PLAIN_DICTIONARY"),
    ],
)
def test_DMS_W_02_DMS_W_04_DMS_W_13_encoding_and_compression_are_those_of_the_endpoint(
    replication, orders, settings, codec, encoding
):
    made = replication(target=settings)
    made.run()
    city = made.parquet(made.objects()[0]).metadata.row_group(0).column(2)
    assert city.compression == codec
    assert {e for e in city.encodings if "DICTIONARY" in e} == ({encoding} if encoding else set())


def test_DMS_W_05_row_groups_have_the_endpoints_length(replication, source, schema):
    source.execute("CREATE TABLE t AS SELECT i FROM generate_series(1, 25000) i")
    made = replication(target={"ParquetTimestampInMillisecond": True})
    made.run()
    metadata = made.parquet(made.objects()[0]).metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [10000, 10000, 5000]


def test_DMS_W_08_timestamps_in_milliseconds_where_asked(replication, source, schema):
    source.execute("CREATE TABLE t (at timestamp); INSERT INTO t VALUES ('2017-10-02 10:56:33.123456')")
    made = replication(target={"ParquetTimestampInMillisecond": True})
    made.run()
    file = made.parquet(made.objects()[0])
    assert file.schema.column(0).converted_type == "TIMESTAMP_MILLIS"
    assert file.read()["at"].to_pylist()[0].microsecond == 123000


def test_DMS_W_09_objects_are_encrypted_with_the_endpoints_key(replication, orders, aws):
    key = aws("kms").create_key()["KeyMetadata"]["Arn"]
    made = replication(target={"EncryptionMode": "SSE_KMS", "ServerSideEncryptionKmsKeyId": key})
    made.run()
    head = aws("s3").head_object(Bucket=made.bucket, Key=made.objects()[0])
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)


def test_a_file_larger_than_a_part_arrives_whole(replication, source, schema):
    source.execute("CREATE TABLE big AS SELECT i, repeat(md5(i::text), 12) AS text FROM generate_series(1, 30000) i")
    made = replication()
    made.run()
    assert len(made.raw(made.objects()[0])) > 6 << 20
    table = made.parquet(made.objects()[0]).read()
    assert sorted(table["i"].to_pylist()) == list(range(1, 30001))


def test_views_are_loaded_where_they_are_selected(replication, orders, source, schema):
    source.execute("CREATE VIEW cheap AS SELECT id FROM orders WHERE price < 10")
    rule = include(schema)
    rule["object-locator"]["table-type"] = "all"
    made = replication(rules=[rule])
    made.run()
    assert {name: t["FullLoadRows"] for name, t in made.tables().items()} == {"cheap": 1, "orders": 3}


def test_an_endpoint_without_tls_at_the_server_refuses_require(replication, make_source, aws, instance, schema):
    connection = check_connection(aws, instance, make_source(SslMode="require"))
    assert connection["Status"] == "failed"
    assert "does not support SSL" in connection["LastFailureMessage"]
