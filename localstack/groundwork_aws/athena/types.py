"""Types: as the Glue catalog writes them (Hive), as DuckDB does, and as Athena's API names them (Trino).

https://docs.aws.amazon.com/athena/latest/ug/data-types.html
"""

from dataclasses import dataclass

SCALARS = {
    "boolean": "BOOLEAN", "tinyint": "TINYINT", "smallint": "SMALLINT", "int": "INTEGER", "integer": "INTEGER",
    "bigint": "BIGINT", "float": "FLOAT", "double": "DOUBLE", "string": "VARCHAR", "varchar": "VARCHAR",
    "char": "VARCHAR", "binary": "BLOB", "date": "DATE", "timestamp": "TIMESTAMP", "decimal": "DECIMAL(10,0)",
}  # fmt: skip

TRINO_NAMES = {
    "boolean": "boolean", "tinyint": "tinyint", "smallint": "smallint", "integer": "integer", "bigint": "bigint",
    "hugeint": "bigint", "utinyint": "smallint", "usmallint": "integer", "uinteger": "bigint", "ubigint": "bigint",
    "float": "float", "double": "double", "decimal": "decimal", "varchar": "varchar", "blob": "varbinary",
    "date": "date", "time": "time", "timestamp": "timestamp", "timestamp_ms": "timestamp", "timestamp_s": "timestamp",
    "timestamp_ns": "timestamp", "timestamp with time zone": "timestamp with time zone",
    "interval": "interval day to second", "list": "array", "array": "array", "map": "map", "struct": "row",
    "json": "json", "uuid": "uuid", "null": "unknown", '"null"': "unknown",
}  # fmt: skip

HIVE_NAMES = {
    "integer": "int", "varchar": "string", "blob": "binary", "null": "string", '"null"': "string", "json": "string",
    "uuid": "string", "timestamp with time zone": "timestamp",
}  # fmt: skip

PRECISIONS = {
    "tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19, "float": 17, "double": 17, "varchar": 2147483647,
    "varbinary": 1073741824, "timestamp": 3, "timestamp with time zone": 3, "time": 3,
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A result's column as the API describes it."""

    name: str
    type: str
    precision: int = 0
    scale: int = 0

    def info(self) -> dict:
        """https://docs.aws.amazon.com/athena/latest/APIReference/API_ColumnInfo.html"""
        return {
            "CatalogName": "hive", "SchemaName": "", "TableName": "", "Name": self.name, "Label": self.name,
            "Type": self.type, "Precision": self.precision, "Scale": self.scale, "Nullable": "UNKNOWN",
            "CaseSensitive": self.type == "varchar",
        }  # fmt: skip


def result_column(name: str, duckdb_type) -> Column:
    kind = TRINO_NAMES.get(duckdb_type.id, "varchar")
    if kind == "decimal":
        (_, precision), (_, scale) = duckdb_type.children
        return Column(name, kind, precision, scale)
    return Column(name, kind, PRECISIONS.get(kind, 0))


def hive_type(kind) -> str:
    """A DuckDB type as the catalog writes it."""
    if kind.id in ("list", "array"):
        return f"array<{hive_type(kind.children[0][1])}>"
    if kind.id == "map":
        return f"map<{hive_type(kind.children[0][1])},{hive_type(kind.children[1][1])}>"
    if kind.id == "struct":
        return f"struct<{','.join(f'{n}:{hive_type(t)}' for n, t in kind.children)}>"
    if kind.id == "decimal":
        (_, precision), (_, scale) = kind.children
        return f"decimal({precision},{scale})"
    return HIVE_NAMES.get(kind.id) or TRINO_NAMES.get(kind.id, "string")


def duckdb_type(hive: str) -> str:
    """A catalog's type in DuckDB's words. Raises ValueError naming a type that Athena does not have."""
    parsed, rest = read_type(hive.strip().lower())
    if rest:
        raise ValueError(f"Unknown type {hive}")
    return parsed


def read_type(text: str) -> tuple[str, str]:
    name = text[: len(text) - len(text.lstrip("abcdefghijklmnopqrstuvwxyz_0123456789 "))].strip()
    rest = text[len(name) :].lstrip()
    if name == "array":
        inner, rest = read_type(rest[1:])
        return f"{inner}[]", closed(rest)
    if name == "map":
        key, rest = read_type(rest[1:])
        value, rest = read_type(rest[1:].lstrip())
        return f"MAP({key}, {value})", closed(rest)
    if name == "struct":
        return read_struct(rest)
    if name not in SCALARS:
        raise ValueError(f"Unknown type {name}")
    if rest.startswith("("):
        arguments, _, rest = rest[1:].partition(")")
        return (f"DECIMAL({arguments})" if name == "decimal" else SCALARS[name]), rest
    return SCALARS[name], rest


def read_struct(rest: str) -> tuple[str, str]:
    fields = []
    while not rest.startswith(">"):
        name, colon, rest = rest[1:].partition(":")
        if not colon:
            raise ValueError("Unknown type struct")
        kind, rest = read_type(rest.lstrip())
        fields.append(f'"{name.strip()}" {kind}')
        rest = rest.lstrip()
    return f"STRUCT({', '.join(fields)})", closed(rest)


def closed(rest: str) -> str:
    if not rest.startswith(">"):
        raise ValueError("Unknown type")
    return rest[1:]
