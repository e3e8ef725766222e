"""From a table's bronze rows to its silver rows: functions that take a DataFrame and return one.

Bookkeeping columns begin with an underscore: ``_op``, ``_at`` and ``_seq`` say what DMS replicated, when it was
committed, and its place among all changes (empty in a full load, which is before any change); ``_file``, ``_row`` and
``_arrived`` where the row stands in bronze, and since when; ``_rule`` and ``_reason`` why it was rejected (both NULL on
a good row).
"""

from collections.abc import Callable
from functools import reduce
from operator import or_

from groundwork_contracts import Contract, Rule
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from groundwork_spark.schema import contract_names, spark_type

Transform = Callable[[DataFrame], DataFrame]

BROKEN: dict[str, Callable[[Column, object], Column]] = {
    "required": lambda value, _: value.isNull(),
    "max_length": lambda value, limit: F.length(value) > limit,
    "pattern": lambda value, pattern: ~value.rlike(pattern),
    "minimum": lambda value, limit: value < limit,
    "maximum": lambda value, limit: value > limit,
    "valid_values": lambda value, allowed: ~value.isin(*allowed),
}
COMPLAINTS: dict[str, Callable[[object], str]] = {
    "max_length": lambda limit: f"which is longer than {limit} characters",
    "pattern": lambda pattern: f"which does not match {pattern}",
    "minimum": lambda limit: f"which is below {limit}",
    "maximum": lambda limit: f"which is above {limit}",
    "valid_values": lambda allowed: f"which is none of {', '.join(map(str, allowed))}",
}
SHOWN_CHARACTERS = 100
POSITION = ("_file", "_row", "_arrived")
PARTITION_FORMATS = {"month": "yyyy-MM"}


def located(bronze: DataFrame) -> DataFrame:
    """Add where each row stands: the file it was read from, its position there, from 0, and the file's time."""
    return bronze.select(
        "*",
        F.col("_metadata.file_path").alias("_file"),
        F.col("_metadata.row_index").alias("_row"),
        F.col("_metadata.file_modification_time").alias("_arrived"),
    )


def typed(contract: Contract) -> Transform:
    """The contract's columns in its order and types, then the columns that later steps need.

    A boolean that is neither ``true`` nor ``false`` fails the job: DMS writes nothing else.
    """

    def _(bronze: DataFrame) -> DataFrame:
        columns = [F.col(c.name).cast(spark_type(c)).alias(c.name) for c in contract.columns]
        return bronze.select(
            *columns,
            F.coalesce("Op", F.lit("I")).alias("_op"),
            F.col("dms_timestamp").alias("_at"),
            F.coalesce("change_seq", F.lit("")).alias("_seq"),
            *POSITION,
        )

    return _


def checked(contract: Contract) -> Transform:
    """Add ``_rule`` and ``_reason``: the first rule of the contract that the row breaks, and a sentence about it.

    Of a deleted row nothing is asked: DMS knows its key, and the rest only under ``REPLICA IDENTITY FULL``.
    """

    def _(rows: DataFrame) -> DataFrame:
        described = {"_rule": rule_name, "_reason": reason}
        return rows.withColumns(
            {name: F.when(F.col("_op") != "D", first_broken(contract, d)) for name, d in described.items()}
        )

    return _


def first_broken(contract: Contract, describe: Callable[[Rule], Column]) -> Column:
    """What ``describe`` says of the first broken rule; NULL where none is."""
    cases = [F.when(is_broken(rule), describe(rule)) for rule in contract.rules]
    return F.coalesce(*cases, F.lit(None).cast("string"))


def is_broken(rule: Rule) -> Column:
    return BROKEN[rule.kind](F.col(rule.column), rule.argument)


def rule_name(rule: Rule) -> Column:
    return F.lit(rule.name)


