"""Source filters of a task that captures changes: they choose the same rows as those of a full load."""

import numpy as np
import pyarrow as pa
import pytest
from groundwork_aws.dms import mappings, source_filter
from groundwork_aws.dms.pgoutput import Relation, Rows
from groundwork_aws.dms.planning import TaskFailed
from tests.dms.conftest import document, include, own, wait_until

VALUES = {
    "int": [-1, 0, 1, 5, 9, 10, 100], "numeric(10,2)": [-1, 1, 4.99, 5, 5.01, 9, 10], "numeric": ["NaN", 5, 9.00],
    "text": ["", "1", "5", "9", "50", "A", "a", "é", "100%"], "char(3)": ["5", "9", "A"], "boolean": ["t", "f", "t"],
    "date": ["2016-12-31", "2017-01-01", "infinity"],
    "timestamptz": ["2017-01-01 00:00:00-03", "2016-12-31", "2017-07-01"],
    "double precision": ["NaN", "Infinity", 5, 9.5], "int[]": ["{5}", "{9,1}", "{}"],
}  # fmt: skip
BOUNDS = {
    "boolean": ("f", "t"), "date": ("2017-01-01", "2017-06-01"), "timestamptz": ("2017-01-01", "2017-06-01"),
    "int[]": ("{5}", "{9}"), "text": ("5", "a"),
}  # fmt: skip


def conditions(low: str, high: str) -> list[list[dict]]:
    """Every operator, and some together."""
    one = [{"filter-operator": operator, "value": low} for operator in ("lte", "ste", "gte", "eq", "noteq")]
    two = [
        {"filter-operator": operator, "start-value": low, "end-value": high} for operator in ("between", "notbetween")
    ]
    null, notnull = {"filter-operator": "null"}, {"filter-operator": "notnull"}
    return [[condition] for condition in [*one, *two, null, notnull]] + [[one[3], null], [one[4], null]]


def filters(column: str, *conditions: list[dict]) -> list[dict]:
    return [{"filter-type": "source", "column-name": column, "filter-conditions": given} for given in conditions]


def parsed(schema: str, filters: list[dict]) -> tuple[mappings.Filter, ...]:
    [rule] = mappings.parse(document(include(schema, "seen", filters=filters))).selections
    return rule.filters


def as_changes(source, schema: str) -> Rows:
    """The rows of the table ``seen`` as pgoutput tells them: by the texts of PostgreSQL's output."""
    columns = source.execute(
        "SELECT attname, atttypid::bigint, atttypmod FROM pg_attribute WHERE attrelid = 'seen'::regclass AND attnum > 0"
    ).fetchall()
    texts = [
        [text for (text,) in source.execute(
            f"SELECT CASE WHEN {name} IS NOT NULL THEN format('%s', {name}) END FROM seen ORDER BY id"
        )] for name in (f'"{name}"' for name, *_ in columns)
    ]  # fmt: skip
    relation, none = Relation(0, schema, "seen", tuple(columns)), np.zeros(len(texts[0]), bool)
    values = [pa.array(column, pa.string()) for column in texts]
    return Rows(relation, None, none, none, none, values, [None] * len(values), none, None)


@pytest.mark.parametrize("kind", VALUES)
def test_DMS_M_05_a_filter_chooses_the_same_rows_of_changes_as_of_a_load(source, schema, kind):
    """By every operator, also with NULL; the name of the column needs care, too."""
    source.execute(f'CREATE TABLE seen (id int PRIMARY KEY, "a %v" {kind})')
    for number, value in enumerate([*VALUES[kind], None]):
        source.execute(f"INSERT INTO seen VALUES (%s, %s::text::{kind})", (number, value and str(value)))
    rows, chosen = as_changes(source, schema), set()
    for given in conditions(*BOUNDS.get(kind, ("5", "9"))):
        wanted = parsed(schema, filters("a %v", given))
        loaded = {key for (key,) in source.execute(f"SELECT id FROM seen WHERE {mappings.where(wanted)}")}
        assert set(np.flatnonzero(source_filter.chosen(source, rows, wanted))) == loaded, given
        chosen.add(frozenset(loaded))
    assert len(chosen) > 4  # the values tell the operators from each other
    both = parsed(schema, filters("a %v", [{"filter-operator": "notnull"}]) + filters("id", [
        {"filter-operator": "eq", "value": "1"}, {"filter-operator": "eq", "value": "2"},
    ]))  # fmt: skip
    assert np.flatnonzero(source_filter.chosen(source, rows, both)).tolist() == [1, 2]


