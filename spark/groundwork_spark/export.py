"""What the warehouse has not got yet: the changes of each table since the version that it loaded.

Writes below the silver folder, for Redshift's COPY: Parquet files in ``_changes/<table>/<from>-<to>/`` with the column
``_op`` (``U``: insert or replace the row of this key, ``D``: delete it) before the contract's columns in their order,
one row for each key; their manifest ``_changes/<table>.manifest``; and ``_changes/latest.json``, which has for a table

    {"mode": "changes", "from": 12, "to": 14, "rows": 3, "manifest": "s3://…/_changes/orders.manifest"}

``mode`` is ``changes``, ``full`` (``manifest`` is then ``_manifests/<table>.manifest``, all rows without ``_op``) or
``none``. Once they are applied, the warehouse has the version ``to``. The changes come from Delta's change data feed
(https://docs.delta.io/latest/delta-change-data-feed.html).
"""

import json

from groundwork_contracts import Contract
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Observation, Window
from pyspark.sql import functions as F

from groundwork_spark import delta_table
from groundwork_spark.bronze import name_of
from groundwork_spark.lake import Lake, manifest
from groundwork_spark.log import say
from groundwork_spark.progress import Progress
from groundwork_spark.schema import contract_names
from groundwork_spark.session import session_for_changes
from groundwork_spark.storage import Storage

# A renamed file is a copy on S3: each is moved once, by the task that wrote it, and no marker is left.
COMMITTER = {
    "mapreduce.fileoutputcommitter.algorithm.version": "2",
    "mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
}


def write_table(lake: Lake, contract: Contract, loaded: int | None) -> dict:
    """Export one table for a warehouse that has the version ``loaded``; its entry of ``latest.json``."""
    progress = Progress.read(lake.storage, lake.checkpoints(contract))
    if progress is None:
        raise FileNotFoundError(f"{lake.table(contract)} has not been built, so there is nothing to export")
    if loaded == progress.version:
        return {"mode": "none", "from": loaded, "to": loaded, "rows": 0}
    lake.storage.delete(lake.changes(contract))
    if loaded is not None and progress.rebuilt <= loaded < progress.version:
        try:
            return write_changes(lake, contract, loaded, progress.version)
        except (PySparkException, Py4JJavaError) as error:
            say(f"{contract.table}: no changes since version {loaded}, so all rows: {str(error).splitlines()[0]}")
    return write_all(lake, contract, loaded, progress)


def write_changes(lake: Lake, contract: Contract, loaded: int, version: int) -> dict:
    """Raises Spark's error where the feed does not reach back: its files were vacuumed, or the log was cleaned."""
    counted = Observation()
    rows = net_changes(lake, contract, loaded, version).observe(counted, F.count("*").alias("rows"))
    files = write_parquet(lake, rows, f"{lake.changes(contract)}/{loaded}-{version}")
    entry = {"from": loaded, "to": version, "rows": counted.get["rows"]}
    if not entry["rows"]:
        return {"mode": "none", **entry}
    target = f"{lake.changes(contract)}.manifest"
    lake.storage.write(target, manifest(files))
    return {"mode": "changes", **entry, "manifest": target}


def net_changes(lake: Lake, contract: Contract, loaded: int, version: int) -> DataFrame:
    """One row for each key that is not as it was; without a key, the rows that came."""
    feed = delta_table.changes_between(session_for_changes(lake.spark), lake.table(contract), loaded + 1, version)
    is_deletion = F.col("_change_type") == "delete"
    after = feed.where("_change_type != 'update_preimage'")
    if contract.key:
        # A row that moves within one version is deleted and inserted, which leaves it.
        last = Window.partitionBy(*contract.key).orderBy(F.desc("_commit_version"), is_deletion)
        after = after.withColumn("_rank", F.row_number().over(last)).where("_rank = 1")
    return after.select(F.when(is_deletion, "D").otherwise("U").alias("_op"), *contract_names(contract))


def write_all(lake: Lake, contract: Contract, loaded: int | None, progress: Progress) -> dict:
    """Silver's own files serve after a rebuild. After a merge they have a column more, so a copy is made."""
    target = lake.manifest(contract)
    if progress.version != progress.rebuilt:
        rows = delta_table.read(lake.spark, lake.table(contract)).select(*contract_names(contract))
        lake.storage.write(target, manifest(write_parquet(lake, rows, f"{lake.changes(contract)}/{progress.version}")))
    return {"mode": "full", "from": loaded, "to": progress.version, "rows": progress.rows, "manifest": target}


def write_parquet(lake: Lake, rows: DataFrame, folder: str) -> dict[str, int]:
    """Write the rows as plain Parquet; the files' sizes by URL."""
    rows.write.mode("overwrite").options(**COMMITTER).parquet(folder)
    files = lake.storage.list(folder)
    return {f"{folder}/{name_of(file.path)}": file.size for file in files if name_of(file.path).startswith("part-")}


def write_latest(storage: Storage, silver: str, tables: dict[str, dict]) -> None:
    storage.write(f"{silver}/_changes/latest.json", json.dumps({"tables": tables}, indent=1))
