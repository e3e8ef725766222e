"""A statement's rows in the Data API's form.

https://docs.aws.amazon.com/redshift-data/latest/APIReference/API_Field.html
"""

import csv
import io
from dataclasses import dataclass

import psycopg

# PostgreSQL's type names, by which Redshift names the same types; others are named as PostgreSQL does.
TYPE_NAMES = {"character varying": "varchar", "text": "varchar", "character": "bpchar", "name": "name"}
LONG, DOUBLE, BOOLEAN = {"int2", "int4", "int8"}, {"float4", "float8"}, {"bool"}
PAGE_ROWS = 1000


@dataclass(frozen=True)
class Result:
    """``columns`` as ColumnMetadata; ``rows`` as the server's text form, None for NULL."""

    columns: list[dict]
    rows: list[tuple[str | None, ...]]

    @property
    def size(self) -> int:
        return sum(len(value) for row in self.rows for value in row if value)


def read_result(cursor: psycopg.Cursor) -> Result | None:
    """All rows of a statement that returned some, also of none; None for a statement that returns no rows."""
    if cursor.description is None:
        return None
    columns = [column_metadata(cursor, column) for column in cursor.description]
    answer, kinds = cursor.pgresult, [column["typeName"] for column in columns]
    rows = [
        tuple(text(answer.get_value(row, at), kind) for at, kind in enumerate(kinds)) for row in range(answer.ntuples)
    ]
    return Result(columns, rows)


def column_metadata(cursor: psycopg.Cursor, column: psycopg.Column) -> dict:
    known = cursor.connection.adapters.types.get(column.type_code)
    name = known.name if known else "unknown"
    return {
        "name": column.name,
        "label": column.name,
        "typeName": TYPE_NAMES.get(name, name),
        "length": column.internal_size
        if column.internal_size and column.internal_size > 0
        else column.display_size or 0,
        "precision": column.precision or column.display_size or 0,
        "scale": column.scale or 0,
        "nullable": 1,
        "isSigned": name in LONG | DOUBLE | {"numeric"},
        "isCaseSensitive": name in ("varchar", "text", "bpchar", "name"),
        "isCurrency": False,
        "schemaName": "",
        "tableName": "",
    }


def text(value: bytes | None, type_name: str) -> str | None:
    """A value as Redshift prints it, which is as the server does but for truth."""
    if value is None or type_name not in BOOLEAN:
        return None if value is None else value.decode()
    return "true" if value == b"t" else "false"


def field(value: str | None, type_name: str) -> dict:
    """RS-D-06: a decimal, a date and a timestamp are strings."""
    if value is None:
        return {"isNull": True}
    if type_name in LONG:
        return {"longValue": int(value)}
    if type_name in DOUBLE:
        return {"doubleValue": float(value)}
    if type_name in BOOLEAN:
        return {"booleanValue": value == "true"}
    return {"stringValue": value}


def records(result: Result, start: int) -> list[list[dict]]:
    types = [column["typeName"] for column in result.columns]
    return [
        [field(value, kind) for value, kind in zip(row, types, strict=True)]
        for row in result.rows[start : start + PAGE_ROWS]
    ]


def csv_records(result: Result, start: int) -> list[dict]:
    """RS-D-07: one text with a header line on the first page."""
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\r\n")
    if start == 0:
        writer.writerow(column["name"] for column in result.columns)
    writer.writerows(["" if v is None else v for v in row] for row in result.rows[start : start + PAGE_ROWS])
    return [{"CSVRecords": output.getvalue()}]
