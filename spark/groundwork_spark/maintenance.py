"""Compaction and removal of what a table no longer uses: what the first run of a day does besides.

Merges write small files, a few for each month that they touch. https://docs.delta.io/latest/optimizations-oss.html
"""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

from pyspark.sql import SparkSession

from groundwork_spark import delta_table
from groundwork_spark.delta_table import Snapshot
from groundwork_spark.log import say
from groundwork_spark.storage import Storage

SMALL_BYTES = 16 * 2**20
SMALL_FILES = 8
EVERY = timedelta(days=1)
MARKER = "_runs/maintained.json"


def is_due(storage: Storage, silver: str) -> bool:
    """Whether a day has passed since the last time; of a new silver, whose files are whole, the day begins now."""
    try:
        last = json.loads(storage.read(f"{silver}/{MARKER}"))["at"]
    except FileNotFoundError:
        note(storage, silver)
        return False
    return datetime.now(UTC) - datetime.fromisoformat(last) >= EVERY


def note(storage: Storage, silver: str) -> None:
    storage.write(f"{silver}/{MARKER}", json.dumps({"at": datetime.now(UTC).isoformat()}))


def maintain(spark: SparkSession, table: str, partition: str | None) -> None:
    """Join the files of each partition that has many small ones, then remove files that no version needs any more.

    Files stay for Delta's retention (7 days), so that readers and the change feed reach back that far.
    """
    crowded = crowded_partitions(delta_table.snapshot(spark, table))
    for value in crowded:
        where = f"WHERE `{partition}` = '{value}'" if partition else ""
        spark.sql(f"OPTIMIZE delta.`{table}` {where}").collect()
    removed = spark.sql(f"VACUUM delta.`{table}`").collect()
    name = table.rsplit("/", 1)[1]
    say(f"{name}: maintained, {len(crowded)} partitions compacted, {'vacuumed' if removed else 'nothing to vacuum'}")


def crowded_partitions(snapshot: Snapshot) -> list[str | None]:
    small = Counter(file.partition for file in snapshot.files if file.size < SMALL_BYTES)
    return sorted((value for value, files in small.items() if files > SMALL_FILES), key=str)
