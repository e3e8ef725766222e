"""COPY … FORMAT PARQUET MANIFEST through the Data API against the limit of PostgreSQL's binary COPY.

    .groundwork/venvs/localstack/bin/python tests/benchmarks/bench_copy.py [--rows 1200000] [--files 24] [--rounds 3]

Data: order items in the shape of Olist's, as Spark writes them for Redshift, on LocalStack's S3. The limit is psycopg's
``COPY t FROM STDIN (FORMAT binary)`` of the same rows from a prepared file into a plain table: nothing is decoded. The
load is what a user waits for: from ExecuteStatement until the statement says FINISHED. Each round fills fresh tables,
rounds alternate; medians count. The target is at most 1.5 times the limit, with memory that does not grow with the
rows.
"""

# environment: localstack
# environment: localstack

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import boto3
import duckdb
import psycopg

sys.path.insert(0, str(Path(__file__).parents[2]))

from groundwork.local import services

COLUMNS = """order_id varchar(32) not null, order_item_id int not null, product_id varchar(32), seller_id varchar(32),
    shipping_limit_date timestamp, price numeric(10,2), freight_value numeric(10,2)"""
ROWS = """select md5((i * 5 // 6)::varchar) as order_id, (1 + i % 3)::int as order_item_id,
    md5((i % 32951)::varchar) as product_id, md5((i % 3095)::varchar) as seller_id,
    timestamp '2016-09-04' + to_seconds(i * 50) as shipping_limit_date, (i % 50000 / 100)::decimal(10,2) as price,
    (i % 3000 / 100)::decimal(10,2) as freight_value from range({start}, {end}) t(i)"""