def reason(rule: Rule) -> Column:
    """``order_status is 'lost', which is none of approved, canceled``."""
    if rule.kind == "required":
        return F.lit(f"{rule.column} is missing")
    value = F.substring(F.col(rule.column).cast("string"), 1, SHOWN_CHARACTERS)
    return F.concat(F.lit(f"{rule.column} is '"), value, F.lit(f"', {COMPLAINTS[rule.kind](rule.argument)}"))


def accepted(rows: DataFrame) -> DataFrame:
    return rows.where(F.col("_rule").isNull())


def rejected(contract: Contract) -> Transform:
    """The rows of the quarantine: as they came, with the rule, the reason, the file and the position in it."""

    def _(rows: DataFrame) -> DataFrame:
        return rows.where(F.col("_rule").isNotNull()).select(*quarantine_names(contract))

    return _


def quarantine_names(contract: Contract) -> list[str]:
    return [*contract_names(contract), "_rule", "_reason", "_file", "_row"]


def not_deleted(rows: DataFrame) -> DataFrame:
    """Without the keys that were deleted."""
    return rows.where(F.col("_op") != "D")


def keep_newest(contract: Contract) -> Transform:
    """Of the rows of one key, the newest version; of equal versions in several files, the one that arrived first.

    Rows of the same instant are told apart by file and position, so that the outcome is the same on every run. A row
    with NULL in its key is one by itself, and breaks the contract. A table without a key keeps every inserted row, once
    for each change sequence.
    """

    def _(rows: DataFrame) -> DataFrame:
        if not contract.key:
            inserted = rows.where(F.col("_op") == "I")
            first = F.row_number().over(Window.partitionBy("_seq").orderBy("_arrived", "_file", "_row"))
            return inserted.withColumn("_rank", first).where(F.col("_rank") == 1).drop("_rank")
        arrived = F.when(F.col("_seq") != "", F.col("_arrived"))
        newest_first = Window.partitionBy(*contract.key).orderBy(
            F.desc("_seq"), F.desc("_at"), arrived, F.desc("_file"), F.desc("_row")
        )
        without_key = reduce(or_, (F.col(name).isNull() for name in contract.key))
        ranked = rows.withColumn("_rank", F.row_number().over(newest_first))
        return ranked.where((F.col("_rank") == 1) | without_key).drop("_rank")

    return _


def with_month(contract: Contract) -> Transform:
    """Add the derived partition column, if the contract has one."""

    def _(rows: DataFrame) -> DataFrame:
        if not contract.partition:
            return rows
        value = F.date_format(contract.partition.name, PARTITION_FORMATS[contract.partition.partition_transform])
        return rows.withColumn(contract.partition_name, value)

    return _


def partitioned(contract: Contract) -> Transform:
    """Silver's columns: the contract's, then the derived partition column, whose rows are brought together.

    The rebalancing lets Spark choose how many tasks write: one for a small table (one file in each partition), more
    where a partition is large.
    """

    def _(rows: DataFrame) -> DataFrame:
        silver = rows.select(*contract_names(contract)).transform(with_month(contract))
        return silver.hint("rebalance", contract.partition_name) if contract.partition else silver

    return _


def netted(contract: Contract, change_seq: str) -> Transform:
    """Of the changes of one key, the newest, with what the others say of it.

    ``_new``: they begin with an insert, so the key was not there before. ``_late``: one of them is not above
    ``change_seq``, so silver may hold a newer one. ``_changes``: how many they are.
    """

    def _(rows: DataFrame) -> DataFrame:
        of_key = Window.partitionBy(*(contract.key or ["_seq"]))
        oldest = F.min(F.struct("_seq", "_op")).over(of_key)
        told = rows.withColumns({"_oldest": oldest, "_changes": F.count(F.lit(1)).over(of_key)})
        newest = told.transform(keep_newest(contract))
        return newest.withColumns(
            {"_new": F.col("_oldest._op") == "I", "_late": F.col("_oldest._seq") <= change_seq}
        ).drop("_oldest")

    return _
