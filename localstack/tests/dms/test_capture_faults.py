"""Change capture under faults: whatever ends the process, the next one loses nothing, and numbers it the same.

Here the replication process is run without the API, so that a test can end it where it wants.
"""

import json
import math
import os
import re
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import psycopg
import pytest
from groundwork_aws.dms import capture as engine
from groundwork_aws.dms import endpoints, preflight, replication
from groundwork_aws.dms.checkpoint import Checkpoint
from groundwork_aws.dms.instance import Replication, processes
from groundwork_aws.dms.postgres import Source
from groundwork_aws.dms.settings import merged
from groundwork_aws.dms.slot import remove_from
from tests.dms import conftest
from tests.dms.conftest import Proxy, document, include, own, transform, wait_until

from groundwork.local import services


class Task:
    """A task of the test's own, whose process can be killed and started again."""

    def __init__(self, work: dict, folder: Path, bucket: str):
        self.work, self.folder, self.bucket = work, folder, bucket
        self.s3 = boto3.client("s3", **work["aws"])
        self.events: list[dict] = []

    def start(self, **changed) -> "Task":
        self.events = []
        self.replication = Replication(self.work | changed, self.folder / "task.log", self.events.append)
        return self

    def follow(self, **changed) -> "Task":
        self.start(**changed)
        wait_until(lambda: any("position" in event for event in self.events), lambda: self.events)
        return self

    def kill(self) -> None:
        self.replication.process.kill()
        self.end()

    def stop(self) -> None:
        self.replication.stop()
        self.end()

    def end(self) -> dict:
        return wait_until(lambda: next((event for event in self.events if "end" in event), None), lambda: self.events)

    def rows(self, table: str = "orders") -> list[dict]:
        """Every row in the bucket, of the load first, then by file."""
        keys = [o["Key"] for o in self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])]
        mine = sorted((key for key in keys if f"/{table}/" in key), key=lambda key: ("LOAD" not in key, key))
        read = conftest.Replication(lambda name: self.s3, "", "", "", "", self.bucket).parquet
        return [row for key in mine for row in read(key).read().to_pylist()]

    def changes(self, table: str = "orders") -> list[dict]:
        return [row for row in self.rows(table) if row["seq"]]


def replayed(rows: list[dict]) -> dict[int, tuple]:
    """The table that the rows make, the newest change of each key winning."""
    newest = {row["id"]: row for row in sorted(rows, key=lambda row: row["seq"])}
    return {key: (row["price"], row["city"]) for key, row in newest.items() if row.get("Op") != "D"}


def at_source(source) -> dict[int, tuple]:
    return {key: (price, city) for key, price, city in source.execute("SELECT id, price, city FROM orders")}


def make_work(port: int, schema: str, bucket: str, endpoint_url: str, folder: Path, **more) -> dict:
    target = endpoints.s3_settings(
        {"BucketName": bucket, "ServiceAccessRoleArn": "-", "DataFormat": "parquet", "CdcMaxBatchInterval": 0}, None
    )
    settings = {"ErrorBehavior": {"RecoverableErrorInterval": 1}, "FullLoadSettings": {"MaxFullLoadSubTasks": 1}}
    sequence = transform("column", "add-column", schema, **conftest.SEQUENCE)
    return {
        "type": "full-load-and-cdc", "fresh": True, "slot": f"awsdms_{schema}", "start_position": None,
        "checkpoint": str(folder / "task.json"), "orphans": [], "stop_position": None, "heartbeat": None,
        "source": {"host": "127.0.0.1", "port": port, "database": "postgres", "user": "dms", "password": "right"},
        "target": endpoints.target_of(target), "layout": endpoints.layout_of(target, ""),
        "format": endpoints.format_of(target), "changes": endpoints.changes_of(target),
        "mappings": document(include(schema), sequence), "settings": merged(json.dumps(settings)), "done": [],
        "aws": {"endpoint_url": endpoint_url, "region_name": services.REGION, "aws_access_key_id": "test",
                "aws_secret_access_key": "test"}, **more,
    }  # fmt: skip


