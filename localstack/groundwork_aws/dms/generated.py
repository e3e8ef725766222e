"""Generated columns of changes, which PostgreSQL 17 does not publish.

https://www.postgresql.org/docs/17/ddl-generated-columns.html

What they are made of is in the change: the source computes them, by the expression that the column has now.
"""

from dataclasses import dataclass, replace

import psycopg
import pyarrow as pa

from groundwork_aws.dms.evaluation import evaluated
from groundwork_aws.dms.pgoutput import Relation, Rows

COLUMNS = """
SELECT a.attname, a.atttypid::bigint, a.atttypmod, pg_get_expr(d.adbin, d.adrelid)
FROM pg_attribute a JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = %s AND a.attgenerated <> '' AND NOT a.attisdropped AND a.attname <> ALL (%s) ORDER BY a.attnum
"""


@dataclass(frozen=True)
class Completed:
    """A relation with its generated columns behind the published ones."""

    relation: Relation
    expressions: tuple[str, ...]


def completed(connection: psycopg.Connection, relation: Relation) -> Completed:
    names = [name for name, *_ in relation.columns]
    found = connection.execute(COLUMNS, (relation.oid, names)).fetchall()
    columns = tuple((name, kind, modifier) for name, kind, modifier, _ in found)
    whole = replace(relation, columns=relation.columns + columns)
    return Completed(whole, tuple(expression for *_, expression in found))


def with_generated_values(connection: psycopg.Connection, rows: Rows, wanted: Completed) -> Rows:
    """The changes with the relation's generated columns."""
    if not wanted.expressions:
        return rows
    named = [n for n, (name, *_) in enumerate(rows.relation.columns) if any(name in e for e in wanted.expressions)]
    named = named or [0]  # an expression may be a constant
    texts = ", ".join(f"({expression})::text" for expression in wanted.expressions)
    found = evaluated(connection, rows, named, texts)
    values = [pa.array(column, pa.string()) for column in zip(*found, strict=True)]
    lacking = [None] * len(values)
    return replace(
        rows, relation=wanted.relation, values=[*rows.values, *values], unchanged=[*rows.unchanged, *lacking]
    )
