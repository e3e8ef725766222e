"""One batch of change files into silver: what Structured Streaming's ``foreachBatch`` does.

Rows are taken in the order of DMS's change sequence. A batch that only goes on from where silver is (every sequence in
it is above those merged before) is merged as it is. A key with a *late* change, from a file that came out of order or a
second time, is looked up in all of the table's change files: its newest version counts, and only the first file that
brought it applies it. Bronze itself so says what was deleted, and needs no tombstones beside it.
"""

from dataclasses import dataclass

from groundwork_contracts import Contract
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from groundwork_spark import bronze, delta_table, history, quarantine, transforms
from groundwork_spark.delta_table import Merged
from groundwork_spark.lake import Lake
from groundwork_spark.log import say
from groundwork_spark.progress import Progress
from groundwork_spark.schema import Found, check_bronze_schema, silver_schema


@dataclass(frozen=True)
class Batch:
    """New change files of a table by name, all that it has (``known``), and those of its full load.

    ``session`` is the table's own: its settings tell Delta the transaction, by the generation and ``number``. ``found``
    are the columns of the new files, where the run has inspected them all before.
    """

    lake: Lake
    session: SparkSession
    contract: Contract
    number: int
    files: dict[str, str]
    known: dict[str, str]
    loads: dict[str, str]
    found: Found | None

    def rows(self, files: dict[str, str], found: Found | None = None) -> DataFrame:
        """The rows of these files, typed. Raises BronzeSchemaError."""
        paths = list(files.values())
        if found is None:
            found = bronze.columns_of(self.session, paths)
            check_bronze_schema(self.contract, found, changes=True)
        raw = bronze.read(self.session, self.contract, paths, found)
        return raw.transform(transforms.located).transform(transforms.typed(self.contract))


@dataclass(frozen=True)
class Measure:
    """``rows`` of bronze, the ``keys`` that they change, the new and the bad ones among these, those that are in
    quarantine (``away``) or never reach silver (``idle``), the lowest and highest sequence, whether a change is late,
    and the partitions that are named."""

    rows: int
    keys: int
    new: int
    bad: int
    away: int
    idle: int
    first: str
    last: str
    late: bool
    partitions: list[str]


def apply(batch: Batch, progress: Progress) -> tuple[Progress, int]:
    """Merge the batch; also how many rows of bronze it has. Raises TooManyRejected with silver as it was."""
    contract, rows = batch.contract, batch.rows(batch.files, batch.found)
    if contract.history:
        rows = rows.localCheckpoint()
    changes = rows.transform(transforms.netted(contract, progress.change_seq))
    fated = with_fate(batch, changes, progress).localCheckpoint()
    measure = whole = measured(fated, contract)
    if measure.keys and not measure.first:
        raise bronze.BronzeError(f"{contract.table}: a change has no change_seq in {', '.join(batch.files.values())}")
    if measure.late:
        say(f"{contract.table}: late or repeated changes, looked up in {len(batch.known)} files")
        fated = with_fate(batch, without_late(batch, changes), progress).localCheckpoint()
        measure = measured(fated, contract)
    progress = progress.having(streaming=True, change_seq=max(progress.change_seq, whole.last))
    progress.write(batch.lake.storage, batch.lake.checkpoints(contract))
    with delta_table.transaction(batch.session, progress.generation, batch.number):
        if measure.keys:
            progress = merge_quarantine(batch.lake, contract, fated, progress, measure)
            grown = merge_silver(batch, fated, measure, progress.generation)
            counted = progress.rows + grown if grown is not None else count(batch)
            progress = progress.having(rows=counted)
        if contract.history:
            replayed = all_versions(batch, changes) if whole.late else None
            history.follow(batch.lake, batch.session, contract, rows, replayed)
    return progress, whole.rows


def count(batch: Batch) -> int:
    return delta_table.snapshot(batch.session, batch.lake.table(batch.contract)).rows


def measured(fated: DataFrame, contract: Contract) -> Measure:
    partition = F.col(contract.partition_name) if contract.partition else F.lit(None).cast("string")
    row = fated.agg(
        F.coalesce(F.sum("_changes"), F.lit(0)),
        F.count("*"),
        F.count_if(F.col("_new") & (F.col("_op") != "D")),
        F.count("_rule"),
        F.count_if("_away"),
        F.count_if(F.col("_new") & F.col("_gone")),
        F.coalesce(F.min("_seq"), F.lit("")),
        F.coalesce(F.max("_seq"), F.lit("")),
        F.coalesce(F.max("_late"), F.lit(False)),
        F.collect_set(partition),
    ).first()
    return Measure(*row)


