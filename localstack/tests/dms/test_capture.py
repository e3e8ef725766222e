"""Change capture: what is written of changes, file by file, and that nothing is lost or comes twice."""

import time
from decimal import Decimal

import pytest
from tests.dms.conftest import include, transform

SEQUENCE = {"data-type": {"type": "string", "length": 35}}


def own(source, sql: str) -> None:
    """Run it as the tables' owner, of which DMS's role is a member."""
    source.execute("SET ROLE shop_owner")
    source.execute(sql)
    source.execute("RESET ROLE")


@pytest.fixture
def orders(source, schema):
    """Three orders with the full replica identity."""
    own(source, "CREATE TABLE orders (id int PRIMARY KEY, price numeric(10,2), city text)")
    own(source, "INSERT INTO orders VALUES (1, 9.99, 'Franca'), (2, 20, 'Bauru'), (3, NULL, NULL)")
    own(source, "ALTER TABLE orders REPLICA IDENTITY FULL")


@pytest.fixture
def capture(replication, schema, aws):
    """A task that loads and captures; it is stopped and deleted at the end."""
    made = []

    def make(target=None, rules=(), **more):
        settings = {"CdcMaxBatchInterval": 0, "TimestampColumnName": "at", **(target or {})}
        rules = [
            include(schema),
            transform("column", "add-column", schema, value="seq", expression="$AR_H_CHANGE_SEQ", **SEQUENCE),
            *rules,
        ]
        more.setdefault("MigrationType", "full-load-and-cdc")
        made.append(replication(target=settings, rules=rules, **more))
        return made[-1]

    yield make
    for one in made:
        if one.describe()["Status"] in ("starting", "running"):
            aws("dms").stop_replication_task(ReplicationTaskArn=one.task)
        one.wait_for("stopped", "failed", "ready")
        aws("dms").delete_replication_task(ReplicationTaskArn=one.task)


def changes(made, table: str = "orders", count: int = 0) -> list[dict]:
    """The table's changes in the order of the files, once there are so many."""
    deadline = time.monotonic() + 30
    while True:
        keys = [key for key in made.objects() if f"/{table}/" in key and "LOAD" not in key]
        rows = [row for key in sorted(keys) for row in made.parquet(key).read().to_pylist()]
        if len(rows) >= count:
            return rows
        assert time.monotonic() < deadline, (rows, made.describe())
        time.sleep(0.05)


def test_DMS_OP_01_DMS_S3_03_a_load_is_followed_by_the_changes(capture, source, schema, orders):
    made = capture()
    made.start()
    made.wait_for("running", "failed")
    own(source, "INSERT INTO orders VALUES (4, 1.5, 'São Paulo')")
    changes(made, count=1)
    own(source, "UPDATE orders SET price = 2 WHERE id = 1; DELETE FROM orders WHERE id = 2")
    found = changes(made, count=3)
    assert [(row["Op"], row["id"], row["price"], row["city"]) for row in found] == [
        ("I", 4, Decimal("1.50"), "São Paulo"), ("U", 1, Decimal("2.00"), "Franca"), ("D", 2, Decimal("20.00"), "Bauru"),
    ]  # fmt: skip
    assert list(found[0]) == ["Op", "at", "id", "price", "city", "seq"]
    load, *files = sorted(made.objects(), key=lambda key: "LOAD" not in key)
    assert load == f"{schema}/orders/LOAD00000001.parquet"
    assert "Op" not in made.parquet(load).read().column_names
    assert all(re.fullmatch(rf"{schema}/orders/\d{{8}}-\d{{9}}\.parquet", key) for key in files), files
    assert [row["seq"] for row in made.parquet(load).read().to_pylist()] == [""] * 3
