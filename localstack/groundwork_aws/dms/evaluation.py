"""Lets the source evaluate SQL over changes: all that were read together, in one query.

So an expression means what it means there, of every type and collation.
"""

from collections.abc import Iterable

import psycopg

from groundwork_aws.dms.mappings import identifier
from groundwork_aws.dms.pgoutput import Rows

TYPES = """
SELECT format_type(type, modifier) FROM unnest(%s::oid[], %s::int[]) WITH ORDINALITY c(type, modifier, n) ORDER BY n
"""


def evaluated(connection: psycopg.Connection, rows: Rows, places: Iterable[int], expressions: str) -> list[tuple]:
    """The expressions' values for each change, where they may name the columns at these places of the relation."""
    columns = [(rows.relation.columns[at], rows.values[at]) for at in places]
    kinds = [[kind for (_, kind, _), _ in columns], [modifier for (*_, modifier), _ in columns]]
    types = [kind for (kind,) in connection.execute(TYPES, kinds)]
    values = [
        f"v{n}::{kind} AS {identifier(name)}"
        for n, (((name, *_), _), kind) in enumerate(zip(columns, types, strict=True))
    ]
    named, given = ", ".join(f"v{n}" for n in range(len(columns))), ", ".join("%s::text[]" for _ in columns)
    # psycopg takes every % for a place that it fills
    wanted, typed = expressions.replace("%", "%%"), ", ".join(values).replace("%", "%%")
    query = f"SELECT {wanted} FROM (SELECT {typed}, n FROM unnest({given}) WITH ORDINALITY u({named}, n)) r ORDER BY n"
    return connection.execute(query, [texts.to_pylist() for _, texts in columns]).fetchall()
