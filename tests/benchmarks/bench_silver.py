"""Bronze to silver against a bare Spark job that reads the same Parquet and writes the same partitions.

    .groundwork/venvs/cli/bin/python -m tests.benchmarks.bench_silver [--rounds 3] [--scale 1]

Makes nine tables of Olist's size as DMS writes them, on LocalStack's S3, and runs both jobs with ``spark-submit``
(``local[2]``), in turn. Prints the medians: wall time from the start of the process to its end, rows a second, and the
greatest resident memory of the process tree. The bare job has no contract, no check, no key and no transaction.
"""

# environment: cli

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import boto3
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from groundwork_contracts import Column, Contract, load_contracts

from groundwork.deployment import bundle
from groundwork.install import STATE, venv
from groundwork.local import services

ROWS = {
    "customers": 99_441,
    "geolocation": 1_000_163,
    "order_items": 112_650,
    "order_payments": 103_886,
    "order_reviews": 99_224,
    "orders": 99_441,
    "product_category_name_translation": 71,
    "products": 32_951,
    "sellers": 3_095,
}
BUCKET = "bench"
CORES = 2
FIRST_DAY = np.datetime64("2016-09-04")
DAYS = 772
ROW_GROUP_ROWS = 10_000

BARE_JOB = """
import sys
from pyspark.sql import SparkSession, functions as F
bronze, silver, *tables = sys.argv[1:]
spark = SparkSession.builder.getOrCreate()
spark.sparkContext.setLogLevel("WARN")
for table in tables:
    name, _, month_of = table.partition(":")
    rows = spark.read.parquet(f"{bronze}/{name}").drop("Op", "dms_timestamp")
    if month_of:
        rows = rows.withColumn("month", F.date_format(month_of, "yyyy-MM"))
    writer = rows.write.mode("overwrite").option("compression", "zstd")
    (writer.partitionBy("month") if month_of else writer).parquet(f"{silver}/{name}")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0)
    options = parser.parse_args()
    contracts = load_contracts(bundle.CONTRACTS)
    with tempfile.TemporaryDirectory(prefix="bench-silver-") as scratch:
        folder = Path(scratch)
        service = services.localstack(services.free_port(), folder / "state", "", "http://127.0.0.1:9", "none")
        with services.running(service, folder / "localstack.log"):
            rows = upload_bronze(folder, service.port, contracts, options.scale)
            print(f"{rows:,} rows in {len(contracts)} tables, {CORES} cores")
            measure(folder, service.port, contracts, rows, options.rounds)


def measure(folder: Path, port: int, contracts: dict[str, Contract], rows: int, rounds: int) -> None:
    """Run the jobs in turn and print their medians. Silver is fresh in every round, then run once more unchanged."""
    runs = {"bare": [], "silver": [], "silver again": []}
    for number in range(rounds):
        runs["bare"].append(submit(bare_command(folder, contracts, number), folder, port))
        command = silver_command(folder, number)
        runs["silver"].append(submit(command, folder, port))
        runs["silver again"].append(submit(command, folder, port))
    limit = statistics.median(seconds for seconds, _ in runs["bare"])
    for name, results in runs.items():
        seconds = statistics.median(s for s, _ in results)
        memory = max(m for _, m in results) / 2**20
        print(f"{name:13} {seconds:6.1f} s  x{seconds / limit:4.2f}  {rows / seconds:9,.0f} rows/s  {memory:6.0f} MB")


# --- the jobs ---------------------------------------------------------------------------------------------------------


def bare_command(folder: Path, contracts: dict[str, Contract], number: int) -> list[str]:
    job = folder / "bare.py"
    job.write_text(BARE_JOB)
    tables = [f"{c.table}:{c.partition.name}" if c.partition else c.table for c in contracts.values()]
    return [str(job), f"s3://{BUCKET}/bronze", f"s3://{BUCKET}/bare{number}", *tables]


def silver_command(folder: Path, number: int) -> list[str]:
    archive = bundle.build_archive(folder)
    arguments = ["--bronze", f"s3://{BUCKET}/bronze", "--silver", f"s3://{BUCKET}/silver{number}"]
    return ["--py-files", str(archive), str(bundle.entry_point("silver")), *arguments]


def submit(arguments: list[str], folder: Path, port: int) -> tuple[float, int]:
    """Run ``spark-submit`` to its end. Returns seconds and the greatest memory of its processes in bytes."""
    settings = {
        "spark.master": f"local[{CORES}]",
        "spark.driver.extraClassPath": f"{STATE / 'jars'}/*",
        "spark.driver.memory": "2g",
        "spark.ui.enabled": "false",
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "spark.hadoop.fs.s3a.endpoint": f"http://127.0.0.1:{port}",
        "spark.hadoop.fs.s3a.path.style.access": "true",
    }
    options = [part for key, value in settings.items() for part in ("--conf", f"{key}={value}")]
    started, peak = time.monotonic(), 0
    with (folder / "spark.log").open("ab") as log:
        process = subprocess.Popen(
            [str(venv("spark") / "bin" / "spark-submit"), *options, *arguments],
            env={**os.environ, **services.aws_environment(port), **spark_environment()},
            stdout=log, stderr=log,
        )  # fmt: skip
        while process.poll() is None:
            peak = max(peak, resident_memory(process.pid))
            time.sleep(0.1)
    if process.returncode:
        sys.exit((folder / "spark.log").read_text(errors="replace")[-4000:])
    return time.monotonic() - started, peak


def spark_environment() -> dict[str, str]:
    path = f"{venv('spark') / 'bin'}:{os.environ['PATH']}"
    return {"PATH": path, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": str(venv("spark") / "bin" / "python")}


def resident_memory(pid: int) -> int:
    """Bytes of a process and its descendants (Linux)."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(resident_memory(int(child)) for child in children)


