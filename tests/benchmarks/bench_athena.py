"""Athena queries, end to end through the API, against DuckDB reading the same files directly.

    .groundwork/venvs/localstack/bin/python tests/benchmarks/bench_athena.py [--rows 1200000] [--rounds 5]

Data: ``--rows`` order items as one Parquet file and as a Delta table, and `SMALL_FILES` files of few rows as DMS's
changes make them, in LocalStack's S3. Athena's time is what a
client waits for, from StartQueryExecution until the query has ended and its CSV is there, asked every 5 ms. The peer is
DuckDB in this process, its httpfs reading the same objects of the same S3, with nothing cached between queries. It
answers aggregates to this process; an export it writes to the same S3, and the two files are checked to be the same
bytes, so the peer prints timestamps as Athena does. Both use every core. Rounds alternate; medians count. The target is
at most 1.3 times the peer plus 0.3 s.
"""

# environment: localstack

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

import boto3
import duckdb

sys.path.insert(0, str(Path(__file__).parents[2]))

from groundwork_aws.athena.engine import extension_file

from groundwork.local import services

TARGET_RATIO, TARGET_SECONDS = 1.3, 0.3
SMALL_FILES = 500
ITEMS = """
SELECT md5(i::varchar) AS order_id, 'seller' || hash(i) % 3000 AS seller_id,
    ((hash(i + 1) % 100000) / 100)::decimal(10, 2) AS price,
    timestamp '2016-09-04' + to_seconds((hash(i + 2) % 60000000)::bigint) AS shipped_at,
    (1000 + hash(i + 3) % 1000000) / 1e6 AS weight
FROM range({rows}) t(i)
"""
COLUMNS = {
    "order_id": "string",
    "seller_id": "string",
    "price": "decimal(10,2)",
    "shipped_at": "timestamp",
    "weight": "double",
}
CHECKSUM = "sum(from_base(substr(to_hex(md5(to_utf8({}))), 1, 8), 16))"
DIRECT_CHECKSUM = "sum(('0x' || substr(md5({}), 1, 8))::bigint)"

# each table as DuckDB reads it directly
SOURCES = {
    "items": "read_parquet('s3://bench/items/part-0.parquet')",
    "delta": "delta_scan('s3://bench/delta')",
    "small": "read_parquet('s3://bench/small/*/*.parquet')",
}
# name: (in Athena's dialect, in DuckDB's); {t} is the table
QUERIES = {
    "one row": ("SELECT 1", "SELECT 1"),
    "group by": (
        "SELECT seller_id, sum(price) AS revenue, count(*) AS n FROM {t} GROUP BY 1 ORDER BY 2 DESC",
        "SELECT seller_id, sum(price) AS revenue, count(*) AS n FROM {t} GROUP BY 1 ORDER BY 2 DESC",
    ),
    "checksum": (
        f"SELECT {CHECKSUM.format('order_id')}, {CHECKSUM.format('cast(price as varchar)')} FROM {{t}}",
        f"SELECT {DIRECT_CHECKSUM.format('order_id')}, {DIRECT_CHECKSUM.format('price::varchar')} FROM {{t}}",
    ),
    "export": (
        "SELECT * FROM {t}",
        "COPY (SELECT * REPLACE (strftime(shipped_at::timestamp, '%Y-%m-%d %H:%M:%S.%g') AS shipped_at) FROM {t})"
        " TO 's3://bench/direct.csv' (FORMAT csv, HEADER, FORCE_QUOTE *)",
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_200_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        service = services.localstack(services.free_port(), state, "", "http://127.0.0.1:9", "none")
        with services.running(service, state / "localstack.log"):
            measure(service.port, arguments.rows, arguments.rounds)


def measure(port: int, rows: int, rounds: int) -> None:
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=services.REGION)
    clients = {n: session.client(n, endpoint_url=f"http://127.0.0.1:{port}") for n in ("s3", "glue", "athena")}
    direct = direct_connection(port)
    load(clients, direct, rows)
    idle = memory(port)
    print(f"{rows:,} rows, {rounds} rounds; LocalStack holds {idle} MB before the first query")
    for table, source in SOURCES.items():
        check_same_export(clients, direct, table, source)
        for name, (athena_sql, direct_sql) in QUERIES.items():
            report(f"{table} {name}", rounds, port, idle,
                   lambda sql=athena_sql, t=f"bench.{table}": run_athena(clients["athena"], sql.format(t=t)),
                   lambda sql=direct_sql, t=source: direct.execute(sql.format(t=t)).fetchall())  # fmt: skip


def check_same_export(clients: dict, direct: duckdb.DuckDBPyConnection, table: str, source: str) -> None:
    athena_sql, direct_sql = QUERIES["export"]
    key = run_athena(clients["athena"], athena_sql.format(t=f"bench.{table}")).removeprefix("s3://bench/")
    direct.execute(direct_sql.format(t=source))
    ours, theirs = (clients["s3"].get_object(Bucket="bench", Key=k)["Body"].read() for k in (key, "direct.csv"))
    if ours != theirs:
        sys.exit(f"{table}: the exports differ: {ours[:300]} and {theirs[:300]}")


def report(name: str, rounds: int, port: int, idle: int, athena, peer) -> None:
    athena(), peer()
    with Peak(port) as peak:
        times = [(timed(athena), timed(peer)) for _ in range(rounds)]
    ours, theirs = (statistics.median(column) for column in zip(*times, strict=True))
    over = max(0, ours - TARGET_RATIO * theirs)
    print(
        f"{name:18} Athena {ours:6.3f} s   DuckDB {theirs:6.3f} s   ratio {ours / theirs:6.2f}"
        f"   over 1.3x by {over:5.3f} s"
        f"   peak +{peak.megabytes - idle} MB   {'ok' if over <= TARGET_SECONDS else 'MISSED'}"
    )


def timed(work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def run_athena(athena, sql: str) -> str:
    """Where the result is."""
    where = {"OutputLocation": "s3://bench/results/"}
    identifier = athena.start_query_execution(QueryString=sql, ResultConfiguration=where)["QueryExecutionId"]
    while True:
        execution = athena.get_query_execution(QueryExecutionId=identifier)["QueryExecution"]
        if execution["Status"]["State"] not in ("QUEUED", "RUNNING"):
            break
        time.sleep(0.005)
    if execution["Status"]["State"] != "SUCCEEDED":
        sys.exit(f"{sql}: {execution['Status']}")
    return execution["ResultConfiguration"]["OutputLocation"]


def direct_connection(port: int) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"enable_external_file_cache": "false"})
    for name in ("httpfs", "delta", "icu"):
        connection.execute(f"LOAD '{extension_file(name)}'")
    connection.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID 'test', SECRET 'test', REGION '{services.REGION}',"
        f" ENDPOINT '127.0.0.1:{port}', URL_STYLE 'path', USE_SSL false)"
    )
    return connection