TRUST = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "redshift.amazonaws.com"}, "Action": "sts:AssumeRole"},
]}  # fmt: skip
NAME, CHUNK_BYTES = "bench", 1 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_200_000)
    parser.add_argument("--files", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        measure(Path(folder), arguments.rows, arguments.files, arguments.rounds)


def measure(folder: Path, rows: int, files: int, rounds: int) -> None:
    with services.running_postgres(folder, "warehouse", shared_buffers="256MB", max_wal_size="4GB") as server:
        plugin = services.localstack(services.free_port(), folder, server.dsn(), "http://127.0.0.1:9", "none here")
        with services.running(plugin, folder / "localstack.log"):
            session = boto3.Session("test", "test", region_name=services.REGION)
            clients = {
                name: session.client(name, endpoint_url=f"http://127.0.0.1:{plugin.port}")
                for name in ("s3", "iam", "redshift-serverless", "redshift-data")
            }
            role = prepare_warehouse(clients)
            write_parquet(clients["s3"], folder, rows, files)
            dsn = server.dsn(NAME)
            load(clients["redshift-data"], role, "warm_up")
            prepared = prepare_rows(dsn, folder / "rows.bin")
            process = process_listening_on(plugin.port)
            limits, loads, peaks = [], [], []
            for number in range(rounds):
                limits.append(limit(dsn, prepared, f"limit_{number}"))
                with PeakMemory(process) as memory:
                    loads.append(load(clients["redshift-data"], role, f"load_{number}"))
                peaks.append(memory.peak - memory.before)
            check(dsn, rows)
    report(rows, limits, loads, peaks)


def prepare_warehouse(clients: dict) -> str:
    role = clients["iam"].create_role(RoleName=NAME, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    serverless = clients["redshift-serverless"]
    serverless.create_namespace(namespaceName=NAME, dbName=NAME, adminUsername=NAME, iamRoles=[role])
    serverless.create_workgroup(namespaceName=NAME, workgroupName=NAME)
    return role


def write_parquet(s3, folder: Path, rows: int, files: int) -> None:
    """The files and their manifest. pyarrow, unlike DuckDB, writes decimals as the byte arrays that COPY wants."""
    import pyarrow.parquet as pq

    s3.create_bucket(Bucket=NAME)
    entries, size = [], -(-rows // files)
    for number, start in enumerate(range(0, rows, size)):
        file = folder / "part.parquet"
        with duckdb.connect() as connection:
            query = ROWS.format(start=start, end=min(start + size, rows))
            pq.write_table(connection.execute(query).to_arrow_table(), file, compression="zstd", coerce_timestamps="us")
        s3.upload_file(str(file), NAME, f"items/{number}.parquet")
        meta = {"content_length": file.stat().st_size}
        entries.append({"url": f"s3://{NAME}/items/{number}.parquet", "mandatory": True, "meta": meta})
    s3.put_object(Bucket=NAME, Key="items.manifest", Body=json.dumps({"entries": entries}).encode())


def load(client, role: str, table: str) -> float:
    execute(client, f"create table {table} ({COLUMNS})")
    started = time.perf_counter()
    execute(client, f"copy {table} from 's3://{NAME}/items.manifest' iam_role '{role}' format parquet manifest")
    return time.perf_counter() - started


def execute(client, sql: str) -> None:
    id = client.execute_statement(WorkgroupName=NAME, Database=NAME, Sql=sql)["Id"]
    while (answer := client.describe_statement(Id=id))["Status"] not in ("FINISHED", "FAILED", "ABORTED"):
        time.sleep(0.02)
    if answer["Status"] != "FINISHED":
        raise RuntimeError(answer["Error"])


def prepare_rows(dsn: str, file: Path) -> Path:
    statement = "copy warm_up to stdout (format binary)"
    with psycopg.connect(dsn) as connection, file.open("wb") as target, connection.cursor().copy(statement) as source:
        for block in source:
            target.write(block)
    return file


def limit(dsn: str, prepared: Path, table: str) -> float:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"create table {table} ({COLUMNS})")
        started = time.perf_counter()
        with (
            prepared.open("rb") as source,
            connection.cursor().copy(f"copy {table} from stdin (format binary)") as copy,
        ):
            while block := source.read(CHUNK_BYTES):
                copy.write(block)
        return time.perf_counter() - started


def check(dsn: str, rows: int) -> None:
    """Both ways put the same rows there."""
    with psycopg.connect(dsn) as connection:
        count, differing = connection.execute(
            "select (select count(*) from load_0), (select count(*) from (table load_0 except all table limit_0) d)"
        ).fetchone()
    if (count, differing) != (rows, 0):
        raise RuntimeError(f"{count} of {rows} rows were loaded, {differing} differ")


def process_listening_on(port: int) -> int:
    """The process that serves a local port, found by the socket that it holds."""
    wanted = f"{port:04X}"
    tables = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    fields = [line.split() for line in tables.splitlines()]
    inodes = {f"socket:[{f[9]}]" for f in fields if f[1].endswith(f":{wanted}") and f[3] == "0A"}
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(link.readlink()) in inodes:
                return int(link.parts[2])
        except OSError:  # a process that ended or is not ours
            continue
    raise RuntimeError(f"nothing listens on port {port}")


class PeakMemory:
    """The resident memory of a process while the block runs, in MB, looked at fifty times a second."""

    def __init__(self, process: int):
        self.process, self.done = process, threading.Event()
        self.before = self.peak = self.now()

    def now(self) -> float:
        return int(Path(f"/proc/{self.process}/statm").read_text().split()[1]) * 4096 / 1e6

    def __enter__(self):
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self) -> None:
        while not self.done.wait(0.02):
            self.peak = max(self.peak, self.now())

    def __exit__(self, *_) -> None:
        self.done.set()
        self.thread.join()


def report(rows: int, limits: list[float], loads: list[float], peaks: list[float]) -> None:
    limit_median, median = statistics.median(limits), statistics.median(loads)
    for name, seconds, rounds in (("binary COPY", limit_median, limits), ("COPY … PARQUET", median, loads)):
        figures = [round(value, 2) for value in rounds]
        print(f"{name:<16}{seconds:6.2f} s  {rows / seconds:>10,.0f} rows/s  {figures}")
    print(f"COPY / limit    {median / limit_median:6.2f}   ({rows:,} rows)")
    print(f"LocalStack's memory grew by at most {max(peaks):.0f} MB during a load")


if __name__ == "__main__":
    main()
