"""Change capture: what is written of changes, and where."""

import json
import math
import os
import re
import signal
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from tests.dms.conftest import include, own, transform, wait_until
from tests.dms.test_tasks import refused
from tests.dms.test_types import TYPES


def short(rows: list[dict]) -> list[tuple]:
    return [(row.get("Op"), row["id"], row["price"], row["city"]) for row in rows]


def test_DMS_OP_01_DMS_S3_03_DMS_TS_04_DMS_TS_06_a_load_is_followed_by_changes(capture, source, schema, shop):
    made = capture(target={"TimestampColumnName": "at", "BucketFolder": "olist"})
    made.follow()
    before = datetime.now(UTC)
    own(source, "INSERT INTO orders VALUES (4, 1.5, 'São Paulo')")
    own(source, "UPDATE orders SET price = 2 WHERE id = 1; DELETE FROM orders WHERE id = 2")
    found = made.changes(count=3)
    assert short(found) == [
        ("I", 4, Decimal("1.50"), "São Paulo"), ("U", 1, Decimal("2.00"), "Franca"),
        ("D", 2, Decimal("20.00"), "Bauru"),
    ]  # fmt: skip
    assert list(found[0]) == ["Op", "at", "id", "price", "city", "seq"]
    assert found[1]["at"] == found[2]["at"]  # the commit's time
    committed = datetime.strptime(found[0]["at"], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)  # DMS_TS_06
    assert abs((committed - before).total_seconds()) < 60
    load, *files = sorted(made.objects(), key=lambda key: "LOAD" not in key)
    assert load == f"olist/{schema}/orders/LOAD00000001.parquet"
    assert all(re.fullmatch(rf"olist/{schema}/orders/\d{{8}}-\d{{9}}\.parquet", key) for key in files), files
    rows = made.parquet(load).read().to_pylist()
    assert [row["seq"] for row in rows] == [""] * 3
    assert "Op" not in rows[0]


@pytest.mark.guess
def test_DMS_OP_03_with_the_default_identity_a_delete_tells_the_key_only(capture, source, shop):
    own(source, "ALTER TABLE orders REPLICA IDENTITY DEFAULT")
    made = capture()
    made.follow()
    own(source, "UPDATE orders SET price = NULL WHERE id = 1; DELETE FROM orders WHERE id = 2")  # B6, B9
    assert short(made.changes(count=2)) == [("U", 1, None, "Franca"), ("D", 2, None, None)]


def test_DMS_OP_04_B5_without_a_primary_key_only_inserts_flow_and_the_log_says_so(capture, source, shop):
    own(source, "CREATE TABLE visits (page text); INSERT INTO visits VALUES ('home')")
    made = capture(settings={"Logging": {"EnableLogging": True}})
    made.follow()
    own(source, "UPDATE visits SET page = 'cart'; DELETE FROM visits; INSERT INTO visits VALUES ('pay')")
    assert [(row["Op"], row["page"]) for row in made.changes("visits", 1)] == [("I", "pay")]
    assert any("has no primary key: its updates and deletes are ignored" in message for message in made.messages())
    wait_until(lambda: made.tables()["visits"]["Inserts"] == 1, made.tables)  # counted after its file is there


def test_DMS_OP_05_B1_an_update_of_the_key_is_ignored_and_the_log_says_so(capture, source, shop):
    made = capture(settings={"Logging": {"EnableLogging": True}})
    made.follow()
    own(source, "UPDATE orders SET id = 30 WHERE id = 3; UPDATE orders SET city = 'Rio' WHERE id = 1")
    assert short(made.changes(count=1)) == [("U", 1, Decimal("9.99"), "Rio")]
    wait_until(lambda: any("updates that change the primary key are ignored (1" in m for m in made.messages()))


@pytest.mark.parametrize(
    "settings, operations",
    [({"CdcInsertsOnly": True}, [None]), ({"CdcInsertsAndUpdates": True}, ["I", "U"])],
)
def test_DMS_OP_02_only_the_operations_that_are_asked_for_are_written(capture, source, shop, settings, operations):
    made = capture(target=settings)
    made.follow()
    own(source, "INSERT INTO orders VALUES (4, 1, 'A'); UPDATE orders SET price = 5 WHERE id = 4; DELETE FROM orders")
    assert [row.get("Op") for row in made.changes(count=len(operations))] == operations