def load(clients: dict, connection: duckdb.DuckDBPyConnection, rows: int) -> None:
    """Write the items to S3, and the tables into the catalog."""
    clients["s3"].create_bucket(Bucket="bench")
    for key in ("items/part-0.parquet", "delta/part-0.parquet"):
        connection.execute(f"COPY ({ITEMS.format(rows=rows)}) TO 's3://bench/{key}' (FORMAT parquet, COMPRESSION zstd)")
    connection.execute(f"COPY ({ITEMS.format(rows=20)}) TO 's3://bench/small/0/0.parquet' (FORMAT parquet)")
    source = {"Bucket": "bench", "Key": "small/0/0.parquet"}
    for number in range(1, SMALL_FILES):
        clients["s3"].copy_object(Bucket="bench", Key=f"small/{number // 100}/{number}.parquet", CopySource=source)
    size = clients["s3"].head_object(Bucket="bench", Key="delta/part-0.parquet")["ContentLength"]
    fields = [{"name": n, "type": t, "nullable": True, "metadata": {}} for n, t in COLUMNS.items()]
    metadata = {"id": "bench", "format": {"provider": "parquet", "options": {}}, "partitionColumns": [],
                "schemaString": json.dumps({"type": "struct", "fields": fields}), "configuration": {}}  # fmt: skip
    added = {"path": "part-0.parquet", "partitionValues": {}, "size": size, "modificationTime": 0, "dataChange": True}
    log = [{"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}, {"metaData": metadata}, {"add": added}]
    body = "\n".join(map(json.dumps, log))
    clients["s3"].put_object(Bucket="bench", Key=f"delta/_delta_log/{0:020}.json", Body=body)
    clients["glue"].create_database(DatabaseInput={"Name": "bench"})
    columns = [{"Name": n, "Type": t} for n, t in COLUMNS.items()]
    for name, kind in (("items", "parquet"), ("small", "parquet"), ("delta", "delta")):
        storage = {"Columns": columns, "Location": f"s3://bench/{name}/"}
        table = {"Name": name, "Parameters": {"classification": kind, "table_type": kind}, "StorageDescriptor": storage}
        clients["glue"].create_table(DatabaseName="bench", TableInput=table)


# --- memory of the LocalStack process --------------------------------------------------------------------------------


def memory(port: int) -> int:
    """Resident megabytes of the process that listens on the port."""
    return int(process_of(port).joinpath("statm").read_text().split()[1]) * 4096 >> 20


@cache
def process_of(port: int) -> Path:
    wanted = f"127.0.0.1:{port}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            is_localstack = process.joinpath("cmdline").read_bytes().endswith(b"groundwork_aws\0")
            if is_localstack and wanted in process.joinpath("environ").read_bytes():
                return process
    raise RuntimeError(f"no LocalStack listens on {port}")


class Peak:
    """The highest resident memory of LocalStack while the block runs, looked at ten times a second."""

    def __init__(self, port: int) -> None:
        self.port, self.megabytes, self.done = port, memory(port), threading.Event()

    def __enter__(self) -> "Peak":
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self) -> None:
        while not self.done.wait(0.1):
            self.megabytes = max(self.megabytes, memory(self.port))

    def __exit__(self, *exception) -> None:
        self.done.set()
        self.thread.join()


if __name__ == "__main__":
    main()
