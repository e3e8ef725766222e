"""Values that an update did not touch and PostgreSQL therefore left out: they are read from the table itself.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.LOBSupport.html (DMS looks LOBs up by primary key)

Only large values that are stored apart (TOAST) are left out, and only without REPLICA IDENTITY FULL. What is read is
the present value; of a row that is gone meanwhile it is NULL, and its deletion follows.
"""

from dataclasses import replace

import psycopg
import pyarrow as pa

from groundwork_aws.dms.mappings import identifier
from groundwork_aws.dms.pgoutput import Rows


def with_untouched_values(connection: psycopg.Connection, rows: Rows, key: list[int], types: tuple[str, ...]) -> Rows:
    """The changes with the values that their messages lack."""
    lacking = [index for index, unchanged in enumerate(rows.unchanged) if unchanged is not None and unchanged.any()]
    if not lacking or not key:
        return rows
    keys = list(zip(*(rows.values[index].to_pylist() for index in key), strict=True))
    wanted = {keys[row] for index in lacking for row in rows.unchanged[index].nonzero()[0]}
    found = looked_up(connection, rows, key, lacking, types, sorted(wanted))
    values = list(rows.values)
    for column, index in enumerate(lacking):
        filled = values[index].to_pylist()
        for row in rows.unchanged[index].nonzero()[0]:
            filled[row] = found.get(keys[row], {}).get(column)
        values[index] = pa.array(filled, pa.string())
    return replace(rows, values=values)


def looked_up(connection, rows: Rows, key: list[int], lacking: list[int], types, wanted: list[tuple]) -> dict:
    """The texts of the lacking columns, by key."""
    columns = [identifier(name) for name, *_ in rows.relation.columns]
    table = f"{identifier(rows.relation.schema)}.{identifier(rows.relation.name)}"
    same = " AND ".join(f"t.{columns[index]} = k.k{n}::{types[index]}" for n, index in enumerate(key))
    given = ", ".join("%s::text[]" for _ in key)
    query = (
        f"SELECT {', '.join(f'k.k{n}' for n in range(len(key)))}, "
        f"{', '.join(f't.{columns[index]}::text' for index in lacking)} "
        f"FROM unnest({given}) k({', '.join(f'k{n}' for n in range(len(key)))}) JOIN {table} t ON {same}"
    )
    found = connection.execute(query, [list(part) for part in zip(*wanted, strict=True)]).fetchall()
    return {row[: len(key)]: dict(enumerate(row[len(key) :])) for row in found}
