"""DMS full load of PostgreSQL into S3, end to end through the API, against the limit of PostgreSQL's COPY.

    .groundwork/venvs/localstack/bin/python tests/benchmarks/bench_dms_full_load.py [--rows 1000000] [--rounds 3]

Data: ``--rows`` orders, 1.2 times as many items and half as many reviews, in the shape of Olist's. The limit is
``COPY t TO STDOUT (FORMAT binary)`` of the three tables one after the other, the bytes taken off the socket and
dropped. The load is what a user waits for: from StartReplicationTask until the task says stopped. Rounds alternate;
medians count.
The target is at most 2.5 times the limit, and at most 300 MB in the replication process whatever the number of rows.
"""

# environment: localstack

import argparse
import json
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import boto3
import psycopg

sys.path.insert(0, str(Path(__file__).parents[2]))

from groundwork.local import services

TABLES = ("orders", "order_items", "order_reviews")
TRUST = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "dms.amazonaws.com"}, "Action": "sts:AssumeRole"},
]}  # fmt: skip
MAPPINGS = {"rules": [{
    "rule-type": "selection", "rule-id": "1", "rule-name": "shop", "rule-action": "include",
    "object-locator": {"schema-name": "shop", "table-name": "%"},
}]}  # fmt: skip
SQL = """
CREATE SCHEMA shop;
CREATE TABLE shop.orders AS SELECT md5(i::text)::varchar(32) AS order_id,
    md5((i * 7)::text)::varchar(32) AS customer_id,
    (ARRAY['delivered', 'shipped', 'canceled'])[1 + i % 3]::varchar(20) AS order_status, at AS order_purchase_timestamp,
    at + interval '1 h' AS order_approved_at, at + interval '2 d' AS order_delivered_carrier_date,
    at + interval '9 d' AS order_delivered_customer_date,
    date_trunc('day', at + interval '20 d') AS order_estimated_delivery_date
    FROM generate_series(1, {rows}) i, LATERAL (SELECT timestamp '2016-09-04' + i * interval '60 s' AS at) t;
CREATE TABLE shop.order_items AS SELECT md5((i * 5 / 6)::text)::varchar(32) AS order_id, 1 + i % 3 AS order_item_id,
    md5((i % 32951)::text)::varchar(32) AS product_id, md5((i % 3095)::text)::varchar(32) AS seller_id,
    timestamp '2016-09-04' + i * interval '50 s' AS shipping_limit_date, (i % 50000 / 100.0)::numeric(10, 2) AS price,
    (i % 3000 / 100.0)::numeric(10, 2) AS freight_value FROM generate_series(1, {rows} * 6 / 5) i;
CREATE TABLE shop.order_reviews AS SELECT md5((i * 3)::text)::varchar(32) AS review_id,
    md5((i * 2)::text)::varchar(32) AS order_id, (1 + i % 5)::smallint AS review_score,
    CASE WHEN i % 9 = 0 THEN 'recomendo' END AS review_comment_title,
    CASE WHEN i % 5 < 2 THEN repeat('muito bom produto ', 4) || i END AS review_comment_message,
    date_trunc('day', timestamp '2016-09-20' + i * interval '120 s') AS review_creation_date,
    timestamp '2016-09-21' + i * interval '120 s' AS review_answer_timestamp FROM generate_series(1, {rows} / 2) i
"""
READY_FOR_QUERY = b"Z\x00\x00\x00\x05I"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="orders; items and reviews follow")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        state.chmod(0o755)
        with services.running_postgres(state, "source") as source:
            fill(source, options.rows)
            localstack = services.localstack(services.free_port(), state, source.dsn(), "http://127.0.0.1:9", "none")
            with services.running(localstack, state / "localstack.log"):
                measure(source, f"http://127.0.0.1:{localstack.port}", options.rounds)


def fill(source, rows: int) -> None:
    with psycopg.connect(source.dsn(), autocommit=True) as connection:
        for statement in SQL.format(rows=rows).split(";"):
            connection.execute(statement)
        for table in TABLES:
            connection.execute(f"VACUUM ANALYZE shop.{table}")


def measure(source, endpoint_url: str, rounds: int) -> None:
    client = boto3.Session(
        aws_access_key_id="test", aws_secret_access_key="test", region_name=services.REGION
    ).client  # fmt: skip
    task = make_task(lambda name: client(name, endpoint_url=endpoint_url), source)
    dms = client("dms", endpoint_url=endpoint_url)
    limits, loads, peaks = [], [], []
    for number in range(rounds):
        limits.append(copy_limit(source))
        seconds, rows, peak = full_load(dms, task, "start-replication" if number == 0 else "reload-target")
        loads.append(seconds)
        peaks.append(peak)
        print(f"round {number + 1}: COPY {limits[-1]:.2f} s, full load {seconds:.2f} s, peak {peak} MB", flush=True)
    limit, load = statistics.median(limits), statistics.median(loads)
    print(
        f"{rows:,} rows: COPY {limit:.2f} s, full load {load:.2f} s = {load / limit:.2f} x the limit, "
        f"{rows / load:,.0f} rows/s, peak memory of the replication process {max(peaks)} MB"
    )


