"""DMS change capture: a backlog of row changes into Parquet on S3, against the limit of reading the slot by SQL.

    .groundwork/venvs/localstack/bin/python tests/benchmarks/bench_dms_cdc.py [--changes 200000] [--rounds 3]
    .groundwork/venvs/localstack/bin/python tests/benchmarks/bench_dms_cdc.py --memory 5000000
    .groundwork/venvs/localstack/bin/python tests/benchmarks/bench_dms_cdc.py --freshness 20

Data: 40 % updates of orders, 30 % updates of items, 20 % inserts of reviews, 10 % deletes of items, once in
transactions of 20 changes and once in a single one. The limit is ``COPY (SELECT data FROM
pg_logical_slot_peek_binary_changes …) TO STDOUT (FORMAT binary)``, the bytes taken off the socket and dropped. The
capture is a replication process from its start until the last file is in S3 and the slot has moved: connecting,
planning and the checkpoint are part of it. Rounds alternate, each on its own copy of the slot; medians count. The
target is at least half of the limit's rate, and at most 300 MB.

``--freshness`` takes the time from a commit until its file is listed in the bucket, at a CdcMaxBatchInterval of 1 s.
The target is at most a second more than the interval. ``--memory`` compares the process's peak memory at ``--changes``
and at so many changes, in one transaction each.
"""

# environment: localstack

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import boto3
import psycopg

sys.path.insert(0, str(Path(__file__).parents[2]))

from bench_dms_full_load import drain
from groundwork_aws.dms import endpoints
from groundwork_aws.dms.checkpoint import Checkpoint
from groundwork_aws.dms.instance import Replication, make_ready
from groundwork_aws.dms.settings import merged

from groundwork.local import services

BUCKET, TABLES = "bronze", ("orders", "order_items", "order_reviews")
MAPPINGS = {"rules": [
    {"rule-type": "selection", "rule-id": "1", "rule-name": "shop", "rule-action": "include",
     "object-locator": {"schema-name": "shop", "table-name": "%"}},
    {"rule-type": "transformation", "rule-id": "2", "rule-name": "sequence", "rule-action": "add-column",
     "rule-target": "column", "object-locator": {"schema-name": "shop", "table-name": "%"}, "value": "change_seq",
     "expression": "$AR_H_CHANGE_SEQ", "data-type": {"type": "string", "length": 35}},
]}  # fmt: skip
SOURCE = """
CREATE SCHEMA shop;
CREATE TABLE shop.orders AS SELECT md5(i::text)::varchar(32) AS order_id,
    md5((i * 7)::text)::varchar(32) AS customer_id, 'delivered'::varchar(20) AS order_status,
    at AS order_purchase_timestamp, at + interval '1 h' AS order_approved_at,
    at + interval '2 d' AS order_delivered_carrier_date, at + interval '9 d' AS order_delivered_customer_date,
    date_trunc('day', at + interval '20 d') AS order_estimated_delivery_date
    FROM generate_series(1, {n}) i, LATERAL (SELECT timestamp '2016-09-04' + i * interval '60 s' AS at) t;
CREATE TABLE shop.order_items AS SELECT md5(i::text)::varchar(32) AS order_id, 1 AS order_item_id,
    md5((i % 32951)::text)::varchar(32) AS product_id, md5((i % 3095)::text)::varchar(32) AS seller_id,
    timestamp '2016-09-04' + i * interval '50 s' AS shipping_limit_date, (i % 50000 / 100.0)::numeric(10, 2) AS price,
    (i % 3000 / 100.0)::numeric(10, 2) AS freight_value FROM generate_series(1, {n}) i;
CREATE TABLE shop.order_reviews (review_id varchar(32), order_id varchar(32), review_score smallint,
    review_comment_title varchar(100), review_comment_message text, review_creation_date timestamp,
    review_answer_timestamp timestamp);
ALTER TABLE shop.orders ADD PRIMARY KEY (order_id);
ALTER TABLE shop.order_items ADD PRIMARY KEY (order_id, order_item_id);
ALTER TABLE shop.order_reviews ADD PRIMARY KEY (review_id)
"""
# The changes from number {a} to {b} - 1, of each ten: four orders, three items, two reviews, one item that goes.
CHANGES = """
UPDATE shop.orders SET order_status = 'shipped {tag}' WHERE order_id IN (
    SELECT md5(i::text) FROM generate_series({a}, {b} - 1) i WHERE i % 10 < 4);
UPDATE shop.order_items SET price = price + 1 WHERE order_item_id = 1 AND order_id IN (
    SELECT md5(i::text) FROM generate_series({a}, {b} - 1) i WHERE i % 10 BETWEEN 4 AND 6);
INSERT INTO shop.order_reviews SELECT md5('{tag}' || i), md5(i::text), 1 + i % 5, 'recomendo', 'muito bom ' || i,
    timestamp '2017-01-01' + i * interval '1 s', timestamp '2017-01-02' + i * interval '1 s'
    FROM generate_series({a}, {b} - 1) i WHERE i % 10 IN (7, 8);
DELETE FROM shop.order_items WHERE order_item_id = 1 AND order_id IN (
    SELECT md5(i::text) FROM generate_series({a}, {b} - 1) i WHERE i % 10 = 9)
"""
PER_TRANSACTION = 20


