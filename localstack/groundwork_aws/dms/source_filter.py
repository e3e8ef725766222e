"""Source filters where changes are captured: which changes of a table its selection rule's filters choose.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.Filters.html

The source judges, by the condition of the full load, all changes that were read together in one query: so both choose
the same rows, of every type and collation. An insert or update is judged by its new row, a delete by its old one.
"""

import numpy as np
import psycopg

from groundwork_aws.dms.evaluation import evaluated
from groundwork_aws.dms.mappings import Filter, where
from groundwork_aws.dms.pgoutput import Relation, Rows
from groundwork_aws.dms.planning import TaskFailed

IDENTITY = """
SELECT a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
LEFT JOIN pg_index i ON i.indrelid = c.oid
                    AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident END
WHERE c.oid = %s AND (c.relreplident = 'f' OR a.attnum = ANY (i.indkey::int[]))
"""


def chosen(connection: psycopg.Connection, rows: Rows, filters: tuple[Filter, ...]) -> np.ndarray:
    """For each of the changes whether the filters choose it."""
    places = columns(rows.relation, filters).values()
    found = evaluated(connection, rows, places, f"coalesce({where(filters)}, false)")
    return np.array([is_chosen for (is_chosen,) in found], bool)


def deletes_tell(connection: psycopg.Connection, relation: Relation, filters: tuple[Filter, ...]) -> bool:
    """Whether the replica identity holds all that the filters ask for."""
    identity = {name for (name,) in connection.execute(IDENTITY, (relation.oid,))}
    return set(columns(relation, filters)) <= identity


def columns(relation: Relation, filters: tuple[Filter, ...]) -> dict[str, int]:
    """The columns that the filters name, each with its place. Raises TaskFailed."""
    places = {name: at for at, (name, *_) in enumerate(relation.columns)}
    wanted = dict.fromkeys(filter.column for filter in filters)
    if missing := [name for name in wanted if name not in places]:
        raise TaskFailed(f"{relation.schema}.{relation.name} has no column {missing[0]}, which its source filter names")
    return {name: places[name] for name in wanted}
