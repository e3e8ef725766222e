import psycopg
import pytest

from seed_data.csv_folder import SeedError
from seed_data.loader import Progress, create_dms_role, load

ROWS = {
    "customers": 2, "geolocation": 2, "order_items": 1, "order_payments": 2, "order_reviews": 2, "orders": 2,
    "product_category_name_translation": 1, "products": 2, "sellers": 1,
}  # fmt: skip


def ask(dsn: str, query: str) -> list[tuple]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(query).fetchall()


def test_all_nine_tables_are_loaded(csv_folder, database, contracts):
    loaded = load(csv_folder, database, contracts)
    assert loaded.rows == ROWS and loaded.changed
    for table, rows in ROWS.items():
        assert ask(database, f"SELECT count(*) FROM shop.{table}") == [(rows,)]


def test_comments_keep_their_line_breaks_and_empty_ones_are_null(csv_folder, database, contracts):
    load(csv_folder, database, contracts)
    comments = ask(
        database,
        "SELECT review_comment_title, review_comment_message FROM shop.order_reviews ORDER BY review_score",
    )
    assert comments == [(None, None), (None, 'Ótimo, "recomendo"\r\n\r\nChegou antes')]


def test_zip_prefixes_keep_their_leading_zero(csv_folder, database, contracts):
    load(csv_folder, database, contracts)
    zips = ask(database, "SELECT customer_zip_code_prefix FROM shop.customers ORDER BY 1")
    assert zips == [("01037",), ("04534",)]


def test_quoted_empty_field_is_null_like_an_unquoted_one(csv_folder, replace_in, database, contracts):
    replace_in("olist_products_dataset.csv", "3" * 32 + ",,,,,,,,", '"' + "3" * 32 + '","","",,,,,,')
    load(csv_folder, database, contracts)
    assert ask(database, "SELECT product_category_name FROM shop.products ORDER BY 1") == [
        ("cool_stuff",),
        (None,),
    ]


def test_types_keys_and_references_are_the_contracts(csv_folder, database, contracts):
    load(csv_folder, database, contracts)
    types = ask(
        database,
        "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute "
        "WHERE attrelid = 'shop.order_items'::regclass AND attnum > 0 ORDER BY attnum",
    )
    assert types[0] == ("order_id", "character varying(32)", True)
    assert types[5] == ("price", "numeric(10,2)", True)
    definitions = ask(
        database,
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype IN ('p', 'f') AND "
        "conrelid IN ('shop.order_items'::regclass, 'shop.geolocation'::regclass) ORDER BY contype, conname",
    )
    assert [d for (d,) in definitions] == [
        "FOREIGN KEY (order_id) REFERENCES shop.orders(order_id)",
        "FOREIGN KEY (product_id) REFERENCES shop.products(product_id)",
        "FOREIGN KEY (seller_id) REFERENCES shop.sellers(seller_id)",
        "PRIMARY KEY (order_id, order_item_id)",
    ]


def test_loading_the_same_folder_again_changes_nothing(csv_folder, database, contracts):
    load(csv_folder, database, contracts)
    before = ask(database, "SELECT oid, xmin::text FROM pg_class WHERE relnamespace = 'shop'::regnamespace ORDER BY 1")
    again = load(csv_folder, database, contracts)
    after = ask(database, "SELECT oid, xmin::text FROM pg_class WHERE relnamespace = 'shop'::regnamespace ORDER BY 1")
    assert (again.rows, again.changed) == (ROWS, False)
    assert before and before == after


def test_dropped_table_is_loaded_again(csv_folder, database, contracts):
    load(csv_folder, database, contracts)
    with psycopg.connect(database) as connection:
        connection.execute("DROP TABLE shop.geolocation")
    assert load(csv_folder, database, contracts).changed
    assert ask(database, "SELECT count(*) FROM shop.geolocation") == [(2,)]


