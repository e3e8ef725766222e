"""The source changes, and a run brings that, and only that, to the marts."""

import json
import signal
import subprocess
from subprocess import DEVNULL

import psycopg
import pytest

from groundwork.aws import client, variable
from groundwork.pipeline import runs
from groundwork.queries import query, reconcile
from tests.isolation import command

LATEST = "olist/_changes/latest.json"


@pytest.fixture(scope="module")
def changed(demo, settings):
    """A run while a shop is at work, and one when it is closed; the number of orders in the source before and after."""
    before = orders(settings)
    shop = subprocess.Popen(command("simulate", "--rate", "10", "--seconds", "1800", "--seed", "1"), stdout=DEVNULL)
    try:
        runs.run(settings)
        assert shop.poll() is None, "the shop was not at work any more"
    finally:
        shop.send_signal(signal.SIGINT)
        assert shop.wait(timeout=60) == 0
    runs.run(settings)
    return before, orders(settings)


def orders(settings) -> int:
    with psycopg.connect(settings.source_dsn) as connection:
        return connection.execute("SELECT count(*) FROM shop.orders").fetchone()[0]


def exported() -> dict:
    body = client("s3").get_object(Bucket=variable("silver_bucket"), Key=LATEST)["Body"]
    return json.load(body)["tables"]


def test_B8_every_table_converges_after_changes_in_many(changed, settings):
    before, after = changed
    assert after != before
    result = reconcile.reconcile_platform(settings)
    assert result.equal, reconcile.as_json(result)
    assert query.warehouse("SELECT count(*) FROM marts.fct_orders").rows == [[str(after)]]


def test_the_warehouse_takes_what_changed_and_nothing_else(changed):
    tables = exported()
    assert {tables["orders"]["mode"], tables["customers"]["mode"]} == {"changes"}
    assert tables["product_category_name_translation"]["mode"] == "none"
    assert 0 < tables["orders"]["rows"] < changed[0] / 2


def test_a_run_without_changes_loads_nothing(changed, settings):
    loads = "SELECT table_name, version FROM silver._loads ORDER BY table_name"
    before = query.warehouse(loads).rows
    runs.run(settings)
    assert {table["mode"] for table in exported().values()} == {"none"}
    assert query.warehouse(loads).rows == before


def test_a_customers_earlier_addresses_are_kept(changed):
    versions = "SELECT count(*), count(DISTINCT customer_id) FROM olist_silver.customers_history"
    [[rows, customers]] = query.athena(versions).rows
    assert int(rows) > int(customers)
    current = "SELECT count(*) FROM olist_silver.customers_history WHERE is_current"
    assert query.athena(current).rows == query.athena("SELECT count(*) FROM olist_silver.customers").rows