@pytest.fixture
def task(source, source_server, schema, shop, bucket, endpoint_url, tmp_path):
    made = Task(make_work(source_server.port, schema, bucket, endpoint_url, tmp_path), tmp_path, bucket)
    yield made
    if made.events and "end" not in made.events[-1]:
        made.stop()
    remove_from(Source(**made.work["source"]), made.work["slot"], None)
    assert conftest.left_at(source) == []


def run_and_die(work: dict, log: str, place: str, call: int) -> None:
    """The process, but it is gone before its ``call``-th arrival at the place."""
    calls = iter(range(1, 1000))
    reached = getattr(engine.Capture if hasattr(engine.Capture, place) else engine.Slot, place)

    def die(self, *arguments):
        if next(calls) == call:
            os._exit(9)
        return reached(self, *arguments)

    setattr(engine.Capture if hasattr(engine.Capture, place) else engine.Slot, place, die)
    ours, theirs = processes.Pipe()
    replication.main(theirs, work, log)


@pytest.mark.parametrize("place", ["_save", "advance"])
def test_A2_DMS_S3_13_killed_between_s3_and_the_checkpoint_or_the_source_it_repeats_the_same(task, source, place):
    task.follow().stop()
    own(source, "UPDATE orders SET price = 1 WHERE id = 1; DELETE FROM orders WHERE id = 2")
    process = processes.Process(
        target=run_and_die, args=(task.work | {"fresh": False}, str(task.folder / "x"), place, 1)
    )
    process.start()
    process.join()
    assert process.exitcode == 9
    first = task.changes()
    assert [row["id"] for row in first] == [1, 2]
    task.follow(fresh=False)
    own(source, "DELETE FROM orders WHERE id = 3")
    wait_until(lambda: replayed(task.rows()) == at_source(source), task.rows)
    again = {row["seq"]: row["id"] for row in task.changes()}
    assert {row["seq"]: row["id"] for row in first}.items() <= again.items()
    assert len(again) == 3  # the same change has the same number, also when it comes twice


def test_A3_nothing_is_missing_or_double_when_the_source_is_written_during_the_load(
    task, source, source_server, schema
):
    own(source, "INSERT INTO orders SELECT i, 1, 'x' FROM generate_series(100, 20000) i")
    done = threading.Event()

    def write() -> None:
        with psycopg.connect(source_server.dsn(), autocommit=True, options=f"-c search_path={schema}") as writer:
            for number in range(100_000, 200_000):
                if done.is_set():
                    return
                writer.execute(f"INSERT INTO orders VALUES ({number}, 0, 'new')")
                writer.execute(f"UPDATE orders SET price = price + 1 WHERE id = {100 + number % 500}")
                writer.execute(f"DELETE FROM orders WHERE id = {1000 + number % 100_000}")

    thread = threading.Thread(target=write)
    thread.start()
    task.follow()
    done.set()
    thread.join()
    wait_until(lambda: replayed(task.rows()) == at_source(source))
    changes = [row["seq"] for row in task.changes()]
    assert len(changes) == len(set(changes)) > 0


def test_A4_A6_A7_DMS_S3_05_what_is_written_is_what_was_committed_in_that_order(task, source, source_server, schema):
    options = f"-c search_path={schema}"
    with psycopg.connect(source_server.dsn(), options=options) as other:
        other.execute("INSERT INTO orders VALUES (50, 1, 'open before the load')")
        task.start()
        time.sleep(0.5)
        other.commit()
        wait_until(lambda: any("position" in event for event in task.events), lambda: task.events)
        other.execute("INSERT INTO orders VALUES (51, 1, 'first in the log, second to commit')")
        own(source, "INSERT INTO orders VALUES (52, 1, 'second in the log, first to commit')")
        task.kill()
        other.execute("SAVEPOINT s; INSERT INTO orders VALUES (53); ROLLBACK TO s")
        other.commit()
        other.execute("INSERT INTO orders VALUES (54)")
        other.rollback()
    task.follow(fresh=False)
    wait_until(lambda: replayed(task.rows()) == at_source(source), task.rows)
    newest = sorted({row["seq"]: row["id"] for row in task.changes()}.items())
    assert [key for _, key in newest] == [52, 51]
    assert [row["id"] for row in task.rows() if not row["seq"]].count(50) == 1


