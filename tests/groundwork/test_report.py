"""The report over one PostgreSQL database that plays the source, the lake and the warehouse."""

import io
import json

import psycopg
import pytest
from rich.console import Console

from groundwork.pipeline import report
from groundwork.queries.reconcile import ask_source

MARTS = {
    "revenue_by_month": "SELECT date '2017-10-01' month_start_date, 2 order_count, 664648.10 revenue "
    "UNION ALL SELECT '2017-11-01', 4, 1010271.37",
    "delivery_delay_by_state": "SELECT 'SP' customer_state, 9 delivered_order_count, 8.70 average_delivery_days, "
    "5.89 late_percent",
    "review_score_by_delay": "SELECT 1 delay_bucket_number, 'on time' delay_bucket, 5 review_count, "
    "4.29 average_review_score",
    "top_categories": "SELECT 'health_beauty' category_name_english, 3 item_count, 90.50 revenue, 1 revenue_rank",
    "repeat_customers": "SELECT 1 order_count, 93099 customer_count, 96.88 customer_percent, NULL::numeric revenue",
}


@pytest.fixture
def ask(database):
    with psycopg.connect(database) as connection:
        for schema in ("shop", "olist_bronze", "olist_silver", "silver", "marts"):
            connection.execute(f"CREATE SCHEMA {schema}")
        for table, rows in (
            ("shop.orders", 3),
            ("olist_bronze.orders", 3),
            ("olist_silver.orders", 1),
            ("silver.orders", 1),
        ):
            connection.execute(f"CREATE TABLE {table} AS SELECT generate_series(1, {rows}) id")
        connection.execute("CREATE TABLE olist_silver.quarantine_orders (_rule text)")
        connection.execute("INSERT INTO olist_silver.quarantine_orders VALUES ('price.minimum'), ('price.minimum')")
        for table in report.STAR:
            connection.execute(f"CREATE TABLE marts.{table} AS SELECT 1 id")
        for mart, rows in MARTS.items():
            connection.execute(f"CREATE TABLE marts.{mart} AS {rows}")
    return lambda sql: [[None if c is None else str(c) for c in row] for row in ask_source(database, sql)]


def test_rows_rules_and_answers_are_collected(ask):
    found = report.ask_all(["orders"], ask, ask, ask)
    stages = {stage: counts for stage, counts in found.rows.items() if stage != "marts"}
    assert stages == {
        "source": {"orders": 3}, "bronze": {"orders": 3}, "silver": {"orders": 1}, "quarantine": {"orders": 2},
        "warehouse": {"orders": 1},
    }  # fmt: skip
    assert found.rows["marts"]["revenue_by_month"] == 2 and found.rows["marts"]["fct_orders"] == 1
    assert found.quarantined == {"orders": {"price.minimum": 2}}
    assert [row["revenue"] for row in found.answers["revenue_by_month"]] == ["664648.10", "1010271.37"]
    assert list(found.answers) == list(MARTS)


def test_report_is_shown_with_bars(ask):
    out = Console(file=io.StringIO(), width=120)
    out.print(*report.render(report.ask_all(["orders"], ask, ask, ask), {"bronze": 12.3}))
    text = out.file.getvalue()
    assert "│ orders     │      3 │      3 │      1 │          2 │         1 │" in text
    assert "orders: price.minimum" in text and "12.3" in text
    part, full = (line for line in text.splitlines() if line.startswith("│ 2017-1"))
    assert "1,010,271.37" in full and full.count("█") == report.BAR_WIDTH
    assert "664,648.10" in part and part.count("█") == 18
    assert all(question.text in text for question in report.QUESTIONS)


def test_report_without_quarantine_says_so():
    assert "No row was quarantined." in str(report.quarantine_table({}))


def test_report_can_be_read_by_a_program(ask):
    document = json.loads(json.dumps(report.as_json(report.ask_all(["orders"], ask, ask, ask), {"bronze": 12.3})))
    assert document["seconds"] == {"bronze": 12.3} and document["rows"]["source"] == {"orders": 3}
    assert document["answers"]["repeat_customers"] == [
        {"order_count": "1", "customer_count": "93099", "customer_percent": "96.88", "revenue": None}
    ]


@pytest.mark.parametrize(
    ("value", "largest", "bar"), [(10, 10, "█" * 28), (5, 10, "█" * 14), (0.1, 10, "▎"), (0, 10, ""), (0, 0, "")]
)
def test_bars_are_in_proportion(value, largest, bar):
    assert report.bar_of(value, largest) == bar