@pytest.mark.guess
@pytest.mark.parametrize("identity", ["DEFAULT", "FULL"])
def test_DMS_OP_06_B3_a_large_value_that_was_not_touched_is_kept(capture, source, schema, identity):
    own(source, "CREATE TABLE orders (id int PRIMARY KEY, price int, city text)")
    own(source, f"ALTER TABLE orders REPLICA IDENTITY {identity}")
    large = "(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 900) i)"
    own(source, f"INSERT INTO orders SELECT 1, 1, {large}")
    made = capture()
    made.follow()
    own(source, "UPDATE orders SET price = 2")
    [row] = made.changes(count=1)
    assert row["price"] == 2
    assert row["city"] == source.execute("SELECT left(city, 16384) FROM orders").fetchone()[0]  # DMS_T_03: LobMaxSize


def test_DMS_TS_08_the_headers_of_a_change(capture, source, schema, shop):
    text = {"data-type": {"type": "string", "length": 50}}
    made = capture(target={"TimestampColumnName": "at"}, rules=[
        transform("column", "add-column", schema, value="op", expression="$AR_H_OPERATION", **text),
        transform("column", "add-column", schema, value="committed", expression="$AR_H_COMMIT_TIMESTAMP",
                  **{"data-type": {"type": "datetime", "precision": 7}}),
        transform("column", "add-column", schema, value="lsn", expression="$AR_H_STREAM_POSITION", **text),
        transform("column", "add-column", schema, value="label", expression="'order ' || $id", **text),
    ])  # fmt: skip
    made.follow()
    own(source, "UPDATE orders SET price = 1 WHERE id = 1; UPDATE orders SET price = 2 WHERE id = 1")  # A10
    own(source, "DELETE FROM orders WHERE id = 1")
    found = made.changes(count=3)
    assert [(row["op"], row["label"]) for row in found] == [
        ("UPDATE", "order 1"), ("UPDATE", "order 1"), ("DELETE", "order 1"),
    ]  # fmt: skip
    assert all(f"{row['committed']:%Y-%m-%d %H:%M:%S.%f}" == row["at"] for row in found)
    assert all(re.fullmatch(r"[0-9A-F]{8}/[0-9A-F]{8}", row["lsn"]) for row in found)
    sequences = [row["seq"] for row in found]
    assert all(re.fullmatch(r"\d{35}", sequence) for sequence in sequences)
    assert sequences == sorted(set(sequences))
    assert sequences[0][:16] == f"{found[0]['committed']:%Y%m%d%H%M%S%f}"[:16]


@pytest.mark.guess
def test_C3_C4_C5_C6_C7_C8_C9_C11_values_are_those_of_a_full_load(capture, source, schema):
    own(source, "CREATE TYPE mood AS ENUM ('glad'); CREATE DOMAIN cents AS int")
    columns = ", ".join(f"{name} {sql}" for name, (sql, *_) in TYPES.items())
    values = ", ".join(literal for _, literal, *_ in TYPES.values())
    own(source, f"CREATE TABLE everything (id int PRIMARY KEY, {columns})")
    odd = "INSERT INTO everything (id, a_timestamp, a_date, a_double, a_time, a_interval, a_text, a_numeric) VALUES "
    rows = [
        f"INSERT INTO everything VALUES (NUMBER, {values})", "INSERT INTO everything VALUES (NUMBER)",
        odd + "(NUMBER, 'infinity', '-infinity', 'NaN', '24:00', '-1 day -00:00:01.5', E'\\t\\r\\n''\"\\\\', -0.01)",
        odd + "(NUMBER, '0044-03-15 10:00 BC', '1582-10-10', 'Infinity', '00:00', '0', '', 0)",
        odd + "(NUMBER, '9999-12-31 23:59:59.999999', '0001-01-01', 1e-300, '1:02:03.1', '1 mon', 'NULL', 1)",
        "INSERT INTO everything (id, a_numeric, a_unbounded, a_double, a_real, a_timestamptz) VALUES "
        "(NUMBER, 'NaN', 'NaN', '-Infinity', 'NaN', '2018-11-04 00:30:00-02:00'), "
        "(NUMBER + 10, 9999999999999.99, 1e21, 0.1::float8 + 0.2, '-Infinity', '2017-10-02 10:56:33+05:45')",
        "INSERT INTO everything (id, a_unbounded) VALUES (NUMBER, 'Infinity'), (NUMBER + 10, '-Infinity')",
        "INSERT INTO everything (id, a_text) SELECT NUMBER + 10 * i, repeat('x', 16382 + i) || '😀' "
        "FROM generate_series(1, 3) i",
    ]  # fmt: skip
    for number, row in enumerate(rows):
        own(source, row.replace("NUMBER", str(number)))
    made = capture()
    made.follow()
    for number, row in enumerate(rows):
        own(source, row.replace("NUMBER", str(number + 100)))
    wait_until(lambda: made.tables()["everything"]["AppliedInserts"] == len(rows) + 4, made.tables)
    load, *files = (made.parquet(key) for key in sorted(made.objects(), key=lambda key: "LOAD" not in key))
    of_changes = [c for c in (files[0].schema.column(i) for i in range(len(files[0].schema))) if c.name != "Op"]
    assert [(c.name, c.physical_type, c.converted_type) for c in of_changes] == [
        (c.name, c.physical_type, c.converted_type) for c in (load.schema.column(i) for i in range(len(load.schema)))
    ]
    loaded = comparable(load.read())
    captured = [row for file in files for row in comparable(file.read().drop_columns("Op"))]
    assert captured == loaded
    by_id = {row["id"]: row for row in load.read_row_groups([0], ["id", "a_numeric", "a_double", "a_text"]).to_pylist()}
    assert (by_id[5]["a_numeric"], by_id[5]["a_double"], by_id[15]["a_double"]) == (None, -math.inf, 0.1 + 0.2)
    assert [by_id[id]["a_text"][16382:] for id in (17, 27, 37)] == ["x", "xx", "xx"]  # never half a character


