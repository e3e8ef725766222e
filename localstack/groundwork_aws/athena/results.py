"""Results as Athena writes them: every value as Trino prints it, in a CSV whose NULLs are the unquoted fields.

https://docs.aws.amazon.com/athena/latest/ug/querying-finding-output-files.html
"""

import re

from groundwork_aws.athena.relations import literal, quoted
from groundwork_aws.athena.types import Column, result_column

PLAIN = {"VARCHAR", "BOOLEAN", "DATE", "JSON", "UUID"}
FIELD = re.compile(rb'("(?:[^"]|"")*"|)([,\n])')


def printed(select: str, names: list[str], types: list) -> tuple[str, list[Column]]:
    """The same rows as text, and what the columns are."""
    columns = [result_column(name, kind) for name, kind in zip(names, types, strict=True)]
    places = [f"c{i}" for i in range(len(names))]
    values = [f"{text_of(place, kind)} AS {place}" for place, kind in zip(places, types, strict=True)]
    return f"SELECT {', '.join(values)} FROM ({select}) AS q({', '.join(places)})", columns


def text_of(value: str, kind) -> str:
    """The expression that prints a value of this type as Trino does."""
    if kind.id == "blob":
        return f"rtrim(regexp_replace(lower(hex({value})), '(..)', '\\1 ', 'g'))"
    if kind.id == "hugeint":  # sum(bigint) is a bigint in Trino, which fails where it overflows
        return f"CAST(CAST({value} AS BIGINT) AS VARCHAR)"
    if kind.id in ("list", "array"):
        inner = text_of("e", kind.children[0][1])
        return f"'[' || array_to_string(list_transform({value}, lambda e: coalesce({inner}, 'null')), ', ') || ']'"
    if kind.id == "map":
        (_, key), (_, item) = kind.children
        entry = f"{text_of('e.key', key)} || '=' || coalesce({text_of('e.value', item)}, 'null')"
        return f"'{{' || array_to_string(list_transform(map_entries({value}), lambda e: {entry}), ', ') || '}}'"
    if kind.id == "struct":
        fields = [
            f"{literal(name + '=')} || coalesce({text_of(f'({value}).{quoted(name)}', inner)}, 'null')"
            for name, inner in kind.children
        ]
        return f"CASE WHEN {value} IS NULL THEN NULL ELSE '{{' || concat_ws(', ', {', '.join(fields)}) || '}}' END"
    return f"trino_varchar({value})"


def csv_copy(text_query: str, columns: list[Column], target: str) -> str:
    """The statement that streams the rows to S3.

    The header is what stands before the rows, since HEADER would rename names that repeat, and a header selected as a
    first row would keep DuckDB from writing on all cores.
    """
    header = ",".join(quoted(column.name) for column in columns) + "\n"
    return (
        f"COPY ({text_query}) TO {literal(target)}"
        f" (FORMAT csv, HEADER false, FORCE_QUOTE *, NULLSTR '', PREFIX {literal(header)}, SUFFIX '\n')"
    )


def header_copy(columns: list[Column], target: str) -> str:
    """The same for no rows, after whose header ``csv_copy`` leaves an empty line."""
    header = ", ".join(literal(column.name) for column in columns)
    return f"COPY (SELECT {header}) TO {literal(target)} (FORMAT csv, HEADER false, FORCE_QUOTE *)"


def read_rows(chunk: bytes, limit: int) -> tuple[list[list[str | None]], int]:
    """Up to ``limit`` whole rows at the start of ``chunk``, and how many bytes they take."""
    rows, row, consumed = [], [], 0
    for found in FIELD.finditer(chunk):
        field = found[1]
        row.append(field[1:-1].replace(b'""', b'"').decode() if field else None)
        if found[2] == b"\n":
            rows.append(row)
            row, consumed = [], found.end()
            if len(rows) == limit:
                break
    return rows, consumed


def read_lines(chunk: bytes, limit: int) -> tuple[list[list[str | None]], int]:
    """The same for a result of plain lines, each of which is a row of one cell."""
    lines = chunk.splitlines(keepends=True)[:limit]
    whole = [line for line in lines if line.endswith(b"\n")]
    return [[line[:-1].decode()] for line in whole], sum(map(len, whole))
