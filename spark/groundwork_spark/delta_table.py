"""Delta tables: replaced as a whole, merged into, and what their log says (https://docs.delta.io/latest/).

Delta's own history costs several Spark jobs a table; the last commit of a replaced table holds all of it, so its one
JSON file is read instead (https://github.com/delta-io/delta/blob/master/PROTOCOL.md).
"""

import json
import re
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import unquote

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from groundwork_spark.storage import Storage

TRANSACTION = "spark.databricks.delta.write"
COMMIT_FILE = re.compile(r"\d{20}\.json")


@dataclass(frozen=True)
class DataFile:
    """A data file of a table: its URL, its exact size in bytes, its rows and its partition's value."""

    url: str
    size: int
    rows: int
    partition: str | None = None


@dataclass(frozen=True)
class Snapshot:
    """A version of a table, and the files that it consists of."""

    version: int
    files: list[DataFile]

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)


def read(spark: SparkSession, table: str) -> DataFrame:
    return spark.read.format("delta").load(table)


def changes_between(spark: SparkSession, table: str, first: int, last: int) -> DataFrame:
    """The change data feed of these versions."""
    feed = spark.read.format("delta").option("readChangeFeed", "true")
    return feed.option("startingVersion", first).option("endingVersion", last).load(table)


def is_at(storage: Storage, table: str, version: int) -> bool:
    """Whether this is the table's last version: two look-ups, however long the log is."""
    log = f"{table}/_delta_log"
    return storage.exists(f"{log}/{version:020}.json") and not storage.exists(f"{log}/{version + 1:020}.json")


def overwrite(rows: DataFrame, table: str, partition: str | None = None, change_feed: bool = False) -> None:
    """Replace the table's content, schema and partitioning in one commit; ``change_feed`` is for a new table."""
    writer = rows.write.format("delta").mode("overwrite").option("overwriteSchema", "true")
    # Makes the commit tell its columns also when they are those that the table had.
    writer = writer.option("userMetadata", rows.schema.simpleString())
    if change_feed:
        writer = writer.option("delta.enableChangeDataFeed", "true")
    if partition:
        writer = writer.partitionBy(partition)
    writer.save(table)


@contextmanager
def transaction(spark: SparkSession, application: str, version: int):
    """What is written to a table inside is written once, though it be done again: Delta skips what its log has.

    https://docs.delta.io/latest/delta-streaming.html#idempotent-table-writes-in-foreachbatch. The settings are of the
    session, so no other table may be written in it meanwhile.
    """
    settings = {f"{TRANSACTION}.txnAppId": application, f"{TRANSACTION}.txnVersion": str(version)}
    before = {name: spark.conf.get(name, None) for name in settings}
    for name, value in settings.items():
        spark.conf.set(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            spark.conf.unset(name) if value is None else spark.conf.set(name, value)


def append(rows: DataFrame, table: str) -> None:
    rows.write.format("delta").mode("append").save(table)


@dataclass(frozen=True)
class Merged:
    """How many rows of the table a merge touched, and by how many it grew."""

    touched: int
    grown: int


def merge(table: str, changes: DataFrame, matches: str, clauses: str) -> Merged | None:
    """``MERGE INTO`` the table, whose rows are ``t``, the changes ``s``. None: its transaction was committed before."""
    statement = f"MERGE INTO delta.`{table}` AS t USING {{changes}} AS s ON {matches} {clauses}"
    result = changes.sparkSession.sql(statement, changes=changes).collect()
    if not result:
        return None
    return Merged(result[0]["num_affected_rows"], result[0]["num_inserted_rows"] - result[0]["num_deleted_rows"])


def assignments(names: list[str]) -> str:
    return ", ".join(f"t.`{name}` = s.`{name}`" for name in names)


def values(names: list[str]) -> str:
    return f"({', '.join(f'`{n}`' for n in names)}) VALUES ({', '.join(f's.`{n}`' for n in names)})"


def version(spark: SparkSession, table: str) -> int:
    """The table's version as this application, its only writer, knows it."""
    return current_state(spark, table).version()


def current_state(spark: SparkSession, table: str):
    log = spark._jvm.org.apache.spark.sql.delta.DeltaLog.forTable(spark._jsparkSession, table)
    return log.unsafeVolatileSnapshot()


def snapshot(spark: SparkSession, table: str) -> Snapshot:
    """That version, with its files."""
    state = current_state(spark, table)
    adds = DataFrame(state.allFiles().toDF(), spark).select(
        "path",
        "size",
        F.get_json_object("stats", "$.numRecords").cast("long").alias("rows"),
        F.try_element_at(F.map_values("partitionValues"), F.lit(1)).alias("partition"),
    )
    files = [DataFile(f"{table}/{unquote(a['path'])}", a["size"], a["rows"], a["partition"]) for a in adds.collect()]
    return Snapshot(state.version(), sorted(files, key=lambda file: file.url))


def make_empty(like: DataFrame, storage: Storage, table: str) -> None:
    """Make the table empty, with the columns of ``like``; one that is so already is left alone."""
    version, actions = last_commit(storage, table)
    if version < 0:
        # A commit without a data job: a new silver has as many of these as tables.
        columns = ", ".join(f"`{field.name}` {field.dataType.simpleString()}" for field in like.schema)
        like.sparkSession.sql(f"CREATE TABLE delta.`{table}` ({columns}) USING delta")
    elif any("add" in action for action in actions) or columns_of(actions) != like.schema.simpleString():
        overwrite(like.limit(0), table)


def columns_of(actions: list[dict]) -> str | None:
    """Names and types that a commit of `make_empty` or `overwrite` set."""
    for action in actions:
        if "metaData" in action:
            return StructType.fromJson(json.loads(action["metaData"]["schemaString"])).simpleString()
        if "userMetadata" in action.get("commitInfo", {}):
            return action["commitInfo"]["userMetadata"]
    return None


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
