"""The statements that bring a table from one version of silver to the next, as the warehouse takes them."""

import dataclasses
from decimal import Decimal

import pyarrow as pa
import pytest
from groundwork_contracts import Column, Contract
from groundwork_contracts import warehouse as loads
from groundwork_contracts.warehouse import Load


def column(name: str, type: str, key: int | None = None) -> Column:
    return Column(name, type, "", key is not None, key, None, None, ())


KEYED = (column("order_id", "varchar(4)", 1), column("item", "integer", 2), column("price", "numeric(10,2)"))
ITEMS = Contract("items", "shop", "", "items.csv", 1.0, KEYED)
WIDER = dataclasses.replace(ITEMS, columns=(*KEYED, column("note", "text")))
POINTS = Contract("points", "shop", "", "points.csv", 1.0, (column("place", "varchar(4)"), column("x", "integer")))
TYPES = {"varchar": pa.string(), "integer": pa.int32(), "numeric": pa.decimal128(10, 2), "text": pa.string()}


@pytest.fixture(autouse=True)
def silver(warehouse):
    for sql in loads.create_schema():
        assert warehouse.run(sql).get("Error") is None
    yield
    warehouse.run(f"drop schema {loads.SCHEMA} cascade")


@pytest.fixture
def load(warehouse, copy_role, put_parquet, put_manifest):
    """Load rows as silver exports them; Redshift's error, None without one."""

    def run(contract: Contract, mode: str, rows: list[tuple], version: int) -> str | None:
        names = [loads.OPERATION] * (mode == "changes") + [c.name for c in contract.columns]
        types = [pa.string()] * (mode == "changes") + [TYPES[c.base_type] for c in contract.columns]
        arrays = [pa.array(values, type) for values, type in zip(zip(*rows, strict=True), types, strict=True)]
        file = put_parquet(f"{contract.table}/{version}.parquet", pa.table(arrays, names))
        manifest = put_manifest(f"{contract.table}-{version}.manifest", file)
        find = f"select column_name from information_schema.columns where table_name = '{contract.table}'"
        there = [name for (name,) in warehouse.rows(f"{find} order by ordinal_position")]
        sql = loads.statements(contract, Load(mode, manifest, version), there, copy_role)
        return warehouse.batch(*sql).get("Error")

    return run


def test_changes_are_applied_by_key_and_the_version_is_kept(warehouse, load):
    first = [("a", 1, Decimal("1.50")), ("a", 2, None), ("b", 1, Decimal("3.00"))]
    assert load(ITEMS, "full", first, 3) is None
    changes = [("U", "a", 1, Decimal("9.99")), ("D", "b", 1, Decimal("3.00")), ("U", "c", 1, None)]
    assert load(ITEMS, "changes", changes, 5) is None
    assert warehouse.rows("select * from silver.items order by 1, 2") == [
        ["a", 1, "9.99"], ["a", 2, None], ["c", 1, None],
    ]  # fmt: skip
    assert warehouse.rows("select * from silver._loads") == [["items", 5]]


def test_a_full_load_replaces_what_was_there(warehouse, load):
    assert load(ITEMS, "full", [("a", 1, None)], 3) is None
    assert load(ITEMS, "full", [("b", 1, None)], 4) is None
    assert warehouse.rows("select order_id from silver.items") == [["b"]]
    assert warehouse.rows("select version from silver._loads") == [[4]]


def test_a_table_without_a_key_only_gains_rows(warehouse, load):
    assert load(POINTS, "full", [("x", 1), ("x", 1)], 0) is None
    assert load(POINTS, "changes", [("U", "x", 1)], 1) is None
    assert warehouse.rows("select count(*) from silver.points") == [[3]]


def test_D1_a_column_that_the_contract_gained_is_added(warehouse, load):
    assert load(ITEMS, "full", [("a", 1, None)], 3) is None
    assert load(WIDER, "changes", [("U", "b", 1, None, "new")], 4) is None
    assert warehouse.rows("select order_id, note from silver.items order by 1") == [["a", None], ["b", "new"]]


def test_D2_other_columns_are_refused_with_what_to_do(warehouse, load):
    assert load(ITEMS, "full", [("a", 1, None)], 3) is None
    renamed = dataclasses.replace(ITEMS, columns=(*KEYED[:2], column("cost", "numeric(10,2)")))
    with pytest.raises(ValueError, match=r"silver\.items has the columns order_id, item, price.*drop the table"):
        load(renamed, "full", [("a", 1, None)], 4)


def test_G8_a_load_that_fails_leaves_rows_and_version_as_they_were(warehouse, load):
    assert load(ITEMS, "full", [("a", 1, None)], 3) is None
    error = load(ITEMS, "changes", [("U", "b", None, None)], 4)
    assert error and "null" in error.lower()
    assert warehouse.rows("select order_id from silver.items") == [["a"]]
    assert warehouse.rows("select version from silver._loads") == [[3]]