def test_other_data_replaces_what_was_there(csv_folder, replace_in, database, contracts):
    load(csv_folder, database, contracts)
    replace_in("olist_order_items_dataset.csv", "58.9", "60.9")
    assert load(csv_folder, database, contracts).changed
    assert str(ask(database, "SELECT sum(price) FROM shop.order_items")[0][0]) == "60.90"


def test_progress_tells_the_bytes_and_at_the_end_the_rows(csv_folder, database, contracts):
    steps: list[Progress] = []
    load(csv_folder, database, contracts, steps.append)
    assert {s.table: s.rows for s in steps if s.rows is not None} == ROWS
    assert all(0 < s.bytes_read <= s.bytes_total for s in steps)


def test_dms_role_reads_the_tables_wherever_it_is_made(csv_folder, database, contracts):
    for password in ("it's", "secret"):
        create_dms_role(database, password)
    load(csv_folder, database, contracts)
    as_dms = psycopg.conninfo.make_conninfo(database, user="dms", password="secret")
    assert ask(as_dms, "SELECT count(*) FROM shop.orders") == [(2,)]
    assert ask(as_dms, "SELECT rolreplication, rolsuper FROM pg_roles WHERE rolname = 'dms'") == [(True, False)]


def test_every_table_tells_the_whole_old_row_of_a_change(csv_folder, database, contracts):
    load(csv_folder, database, contracts)
    identities = ask(database, "SELECT relname, relreplident FROM pg_class WHERE relkind = 'r' AND "
                               "relnamespace = 'shop'::regnamespace")  # fmt: skip
    assert dict(identities) == dict.fromkeys(ROWS, "f")


@pytest.mark.parametrize("role_first", [True, False])
def test_the_dms_role_publishes_the_tables(csv_folder, database, contracts, role_first):
    """As the plug-in's DMS does, which reads changes through a publication."""
    steps = [lambda: create_dms_role(database, "secret"), lambda: load(csv_folder, database, contracts)]
    for step in steps if role_first else reversed(steps):
        step()
    with psycopg.connect(psycopg.conninfo.make_conninfo(database, user="dms", password="secret")) as connection:
        for table in ROWS:
            connection.execute(f"CREATE PUBLICATION of_{table} FOR TABLE shop.{table}")


def test_who_loads_the_tables_need_not_be_a_superuser(csv_folder, replace_in, database, contracts, monkeypatch):
    """As on RDS; other data can be loaded in their place afterwards."""
    monkeypatch.setattr("seed_data.ddl.OWNER", "owner_by_the_boss")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE ROLE boss LOGIN CREATEROLE PASSWORD 'secret'")
        connection.execute(f"ALTER DATABASE {connection.info.dbname} OWNER TO boss")
    as_boss = psycopg.conninfo.make_conninfo(database, user="boss", password="secret")
    load(csv_folder, as_boss, contracts)
    replace_in("olist_order_items_dataset.csv", "58.9", "60.9")
    assert load(csv_folder, as_boss, contracts).changed


def test_on_rds_the_dms_role_replicates_as_a_member_of_rds_own_role(database):
    """Nobody may give REPLICATION there; the role that may is RDS's."""
    create_dms_role(database, "secret")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER ROLE dms NOREPLICATION")
        connection.execute("CREATE ROLE rds_replication")
    try:
        create_dms_role(database, "secret")
        assert ask(database, "SELECT rolreplication FROM pg_roles WHERE rolname = 'dms'") == [(False,)]
        assert ask(database, "SELECT pg_has_role('dms', 'rds_replication', 'member')") == [(True,)]
    finally:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("DROP ROLE rds_replication")


# --- bad input: a clear error, and nothing half-written ---------------------------------------------------


def failure(csv_folder, database, contracts) -> str:
    with pytest.raises(SeedError) as caught:
        load(csv_folder, database, contracts)
    return str(caught.value)


