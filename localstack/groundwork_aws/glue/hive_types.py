"""The Hive types that the catalog holds, from Parquet's (as Arrow reads them) and from Spark's JSON schema.

A Parquet time has no Hive type: it is catalogued as the integer it is stored as. Column names are lower case.
https://docs.aws.amazon.com/athena/latest/ug/data-types.html
"""

from collections.abc import Iterable, Mapping

import pyarrow as pa

SIMPLE = [
    (pa.types.is_boolean, "boolean"),
    (pa.types.is_int8, "tinyint"),
    (lambda t: pa.types.is_int16(t) or pa.types.is_uint8(t), "smallint"),
    (lambda t: pa.types.is_int32(t) or pa.types.is_uint16(t) or pa.types.is_time32(t), "int"),
    (lambda t: pa.types.is_int64(t) or pa.types.is_uint32(t) or pa.types.is_time64(t), "bigint"),
    (pa.types.is_uint64, "decimal(20,0)"),
    (lambda t: pa.types.is_float16(t) or pa.types.is_float32(t), "float"),
    (pa.types.is_float64, "double"),
    (lambda t: pa.types.is_string(t) or pa.types.is_large_string(t) or pa.types.is_null(t), "string"),
    (pa.types.is_date, "date"),
    (pa.types.is_timestamp, "timestamp"),
    (lambda t: pa.types.is_binary(t) or pa.types.is_large_binary(t), "binary"),
    (pa.types.is_fixed_size_binary, "binary"),
]
SPARK = {
    "boolean": "boolean",
    "byte": "tinyint",
    "short": "smallint",
    "integer": "int",
    "long": "bigint",
    "float": "float",
    "double": "double",
    "string": "string",
    "binary": "binary",
    "date": "date",
    "timestamp": "timestamp",
    "timestamp_ntz": "timestamp",
}
# each fits into the ones after it
WIDENING = ["tinyint", "smallint", "int", "bigint", "float", "double"]


class NoHiveType(Exception):
    """The catalog has no type for it; the text names the type."""


def from_arrow(kind: pa.DataType) -> str:
    for is_kind, name in SIMPLE:
        if is_kind(kind):
            return name
    match kind:
        case pa.Decimal128Type() | pa.Decimal256Type() | pa.Decimal64Type() | pa.Decimal32Type():
            return f"decimal({kind.precision},{kind.scale})"
        case pa.DictionaryType():
            return from_arrow(kind.value_type)
        case pa.BaseExtensionType():
            return from_arrow(kind.storage_type)
        case pa.ListType() | pa.LargeListType() | pa.FixedSizeListType():
            return f"array<{from_arrow(kind.value_type)}>"
        case pa.MapType():
            return f"map<{from_arrow(kind.key_type)},{from_arrow(kind.item_type)}>"
        case pa.StructType():
            return struct((field.name, from_arrow(field.type)) for field in kind)
    raise NoHiveType(f"no Hive type for {kind}")


def from_spark(kind: str | Mapping) -> str:
    """``kind`` as in Spark's JSON schema: a name, or an object for what has parts."""
    if isinstance(kind, str):
        if kind in SPARK:
            return SPARK[kind]
        if kind.startswith(("decimal", "char(", "varchar(")):
            return kind
        raise NoHiveType(f"no Hive type for Spark's {kind}")
    match kind["type"]:
        case "array":
            return f"array<{from_spark(kind['elementType'])}>"
        case "map":
            return f"map<{from_spark(kind['keyType'])},{from_spark(kind['valueType'])}>"
        case "struct":
            return struct((field["name"], from_spark(field["type"])) for field in kind["fields"])
    raise NoHiveType(f"no Hive type for Spark's {kind['type']}")


def struct(fields: Iterable[tuple[str, str]]) -> str:
    return f"struct<{','.join(f'{name.lower()}:{kind}' for name, kind in fields)}>"


def compatible(one: str, other: str) -> bool:
    return one == other or (one in WIDENING and other in WIDENING)


def widest(one: str, other: str) -> str:
    """The type that holds both; ``string`` where nothing else does."""
    if one == other:
        return one
    if compatible(one, other):
        wide, narrow = sorted((one, other), key=WIDENING.index, reverse=True)
        # a float does not hold every int
        return "double" if wide == "float" and narrow in ("int", "bigint") else wide
    return "string"
