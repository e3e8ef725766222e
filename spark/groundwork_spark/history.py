"""Every version of a row: the Delta table ``<table>_history`` of contracts that ask for it (``history: scd2``).

A slowly changing dimension of type 2: the contract's columns, then ``valid_from`` (when the version was committed at
the source; of a full load, when it was read), ``valid_to`` (NULL: it is valid), ``is_current`` and ``change_seq`` (NULL
of a full load). It holds the versions that silver held: one that breaks the contract ends its predecessor, as a
deletion does, and of the versions of one transaction the last one counts. So the current rows are silver's rows.
"""

from groundwork_contracts import Contract
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from groundwork_spark import delta_table, transforms
from groundwork_spark.lake import Lake
from groundwork_spark.schema import contract_names, silver_schema

VALIDITY = ["valid_from", "valid_to", "is_current", "change_seq"]


def rebuild(lake: Lake, contract: Contract, versions: DataFrame) -> None:
    """Replay all of bronze (``versions``: full load and changes) after what was known from before it."""
    table, events = lake.history(contract), events_of_versions(contract, versions)
    if lake.storage.exists(f"{table}/_delta_log"):
        known = with_columns(contract, delta_table.read(lake.spark, table))
        events = before(contract, known, events).unionByName(events).unionByName(missing(contract, known, versions))
    delta_table.overwrite(replayed(contract, events), table)


def follow(lake: Lake, spark: SparkSession, contract: Contract, versions: DataFrame, late: DataFrame | None) -> None:
    """Add the ``versions`` of a batch. Of the keys in ``late``, which has all that bronze has of them, replay all."""
    table, key, known = lake.history(contract), list(contract.key), delta_table.read(spark, lake.history(contract))
    events = events_of_versions(contract, versions)
    touched = known.where("is_current").join(events.select(*key).distinct(), key, "left_semi")
    if late is not None:
        keys = late.select(*key).distinct()
        events = events.join(keys, key, "left_anti").unionByName(events_of_versions(contract, late))
        touched = touched.unionByName(known.where("NOT is_current").join(keys, key, "left_semi"))
    touched = touched.localCheckpoint()
    chain = replayed(contract, before(contract, touched, events).unionByName(events))
    gone = touched.join(chain, [*key, "valid_from"], "left_anti")
    rows = chain.withColumn("_gone", F.lit(False)).unionByName(gone.withColumn("_gone", F.lit(True)))
    names = [*contract_names(contract), *VALIDITY]
    delta_table.merge(
        table,
        rows.localCheckpoint(),
        " AND ".join(f"t.`{name}` = s.`{name}`" for name in [*key, "valid_from"]),
        f"WHEN MATCHED AND s._gone THEN DELETE WHEN MATCHED THEN UPDATE SET {delta_table.assignments(names)} "
        f"WHEN NOT MATCHED AND NOT s._gone THEN INSERT {delta_table.values(names)}",
    )


def with_columns(contract: Contract, known: DataFrame) -> DataFrame:
    """The history in the contract's columns: one that was added since is NULL."""
    silver = {field.name: field.dataType for field in silver_schema(contract)}
    columns = [
        (F.col(name) if name in known.columns else F.lit(None)).cast(silver[name]).alias(name)
        for name in contract_names(contract)
    ]
    return known.select(*columns, *VALIDITY)


# --- events: a key has a version from an instant on, or none ----------------------------------------------------------
# `_era` is 0 for what the history knew, 1 for what bronze says; within an era the change sequence orders, then time.


def events_of_versions(contract: Contract, versions: DataFrame) -> DataFrame:
    checked = versions.transform(transforms.checked(contract))
    is_there = (F.col("_op") != "D") & F.col("_rule").isNull()
    return checked.select(
        *contract_names(contract),
        F.col("_at").cast("timestamp").alias("valid_from"),
        F.nullif("_seq", F.lit("")).alias("change_seq"),
        F.lit(1).alias("_era"),
        F.col("_seq").alias("_order"),
        is_there.alias("_there"),
    )


def before(contract: Contract, known: DataFrame, events: DataFrame) -> DataFrame:
    """The known versions that began before the first event of their key, as events; also where one ended unreplaced."""
    first = events.groupBy(*contract.key).agg(F.min("valid_from").alias("_first"))
    earlier = known.join(first, list(contract.key), "left").where("_first IS NULL OR valid_from < _first")
    names = contract_names(contract)
    begun = earlier.select(*names, "valid_from", "change_seq", *era_0(F.lit(True)))
    ended = earlier.where("valid_to IS NOT NULL AND (_first IS NULL OR valid_to < _first)")
    until = F.col("valid_to").alias("valid_from")
    return begun.unionByName(ended.select(*names, until, "change_seq", *era_0(F.lit(False))))


def era_0(there: Column) -> list[Column]:
    return [F.lit(0).alias("_era"), F.lit("").alias("_order"), there.alias("_there")]


def missing(contract: Contract, known: DataFrame, versions: DataFrame) -> DataFrame:
    """The end of what was current and is not in the full load: it was deleted while nobody followed."""
    loaded = versions.agg(F.coalesce(F.min(F.col("_at").cast("timestamp")), F.current_timestamp()).alias("_loaded"))
    lost = known.where("is_current").join(versions, list(contract.key), "left_anti").crossJoin(loaded)
    return lost.select(
        *contract_names(contract),
        F.col("_loaded").alias("valid_from"),
        "change_seq",
        *era_0(F.lit(False)),
    )


def replayed(contract: Contract, events: DataFrame) -> DataFrame:
    """The history that the events make.

    A full load's rows are read some time after its snapshot, so a change can be older than the row that it changes: a
    version begins no later than the one after it. Versions that lasted no time, and ones like their predecessor, go.
    """
    of_key = Window.partitionBy(*contract.key)
    in_order = of_key.orderBy("_era", "_order", "valid_from", "_there")
    rest = in_order.rowsBetween(Window.currentRow, Window.unboundedFollowing)
    values = F.struct("_there", *(F.when(F.col("_there"), F.col(name)) for name in contract_names(contract)))
    timed = events.withColumns({"valid_from": F.min("valid_from").over(rest), "_values": values})
    lasting = timed.withColumn("_next", F.lead("valid_from").over(in_order)).where(
        "_next IS NULL OR valid_from < _next"
    )
    other = lasting.withColumn("_last", F.lag("_values").over(in_order)).where("NOT _last <=> _values")
    chain = other.withColumn("valid_to", F.lead("valid_from").over(in_order)).where("_there")
    return chain.withColumn("is_current", F.col("valid_to").isNull()).select(*contract_names(contract), *VALIDITY)
