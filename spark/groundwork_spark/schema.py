"""A contract's columns as Spark types, and whether bronze's columns can become them."""

from groundwork_contracts import Column, Contract
from pyspark.sql import types as t

SPARK_TYPES = {
    "smallint": t.ShortType(),
    "integer": t.IntegerType(),
    "bigint": t.LongType(),
    "real": t.FloatType(),
    "double precision": t.DoubleType(),
    "boolean": t.BooleanType(),
    "date": t.DateType(),
    "timestamp": t.TimestampType(),
    "varchar": t.StringType(),
    "char": t.StringType(),
    "text": t.StringType(),
}
# Besides the type itself: narrower ones, and DMS's `true` and `false` for a boolean.
WIDENED = {
    t.IntegerType(): (t.ShortType(),),
    t.LongType(): (t.ShortType(), t.IntegerType()),
    t.DoubleType(): (t.FloatType(),),
    t.BooleanType(): (t.StringType(),),
}
# What DMS adds to the source's columns: the last one by the task's mapping (`add-column`, `$AR_H_CHANGE_SEQ`).
REPLICATION_COLUMNS = ("Op", "dms_timestamp", "change_seq")

# A column's name, and every type that it has in some file.
Found = dict[str, set[t.DataType]]


class BronzeSchemaError(Exception):
    """Bronze's columns are not those of the contract. Its text names the table, every such column, and the remedy."""


def spark_type(column: Column) -> t.DataType:
    """Raises ValueError for a type that silver does not know."""
    if column.base_type == "numeric" and column.type_arguments:
        return t.DecimalType(*column.type_arguments)
    if column.base_type not in SPARK_TYPES:
        raise ValueError(f"{column.name}: silver has no type for {column.type!r} of its contract")
    return SPARK_TYPES[column.base_type]


def silver_field(column: Column) -> t.StructField:
    return t.StructField(column.name, spark_type(column))


def silver_schema(contract: Contract) -> t.StructType:
    """Every column of the contract, in its order, then the derived partition column."""
    fields = [silver_field(column) for column in contract.columns]
    if contract.partition:
        fields.append(t.StructField(contract.partition_name, t.StringType()))
    return t.StructType(fields)


def read_schema(contract: Contract, found: Found) -> t.StructType:
    """What to ask of the files: each column in the type that it has there; in the contract's where it has several."""
    fields = [t.StructField(name, t.StringType()) for name in REPLICATION_COLUMNS]
    for column in contract.columns:
        types = found.get(column.name, set())
        fields.append(t.StructField(column.name, *types) if len(types) == 1 else silver_field(column))
    return t.StructType(fields)


def check_bronze_schema(contract: Contract, found: Found, changes: bool = False) -> list[str]:
    """Return the columns that bronze has and the contract has not: they are left out of silver.

    A column that may be NULL may be missing: a file from before it was added, or after it was dropped, has it not.
    But then no other may be there in its place, for that is a column with a new name. ``changes`` says that the files
    have changes, not full loads only. Raises BronzeSchemaError where a column is missing, or has a type whose values
    might not fit the contract's.
    """
    unknown = [name for name in found if name not in (*contract_names(contract), *REPLICATION_COLUMNS)]
    needed = REPLICATION_COLUMNS if changes else ("dms_timestamp",)
    needed += tuple(c.name for c in contract.columns if c.required or c.key_position or unknown)
    problems = [f"it has no column {name!r}" for name in needed if name not in found]
    if problems and unknown:
        problems.append(f"it has {', '.join(map(repr, unknown))}, which the contract does not have")
    problems += [
        f"its column {c.name!r} is {kind.simpleString()}, which cannot become {c.type}"
        for c in contract.columns
        for kind in sorted(found.get(c.name, ()), key=str)
        if not fits(kind, spark_type(c))
    ]
    if problems:
        raise BronzeSchemaError(
            f"{contract.table}: bronze is not as its contract says: {'; '.join(problems)}. "
            "Load the table again if the source is right, or change the contract if the source has changed"
        )
    return unknown


def contract_names(contract: Contract) -> list[str]:
    return [column.name for column in contract.columns]


def fits(bronze: t.DataType, silver: t.DataType) -> bool:
    """Whether every value of the one type is a value of the other."""
    if isinstance(bronze, t.DecimalType) and isinstance(silver, t.DecimalType):
        whole_digits = silver.precision - silver.scale
        return bronze.scale <= silver.scale and bronze.precision - bronze.scale <= whole_digits
    return bronze == silver or bronze in WIDENED.get(silver, ())
