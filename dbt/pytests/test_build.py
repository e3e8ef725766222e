"""dbt builds the whole project on a real PostgreSQL: one build, then what the tables hold."""

import datetime
from decimal import Decimal

import pytest

BUILT = ("success", "pass")


@pytest.fixture(scope="module")
def build(dbt, warehouse):
    return dbt("build")


@pytest.fixture(scope="module")
def rows(build, warehouse):
    """``rows(sql)``: what a query answers after the build."""

    def query(sql: str) -> list[tuple]:
        with warehouse.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    return query


def test_every_model_and_test_passes(build):
    process, results = build
    assert {name: r["message"] for name, r in results.items() if r["status"] not in BUILT} == {}, process.stdout
    assert process.returncode == 0
    assert len(results) > 100


def test_orders_lead_to_people_and_keep_those_without_items(rows):
    assert rows("select order_id, customer_unique_id, item_count, order_total from fct_orders order by 1") == [
        ("o1", "p1", 2, Decimal("34.00")),
        ("o2", "p1", 1, Decimal("13.05")),
        ("o3", "p2", 0, Decimal("0.00")),
        ("o4", "p3", 1, Decimal("99.99")),
    ]


def test_the_calendar_covers_whole_years_of_every_named_day(rows):
    assert rows("select min(date_day), max(date_day), count(*) from dim_dates") == [
        (datetime.date(2017, 1, 1), datetime.date(2019, 12, 31), 3 * 365)
    ]


def test_the_five_answers(rows):
    assert rows("select month_start_date, order_count, revenue from revenue_by_month order by 1") == [
        (datetime.date(2017, 7, 1), 2, Decimal("34.00")),
        (datetime.date(2018, 1, 1), 1, Decimal("13.05")),
    ]
    assert rows("select customer_state, late_percent, average_delay_days from delivery_delay_by_state order by 1") == [
        ("RJ", Decimal("100.00"), Decimal("1.00")),
        ("SP", Decimal("0.00"), Decimal("-12.00")),
    ]
    assert rows("select delay_bucket, average_review_score from review_score_by_delay order by 1 desc") == [
        ("7 to 13 days early", Decimal("5.00")),
        ("1 to 7 days late", Decimal("2.50")),
    ]
    assert rows("select category_name_english, revenue from top_categories order by revenue_rank") == [
        ("toys", Decimal("24.55")),
        ("unknown", Decimal("22.50")),
    ]
    assert rows("select order_count, customer_count, revenue from repeat_customers order by 1") == [
        (1, 2, Decimal("0.00")),
        (2, 1, Decimal("47.05")),
    ]


def test_a_duplicated_row_fails_the_test_that_counts(rows, dbt, warehouse):
    with warehouse.cursor() as cursor:
        cursor.execute("insert into fct_order_items select * from fct_order_items where order_id = 'o1'")
    process, results = dbt("test", "--select", "fct_order_items", "marts_keep_every_row_and_amount")
    failed = {name for name, r in results.items() if r["status"] == "fail"}
    assert process.returncode == 1
    assert {name.split(".")[0] for name in failed} == {
        "marts_keep_every_row_and_amount",
        "unique_combination_of_columns_fct_order_items_order_id__order_item_number",
    }