# --- the data ---------------------------------------------------------------------------------------------------------


def upload_bronze(folder: Path, port: int, contracts: dict[str, Contract], scale: float) -> int:
    s3 = boto3.client(
        "s3", endpoint_url=f"http://127.0.0.1:{port}", region_name=services.REGION,
        aws_access_key_id="test", aws_secret_access_key="test",
    )  # fmt: skip
    s3.create_bucket(Bucket=BUCKET)
    total = 0
    for contract in contracts.values():
        table = make_table(contract, max(1, int(ROWS[contract.table] * scale)))
        file = folder / "LOAD00000001.parquet"
        pq.write_table(table, file, row_group_size=ROW_GROUP_ROWS)
        s3.upload_file(str(file), BUCKET, f"bronze/{contract.table}/{file.name}")
        total += table.num_rows
    return total


def make_table(contract: Contract, rows: int) -> pa.Table:
    """Rows that break no rule, with unique keys, in the columns and types that DMS writes."""
    random = np.random.default_rng(7)
    columns = {
        "Op": pa.array(["I"] * rows),
        "dms_timestamp": pa.array([f"2026-11-22 12:00:00.{n % 1_000_000:06}" for n in range(rows)]),
    }
    for column in contract.columns:
        columns[column.name] = make_column(column, rows, random)
    return pa.table(columns)


def make_column(column: Column, rows: int, random: np.random.Generator) -> pa.Array:
    rules = {rule.kind: rule.argument for rule in column.rules}
    low, high = rules.get("minimum", 0), rules.get("maximum", 1000)
    if "valid_values" in rules:
        return pa.array(random.choice(list(rules["valid_values"]), rows))
    if "pattern" in rules:
        return pa.array([f"{n:05}" for n in random.integers(1000, 99_999, rows)])
    if column.base_type in ("varchar", "text"):
        width = min(32, rules.get("max_length", 32))
        return pa.array([value[-width:] for value in hexadecimal(rows, random, unique=bool(column.key_position))])
    if column.base_type in ("smallint", "integer"):
        kind = pa.int16() if column.base_type == "smallint" else pa.int32()
        return pa.array(random.integers(low, high, rows, endpoint=True), kind)
    if column.base_type == "numeric":
        cents = pa.array(random.integers(0, 100_000, rows)).cast(pa.decimal128(20, 0))
        return pc.divide(cents, pa.scalar(100, pa.decimal128(3, 0))).cast(pa.decimal128(10, 2), safe=False)
    if column.base_type == "double precision":
        return pa.array(random.uniform(low, high, rows))
    days = FIRST_DAY + random.integers(0, DAYS, rows)
    if column.base_type == "date":
        return pa.array(days)
    seconds = random.integers(0, 86_400, rows).astype("timedelta64[s]")
    return pa.array((days + seconds).astype("datetime64[us]"), pa.timestamp("us", "UTC"))


def hexadecimal(rows: int, random: np.random.Generator, unique: bool) -> list[str]:
    numbers = random.integers(0, 2**62, (rows, 2))
    return [f"{a:016x}{n if unique else b:016x}" for n, (a, b) in enumerate(numbers)]


if __name__ == "__main__":
    main()