def main() -> None:
    # multiprocessing would have each replication process import this file, which takes a tenth of what is measured
    del sys.modules["__main__"].__file__
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--changes", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--identity-full", action="store_true", help="REPLICA IDENTITY FULL, as the platform has it")
    parser.add_argument("--memory", type=int, metavar="CHANGES", help="compare the memory of two transactions' sizes")
    parser.add_argument("--freshness", type=int, metavar="COMMITS", help="how soon so many single commits are in S3")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        state.chmod(0o755)
        settings = {"wal_level": "logical", "max_replication_slots": "50", "max_wal_senders": "10"}
        with services.running_postgres(state, "source", **settings) as source:
            service = services.localstack(services.free_port(), state, source.dsn(), "http://127.0.0.1:9", "none")
            with services.running(service, state / "localstack.log"):
                Benchmark(source, f"http://127.0.0.1:{service.port}", state).run(options)


@dataclass(frozen=True)
class Captured:
    """``peak`` is the replication process's highest memory in MB, ``processor`` the seconds that it was computing."""

    seconds: float
    peak: int
    processor: float

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s, processor time {self.processor:.2f} s, peak {self.peak} MB"


class Benchmark:
    def __init__(self, source, endpoint_url: str, state: Path):
        self.source, self.state = source, state
        self.aws = {"endpoint_url": endpoint_url, "region_name": services.REGION, "aws_access_key_id": "test",
                    "aws_secret_access_key": "test"}  # fmt: skip
        boto3.client("s3", **self.aws).create_bucket(Bucket=BUCKET)
        self.connection = psycopg.connect(source.dsn(), autocommit=True)
        make_ready()

    def run(self, options) -> None:
        for statement in SOURCE.format(n=max(options.changes, options.memory or 0)).split(";"):
            self.connection.execute(statement)
        if options.identity_full:
            for table in TABLES:
                self.connection.execute(f"ALTER TABLE shop.{table} REPLICA IDENTITY FULL")
        if options.freshness:
            self.freshness(options.freshness)
            return
        if options.memory:
            for count in (options.changes, options.memory):
                captured = self.capture(*self.backlog(f"m{count}", 1, count, one=True)[1][0])
                print(f"{count:,} changes in one transaction: {captured}", flush=True)
            return
        for shape, one in (("small transactions", False), ("one transaction", True)):
            self.compare(shape, options.changes, *self.backlog(shape[:3], options.rounds, options.changes, one))

    def compare(self, shape: str, count: int, slot: str, copies: list[tuple[str, int]]) -> None:
        limits, captures = [], []
        for number, copy in enumerate(copies, 1):
            limits.append(self.limit(slot))
            captures.append(self.capture(*copy))
            print(f"{shape}, round {number}: SQL {limits[-1]:.2f} s, capture {captures[-1]}", flush=True)
        limit, capture = statistics.median(limits), statistics.median(captured.seconds for captured in captures)
        print(
            f"{count:,} changes in {shape}: SQL {limit:.2f} s, capture {capture:.2f} s = {limit / capture:.0%} of the "
            f"limit's rate, {count / capture:,.0f} changes/s; of the replication process: peak memory "
            f"{max(captured.peak for captured in captures)} MB, processor time "
            f"{statistics.median(captured.processor for captured in captures):.2f} s"
        )

    def backlog(self, name: str, rounds: int, count: int, one: bool) -> tuple[str, list[tuple[str, int]]]:
        """Make the changes. Gives back a slot before them, and its copies, each with the place where they end."""
        copies = [f"awsdms_{name}_{n}".lower() for n in range(rounds)]
        tables = ", ".join(f"shop.{table}" for table in TABLES)
        for copy in copies:  # a slot must know its publication before the first change
            self.connection.execute(f"CREATE PUBLICATION {copy} FOR TABLE {tables} WITH (publish_via_partition_root)")
            self.connection.execute(f"CREATE PUBLICATION {copy}_inserts")
        slot = f"{copies[0]}_limit"
        self.connection.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (slot,))
        size = count if one else PER_TRANSACTION
        with psycopg.connect(self.source.dsn()) as writer:
            for start in range(0, count, size):
                writer.execute(CHANGES.format(a=start + 1, b=start + size + 1, tag=name))
                writer.commit()
        for copy in copies:
            self.connection.execute("SELECT pg_copy_logical_replication_slot(%s, %s)", (slot, copy))
        end = self.connection.execute("SELECT (pg_current_wal_flush_lsn() - '0/0')::bigint").fetchone()[0]
        return slot, [(copy, end) for copy in copies]

    def limit(self, slot: str) -> float:
        """Seconds to take the slot's messages off the socket."""
        publication = slot.removesuffix("_limit")
        connection = psycopg.connect(self.source.dsn(), sslmode="disable", autocommit=True)
        started = time.perf_counter()
        connection.pgconn.send_query(
            f"COPY (SELECT data FROM pg_logical_slot_peek_binary_changes('{slot}', NULL, NULL, 'proto_version', '1', "
            f"'publication_names', '{publication}')) TO STDOUT (FORMAT binary)".encode()
        )
        drain(connection.pgconn.socket)
        seconds = time.perf_counter() - started
        connection.pgconn.finish()  # libpq has not seen the answers: the connection is of no more use
        return seconds

    def capture(self, slot: str, end: int) -> "Captured":
        """Run a replication process over the slot."""
        task, done = self.task(slot, self.position(slot)), threading.Event()
        written = threading.Event()

        def happened(event: dict) -> None:
            if event.get("changes"):
                written.set()
            if "end" in event:
                print(event) if event["end"] == "failed" else None
                done.set()

        started = time.perf_counter()
        replication = Replication(task, self.state / f"{slot}.log", happened)
        while not written.wait(0.02) and not done.is_set():
            pass
        seconds, pid = time.perf_counter() - started, replication.process.pid
        captured = Captured(seconds, highest_memory(pid), processor_seconds(pid))
        replication.stop()
        done.wait(30)
        self.connection.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
        return captured

    def freshness(self, commits: int) -> None:
        """Seconds from a commit until its file is listed."""
        _, [(slot, _)] = self.backlog("fresh", 1, PER_TRANSACTION, one=True)
        s3, done, waits = boto3.client("s3", **self.aws), threading.Event(), []
        replication = Replication(
            self.task(slot, self.position(slot), interval=1),
            self.state / "fresh.log",
            lambda e: "end" in e and done.set(),
        )
        listed = lambda: s3.list_objects_v2(Bucket=BUCKET, Prefix=slot).get("KeyCount", 0)  # noqa: E731
        for number in range(-1, commits):  # the first has the backlog before it
            time.sleep(number % 7 * 0.1)
            files, started = listed(), time.perf_counter()
            self.connection.execute(
                f"UPDATE shop.orders SET order_status = 'fresh' WHERE order_id = md5('{number + 9}')"
            )
            while listed() == files:
                time.sleep(0.01)
            waits.append(time.perf_counter() - started)
        replication.stop()
        done.wait(30)
        waits = waits[1:]
        print(f"{commits} commits, CdcMaxBatchInterval 1 s: listed {statistics.median(waits):.2f} s after the commit "
              f"in the median, {max(waits):.2f} s at most", flush=True)  # fmt: skip

    def position(self, slot: str) -> int:
        return self.connection.execute(
            "SELECT (confirmed_flush_lsn - '0/0')::bigint FROM pg_replication_slots WHERE slot_name = %s", (slot,)
        ).fetchone()[0]

    def task(self, slot: str, position: int, interval: int = 0) -> dict:
        path = self.state / f"{slot}.json"
        keys = {"orders": ["order_id"], "order_items": ["order_id", "order_item_id"], "order_reviews": ["review_id"]}
        Checkpoint(
            position, position, 0, {f"shop.{t}": position for t in TABLES}, {f"shop.{t}": k for t, k in keys.items()}
        ).write(path)
        target = endpoints.s3_settings({
            "BucketName": BUCKET, "ServiceAccessRoleArn": "none", "DataFormat": "parquet", "BucketFolder": slot,
            "ParquetVersion": "parquet-2-0", "TimestampColumnName": "dms_timestamp", "IncludeOpForFullLoad": True,
            "CdcMaxBatchInterval": interval,
        }, None)  # fmt: skip
        return {
            "type": "full-load-and-cdc", "fresh": False, "slot": slot, "checkpoint": str(path), "start_position": None,
            "stop_position": None, "heartbeat": None, "changes": endpoints.changes_of(target),
            "source": {"host": "127.0.0.1", "port": self.source.port, "database": "postgres", "user": "postgres",
                       "password": self.source.password},
            "target": endpoints.target_of(target), "layout": endpoints.layout_of(target, ""),
            "format": endpoints.format_of(target), "mappings": json.dumps(MAPPINGS), "settings": merged(None),
            "done": [], "orphans": [], "run": 1, "aws": self.aws,
        }  # fmt: skip


def highest_memory(process: int) -> int:
    """The process's peak resident set so far (VmHWM), in MB; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return max((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")), default=0)


def processor_seconds(process: int) -> float:
    """The processor time of all the process's threads so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
