"""The control tables of a task that captures changes."""

import json
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from groundwork_aws.dms.changes import ChangeLayout
from groundwork_aws.dms.control_tables import ControlFiles, ControlTables
from groundwork_aws.dms.full_load import Layout
from groundwork_aws.dms.parquet import Format
from groundwork_aws.dms.settings import merged
from groundwork_aws.dms.target import Target
from tests.dms.conftest import Replication, own, wait_until

from groundwork.local import services

ALL = {"StatusTableEnabled": True, "SuspendedTablesTableEnabled": True, "HistoryTableEnabled": True}
STATUS = [
    "server_name", "task_name", "task_status", "status_time", "pending_changes", "disk_swap_size", "task_memory",
    "source_current_position", "source_current_timestamp", "source_tail_position", "source_tail_timestamp",
    "source_timestamp_applied",
]  # fmt: skip


def control(made, table: str, folder: str = "") -> list[dict]:
    keys = sorted(key for key in made.objects() if key.startswith(f"{folder}awsdms_{table}/"))
    return [row for key in keys for row in made.parquet(key).read().to_pylist()]


@pytest.mark.guess
def test_DMS_S3_10_the_status_is_told_in_a_folder_without_schema_with_op_and_time_stamp(capture, source, shop):
    made = capture(
        target={"TimestampColumnName": "at", "BucketFolder": "olist"}, settings={"ControlTablesSettings": ALL}
    )
    made.follow()
    own(source, "DELETE FROM orders WHERE id = 1")
    made.changes(count=1)
    made.stop()
    status = control(made, "status", "olist/")
    told = [row["task_status"] for row in status]
    assert [told[n] for n in range(len(told)) if n == 0 or told[n] != told[n - 1]] == [
        "FULL LOAD", "CHANGE PROCESSING", "NOT RUNNING",
    ]  # fmt: skip
    assert list(status[0]) == ["Op", "at", *STATUS]
    assert [row["Op"] for row in status] == ["I"] + ["U"] * (len(status) - 1)
    assert {row["task_name"] for row in status} == {made.task.rpartition(":")[2]}
    last = status[-1]
    assert last["source_current_position"] == last["source_tail_position"]
    assert abs(last["source_timestamp_applied"] - datetime.now(UTC)) < timedelta(minutes=1)
    assert last["task_memory"] > 10
    [key, *_] = [key for key in made.objects() if "awsdms_status" in key]
    assert made.parquet(key).metadata.created_by == "AWS"
    load, changes = control(made, "history", "olist/")
    assert [row["timeslot_type"] for row in (load, changes)] == ["FULL LOAD", "CHANGE PROCESSING"]
    assert [row["timeslot_records"] for row in (load, changes)] == [3, 1]
    assert control(made, "suspended_tables", "olist/") == []


@pytest.mark.guess
def test_DMS_S3_10_a_suspended_table_is_told_with_the_reason(capture, source, shop, schema):
    made = capture(settings={"ControlTablesSettings": ALL | {"ControlSchema": "dmslogs"}})
    made.follow()
    own(source, "DELETE FROM orders WHERE city IS NULL; ALTER TABLE orders DROP CONSTRAINT orders_pkey")
    own(source, "ALTER TABLE orders ADD PRIMARY KEY (id, city)")
    [row] = wait_until(lambda: control(made, "suspended_tables", "dmslogs/"), made.messages)
    assert (row["table_owner"], row["table_name"]) == (schema, "orders")
    assert row["suspend_reason"] == "its primary key was (id) and is now (id, city)"
    assert row["suspend_timestamp"] <= datetime.now(UTC)


def test_DMS_S3_10_without_their_settings_and_in_a_full_load_there_are_no_control_tables(replication, shop):
    made = replication(settings={"ControlTablesSettings": ALL})
    assert made.run()["Status"] == "stopped"
    assert not any("awsdms" in key for key in made.objects())


@pytest.mark.guess
def test_DMS_S3_10_each_time_slot_has_its_row_of_history(bucket, endpoint_url):
    s3 = boto3.client("s3", endpoint_url=endpoint_url, region_name=services.REGION,
                      aws_access_key_id="test", aws_secret_access_key="test")  # fmt: skip
    files = ControlFiles(Target(s3, bucket, ""), Layout(False, "", None, False, 1 << 30), Format(),
                         ChangeLayout(0, 0), "")  # fmt: skip
    settings = merged(json.dumps({"ControlTablesSettings": ALL | {"HistoryTimeslotInMinutes": 10}}))
    task = {"checkpoint": "ABC.json", "settings": settings, "type": "full-load-and-cdc", "fresh": True}
    told = []
    tables = ControlTables(task, {"awsdms_history"}, files, lambda **event: told.append(event))
    began = tables.slot_began
    tables(table=("shop", "orders"), state="Full load", rows=0)
    tables(table=("shop", "orders"), state="Full load", rows=50_000)
    tables.tick(began + timedelta(minutes=10))
    tables(table=("shop", "orders"), state="Table completed", rows=60_000)
    tables(changes=[{"table": ("shop", "orders"), "Inserts": 2, "Deletes": 1, "Ddls": 1}], position=1)
    tables(latency={"CDCLatencySource": 1, "CDCLatencyTarget": 7})
    tables.tick(began + timedelta(minutes=15))
    tables.tick(began + timedelta(minutes=20))
    tables.tick(began + timedelta(minutes=30))
    made = Replication(lambda name: s3, "", "", "", "", bucket)
    rows = [
        (r["timeslot_type"], r["timeslot_duration"], r["timeslot_latency"], r["timeslot_records"])
        for r in control(made, "history")
    ]
    assert rows == [
        ("FULL LOAD", 10, None, 50_000), ("FULL LOAD", 10, None, 10_000), ("CHANGE PROCESSING", 10, 7, 3),
        ("CHANGE PROCESSING", 10, 7, 0),
    ]  # fmt: skip
    assert len(told) == 5  # every event is told on
