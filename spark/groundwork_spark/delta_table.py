"""Delta tables that are overwritten as a whole, and what their log says of the last commit.

Delta's own history and snapshot cost several Spark jobs a table; the last commit of an overwritten table holds all of
it, so its one JSON file is read instead (https://github.com/delta-io/delta/blob/master/PROTOCOL.md).
"""

import json
import re
from dataclasses import dataclass
from urllib.parse import unquote

from pyspark.sql import DataFrame

from groundwork_spark.storage import Storage

COMMIT_FILE = re.compile(r"(\d{20})\.json")


@dataclass(frozen=True)
class Commit:
    """``note`` is what `overwrite` was given; ``files`` are the sizes of the table's data files by their URL."""

    version: int
    note: dict
    rows: int
    files: dict[str, int]


def overwrite(rows: DataFrame, table: str, note: dict, partition: str | None = None) -> None:
    """Replace the table's content, schema and partitioning in one commit that carries ``note``."""
    writer = rows.write.format("delta").mode("overwrite").option("overwriteSchema", "true")
    if partition:
        writer = writer.partitionBy(partition)
    writer.option("userMetadata", json.dumps(note)).save(table)


def last_overwrite(storage: Storage, table: str) -> Commit | None:
    """The table's last commit; None where there is no table, or its last commit is not of `overwrite`."""
    try:
        names = [file.path.rsplit("/", 1)[1] for file in storage.list(f"{table}/_delta_log")]
    except FileNotFoundError:
        return None
    commits = [name for name in names if COMMIT_FILE.fullmatch(name)]
    if not commits:
        return None
    actions = [json.loads(line) for line in storage.read(f"{table}/_delta_log/{commits[-1]}").splitlines()]
    info = next((action["commitInfo"] for action in actions if "commitInfo" in action), {})
    if "userMetadata" not in info:
        return None
    return Commit(
        version=int(commits[-1].removesuffix(".json")),
        note=json.loads(info["userMetadata"]),
        rows=int(info["operationMetrics"].get("numOutputRows", 0)),
        files={f"{table}/{unquote(a['add']['path'])}": a["add"]["size"] for a in actions if "add" in a},
    )
