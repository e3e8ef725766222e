import hashlib
import subprocess
import sys

import psycopg
import pytest

from groundwork.install import ROOT
from seed_data.csv_folder import SeedError
from seed_data.generator import generate
from seed_data.loader import load

SCALE = 0.1
# Of scale 0.01 and seed 42, on every machine. It changes only when the generator's data is meant to change.
DIGEST = "a0a10a4f83f7a99bad3837717b3dc74dfeb183992cda80e9f66904e72ea824dd"


@pytest.fixture(scope="module")
def source(tmp_path_factory, postgres_server, contracts):
    """A database that holds generated data; loading it proves its keys and references."""
    folder = tmp_path_factory.mktemp("generated")
    rows = generate(SCALE, 42, folder, contracts)
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE generated")
    dsn = postgres_server.dsn("generated")
    assert load(folder, dsn, contracts).rows == rows
    with psycopg.connect(dsn, options="-c search_path=shop") as connection:
        yield connection


def value(source, query: str):
    return source.execute(query).fetchone()[0]


def digest(folder, contracts) -> str:
    texts = [(folder / c.csv_file).read_bytes() for _, c in sorted(contracts.items())]
    return hashlib.sha256(b"".join(texts)).hexdigest()


def test_same_seed_and_scale_give_the_same_bytes(tmp_path, contracts):
    generate(0.01, 42, tmp_path / "one", contracts)
    generate(0.01, 43, tmp_path / "two", contracts)
    assert digest(tmp_path / "one", contracts) == DIGEST
    assert digest(tmp_path / "two", contracts) != DIGEST


def test_tables_have_olists_proportions(source, contracts):
    rows = {table: value(source, f"SELECT count(*) FROM {table}") for table in contracts}
    assert rows.pop("product_category_name_translation") == 71
    olist = {
        "customers": 99_441, "geolocation": 1_000_163, "order_items": 112_650, "order_payments": 103_886,
        "order_reviews": 99_224, "orders": 99_441, "products": 32_951, "sellers": 3_095,
    }  # fmt: skip
    assert {table: count / SCALE for table, count in rows.items()} == pytest.approx(olist, rel=0.02)


@pytest.mark.parametrize(
    ("quirk", "query", "low", "high"),
    [
        ("orders without items",
         "SELECT count(*) FROM orders WHERE order_id NOT IN (SELECT order_id FROM order_items)", 50, 110),
        ("shared review ids", "SELECT count(*) - count(DISTINCT review_id) FROM order_reviews", 50, 120),
        ("orders with two reviews", "SELECT count(*) - count(DISTINCT order_id) FROM order_reviews", 25, 90),
        ("comments, %", "SELECT 100 * count(review_comment_message) / count(*) FROM order_reviews", 38, 44),
        ("titles, %", "SELECT 100 * count(review_comment_title) / count(*) FROM order_reviews", 9, 14),
        ("comments with line breaks, %",
         "SELECT 100 * count(*) FILTER (WHERE review_comment_message LIKE E'%\\n%') / count(*) "
         "FROM order_reviews", 3, 8),
        ("payments not defined", "SELECT count(*) FROM order_payments WHERE payment_type = 'not_defined'", 1, 1),
        ("payments of no instalment", "SELECT count(*) FROM order_payments WHERE payment_installments = 0", 1, 1),
        ("points abroad",
         "SELECT count(*) FROM geolocation WHERE geolocation_lat NOT BETWEEN -34 AND 5.5 "
         "OR geolocation_lng NOT BETWEEN -74.5 AND -28", 4, 4),
        ("repeated points",
         "SELECT count(*) - count(DISTINCT geolocation) FROM geolocation", 10_000, 70_000),
        ("customers without a point",
         "SELECT count(*) FROM customers WHERE customer_zip_code_prefix NOT IN "
         "(SELECT geolocation_zip_code_prefix FROM geolocation)", 5, 80),
        ("leading zeros, %",
         "SELECT 100 * count(*) FILTER (WHERE customer_zip_code_prefix LIKE '0%') / count(*) FROM customers", 15, 40),
        ("accents", "SELECT count(*) FROM geolocation WHERE geolocation_city = 'são paulo'", 500, 10_000),
        ("products without a category", "SELECT count(*) FROM products WHERE product_category_name IS NULL", 61, 61),
        ("categories without a translation",
         "SELECT count(DISTINCT product_category_name) FROM products WHERE product_category_name NOT IN "
         "(SELECT product_category_name FROM product_category_name_translation)", 1, 2),
        ("statuses", "SELECT count(DISTINCT order_status) FROM orders", 7, 8),
        ("delivered, %",
         "SELECT 100 * count(*) FILTER (WHERE order_status = 'delivered') / count(*) FROM orders", 96, 98),
    ],
)  # fmt: skip
def test_quirks_come_in_about_olists_numbers(source, quirk, query, low, high):
    assert low <= value(source, query) <= high, quirk