def test_A5_A17_killed_in_the_middle_of_a_large_transaction_it_comes_whole(task, source, schema):
    task.follow()
    own(source, "INSERT INTO orders SELECT i, 1, repeat('x', 100) FROM generate_series(1000, 41000) i")
    time.sleep(0.3)
    task.kill()
    assert {len(task.changes())} <= {0, 40001}  # its file shows when it is whole, or not at all
    task.s3.create_multipart_upload(Bucket=task.bucket, Key=f"{schema}/orders/half.parquet")  # what a kill may leave
    task.follow(fresh=False)
    wait_until(lambda: replayed(task.rows()) == at_source(source))
    assert len({row["seq"] for row in task.changes()}) == 40001
    assert task.s3.list_multipart_uploads(Bucket=task.bucket).get("Uploads", []) == []


def test_A1_a_table_that_was_not_loaded_whole_is_loaded_again_and_the_others_are_not(task, source, schema):
    own(source, "CREATE TABLE slow (id int PRIMARY KEY, filler text)")
    own(source, "INSERT INTO slow SELECT i, repeat('x', 500) FROM generate_series(1, 200000) i")
    task.start()
    loading = {"table": (schema, "slow"), "state": "Full load", "rows": 0}
    wait_until(lambda: loading in task.events, lambda: task.events)
    task.kill()
    loaded = Checkpoint.read(Path(task.work["checkpoint"])).loaded
    assert list(loaded) == [f"{schema}.orders"]
    own(source, "DELETE FROM slow WHERE id > 10; DELETE FROM orders WHERE id = 1")
    task.follow(fresh=False)
    assert len([row for row in task.rows("slow") if not row["seq"]]) == 10
    wait_until(lambda: replayed(task.rows()) == at_source(source))
    states = [e["state"] for e in task.events if e.get("table", ("", ""))[1] == "orders"]
    assert states == ["Table completed"]


def test_A16_the_network_to_the_source_and_to_s3_is_cut_and_the_task_goes_on_by_itself(
    source, source_server, schema, shop, bucket, endpoint_url, tmp_path
):
    to_source, to_s3 = Proxy(source_server.port), Proxy(urlsplit(endpoint_url).port)
    work = make_work(to_source.port, schema, bucket, f"http://127.0.0.1:{to_s3.port}", tmp_path)
    task = Task(work, tmp_path, bucket)
    task.s3 = boto3.client("s3", **work["aws"] | {"endpoint_url": endpoint_url})
    task.follow()
    rows = "INSERT INTO orders SELECT {} + i, 1, repeat(md5(i::text), 12) FROM generate_series(1, 20000) i"
    for number, proxy in enumerate((to_s3, to_source), 1):
        before, proxy.left = len(task.rows()), 6_000_000  # half of what the rows take
        retried = retries(task)
        own(source, rows.format(number * 100_000))
        wait_until(lambda many=retried + 1: retries(task) > many, lambda: task.events)
        assert len(task.rows()) == before  # nothing of it shows
        proxy.left = math.inf
        wait_until(lambda: replayed(task.rows()) == at_source(source), lambda: task.events)
    assert len(task.changes()) == len({row["seq"] for row in task.changes()}) == 40000
    task.stop()
    assert task.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []
    remove_from(Source(**make_work(source_server.port, schema, bucket, "", tmp_path)["source"]), work["slot"], None)


def retries(task) -> int:
    return sum("Task is retried" in event.get("log", "") for event in task.events)


