"""An increment of silver against a bare, tuned and partition-pruned MERGE of the same changes.

    .groundwork/venvs/spark/bin/python -m tests.benchmarks.bench_silver_merge [--tables 4] [--rows 100000 1000000]

Tables of orders in 24 months on LocalStack's S3, one Spark application (``local[2]``). Each round has 10,000 changes of
each table (7,000 U, 2,000 I, 1,000 D) in the two newest months, as DMS writes them: the job's whole run over all of
them, and then a ``MERGE`` of the same file into a table without a change feed, contract, checks, quarantine or stream.
Prints the medians per table and their ratio for each size, and what a run without changes costs per table.
"""

# environment: spark

import argparse
import os
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import boto3
from groundwork_contracts import Contract, load_contracts
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from groundwork.deployment import bundle
from groundwork.install import STATE, java
from groundwork.local import services

BUCKET, CORES = "bench", 2
UPDATES, INSERTS, DELETES = 7000, 2000, 1000
# An order by its number: the key looks like Olist's, the month goes from 2016-09 to 2018-08.
ORDER = """
    md5(CAST(n AS string)) AS order_id, md5(CAST(n + 1 AS string)) AS customer_id, '{status}' AS order_status,
    CAST(make_date(2016 + (8 + n % 24) DIV 12, 1 + (8 + n % 24) % 12, 1 + n % 28) AS timestamp)
        AS order_purchase_timestamp,
    CAST(NULL AS timestamp) AS order_approved_at, CAST(NULL AS timestamp) AS order_delivered_carrier_date,
    CAST(NULL AS timestamp) AS order_delivered_customer_date, DATE'2018-12-01' AS order_estimated_delivery_date
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--tables", type=int, default=4)
    options = parser.parse_args()
    orders = load_contracts(bundle.CONTRACTS)["orders"]
    with tempfile.TemporaryDirectory(prefix="bench-silver-merge-") as scratch:
        service = services.localstack(services.free_port(), Path(scratch), "", "http://127.0.0.1:9", "none")
        with services.running(service, Path(scratch) / "localstack.log"):
            spark = start_spark(service.port)
            for rows in options.rows:
                measure(spark, orders, rows, options.tables, options.rounds)
            spark.stop()


def start_spark(port: int) -> SparkSession:
    endpoint = f"http://127.0.0.1:{port}"
    settings = {
        "spark.master": f"local[{CORES}]",
        "spark.driver.extraClassPath": f"{STATE / 'jars'}/*",
        "spark.driver.memory": "2g",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "spark.hadoop.fs.s3a.endpoint": endpoint,
        "spark.hadoop.fs.s3a.path.style.access": "true",
    }
    options = " ".join(f"--conf {key}={value}" for key, value in settings.items())
    os.environ.update(
        services.aws_environment(port),
        JAVA_HOME=str(Path(java()).parent.parent),
        SPARK_LOCAL_IP="127.0.0.1",
        PYSPARK_PYTHON=sys.executable,
        PYSPARK_SUBMIT_ARGS=f"{options} pyspark-shell",
    )
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket=BUCKET)
    from groundwork_spark.session import start_session

    return start_session("bench")


def measure(spark: SparkSession, orders: Contract, rows: int, tables: int, rounds: int) -> None:
    """Print the medians for tables of this size. The first round warms both up."""
    from groundwork_spark.bronze import SETTLE_SECONDS
    from groundwork_spark.jobs.silver import run
    from groundwork_spark.lake import Lake
    from groundwork_spark.storage import Storage

    root = f"s3://{BUCKET}/{rows}"
    lake = Lake(spark, Storage(spark), f"{root}/silver")
    contracts = {f"orders_{n}": replace(orders, table=f"orders_{n}") for n in range(tables)}
    work = lambda: run(lake, f"{root}/bronze", contracts)  # noqa: E731
    all_orders = spark.range(rows).selectExpr("id AS n").selectExpr(*columns("created"))
    for table in contracts:
        deliver(lake, dms(all_orders, "'I'", "''"), f"{root}/bronze/{table}/LOAD00000001.parquet")
    timed(work)
    bare, first = f"{root}/bare", contracts["orders_0"]
    silver = spark.read.format("delta").load(lake.table(first))
    silver.write.format("delta").partitionBy(orders.partition_name).save(bare)
    ours, theirs, idle = [], [], []
    for number in range(rounds + 1):
        files = [f"{root}/bronze/{table}/20261122-12{number:02}00000.parquet" for table in contracts]
        for file in files:
            deliver(lake, changes(spark, rows, number), file)
        # A run begins with files that have been there for a while.
        time.sleep(SETTLE_SECONDS)
        ours.append(timed(work) / tables)
        theirs.append(timed(lambda file=files[0]: merge_bare(spark, bare, file, orders)))
        idle.append(timed(work) / tables)
    same = {name: spark.read.format("delta").load(t).count() for name, t in (("o", lake.table(first)), ("b", bare))}
    assert same["o"] == same["b"], same
    job, merge, nothing = (statistics.median(seconds[1:]) for seconds in (ours, theirs, idle))
    print(
        f"{tables} tables of {rows:,} rows, per table: job {job:5.2f} s, bare MERGE {merge:5.2f} s, "
        f"x{job / merge:4.2f}; first {ours[0]:5.2f} s and {theirs[0]:5.2f} s; without changes {nothing:4.2f} s",
        flush=True,
    )


def timed(action) -> float:
    started = time.monotonic()
    result = action()
    if result and result["status"] != "succeeded":
        sys.exit(str(result))
    return time.monotonic() - started


def merge_bare(spark: SparkSession, table: str, file: str, orders: Contract) -> None:
    session = spark.newSession()
    session.conf.set("spark.sql.shuffle.partitions", str(CORES))
    session.conf.set("spark.databricks.delta.merge.materializeSource", "none")
    month = f"date_format(order_purchase_timestamp, 'yyyy-MM') AS {orders.partition_name}"
    source = session.read.parquet(file).selectExpr("*", month)
    names = [column.name for column in orders.columns] + [orders.partition_name]
    session.sql(
        f"MERGE INTO delta.`{table}` AS t USING {{source}} AS s ON t.order_id = s.order_id AND "
        f"t.{orders.partition_name} IN ('2018-07', '2018-08') WHEN MATCHED AND s.Op = 'D' THEN DELETE "
        f"WHEN MATCHED THEN UPDATE SET {', '.join(f't.{n} = s.{n}' for n in names)} WHEN NOT MATCHED AND s.Op <> 'D' "
        f"THEN INSERT ({', '.join(names)}) VALUES ({', '.join(f's.{n}' for n in names)})",
        source=source,
    ).collect()


# --- the data ---------------------------------------------------------------------------------------------------------


def columns(status: str) -> list[str]:
    return [f"inline(array(struct({ORDER.format(status=status)}, n)))"]


def changes(spark: SparkSession, rows: int, number: int) -> DataFrame:
    """Of the two newest months (22 and 23 of 24): other orders in each round, and new ones."""
    known = UPDATES + DELETES
    order = f"(id DIV 2 + {number * known // 2}) % {rows // 24} * 24 + 22 + id % 2 AS n"
    per_round = spark.range(known).selectExpr(order, "id")
    updated = per_round.where(f"id < {UPDATES}").selectExpr(*columns("shipped"))
    deleted = per_round.where(f"id >= {UPDATES}").selectExpr(*columns("created"))
    new = f"({rows // 24 + 1} + {number * INSERTS // 2} + id DIV 2) * 24 + 22 + id % 2 AS n"
    inserted = spark.range(INSERTS).selectExpr(new).selectExpr(*columns("created"))
    of_round = dms(updated, "'U'", "n").unionByName(dms(deleted, "'D'", "n")).unionByName(dms(inserted, "'I'", "n"))
    return of_round.withColumn(
        "change_seq", F.format_string("20261122120000%04d%017d", F.lit(number), F.col("change_seq"))
    )


def dms(rows: DataFrame, op: str, sequence: str) -> DataFrame:
    extra = [f"{op} AS Op", "'2026-11-22 12:00:00.000000' AS dms_timestamp", f"{sequence} AS change_seq"]
    return rows.selectExpr(*extra, "*").drop("n")


def deliver(lake, rows: DataFrame, file: str) -> None:
    """Write the rows as one file of this name."""
    parts = f"{file}.parts"
    rows.coalesce(1).write.option("compression", "snappy").parquet(parts)
    (part,) = [f for f in lake.storage.list(parts) if "part-" in f.path]
    path = lake.storage.jvm.org.apache.hadoop.fs.Path
    path(file).getFileSystem(lake.storage.configuration).rename(path(part.path), path(file))
    lake.storage.delete(parts)


if __name__ == "__main__":
    main()