def copy_limit(source) -> float:
    """Seconds to take the three tables off the socket."""
    connection = psycopg.connect(source.dsn(), sslmode="disable", autocommit=True)
    copies = ";".join(f"COPY shop.{table} TO STDOUT (FORMAT binary)" for table in TABLES)
    started = time.perf_counter()
    connection.pgconn.send_query(copies.encode())
    drain(connection.pgconn.socket)
    seconds = time.perf_counter() - started
    connection.pgconn.finish()  # libpq has not seen the answers: the connection is of no more use
    return seconds


def drain(descriptor: int) -> None:
    with socket.socket(fileno=os.dup(descriptor)) as connection:
        connection.setblocking(True)
        buffer, end = bytearray(1 << 20), b""
        while end != READY_FOR_QUERY:
            count = connection.recv_into(buffer)
            end = (end + buffer[max(0, count - 6) : count])[-6:]


def make_task(client, source) -> str:
    dms, name = client("dms"), "benchmark"
    client("s3").create_bucket(Bucket=name)
    role = client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    instance = dms.create_replication_instance(
        ReplicationInstanceIdentifier=name, ReplicationInstanceClass="dms.t3.medium"
    )["ReplicationInstance"]["ReplicationInstanceArn"]
    endpoints = [
        dms.create_endpoint(EndpointIdentifier=f"{name}-{kind}", EndpointType=kind, **more)["Endpoint"]["EndpointArn"]
        for kind, more in (
            ("source", {"EngineName": "postgres", "ServerName": "127.0.0.1", "Port": source.port,
                        "Username": "postgres", "Password": source.password, "DatabaseName": "postgres"}),
            ("target", {"EngineName": "s3", "S3Settings": {
                "BucketName": name, "ServiceAccessRoleArn": role, "BucketFolder": "olist", "DataFormat": "parquet",
                "TimestampColumnName": "dms_timestamp", "IncludeOpForFullLoad": True}}),
        )
    ]  # fmt: skip
    for endpoint in endpoints:
        dms.test_connection(ReplicationInstanceArn=instance, EndpointArn=endpoint)
    dms.get_waiter("test_connection_succeeds").wait(
        Filters=[{"Name": "replication-instance-arn", "Values": [instance]}], WaiterConfig={"Delay": 1}
    )
    return dms.create_replication_task(
        ReplicationTaskIdentifier=name, SourceEndpointArn=endpoints[0], TargetEndpointArn=endpoints[1],
        ReplicationInstanceArn=instance, MigrationType="full-load", TableMappings=json.dumps(MAPPINGS),
    )["ReplicationTask"]["ReplicationTaskArn"]  # fmt: skip


def full_load(dms, task: str, how: str) -> tuple[float, int, int]:
    """Run the task. Gives back seconds, rows and the replication process's peak memory in MB."""
    peak, done = [0], threading.Event()
    watcher = threading.Thread(target=watch_memory, args=(peak, done))
    watcher.start()
    started = time.perf_counter()
    dms.start_replication_task(ReplicationTaskArn=task, StartReplicationTaskType=how)
    by_arn = [{"Name": "replication-task-arn", "Values": [task]}]
    while (found := dms.describe_replication_tasks(Filters=by_arn)["ReplicationTasks"][0])["Status"] != "stopped":
        if found["Status"] == "failed":
            raise SystemExit(found["LastFailureMessage"])
        time.sleep(0.1)
    seconds = time.perf_counter() - started
    done.set()
    watcher.join()
    tables = dms.describe_table_statistics(ReplicationTaskArn=task)["TableStatistics"]
    return seconds, sum(table["FullLoadRows"] for table in tables), peak[0]


def watch_memory(peak: list[int], done: threading.Event) -> None:
    """Keep the highest VmHWM of the processes that LocalStack's fork server has started."""
    while not done.wait(0.05):
        family = [os.getpid()]
        for _ in ("localstack", "fork server", "replication process"):
            family = [child for parent in family for child in children(parent)]
        for process in family:
            try:
                lines = Path(f"/proc/{process}/status").read_text().splitlines()
            except OSError:
                continue  # it has ended meanwhile
            peak[0] = max(peak[0], *[int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")], 0)


def children(process: int) -> list[int]:
    found = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            found += [int(word) for word in path.read_text().split()]
        except OSError:
            continue
    return found


if __name__ == "__main__":
    main()