def test_C12_C13_odd_names_and_computed_columns_come_by_load_and_by_changes(capture, source, schema):
    tables = ["order", "Mixed Case", "dotted.name", "with$dollar", "ação", "n" * 63]
    columns = ["select", "Two Words", "a.b", "c$", "é", "m" * 63]
    computed = 'twice int GENERATED ALWAYS AS (2 * "c$") STORED, one int GENERATED ALWAYS AS (1) STORED'
    named = ", ".join(f'"{column}" int' for column in columns)
    definition = f'"Id" int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, {named}, {computed}'
    for table in tables:
        own(source, f'CREATE TABLE "{table}" ({definition}); ALTER TABLE "{table}" REPLICA IDENTITY FULL')
        own(source, f'INSERT INTO "{table}" ("c$") VALUES (1)')
    made = capture()
    made.follow()
    for table in tables:
        own(source, f'INSERT INTO "{table}" ("c$", "Two Words") VALUES (2, 3)')
        own(source, f'UPDATE "{table}" SET "a.b" = 4, "c$" = 5')
    nothing = {**dict.fromkeys(columns), "one": 1}
    for table in tables:
        [load] = [key for key in made.objects() if f"/{table}/LOAD" in key]
        [loaded] = made.parquet(load).read().to_pylist()
        assert without(loaded, "seq") == {"Id": 1, **nothing, "c$": 1, "twice": 2}
        assert [without(row, "seq") for row in made.changes(table, count=3)] == [
            {"Op": "I", "Id": 2, **nothing, "Two Words": 3, "c$": 2, "twice": 4},
            {"Op": "U", "Id": 1, **nothing, "a.b": 4, "c$": 5, "twice": 10},
            {"Op": "U", "Id": 2, **nothing, "Two Words": 3, "a.b": 4, "c$": 5, "twice": 10},
        ]


def without(row: dict, name: str) -> dict:
    return {key: value for key, value in row.items() if key != name}


def comparable(table) -> list[dict]:
    """Rows without what tells them apart; Python has no dates of BC, so times are the numbers that are stored."""
    stored = {"timestamp[us, tz=UTC]": "int64", "date32[day]": "int32"}
    plain = [column.cast(stored.get(str(column.type), column.type)) for column in table.columns]
    rows = table.from_arrays(plain, names=table.column_names).drop_columns(["id", "seq"]).to_pylist()
    return [{name: repr(value) for name, value in row.items()} for row in rows]


