"""The same input gives the same marts, row for row, on every runtime.

A session leaves its marts as CSV files in the state folder, below a fingerprint of the source's rows; it compares them
with those that a session on another runtime has left there.
"""

import hashlib
from pathlib import Path

import psycopg
import pytest
from groundwork_contracts import load_contracts

from groundwork.local.databases import at


@pytest.fixture
def dumps(demo, settings) -> Path:
    """The folder of this input's marts, one folder a runtime."""
    digest = hashlib.sha256()
    with psycopg.connect(settings.source_dsn) as source:
        for table in sorted(load_contracts("contracts/olist")):
            for chunk in copied(source, f"shop.{table}"):
                digest.update(chunk)
    return settings.state / "same-marts" / digest.hexdigest()[:16]


def copied(connection, table: str):
    """The table as CSV, in an order that depends on the rows alone."""
    sql = f'COPY (SELECT t.* FROM {table} t ORDER BY t::text COLLATE "C") TO STDOUT (FORMAT csv, HEADER)'
    with connection.cursor().copy(sql) as copy:
        yield from map(bytes, copy)


def test_the_marts_are_those_of_the_other_runtime(dumps, settings, runtime):
    mine = dumps / runtime.NAME
    mine.mkdir(parents=True, exist_ok=True)
    with psycopg.connect(at(settings.warehouse_dsn, "analytics")) as warehouse:
        marts = "SELECT tablename FROM pg_tables WHERE schemaname = 'marts' ORDER BY tablename"
        names = [name for (name,) in warehouse.execute(marts)]
        for name in names:
            (mine / f"{name}.csv").write_bytes(b"".join(copied(warehouse, f"marts.{name}")))
    assert len(names) >= 5
    others = [folder for folder in dumps.iterdir() if folder != mine]
    if not others:
        pytest.skip("no session on another runtime has left its marts yet")
    for other in others:
        assert sorted(f.name for f in other.iterdir()) == [f"{name}.csv" for name in names]
        for name in names:
            assert (mine / f"{name}.csv").read_bytes() == (other / f"{name}.csv").read_bytes(), f"{name}, {other}"
