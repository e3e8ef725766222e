"""Delta tables that are replaced as a whole, and what their log says of the last commit.

Delta's own history and snapshot cost several Spark jobs a table; the last commit of a replaced table holds all of it,
so its one JSON file is read instead (https://github.com/delta-io/delta/blob/master/PROTOCOL.md).
"""

import json
import re
from dataclasses import dataclass
from urllib.parse import unquote

from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

from groundwork_spark.storage import Storage

COMMIT_FILE = re.compile(r"\d{20}\.json")


@dataclass(frozen=True)
class Commit:
    """The commit of an `overwrite`: its ``note``, and the sizes of the table's data files by their URL."""

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


def make_empty(like: DataFrame, storage: Storage, table: str) -> None:
    """Make the table empty, with the columns of ``like``; one that is so already is left alone."""
    version, actions = last_commit(storage, table)
    if version < 0:
        # A commit without a data job: a new silver has as many of these as tables.
        columns = ", ".join(f"`{field.name}` {field.dataType.simpleString()}" for field in like.schema)
        like.sparkSession.sql(f"CREATE TABLE delta.`{table}` ({columns}) USING delta")
    elif any("add" in action for action in actions) or columns_of(actions) != like.schema.simpleString():
        overwrite(like.limit(0), table, {"columns": like.schema.simpleString()})


def columns_of(actions: list[dict]) -> str | None:
    """Names and types that a commit of `make_empty` set."""
    for action in actions:
        if "metaData" in action:
            return StructType.fromJson(json.loads(action["metaData"]["schemaString"])).simpleString()
        if "userMetadata" in action.get("commitInfo", {}):
            return json.loads(action["commitInfo"]["userMetadata"]).get("columns")
    return None


def last_overwrite(storage: Storage, table: str) -> Commit | None:
    """None where there is no table, or its last commit is not of `overwrite`."""
    version, actions = last_commit(storage, table)
    info = next((action["commitInfo"] for action in actions if "commitInfo" in action), {})
    if "userMetadata" not in info:
        return None
    return Commit(
        version=version,
        note=json.loads(info["userMetadata"]),
        rows=int(info["operationMetrics"]["numOutputRows"]),
        files={f"{table}/{unquote(a['add']['path'])}": a["add"]["size"] for a in actions if "add" in a},
    )


def last_commit(storage: Storage, table: str) -> tuple[int, list[dict]]:
    """The version of the table and the actions of its last commit; -1 and none where there is no table."""
    try:
        names = [file.path.rsplit("/", 1)[1] for file in storage.list(f"{table}/_delta_log")]
    except FileNotFoundError:
        return -1, []
    commits = [name for name in names if COMMIT_FILE.fullmatch(name)]
    if not commits:
        return -1, []
    lines = storage.read(f"{table}/_delta_log/{commits[-1]}").splitlines()
    return int(commits[-1].removesuffix(".json")), [json.loads(line) for line in lines]
