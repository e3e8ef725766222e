"""What is in a Parquet file, and whether a Redshift column takes it: by physical type, without a cast (RS-CP-04).

https://docs.aws.amazon.com/redshift/latest/dg/copy-usage_notes-copy-from-columnar.html
"""

import re
from dataclasses import dataclass

import duckdb

from groundwork_aws.redshift_data.lake import File
from groundwork_aws.redshift_data.tokens import RedshiftError, literal, quote


@dataclass(frozen=True)
class FileColumn:
    """``physical`` as Parquet names it (``INT64``), ``logical`` what it means (``TIMESTAMP_MICROS``, ``DECIMAL``)."""

    name: str
    physical: str
    length: int | None
    logical: str
    precision: int | None
    scale: int | None
    optional: bool
    nested: bool

    def described(self) -> str:
        """As Redshift's errors show a column of a file."""
        return f"{'optional' if self.optional else 'required'} {self.physical.lower()} {self.name}"

    def as_postgres(self, target: str) -> str:
        """The DuckDB expression whose binary form is the one that PostgreSQL expects for the column."""
        name, kind = quote(self.name), target.split("(")[0]
        if kind == "timestamp without time zone":
            # also of an instant, which is shown in UTC
            return f"make_timestamp(epoch_us({name}))"
        if kind == "timestamp with time zone":
            return f"{name}::timestamptz"
        return f"{name}::{DUCKDB_TYPES[kind]}" if kind in DUCKDB_TYPES else name


DUCKDB_TYPES = {
    "smallint": "smallint", "integer": "integer", "bigint": "bigint", "real": "real", "double precision": "double",
    "boolean": "boolean", "date": "date", "character varying": "varchar", "character": "varchar",
}  # fmt: skip

# (physical, logical) that each PostgreSQL type accepts. The logical name "" is a column without an annotation.
ACCEPTED = {
    "smallint": {("INT32", "INT_16"), ("INT32", "INT_8")},
    "integer": {("INT32", ""), ("INT32", "INT_32"), ("INT32", "INT_16"), ("INT32", "INT_8")},
    "bigint": {("INT64", ""), ("INT64", "INT_64")},
    "real": {("FLOAT", "")},
    "double precision": {("DOUBLE", "")},
    "boolean": {("BOOLEAN", "")},
    "date": {("INT32", "DATE")},
    "character varying": {("BYTE_ARRAY", ""), ("BYTE_ARRAY", "UTF8"), ("BYTE_ARRAY", "ENUM"), ("BYTE_ARRAY", "JSON")},
    # RS-CP-06: INT96 is what old reports load; INT64 is what today's writers write.
    "timestamp without time zone": {("INT96", ""), ("INT64", "TIMESTAMP_MICROS"), ("INT64", "TIMESTAMP_MILLIS")},
    # RS-CP-05 speaks of the byte length only, so a decimal that is stored as an integer is refused.
    "numeric": {("FIXED_LEN_BYTE_ARRAY", "DECIMAL")},
}
ACCEPTED["character"] = ACCEPTED["character varying"]
ACCEPTED["timestamp with time zone"] = ACCEPTED["timestamp without time zone"]


def file_columns(reader: duckdb.DuckDBPyConnection, file: File) -> list[FileColumn]:
    """The top-level columns, in the file's order. Raises RedshiftError for what is no Parquet file."""
    try:
        rows = reader.execute(
            f"""select name, type, type_length, coalesce(converted_type, ''), precision, scale,
                repetition_type = 'OPTIONAL', coalesce(num_children, 0), coalesce(logical_type, '')
            from parquet_schema({literal(str(file.path))})"""
        ).fetchall()
    except duckdb.Error as error:
        raise spectrum_error(
            f"File '{file.url}' has an invalid version number or footer: {named(file, error)}"
        ) from error
    columns, remaining = [], iter(rows[1:])
    for name, physical, length, converted, precision, scale, optional, children, logical in remaining:
        skip_children(remaining, children)
        length = int(length) if physical == "FIXED_LEN_BYTE_ARRAY" else None
        kind = logical_name(converted, logical)
        columns.append(FileColumn(name, physical or "group", length, kind, precision, scale, optional, children > 0))
    return columns


def named(file: File, error: duckdb.Error) -> str:
    """DuckDB's message with the object's name for that of the copy."""
    return str(error).replace(str(file.path), file.url)


def skip_children(rows, count: int) -> None:
    """A nested column's parts follow it, depth first."""
    for _ in range(count):
        skip_children(rows, next(rows)[7])


def logical_name(converted: str, logical: str) -> str:
    """Newer writers give only the logical type for what the older converted type cannot say."""
    if converted or not logical.startswith("TimestampType"):
        return converted
    unit = re.search(r"(MICROS|MILLIS|NANOS)", logical)
    return f"TIMESTAMP_{unit[1] if unit else 'NANOS'}"


def check_column(file: File, found: FileColumn, wanted: str) -> None:
    """Raises RedshiftError with Redshift's own wording when the column does not take the file's values."""
    kind, arguments = wanted.split("(")[0], [int(n) for n in re.findall(r"\d+", wanted)]
    if found.nested or (found.physical, found.logical) not in ACCEPTED.get(kind, set()):
        raise incompatible(file, found, wanted)
    if kind != "numeric":
        return
    precision, scale = arguments or (18, 0)
    if found.length is not None and found.length != decimal_bytes(precision):
        raise spectrum_error(
            f"File '{file.url}' column '{found.name}' has an invalid type length. "
            f"Expecting: {decimal_bytes(precision)} len in file: {found.length}"
        )
    if found.scale != scale or found.precision > precision:
        raise incompatible(file, found, wanted)


def decimal_bytes(precision: int) -> int:
    """The least bytes whose two's complement holds every number of so many digits."""
    return ((10**precision - 1).bit_length() + 1 + 7) // 8


def incompatible(file: File, found: FileColumn, wanted: str) -> RedshiftError:
    return spectrum_error(
        f"File '{file.url}' has an incompatible Parquet schema for column '{file.url}.{found.name}'. "
        f"Column type: {wanted.upper()}, Parquet schema:\n{found.described()} {found.logical}".rstrip()
    )


def spectrum_error(context: str) -> RedshiftError:
    return RedshiftError("Spectrum Scan Error", detail=f"code: 15001 context: {context}")