def test_orders_add_up_with_their_payments(source):
    assert value(
        source,
        "SELECT count(*) FROM (SELECT order_id, sum(price + freight_value) v FROM order_items GROUP BY 1) i "
        "JOIN (SELECT order_id, sum(payment_value) v FROM order_payments GROUP BY 1) p USING (order_id) "
        "WHERE i.v <> p.v",
    ) == 0  # fmt: skip


def test_times_of_an_order_follow_each_other(source):
    assert value(
        source,
        "SELECT count(*) FROM orders WHERE NOT (order_purchase_timestamp <= order_approved_at AND "
        "order_approved_at <= order_delivered_carrier_date AND "
        "order_delivered_carrier_date < order_delivered_customer_date)",
    ) == 0  # fmt: skip


# --- the questions that the marts answer have plausible answers -------------------------------------------------------


def test_late_orders_are_few_and_get_bad_reviews(source):
    late = "order_delivered_customer_date::date > order_estimated_delivery_date"
    assert 0.05 < value(source, f"SELECT avg(({late})::int) FROM orders WHERE order_status = 'delivered'") < 0.12
    score = f"SELECT avg(review_score) FROM orders JOIN order_reviews USING (order_id) WHERE {late}"
    assert value(source, score) < 3
    assert value(source, score.replace(late, f"NOT ({late})")) > 4.2


def test_delivery_takes_longer_far_away(source):
    days = (
        "SELECT extract(epoch FROM avg(order_delivered_customer_date - order_purchase_timestamp)) / 86400 "
        "FROM orders JOIN customers USING (customer_id) WHERE customer_state "
    )
    assert value(source, days + "= 'SP'") < 11
    assert value(source, days + "IN ('PA', 'AM', 'RR', 'AP')") > 20


def test_sales_grow_until_black_friday(source):
    months = dict(
        source.execute("SELECT to_char(order_purchase_timestamp, 'YYYY-MM'), count(*) FROM orders GROUP BY 1")
    )
    assert months["2017-01"] * 3 < months["2017-10"] < months["2017-11"] / 1.3
    assert min(months) >= "2016-09" and max(months) <= "2018-10"
    busiest = "SELECT order_purchase_timestamp::date::text FROM orders GROUP BY 1 ORDER BY count(*) DESC"
    assert value(source, busiest) == "2017-11-24"


def test_few_customers_come_back(source):
    assert (
        0.02 < value(source, "SELECT 1 - count(DISTINCT customer_unique_id) / count(*)::numeric FROM customers") < 0.045
    )


# --- bad input ----------------------------------------------------------------------------------------------


def test_too_little_disk_is_refused(tmp_path, contracts):
    with pytest.raises(SeedError, match=r"GB free, but scale 1e\+06 needs 125000.2 GB.\n→ free some space"):
        generate(1e6, 42, tmp_path, contracts)
    assert list(tmp_path.iterdir()) == []


def test_scale_must_be_above_zero(tmp_path, contracts):
    with pytest.raises(SeedError, match="--scale 0 is not above 0"):
        generate(0, 42, tmp_path, contracts)


def test_broken_off_run_leaves_the_folder_as_it_was(tmp_path, contracts):
    generate(0.001, 1, tmp_path, contracts)
    before = digest(tmp_path, contracts)

    def interrupt(table: str, rows: int) -> None:
        if table == "orders":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(0.001, 2, tmp_path, contracts, interrupt)
    assert digest(tmp_path, contracts) == before and len(list(tmp_path.iterdir())) == 9


def test_command_prints_rows_and_exits_with_the_error(tmp_path):
    command = [sys.executable, "-m", "seed_data.generator", "--out", str(tmp_path), "--scale"]
    good = subprocess.run([*command, "0.001"], cwd=ROOT, capture_output=True, text=True)
    assert good.returncode == 0 and "orders" in good.stdout and "rows/s" in good.stdout
    bad = subprocess.run([*command, "-1"], cwd=ROOT, capture_output=True, text=True)
    assert bad.returncode == 1 and bad.stderr == "generator: --scale -1 is not above 0; 1 is Olist's size\n"