@pytest.mark.parametrize(
    "sequence, delimiter, folder",
    [("YYYYMMDD", "SLASH", "%Y/%m/%d"), ("DDMMYYYY", "DASH", "%d-%m-%Y"), ("YYYYMMDDHH", "NONE", "%Y%m%d%H")],
)
def test_DMS_S3_04_DMS_S3_06_DMS_S3_07_changes_are_partitioned_by_commit_date(
    capture, source, schema, shop, sequence, delimiter, folder
):
    made = capture(target={
        "DatePartitionEnabled": True, "DatePartitionSequence": sequence, "DatePartitionDelimiter": delimiter,
        "DatePartitionTimezone": "America/Sao_Paulo",
    })  # fmt: skip
    made.follow()
    local = "SELECT clock_timestamp() AT TIME ZONE 'America/Sao_Paulo'"
    [before] = source.execute(local).fetchone()
    own(source, "DELETE FROM orders WHERE id = 1")
    [after] = source.execute(local).fetchone()
    made.changes(count=1)
    load, file = sorted(made.objects(), key=lambda key: "LOAD" not in key)
    assert load == f"{schema}/orders/LOAD00000001.parquet"
    assert file.rpartition("/")[0] in {f"{schema}/orders/{moment:{folder}}" for moment in (before, after)}
    [end] = source.execute(local).fetchone()
    assert file.rpartition("/")[2][:8] in {f"{moment:%Y%m%d}" for moment in (before, end)}  # DMS_S3_04


def test_DMS_S3_11_a_file_waits_for_the_interval(capture, source, shop):
    made = capture(target={"CdcMaxBatchInterval": 3, "CdcMinFileSize": 1024 * 1024})
    made.follow()
    started = time.monotonic()
    own(source, "DO $$ BEGIN DELETE FROM orders WHERE id = 1; COMMIT; DELETE FROM orders WHERE id = 2; END $$")
    made.changes(count=2)
    assert time.monotonic() - started > 2.5
    assert len(made.objects()) == 2


def test_DMS_S3_11_or_for_its_size(capture, source, shop):
    made = capture(target={"CdcMaxBatchInterval": 3600, "CdcMinFileSize": 1024})
    made.follow()
    for first in (10_000, 20_000):  # the WAL grows by what it takes after a commit, too
        own(source, f"INSERT INTO orders SELECT {first} + i, 1, repeat('x', 900) FROM generate_series(1, 3000) i")
    made.changes(count=3000)  # an hour before the interval is over


@pytest.mark.guess
def test_B8_a_transaction_of_several_tables_is_in_files_of_one_name(capture, source, schema, shop):
    own(source, "CREATE TABLE payments (id int PRIMARY KEY)")
    made = capture()
    made.follow()
    structures = "INSERT INTO orders VALUES (4); ALTER TABLE orders ADD note text; INSERT INTO orders VALUES (5)"
    own(source, f"{structures}; INSERT INTO payments VALUES (1)")
    made.changes("payments", count=1)
    made.changes("orders", count=2)
    files = sorted(key.removeprefix(f"{schema}/") for key in made.objects() if "LOAD" not in key)
    [first, second, payment] = [re.fullmatch(r"(\w+)/(\d{8})-(\d{9})\.parquet", file).groups() for file in files]
    assert (first[0], second[0], payment[0]) == ("orders", "orders", "payments")
    times = [datetime.strptime(f"{day}{time}000", "%Y%m%d%H%M%S%f") for _, day, time in (first, second, payment)]
    assert times == [times[0], times[0] + timedelta(milliseconds=1), times[0]]


def test_DMS_S3_14_DMS_V_04_B2_a_truncated_table_loses_its_files(capture, source, schema, shop):
    made = capture()
    made.follow()
    own(source, "DELETE FROM orders WHERE id = 1")
    made.changes(count=1)
    own(source, "BEGIN; INSERT INTO orders VALUES (8); TRUNCATE orders; INSERT INTO orders VALUES (9); COMMIT")
    wait_until(lambda: made.tables()["orders"]["Inserts"] == 2, made.tables)
    [file] = made.objects()
    assert [row["id"] for row in made.parquet(file).read().to_pylist()] == [9]
    assert made.tables()["orders"]["Ddls"] == 1


def test_DMS_S3_14_unless_truncations_are_not_handled(capture, source, shop):
    made = capture(settings={"ChangeProcessingDdlHandlingPolicy": {"HandleSourceTableTruncated": False}})
    made.follow()
    own(source, "TRUNCATE orders; INSERT INTO orders VALUES (9)")
    made.changes(count=1)
    assert any("LOAD" in key for key in made.objects())


