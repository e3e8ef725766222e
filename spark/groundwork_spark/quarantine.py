"""The rows that break their contract: the Delta table ``_quarantine/<table>``, and when there are too many."""

from groundwork_contracts import Contract
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from groundwork_spark import delta_table, transforms
from groundwork_spark.lake import Lake


class TooManyRejected(Exception):
    """More rows break the contract than it allows. Its text says how many, which rule, and where they are."""


def replace(lake: Lake, contract: Contract, current: DataFrame) -> dict[str, int]:
    """Make the quarantine of these checked rows. How many break each rule first."""
    delta_table.overwrite(current.transform(transforms.rejected(contract)), lake.quarantine(contract))
    return count(lake, contract)


def merge(lake: Lake, contract: Contract, changes: DataFrame) -> dict[str, int]:
    """What the changes make of the quarantine: a bad version goes in, a good one or a deletion takes it out."""
    table, names = lake.quarantine(contract), transforms.quarantine_names(contract)
    if not contract.key:
        delta_table.append(changes.transform(transforms.rejected(contract)), table)
    else:
        is_bad = "s._rule IS NOT NULL"
        delta_table.merge(
            table,
            changes,
            " AND ".join(f"t.`{name}` = s.`{name}`" for name in contract.key),
            f"WHEN MATCHED AND {is_bad} THEN UPDATE SET {delta_table.assignments(names)} WHEN MATCHED THEN DELETE "
            f"WHEN NOT MATCHED AND {is_bad} THEN INSERT {delta_table.values(names)}",
        )
    return count(lake, contract)


def count(lake: Lake, contract: Contract) -> dict[str, int]:
    return count_by_rule(delta_table.read(lake.spark, lake.quarantine(contract)))


def count_by_rule(checked: DataFrame) -> dict[str | None, int]:
    """How many rows break each rule first; under None the good ones."""
    return {row["_rule"]: row["rows"] for row in checked.groupBy("_rule").agg(F.count("*").alias("rows")).collect()}


def check_threshold(lake: Lake, contract: Contract, rows: int, counts: dict[str, int]) -> None:
    """Judge the share of the table's ``rows`` that are in quarantine. Raises TooManyRejected."""
    rejected = sum(counts.values())
    share = 100 * rejected / rows if rows else 0
    if share <= contract.quarantine_threshold_percent:
        return
    worst = max(counts, key=counts.get)
    raise TooManyRejected(
        f"{contract.table}: {rejected:,} of {rows:,} rows ({share:.3g} %) break the contract, which allows "
        f"{contract.quarantine_threshold_percent:g} %. Most often broken: {worst} ({counts[worst]:,} rows). "
        f"See _reason, _file and _row in {lake.quarantine(contract)}; silver's {contract.table} is as it was"
    )