def test_DMS_M_05_a_filter_of_a_column_that_is_gone_fails_the_task(source, schema):
    source.execute("CREATE TABLE seen (id int PRIMARY KEY)")
    gone = parsed(schema, filters("price", [{"filter-operator": "null"}]))
    with pytest.raises(TaskFailed, match="has no column price, which its source filter names"):
        source_filter.chosen(source, as_changes(source, schema), gone)


CHEAP = [{"filter-operator": "lte", "value": "10"}, {"filter-operator": "null"}]


@pytest.mark.guess
def test_DMS_M_05_changes_are_captured_where_the_filter_chooses_the_new_row(replication, source, schema, shop):
    """An update that takes a row out of the filter is not told, one that takes a row into it is."""
    made = replication(
        MigrationType="full-load-and-cdc", target={"CdcMaxBatchInterval": 0},
        rules=[include(schema, "orders", filters=filters("price", CHEAP))],
    )  # fmt: skip
    made.follow()
    try:
        [load] = made.objects()
        assert [row["id"] for row in made.parquet(load).read().to_pylist()] == [1, 3]
        own(source, "INSERT INTO orders VALUES (4, 10, 'in'), (5, 10.01, 'out'), (6, NULL, 'in')")
        own(
            source,
            "UPDATE orders SET city = 'still out' WHERE id = 5; UPDATE orders SET city = 'still in' WHERE id = 4",
        )
        own(source, "UPDATE orders SET price = 11 WHERE id = 1; UPDATE orders SET price = 2 WHERE id = 2")
        own(source, "DELETE FROM orders WHERE id IN (5, 6)")  # the identity is full: it tells the price
        rows = [(row["Op"], row["id"], row["city"]) for row in made.changes(count=5)]
        assert rows == [
            ("I", 4, "in"), ("I", 6, "in"), ("U", 4, "still in"), ("U", 2, "Bauru"), ("D", 6, "in"),
        ]  # fmt: skip
        counters = ("FullLoadRows", "Inserts", "Updates", "Deletes")
        wait_until(lambda: [made.tables()["orders"][name] for name in counters] == [2, 2, 2, 1], made.tables)
    finally:
        finish(made)


def test_DMS_M_06_deletes_are_not_captured_where_the_identity_does_not_hold_the_filters_column(
    replication, source, schema, shop
):
    own(source, "ALTER TABLE orders REPLICA IDENTITY DEFAULT")
    own(source, "CREATE TABLE by_key (id int PRIMARY KEY, price int, city text)")
    made = replication(
        MigrationType="full-load-and-cdc", target={"CdcMaxBatchInterval": 0},
        rules=[
            include(schema, "orders", filters=filters("price", CHEAP)),
            include(schema, "by_key", filters=filters("id", CHEAP)),
        ],
        settings={"Logging": {"EnableLogging": True}},
    )  # fmt: skip
    made.follow()
    try:
        own(source, "INSERT INTO by_key VALUES (1), (11); DELETE FROM by_key")
        own(source, "DELETE FROM orders; INSERT INTO orders VALUES (4, 1, 'A')")
        assert [(row["Op"], row["id"]) for row in made.changes(count=1)] == [("I", 4)]
        assert [(row["Op"], row["id"]) for row in made.changes("by_key", count=2)] == [("I", 1), ("D", 1)]
        told = "deletes, as the replica identity does not hold what the source filter asks for, are ignored (3 changes)"
        wait_until(lambda: any(told in line for line in made.messages()), made.messages)
    finally:
        finish(made)


def finish(made) -> None:
    if made.describe()["Status"] == "running":
        made.stop()
    made.aws("dms").delete_replication_task(ReplicationTaskArn=made.task)