def test_DMS_S3_17_D1_D2_new_files_have_the_new_structure(capture, source, shop):
    made = capture()
    made.follow()
    own(source, "INSERT INTO orders VALUES (4, 1, 'A')")
    own(source, "ALTER TABLE orders ADD COLUMN state text DEFAULT 'SP'; INSERT INTO orders VALUES (5, 1, 'B')")
    own(source, "ALTER TABLE orders DROP COLUMN price; UPDATE orders SET state = 'RJ' WHERE id = 1")
    found = made.changes(count=3)
    assert [list(row) for row in found] == [
        ["Op", "id", "price", "city", "seq"], ["Op", "id", "price", "city", "state", "seq"],
        ["Op", "id", "city", "state", "seq"],
    ]  # fmt: skip
    assert [row.get("state") for row in found] == [None, "SP", "RJ"]
    wait_until(lambda: made.tables()["orders"]["Ddls"] == 2, made.tables)


def test_D5_a_new_table_is_loaded_and_a_dropped_ones_files_stay(capture, source, shop):
    made = capture()
    made.follow()
    own(source, "CREATE TABLE sellers (id int PRIMARY KEY); INSERT INTO sellers VALUES (1)")
    wait_until(lambda: made.tables().get("sellers", {}).get("TableState") == "Table completed", made.tables)
    own(source, "INSERT INTO sellers VALUES (2)")
    assert [row["id"] for row in made.changes("sellers", 1)] == [2]
    own(source, "DROP TABLE sellers; DELETE FROM orders")
    wait_until(lambda: made.tables()["sellers"]["TableState"] == "Table does not exist", made.tables)
    assert len([key for key in made.objects() if "/sellers/" in key]) == 2


def test_E8_DMS_M_12_a_task_without_tables_fails_or_waits_for_one(capture, source, schema):
    made = capture(settings={"ErrorBehavior": {"FailOnNoTablesCaptured": False}})
    made.follow()
    own(source, "CREATE TABLE orders (id int PRIMARY KEY)")
    wait_until(lambda: "orders" in made.tables(), made.tables)
    own(source, "INSERT INTO orders VALUES (1)")
    assert [row["id"] for row in made.changes(count=1)] == [1]
    made.stop()
    own(source, "DROP TABLE orders")
    strict = json.dumps({"ErrorBehavior": {"FailOnNoTablesCaptured": True}})
    made.aws("dms").modify_replication_task(ReplicationTaskArn=made.task, ReplicationTaskSettings=strict)
    assert "No tables were found" in made.run("reload-target")["LastFailureMessage"]