def without_late(batch: Batch, changes: DataFrame) -> DataFrame:
    """The changes, and in the place of late ones what bronze as a whole says of their keys, unless it was merged."""
    key = list(batch.contract.key) or ["_seq"]
    late = changes.where("_late").select(*key)
    newest = batch.rows(batch.known).join(late, key, "left_semi").transform(transforms.netted(batch.contract, ""))
    brought_here = F.element_at(F.split("_file", "/"), -1).isin(list(batch.files))
    return changes.where("NOT _late").unionByName(newest.where(brought_here).withColumn("_new", F.lit(False)))


def all_versions(batch: Batch, changes: DataFrame) -> DataFrame:
    """Everything that bronze has of the keys with late changes."""
    late = changes.where("_late").select(*batch.contract.key)
    return batch.rows({**batch.loads, **batch.known}).join(late, list(batch.contract.key), "left_semi")


def with_fate(batch: Batch, changes: DataFrame, progress: Progress) -> DataFrame:
    """Add why a row is rejected, whether its key leaves silver (``_gone``), and silver's partition.

    What was in quarantine is new to silver.
    """
    contract = batch.contract
    checked = changes.transform(transforms.checked(contract)).transform(transforms.with_month(contract))
    fated = checked.withColumn("_gone", (F.col("_op") == "D") | F.col("_rule").isNotNull())
    if not contract.key or not progress.quarantined:
        return fated.withColumn("_away", F.lit(False))
    away = delta_table.read(batch.session, batch.lake.quarantine(contract)).select(*contract.key).distinct()
    marked = fated.join(F.broadcast(away.withColumn("_away", F.lit(True))), list(contract.key), "left")
    is_away = F.coalesce("_away", F.lit(False))
    return marked.withColumns({"_new": F.col("_new") | is_away, "_away": is_away})


def merge_quarantine(
    lake: Lake, contract: Contract, changes: DataFrame, progress: Progress, measure: Measure
) -> Progress:
    """Judge the share of all the table's rows that are then in quarantine: one bad row is much of a small batch.

    Raises TooManyRejected; the next run then builds the table anew, from all that bronze has by then.
    """
    if not measure.bad and not measure.away:
        return progress
    counts = quarantine.merge(lake, contract, changes)
    rows = progress.rows + sum(progress.quarantined.values()) + measure.new
    try:
        quarantine.check_threshold(lake, contract, rows, counts)
    except quarantine.TooManyRejected:
        lake.storage.delete(lake.checkpoints(contract))
        raise
    return progress.having(quarantined=counts)


def merge_silver(batch: Batch, changes: DataFrame, measure: Measure, generation: str) -> int | None:
    """Merge within the partitions that the changes name, then where else their keys may be.

    Returns by how many rows silver grew; None where some of it was committed before.
    """
    contract, table = batch.contract, batch.lake.table(batch.contract)
    if not contract.key:
        delta_table.append(changes.where("NOT _gone").select(*silver_schema(contract).names), table)
        return None
    if not contract.partition:
        merged = merge_everywhere(table, contract, changes)
        return merged and merged.grown
    months = ", ".join(f"'{month}'" for month in measure.partitions) or "NULL"
    here = f"t.`{contract.partition_name}` IN ({months})"
    merged = delta_table.merge(table, changes, f"{here} AND {same_key(contract)}", clauses(contract, "AND s._new"))
    if merged and merged.touched + measure.idle == measure.keys:
        return merged.grown
    elsewhere = not_merged(batch.session, table, contract, changes).localCheckpoint()
    if not elsewhere.isEmpty():
        with delta_table.transaction(batch.session, f"{generation}-elsewhere", batch.number):
            merge_everywhere(table, contract, elsewhere)
    return None


def not_merged(spark: SparkSession, table: str, contract: Contract, changes: DataFrame) -> DataFrame:
    """The changes whose key is in a partition that they do not name: it moved, or was deleted by its key alone."""
    key = list(contract.key)
    there = delta_table.read(spark, table).select(*key, contract.partition_name)
    absent = changes.where("NOT _gone").join(there, [*key, contract.partition_name], "left_anti")
    return absent.unionByName(changes.where("_gone").join(there, key, "left_semi"))


def merge_everywhere(table: str, contract: Contract, changes: DataFrame) -> Merged | None:
    return delta_table.merge(table, changes, same_key(contract), clauses(contract))


def same_key(contract: Contract) -> str:
    return " AND ".join(f"t.`{name}` = s.`{name}`" for name in contract.key)


def clauses(contract: Contract, only: str = "") -> str:
    names = silver_schema(contract).names
    return (
        f"WHEN MATCHED AND s._gone THEN DELETE WHEN MATCHED THEN UPDATE SET {delta_table.assignments(names)} "
        f"WHEN NOT MATCHED AND NOT s._gone {only} THEN INSERT {delta_table.values(names)}"
    )