def test_B7_B10_rows_of_every_key_and_a_row_that_changes_very_often(task, source, schema):
    own(source, "CREATE TABLE items (id int, line int, price int, city text, PRIMARY KEY (id, line))")
    own(source, "INSERT INTO items VALUES (1, 1, 1, 'A'), (1, 2, 2, 'B')")
    # a replica identity by another index than the primary key's
    own(source, "CREATE TABLE visits (id int PRIMARY KEY, code int NOT NULL, price int, city text)")
    own(source, "CREATE UNIQUE INDEX code ON visits (code); ALTER TABLE visits REPLICA IDENTITY USING INDEX code")
    own(source, "INSERT INTO visits VALUES (1, 10, 1, 'A'), (2, 20, 2, 'B')")
    task.follow()
    own(source, "UPDATE items SET price = 3 WHERE line = 2; DELETE FROM items WHERE line = 1")
    own(source, "UPDATE visits SET price = 3 WHERE id = 1; DELETE FROM visits WHERE id = 2")
    own(source, "UPDATE orders SET price = price WHERE id = 2")
    own(source, "DO $$ BEGIN FOR i IN 1..30000 LOOP UPDATE orders SET price = i WHERE id = 1; "
                "IF i % 100 = 0 THEN COMMIT; END IF; END LOOP; END $$")  # fmt: skip
    wait_until(lambda: len(task.changes()) == 30001, lambda: task.events)
    assert [(r["Op"], r["id"], r["line"], r["price"]) for r in task.changes("items")] == [
        ("U", 1, 2, 3),
        ("D", 1, 1, None),
    ]
    assert [(r["Op"], r["id"], r["code"], r["price"]) for r in task.changes("visits")] == [
        ("U", 1, 10, 3), ("D", None, 20, None),
    ]  # fmt: skip
    assert replayed(task.rows()) == at_source(source)
    lines = Path(f"/proc/{task.replication.process.pid}/status").read_text().splitlines()
    [peak] = [int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")]
    assert peak < 300  # MB


@pytest.mark.guess
def test_D4_a_table_that_is_altered_while_tables_load_ends_in_an_error_and_the_others_go_on(task, source, schema):
    own(source, "CREATE TABLE a_slow_one (id int PRIMARY KEY, filler text)")
    own(source, "INSERT INTO a_slow_one SELECT i, repeat('x', 500) FROM generate_series(1, 200000) i")
    task.start()  # one table at a time, by name
    loading = {"table": (schema, "a_slow_one"), "state": "Full load", "rows": 0}
    wait_until(lambda: loading in task.events, lambda: task.events)
    own(source, "ALTER TABLE orders ALTER id TYPE bigint")  # rewrites the table: an older snapshot sees no rows
    wait_until(lambda: any("position" in event for event in task.events), lambda: task.events)
    states = {event["table"][1]: event["state"] for event in task.events if "table" in event}
    assert states == {"a_slow_one": "Table completed", "orders": "Table error"}
    [error] = [event["log"] for event in task.events if "structure changed" in event.get("log", "")]
    assert "from (id integer, price numeric(10,2), city text) to (id bigint, " in error
    own(source, "DELETE FROM orders; DELETE FROM a_slow_one WHERE id = 1")
    wait_until(lambda: task.changes("a_slow_one"))
    assert task.changes() == []
    task.stop()
    task.follow(fresh=False)  # what is not loaded yet is loaded now
    own(source, "INSERT INTO orders VALUES (7, 7, 'G')")
    wait_until(lambda: replayed(task.rows()) == at_source(source), lambda: task.events)


def test_E1_what_piled_up_while_the_task_was_stopped_is_told_and_drained(task, source):
    task.follow().stop()
    for number in range(4):
        first = number * 30_000 + 10
        own(source, f"INSERT INTO orders SELECT {first} + i, 1, md5(i::text) FROM generate_series(1, 20000) i")
        own(source, f"UPDATE orders SET price = 2 WHERE id BETWEEN {first} AND {first} + 5000")
    end = source.execute("SELECT pg_current_wal_lsn()").fetchone()[0]  # autovacuum goes on from here
    task.follow(fresh=False)
    [held] = re.findall(r"holds ([\d.]+) MB of WAL", str(task.events))
    assert 5 < float(held) < 200
    wait_until(lambda: replayed(task.rows()) == at_source(source), lambda: task.events)
    lag = "SELECT %s::pg_lsn - confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = %s"
    wait_until(lambda: source.execute(lag, (end, task.work["slot"])).fetchone()[0] < 100_000)


def test_A18_a_second_process_on_the_slot_refuses(task):
    task.follow()
    second = Task(task.work | {"fresh": False}, task.folder, task.bucket).start()
    assert "is active for PID" in second.end()["message"]


@pytest.mark.parametrize("again", ["", "SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')"])
def test_E3_a_slot_that_was_dropped_or_made_anew_fails_the_task(task, source, again):
    task.follow().stop()
    source.execute("SELECT pg_drop_replication_slot(%s)", (task.work["slot"],))
    own(source, "DELETE FROM orders WHERE id = 1")
    if again:
        source.execute(again.format(slot=task.work["slot"]))
    message = task.start(fresh=False).end()["message"]
    assert ("somebody made it anew" if again else "it was dropped at the source") in message
    assert "reload-target" in message
    assert task.changes() == []
    task.follow(fresh=True).stop()
    assert replayed(task.rows()) == at_source(source)


@pytest.fixture
def own_server(tmp_path):
    """A source that a test may break."""
    tmp_path.chmod(0o755)
    folder = tmp_path / "server"
    folder.mkdir()
    folder.chmod(0o755)
    return folder


def prepared(server) -> psycopg.Connection:
    connection = psycopg.connect(server.dsn(), autocommit=True)
    for statement in (
        "CREATE ROLE dms SUPERUSER LOGIN REPLICATION PASSWORD 'right'", "CREATE SCHEMA shop",
        "SET search_path = shop", "CREATE TABLE orders (id int PRIMARY KEY, price numeric(10,2), city text)",
        "INSERT INTO orders VALUES (1, 1, 'A')",
    ):  # fmt: skip
        connection.execute(statement)
    return connection


def test_A15_postgres_is_restarted_and_the_task_goes_on_by_itself(own_server, bucket, endpoint_url, tmp_path):
    with services.running_postgres(own_server, wal_level="logical") as server:
        connection = prepared(server)
        task = Task(make_work(server.port, "shop", bucket, endpoint_url, tmp_path), tmp_path, bucket).follow()
        connection.execute("INSERT INTO orders VALUES (2, 2, 'B')")
        connection.close()
    with services.running(services.postgres("postgres", server), tmp_path / "again.log"):
        with psycopg.connect(server.dsn(), autocommit=True, options="-c search_path=shop") as connection:
            connection.execute("INSERT INTO orders VALUES (3, 3, 'C')")
            wait_until(lambda: replayed(task.rows()) == at_source(connection), lambda: (task.rows(), task.events))
        assert any("Task is retried in 1 s" in event.get("log", "") for event in task.events)
        task.stop()


def test_E2_a_slot_that_fell_too_far_behind_fails_the_task(own_server, bucket, endpoint_url, tmp_path):
    settings = {"wal_level": "logical", "max_slot_wal_keep_size": "1MB", "min_wal_size": "32MB", "max_wal_size": "32MB"}
    with services.running_postgres(own_server, **settings) as server:
        connection = prepared(server)
        task = Task(make_work(server.port, "shop", bucket, endpoint_url, tmp_path), tmp_path, bucket).follow()
        task.stop()
        for _ in range(4):
            connection.execute("INSERT INTO orders (id) SELECT coalesce(max(id), 0) + 1 FROM orders")
            connection.execute("SELECT pg_switch_wal()")
            connection.execute("CHECKPOINT")
        message = task.start(fresh=False).end()["message"]
        assert "was invalidated: it fell behind by more than max_slot_wal_keep_size" in message
        assert "reload-target" in message


def test_E5_a_server_that_is_not_ready_is_told_with_the_sql_that_mends_it(own_server, bucket, endpoint_url, tmp_path):
    with services.running_postgres(own_server, wal_level="replica", wal_sender_timeout="5s") as server:
        connection = prepared(server)
        connection.execute("ALTER ROLE dms NOSUPERUSER NOREPLICATION; CREATE TABLE visits (page text)")
        task = Task(make_work(server.port, "shop", bucket, endpoint_url, tmp_path), tmp_path, bucket).start()
        message = task.end()["message"]
        for problem, mend in (
            ("wal_level is replica", "ALTER SYSTEM SET wal_level = 'logical'"),
            ("wal_sender_timeout is 5000 ms", "wal_sender_timeout = '60s'"),
            ("the role dms may not replicate", 'ALTER ROLE "dms" REPLICATION'),
            ("may not make a publication", 'GRANT CREATE ON DATABASE "postgres" TO "dms"'),
            ("does not own shop.orders", "OWNER TO"),
        ):
            assert problem in message
            assert mend in message
        found = preflight.findings(connection, [("shop", "orders"), ("shop", "visits")])
        problems = {finding.problem.split(":")[0] for finding in found if not finding.blocks}
        assert problems == {"shop.orders has no full replica identity", "shop.visits has no primary key"}
        connection.close()