def test_every_missing_file_is_named(csv_folder, database, contracts):
    for name in ("olist_orders_dataset.csv", "olist_sellers_dataset.csv"):
        (csv_folder / name).unlink()
    message = failure(csv_folder, database, contracts)
    assert "olist_orders_dataset.csv: the file is missing" in message
    assert "olist_sellers_dataset.csv: the file is missing" in message
    assert "→ unpack Kaggle's" in message


def test_folder_that_is_not_there(tmp_path, database, contracts):
    assert f"{tmp_path / 'nothing'} is not a folder" in failure(tmp_path / "nothing", database, contracts)


def test_header_that_is_not_olists(csv_folder, replace_in, database, contracts):
    replace_in("olist_products_dataset.csv", "product_name_lenght", "product_name_length")
    message = failure(csv_folder, database, contracts)
    assert (
        "olist_products_dataset.csv, line 1: the header is product_id,product_category_name,product_name_leng"
        in message
    )
    assert "but Olist's is product_id,product_category_name,product_name_lenght" in message


def test_empty_file(csv_folder, database, contracts):
    (csv_folder / "olist_sellers_dataset.csv").write_bytes(b"")
    assert "olist_sellers_dataset.csv, line 1: the header is nothing" in failure(csv_folder, database, contracts)


def test_bytes_that_are_not_utf8(csv_folder, replace_in, database, contracts):
    replace_in("olist_customers_dataset.csv", "são", "são".encode("latin-1"))
    message = failure(csv_folder, database, contracts)
    assert "olist_customers_dataset.csv, line 2: byte 0xe3 is not UTF-8" in message


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("olist_order_items_dataset.csv", "58.9", "cheap", 'line 2, column price: invalid input syntax for'),
        ("olist_sellers_dataset.csv", ",RJ", "", 'line 2: missing data for column "seller_state"'),
        ("olist_sellers_dataset.csv", ",RJ", ",RJ,x", "line 2: extra data after last expected column"),
        ("olist_orders_dataset.csv", "canceled", "", 'line 3: null value in column "order_status"'),
        ("olist_order_reviews_dataset.csv", "1,,,2017-09-21", "1,,,soon", "line 5, column review_creation"),
    ],
)  # fmt: skip
def test_malformed_row_is_named_with_its_line(csv_folder, replace_in, database, contracts, file, old, new, expected):
    load(csv_folder, database, contracts)
    replace_in(file, old, new)
    message = failure(csv_folder, database, contracts)
    assert f"{file}, {expected}" in message and "the database was left as it was" in message
    assert ask(database, "SELECT count(*), sum(price)::text FROM shop.order_items") == [(1, "58.90")]


def test_duplicate_key_is_named(csv_folder, replace_in, database, contracts):
    replace_in(
        "olist_order_items_dataset.csv",
        "13.29\n",
        f"13.29\n{'d' * 32},1,{'e' * 32},{'f' * 32},2017-09-19 09:45:35,1,1\n",
    )
    message = failure(csv_folder, database, contracts)
    assert f"olist_order_items_dataset.csv: Key (order_id, order_item_id)=({'d' * 32}, 1) is duplicated." in message


def test_files_of_different_data_sets_are_refused(csv_folder, replace_in, database, contracts):
    replace_in("olist_order_items_dataset.csv", "e" * 32, "b" * 32)
    message = failure(csv_folder, database, contracts)
    assert "olist_order_items_dataset.csv: Key (product_id)=" in message and "must be of one data set" in message
    assert ask(database, "SELECT to_regclass('shop.orders')") == [(None,)]


def test_source_that_does_not_answer(csv_folder, postgres_server, contracts):
    message = failure(csv_folder, postgres_server.dsn("nowhere"), contracts)
    assert "cannot connect to the source" in message and 'database "nowhere" does not exist' in message


def test_wrong_password_is_the_connections_error(csv_folder, database, contracts):
    wrong = psycopg.conninfo.make_conninfo(database, password="wrong")
    assert "password authentication failed" in failure(csv_folder, wrong, contracts)
