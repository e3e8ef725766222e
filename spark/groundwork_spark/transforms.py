"""From a table's bronze rows to its silver rows: functions that take a DataFrame and return one.

Bookkeeping columns begin with an underscore: ``_file`` and ``_row`` say where a row stands in bronze, ``_rule`` and
``_reason`` why it was rejected (both NULL on a good row).
"""

from collections.abc import Callable

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
PARTITION_FORMATS = {"month": "yyyy-MM"}


def located(bronze: DataFrame) -> DataFrame:
    """Add where each row stands: the file it was read from, and its position there, from 0."""
    return bronze.select("*", F.col("_metadata.file_path").alias("_file"), F.col("_metadata.row_index").alias("_row"))


def typed(contract: Contract) -> Transform:
    """The contract's columns in its order and types, then the columns that later steps need.

    A boolean that is neither ``true`` nor ``false`` fails the job: DMS writes nothing else.
    """

    def _(bronze: DataFrame) -> DataFrame:
        columns = [F.col(c.name).cast(spark_type(c)).alias(c.name) for c in contract.columns]
        return bronze.select(*columns, "dms_timestamp", "_file", "_row")

    return _


def checked(contract: Contract) -> Transform:
    """Add ``_rule`` and ``_reason``: the first rule of the contract that the row breaks, and a sentence about it."""

    def _(rows: DataFrame) -> DataFrame:
        return rows.withColumns({"_rule": first_broken(contract, rule_name), "_reason": first_broken(contract, reason)})

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
        quarantined = rows.where(F.col("_rule").isNotNull())
        return quarantined.select(*contract_names(contract), "_rule", "_reason", "_file", "_row")

    return _


def keep_latest(contract: Contract) -> Transform:
    """Of the rows of one key, the one that DMS wrote last; a table without a key keeps every row.

    Rows of the same instant are told apart by file and position, so that the outcome is the same on every run.
    """

    def _(rows: DataFrame) -> DataFrame:
        if not contract.key:
            return rows
        newest_first = Window.partitionBy(*contract.key).orderBy(
            F.desc("dms_timestamp"), F.desc("_file"), F.desc("_row")
        )
        return rows.withColumn("_rank", F.row_number().over(newest_first)).where(F.col("_rank") == 1)

    return _


def partitioned(contract: Contract) -> Transform:
    """Silver's columns: the contract's, then the derived partition column, whose rows are brought together.

    The rebalancing lets Spark choose how many tasks write: one for a small table (one file in each partition), more
    where a partition is large.
    """

    def _(rows: DataFrame) -> DataFrame:
        silver = rows.select(*contract_names(contract))
        if not contract.partition:
            return silver
        value = F.date_format(contract.partition.name, PARTITION_FORMATS[contract.partition.partition_transform])
        return silver.withColumn(contract.partition_name, value).hint("rebalance", contract.partition_name)

    return _
