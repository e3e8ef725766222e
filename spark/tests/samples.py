"""A small contract, and bronze folders of three rows."""

import shutil

from groundwork_contracts import Column, Contract, Rule

VISITS = (
    "Op string, dms_timestamp string, id string, at timestamp, zip string, price decimal(10,2), score smallint, "
    "device string, paid string"
)


def visits(threshold_percent: float = 50.0) -> Contract:
    """A contract small enough to see whole: a key, a partition, and a rule of every kind."""
    return Contract(
        table="visits",
        schema="shop",
        description="Visits to a page.",
        csv_file="visits.csv",
        quarantine_threshold_percent=threshold_percent,
        columns=(
            make_column("id", "varchar(4)", Rule("id", "required"), Rule("id", "max_length", 4), key_position=1),
            make_column("at", "timestamp", Rule("at", "required"), partition_transform="month"),
            make_column("zip", "varchar(5)", Rule("zip", "pattern", "^[0-9]{5}$")),
            make_column("price", "numeric(10,2)", Rule("price", "minimum", 0)),
            make_column("score", "smallint", Rule("score", "maximum", 5)),
            make_column("device", "text", Rule("device", "valid_values", ("phone", "desktop"))),
            make_column("paid", "boolean"),
        ),
    )


def make_column(name: str, type: str, *rules: Rule, key_position=None, partition_transform=None) -> Column:
    return Column(name, type, "", bool(rules), key_position, partition_transform, None, rules)


class Bronze:
    """A folder as DMS leaves it, for the tests to fill."""

    def __init__(self, folder, spark):
        self.folder, self.spark = folder, spark

    def write(self, table: str, rows: list, columns: str = VISITS, file: str = "LOAD00000001.parquet"):
        """Write the rows into one Parquet file of the table and return its path."""
        parts = self.folder / f".{table}"
        self.spark.createDataFrame(rows, columns).coalesce(1).write.mode("overwrite").parquet(str(parts))
        target = self.folder / table / file
        target.parent.mkdir(parents=True, exist_ok=True)
        next(parts.glob("part-*.parquet")).rename(target)
        shutil.rmtree(parts)
        return target
