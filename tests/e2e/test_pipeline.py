"""The main job, end to end on real input: what stands in the source stands in every stage after it."""

import json
import re
import shlex
import subprocess
import sys

import psycopg
import pytest
from groundwork_contracts import load_contracts

from groundwork.aws import client, variable
from groundwork.install import ROOT
from groundwork.pipeline import runs
from groundwork.queries import query, reconcile

TABLES = sorted(load_contracts("contracts/olist"))
# What the sample's owner counted in its files; they hold when the run is on that sample.
SAMPLE_ORDERS = 8135


@pytest.fixture(scope="session")
def source(settings):
    with psycopg.connect(settings.source_dsn) as connection:
        yield connection


def one(connection, sql: str):
    return connection.execute(sql).fetchone()


def mart(sql: str) -> list[str]:
    return query.warehouse(sql).rows[0]


def test_the_demo_shows_rows_times_answers_and_where_to_look(demo):
    assert [table for table in TABLES if table[:18] not in demo] == []
    assert [stage for stage in ("bronze", "silver", "catalog", "warehouse", "marts") if stage not in demo] == []
    assert demo.count("?") >= 5, "five questions are answered"
    assert "http://127.0.0.1:" in demo


def test_all_stages_hold_the_same_rows_keys_and_values(demo, settings):
    result = reconcile.reconcile_platform(settings)
    assert sorted(table.name for table in result.tables) == TABLES
    assert result.equal, reconcile.as_json(result)


def test_the_marts_hold_every_order_item_and_amount(demo, source):
    orders = one(source, "SELECT count(*)::text FROM shop.orders")
    items = one(source, "SELECT count(*)::text, sum(price)::text, sum(freight_value)::text FROM shop.order_items")
    assert mart("SELECT count(*) FROM marts.fct_orders") == list(orders)
    assert mart("SELECT count(*), sum(price), sum(freight_value) FROM marts.fct_order_items") == list(items)


def test_the_sample_has_the_quirks_that_its_owner_counted(demo, source):
    if one(source, "SELECT count(*) FROM shop.orders") != (SAMPLE_ORDERS,):
        pytest.skip("the run is not on the real sample")
    without_items = """
        SELECT count(*) FROM marts.fct_orders o
        WHERE NOT EXISTS (SELECT 1 FROM marts.fct_order_items i WHERE i.order_id = o.order_id)"""
    assert mart(without_items) == ["775"]
    reviews = "SELECT count(*), count(DISTINCT review_id) FROM olist_silver.order_reviews"
    assert query.athena(reviews).rows == [["8225", "8191"]]
    line_breaks = "SELECT count(*) FROM olist_silver.order_reviews WHERE strpos(review_comment_message, chr(10)) > 0"
    assert int(query.athena(line_breaks).rows[0][0]) >= 400


def test_dms_counted_the_rows_that_it_wrote(demo, source):
    statistics = client("dms").describe_table_statistics(ReplicationTaskArn=variable("replication_task_arn"))
    rows = {t["TableName"]: t["FullLoadRows"] + t["Inserts"] - t["Deletes"] for t in statistics["TableStatistics"]}
    assert rows == {table: one(source, f"SELECT count(*) FROM shop.{table}")[0] for table in TABLES}


def test_the_named_queries_of_the_catalog_run(demo):
    ids = client("athena").list_named_queries(WorkGroup=variable("athena_workgroup"))["NamedQueryIds"]
    queries = client("athena").batch_get_named_query(NamedQueryIds=ids)["NamedQueries"]
    assert {q["Name"] for q in queries} == {"orders_by_status", "rows_as_replicated"}
    for named in queries:
        assert query.athena(named["QueryString"]).rows


def test_the_cluster_is_gone_and_its_logs_are_there(demo):
    emr = client("emr")
    latest = max(emr.list_clusters()["Clusters"], key=lambda c: c["Status"]["Timeline"]["CreationDateTime"])
    assert latest["Status"]["State"] == "TERMINATED"
    prefix = f"emr/{latest['Id']}/steps/"
    keys = [o["Key"] for o in client("s3").list_objects_v2(Bucket=variable("logs_bucket"), Prefix=prefix)["Contents"]]
    assert {key.rsplit("/", 1)[1] for key in keys} == {"controller.gz", "stderr.gz", "stdout.gz", "syslog.gz"}


def test_a_second_run_changes_nothing(demo, settings):
    def marts() -> list[list[str | None]]:
        return query.warehouse("SELECT * FROM marts.fct_orders ORDER BY order_id").rows

    before, silver_before = marts(), reconcile.reconcile_platform(settings)
    runs.run(settings)
    assert marts() == before
    assert reconcile.reconcile_platform(settings) == silver_before


@pytest.mark.parametrize(
    "arguments, status, words",
    [
        (["status"], 0, "airflow-scheduler"),
        (["status"], 0, "replication running"),
        (["query", "athena", "SELECT count(*) AS n FROM olist_bronze.orders"], 0, "n"),
        (["query", "athena", "SELECT * FROM olist_silver.nowhere"], 1, "nowhere"),
        (["query", "warehouse", "SELECT string_agg(order_id, ',') FROM silver.orders"], 1, "string_agg"),
        (["query", "oracle", "SELECT 1"], 1, "athena, warehouse"),
        (["logs", "nothing"], 1, "localstack"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_the_command_answers_or_says_why_not(demo, arguments, status, words):
    done = subprocess.run(
        [sys.executable, "-m", "groundwork.cli", *arguments], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == status, done.stderr
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_program_can_read_the_reconciliation(demo):
    command = [sys.executable, "-m", "groundwork.cli", "reconcile", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["equal"] is True


DOCUMENTED = re.findall(r"^\| `(make [^`…]+)`", (ROOT / "README.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("line", [c for c in DOCUMENTED if c.split()[1] in ("status", "reconcile", "logs", "help")])
def test_a_command_of_the_readme_works(demo, line):
    done = subprocess.run(shlex.split(line), cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_make_query_takes_sql_with_quotes(demo):
    sql = """SELECT count(*) AS "how many" FROM "olist_silver"."orders" WHERE order_status <> 'lost'"""
    done = subprocess.run(["make", "query", "ENGINE=athena", f"SQL={sql}"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "how many" in done.stdout