@pytest.mark.guess
def test_a_table_that_cannot_be_loaded_leaves_the_others_captured(capture, source, shop, schema):
    own(source, "CREATE TABLE broken (id int PRIMARY KEY); INSERT INTO broken VALUES (1)")
    own(source, "CREATE FUNCTION fails(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'broken'; END $$")
    own(source, "ALTER TABLE broken ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    own(source, "CREATE POLICY fails ON broken USING (fails(id))")
    made = capture()
    made.follow()
    states = {name: table["TableState"] for name, table in made.tables().items()}
    assert states == {"orders": "Table completed", "broken": "Table error"}
    own(source, "DELETE FROM orders WHERE id = 1")
    assert [row["id"] for row in made.changes(count=1)] == [1]
    task = made.describe()
    assert (task["Status"], task["ReplicationTaskStats"]["TablesErrored"]) == ("running", 1)


@pytest.mark.guess
def test_D6_a_table_with_another_primary_key_is_suspended(capture, source, shop):
    made = capture(settings={"Logging": {"EnableLogging": True}})
    made.follow()
    own(source, "DELETE FROM orders WHERE city IS NULL")
    own(source, "ALTER TABLE orders DROP CONSTRAINT orders_pkey, ADD PRIMARY KEY (id, city)")
    own(source, "INSERT INTO orders VALUES (4, 1, 'A')")
    wait_until(lambda: made.tables()["orders"]["TableState"] == "Table error", made.tables)
    wait_until(lambda: any("its primary key was (id) and is now (id, city)" in m for m in made.messages()))
    assert made.describe()["Status"] == "running"


def test_DMS_ST_04_where_a_task_starts_and_stops(capture, source, shop, aws):
    made = capture(MigrationType="cdc")
    both = {"CdcStartTime": datetime(2026, 1, 1, tzinfo=UTC), "CdcStartPosition": "0/0"}
    start = {"ReplicationTaskArn": made.task, "StartReplicationTaskType": "start-replication"}
    for given, code, reason in (
        (both, "InvalidParameterCombinationException", "cannot be given together"),
        ({"CdcStartTime": both["CdcStartTime"]}, "InvalidParameterValueException", "not supported for PostgreSQL"),
        ({"CdcStartPosition": "0/0"}, "InvalidParameterCombinationException", "needs a SlotName"),
        ({"CdcStopPosition": "soon"}, "InvalidParameterValueException", "server_time:"),
    ):
        refused(code, reason, aws("dms").start_replication_task, **start, **given)
    made.follow()
    own(source, "DELETE FROM orders WHERE id = 1")
    made.changes(count=1)
    made.stop()
    assert not any("LOAD" in key for key in made.objects())
    own(source, "DELETE FROM orders WHERE id = 2")
    end = source.execute("SELECT clock_timestamp() AT TIME ZONE 'UTC'").fetchone()[0]
    own(source, "DELETE FROM orders WHERE id = 3")
    aws("dms").start_replication_task(
        ReplicationTaskArn=made.task, StartReplicationTaskType="resume-processing",
        CdcStopPosition=f"commit_time:{end:%Y-%m-%dT%H:%M:%S.%f}",
    )  # fmt: skip
    assert made.wait_for("stopped", "failed")["StopReason"] == "Stop Reason STOPPED_AT_COMMIT_TIME"
    assert [row["id"] for row in made.changes()] == [1, 2]
    end = source.execute("SELECT clock_timestamp() AT TIME ZONE 'UTC' + interval '2 s'").fetchone()[0]
    aws("dms").start_replication_task(
        ReplicationTaskArn=made.task, StartReplicationTaskType="resume-processing",
        CdcStopPosition=f"server_time:{end:%Y-%m-%dT%H:%M:%S.%f}",
    )  # fmt: skip
    assert made.wait_for("stopped", "failed")["StopReason"] == "Stop Reason STOPPED_AT_SERVER_TIME"
    assert datetime.now(UTC) >= end.replace(tzinfo=UTC)
    assert [row["id"] for row in made.changes()] == [1, 2, 3]


@pytest.mark.parametrize("setting, reason", [
    ("StopTaskCachedChangesNotApplied", "STOPPED_AFTER_FULL_LOAD"),
    ("StopTaskCachedChangesApplied", "STOPPED_AFTER_CACHED_EVENTS"),
])  # fmt: skip
def test_a_task_stops_after_its_load_where_that_is_asked_for(capture, source, shop, setting, reason):
    made = capture(settings={"FullLoadSettings": {setting: True}})
    assert made.run()["StopReason"] == f"Stop Reason {reason}"
    own(source, "DELETE FROM orders WHERE id = 1")
    made.start("resume-processing")
    assert [row["id"] for row in made.changes(count=1)] == [1]


def test_AF_DMS_2_DMS_ST_08_A14_one_table_is_reloaded_while_the_task_runs(capture, source, shop, schema, aws):
    own(source, "CREATE TABLE sellers (id int PRIMARY KEY); INSERT INTO sellers VALUES (1)")
    made = capture()
    made.follow()
    own(source, "DELETE FROM orders WHERE id = 1; INSERT INTO sellers VALUES (2)")
    made.changes(count=1)
    kept = [key for key in made.objects() if "/sellers/" in key]
    tables = [{"SchemaName": schema, "TableName": "orders"}]
    reload = {"ReplicationTaskArn": made.task, "TablesToReload": tables}
    refused("InvalidResourceStateFault", "once", aws("dms").reload_tables, **{**reload, "TablesToReload": tables * 2})
    aws("dms").reload_tables(**reload)
    table = made.tables()["orders"]
    assert table["TableState"] != "Table completed" or table["FullLoadRows"] == 2
    wait_until(lambda: (t := made.tables()["orders"])["TableState"] == "Table completed" and t["FullLoadRows"] == 2)
    assert made.tables()["orders"]["FullLoadReloaded"]
    assert made.changes() == []
    assert set(kept) <= set(made.objects())
    own(source, "DELETE FROM orders WHERE id = 2")
    assert [row["id"] for row in made.changes(count=1)] == [2]
    refused(
        "InvalidResourceStateFault", "running", aws("dms").delete_replication_task, ReplicationTaskArn=made.task
    )  # E9


def test_DMS_ST_13_changes_are_counted_and_latencies_are_measured(capture, source, shop, aws):
    made = capture()
    made.follow()
    own(source, "INSERT INTO orders VALUES (4), (5); UPDATE orders SET price = 1; DELETE FROM orders WHERE id = 5")
    made.changes(count=8)
    counters = ("Inserts", "Updates", "Deletes", "AppliedInserts", "AppliedUpdates", "AppliedDeletes", "FullLoadRows")
    wait_until(lambda: [made.tables()["orders"][name] for name in counters] == [2, 5, 1, 2, 5, 1, 3], made.tables)
    assert made.describe()["RecoveryCheckpoint"].startswith("checkpoint:V1#1#")
    dimensions = [{"Name": "ReplicationInstanceIdentifier", "Value": "tests"},
                  {"Name": "ReplicationTaskIdentifier", "Value": made.task.rpartition(":")[2]}]  # fmt: skip
    metrics = lambda: aws("cloudwatch").list_metrics(Namespace="AWS/DMS", Dimensions=dimensions)["Metrics"]  # noqa: E731
    wait_until(lambda: {metric["MetricName"] for metric in metrics()} == {"CDCLatencySource", "CDCLatencyTarget"})


def test_E4_a_heartbeat_moves_the_slot_of_a_quiet_table(capture, source, schema, shop):
    made = capture(source={"PostgreSQLSettings": {"HeartbeatEnable": True, "HeartbeatSchema": schema}})
    made.follow()
    wait_until(lambda: source.execute("SELECT count(*) FROM awsdms_heartbeat").fetchone() == (1,))
    first = made.describe()["RecoveryCheckpoint"]
    source.execute("UPDATE awsdms_heartbeat SET hb_last_heartbeat_at = now()")
    wait_until(lambda: made.describe()["RecoveryCheckpoint"] > first)
    assert not any("heartbeat" in key for key in made.objects())


def test_a_killed_process_is_started_again_and_nothing_is_lost(capture, source, shop, state):
    made = capture(settings={"ErrorBehavior": {"RecoverableErrorInterval": 1}})
    made.follow()
    own(source, "DELETE FROM orders WHERE id = 1")
    made.changes(count=1)
    os.kill(process_of(made, state), signal.SIGKILL)
    own(source, "DELETE FROM orders WHERE id = 2")
    # Killed before it noted that a file is there, it writes that again: the same changes, of the same numbers.
    wait_until(lambda: sorted({(row["seq"], row["id"]) for row in made.changes()})[1:], made.changes)
    assert [key for _, key in sorted({(row["seq"], row["id"]) for row in made.changes()})] == [1, 2]
    assert made.describe()["Status"] == "running"


def process_of(made, state) -> int:
    """The replication process: the one that writes the task's log file."""
    log = state / "dms" / f"{made.task.rpartition(':')[2]}.log"
    for output in Path("/proc").glob("[0-9]*/fd/1"):
        with suppress(OSError):
            if output.readlink() == log:
                return int(output.parts[2])
    raise LookupError(log)


@pytest.mark.parametrize("rule, reason", [
    ({"object-locator": {"schema-name": "s", "table-name": "t", "table-type": "view"}}, "views are for full-load"),
])  # fmt: skip
def test_DMS_M_03_what_is_for_full_loads_only_is_refused(capture, rule, reason):
    refused("InvalidParameterValueException", reason, capture, rules=[include("s", "t") | rule])


@pytest.mark.parametrize("endpoint, settings, reason", [
    ("source", {"PostgreSQLSettings": {"SlotName": "mine"}}, "makes its own replication slot"),
    ("target", {"PreserveTransactions": True, "CdcPath": "cdc"}, "they write CSV files"),
])  # fmt: skip
def test_E10_endpoint_settings_that_change_capture_does_not_do_are_refused(capture, endpoint, settings, reason):
    refused("InvalidParameterValueException", reason, capture, **{endpoint: settings})
