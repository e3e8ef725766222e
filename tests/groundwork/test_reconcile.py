"""The comparison against real PostgreSQL databases in every role; the engines' own spelling is tested in parity."""

import psycopg
import pytest
from groundwork_contracts import parse_contract
from rich.console import Console

from groundwork.queries import reconcile
from groundwork.queries.checksums import ATHENA, POSTGRES, REDSHIFT, fingerprint_query
from groundwork.queries.reconcile import Stage, ask_source
from groundwork.settings import UserError

ROWS = """
    ('a', 1, 'açaí', 58.90, '2018-01-02', '2018-01-02 03:04:05', -23.54562128115268),
    ('a', 2, '',      0.00, '2018-01-02', '2018-01-02 00:00:00', 0.0000000005),
    ('b', 1, NULL,    7.05, '2018-01-02', NULL,                  NULL)
"""
TYPES = {
    "id": "varchar(32)", "n": "integer", "note": "text", "price": "numeric(10,2)", "day": "date", "at": "timestamp",
    "lat": "double precision",
}  # fmt: skip


def contract_of(name: str, key: tuple[str, ...]):
    properties = [{"name": column, "physicalType": kind, "description": ""} for column, kind in TYPES.items()]
    for position, column in enumerate(key, 1):
        next(p for p in properties if p["name"] == column)["primaryKeyPosition"] = position
    custom = [{"property": "csvFile", "value": ""}, {"property": "quarantineThresholdPercent", "value": 1}]
    table = {"physicalName": f"public.{name}", "customProperties": custom, "properties": properties}
    return parse_contract({"schema": [table], "description": {"purpose": ""}})


KEYED, KEYLESS = contract_of("prices", ("id", "n")), contract_of("points", ())


@pytest.fixture
def stages(database) -> dict[str, Stage]:
    """Five schemas of one database that hold the same rows; the quarantine is empty."""
    with psycopg.connect(database) as connection:
        for stage in ("source", "bronze", "silver", "quarantine", "warehouse"):
            connection.execute(f"CREATE SCHEMA {stage}")
            for table in ("prices", "points"):
                columns = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
                connection.execute(f"CREATE TABLE {stage}.{table} ({columns})")
                if stage != "quarantine":
                    connection.execute(f"INSERT INTO {stage}.{table} VALUES {ROWS}")

    def stage(name: str) -> Stage:
        return Stage(POSTGRES, lambda sql: ask_source(database, sql), lambda c: f"{name}.{c.table}")

    return {name: stage(name) for name in ("source", "bronze", "silver", "quarantine", "warehouse")}


@pytest.fixture
def change(database):
    def run(sql: str) -> None:
        with psycopg.connect(database) as connection:
            connection.execute(sql)

    return run


def differences(stages, contract=KEYED) -> list[tuple]:
    result = reconcile.reconcile({contract.table: contract}, stages)
    [table] = result.tables
    assert result.equal == table.equal == (not table.differences)
    return [(d.comparison, d.aspect, d.keys) for d in table.differences]


@pytest.mark.parametrize("contract", [KEYED, KEYLESS], ids=lambda c: c.table)
def test_same_rows_are_equal_in_any_order(stages, change, contract):
    change(f"TRUNCATE bronze.{contract.table}")
    change(f"INSERT INTO bronze.{contract.table} SELECT * FROM source.{contract.table} ORDER BY id DESC, n")
    assert differences(stages, contract) == []


def test_quarantined_rows_count_with_silver(stages, change):
    change("INSERT INTO quarantine.prices SELECT * FROM silver.prices WHERE id = 'b'")
    change("DELETE FROM silver.prices WHERE id = 'b'")
    change("DELETE FROM warehouse.prices WHERE id = 'b'")
    assert differences(stages) == []


def test_changed_value_is_found_with_its_key(stages, change):
    change("UPDATE bronze.prices SET price = 58.91 WHERE id = 'a' AND n = 1")
    assert differences(stages) == [("source = bronze", "price", ("a|1",))]


def test_null_is_not_an_empty_text(stages, change):
    change("UPDATE warehouse.prices SET note = '' WHERE note IS NULL")
    assert differences(stages) == [("silver = warehouse", "note", ("b|1",))]


def test_null_is_not_an_empty_text_without_a_key_either(stages, change):
    change("UPDATE warehouse.points SET note = '' WHERE note IS NULL")
    assert [aspect for _, aspect, _ in differences(stages, KEYLESS)] == ["note"]


def test_values_that_swapped_rows_are_found(stages, change):
    change("UPDATE bronze.prices SET price = 58.90 - price WHERE id = 'a'")
    assert differences(stages) == [("source = bronze", "price", ("a|1", "a|2"))]


def test_lost_row_is_found_in_count_keys_and_columns(stages, change):
    change("DELETE FROM silver.prices WHERE n = 2")
    found = differences(stages)
    assert ("source = silver + quarantine", "rows", ()) in found
    assert ("source = silver + quarantine", "key set", ("a|2",)) in found
    assert ("source = silver + quarantine", "price", ()) in found
    assert ("silver = warehouse", "key set", ("a|2",)) in found
    assert not [d for d in found if d[0] == "source = bronze"]


def test_replaced_row_is_found_though_the_count_is_right(stages, change):
    change("UPDATE warehouse.prices SET id = 'c' WHERE id = 'b'")
    found = differences(stages)
    assert ("silver = warehouse", "key set", ("b|1", "c|1")) in found
    assert "rows" not in [aspect for _, aspect, _ in found]


def test_doubled_row_of_a_table_without_key_is_found(stages, change):
    change("INSERT INTO bronze.points SELECT * FROM bronze.points WHERE id = 'b'")
    found = differences(stages, KEYLESS)
    assert ("source = bronze", "rows", ()) in found
    assert ("source = bronze", "key set", ("b|1||7.05|2018-01-02||",)) in found


def test_at_most_ten_keys_are_shown(stages, change):
    change("INSERT INTO source.prices SELECT 'x', g FROM generate_series(1, 40) g")
    found = dict((aspect, keys) for comparison, aspect, keys in differences(stages) if comparison == "source = bronze")
    assert len(found["key set"]) == 10 and all(key.startswith("x|") for key in found["key set"])


def test_missing_table_is_the_users_error(stages, change):
    change("DROP TABLE bronze.prices")
    with pytest.raises(UserError, match='relation "bronze.prices" does not exist'):
        differences(stages)


def test_table_and_json_name_what_differs(stages, change):
    change("UPDATE bronze.prices SET price = 0 WHERE id = 'b'")
    result = reconcile.reconcile({"prices": KEYED}, stages)
    document = reconcile.as_json(result)
    assert document["equal"] is False and document["tables"][0]["differences"][0]["aspect"] == "price"
    console = Console(width=160)
    with console.capture() as shown:
        console.print(reconcile.as_table(result))
    [line] = [line for line in shown.get().splitlines() if "prices" in line]
    assert line.count("✗") == 1 and line.count("✓") == 2


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        (POSTGRES, "('x' || substr(md5(\"id\"), 1, 8))::bit(32)::bigint"),
        (ATHENA, 'from_base(substr(to_hex(md5(to_utf8("id"))), 1, 8), 16)'),
        (REDSHIFT, 'strtol(substring(md5("id"), 1, 8), 16)'),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_each_engine_hashes_in_its_own_words(engine, expected):
    assert engine.hashed('"id"') == expected
    assert fingerprint_query(engine, KEYLESS, "t").startswith("select count(*),\n  coalesce(sum(")
