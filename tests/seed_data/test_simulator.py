"""The shop at work on a real PostgreSQL; an audit of its triggers' is what it is held against."""

import os
import re
import signal
import subprocess
import sys
from collections import Counter

import psycopg
import pytest

from groundwork.install import ROOT
from seed_data import simulator
from seed_data.csv_folder import SeedError
from seed_data.generator import generate
from seed_data.loader import load
from seed_data.simulator import Tally, simulate

AUDIT = """
CREATE TABLE public.audit (id bigserial, transaction xid8, name text, kind text, old jsonb, new jsonb);
CREATE FUNCTION public.audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO public.audit (transaction, name, kind, old, new) VALUES
        (pg_current_xact_id(), TG_TABLE_NAME, lower(TG_OP), to_jsonb(OLD), to_jsonb(NEW));
    RETURN NULL;
END $$;
"""


@pytest.fixture(scope="session")
def generated(tmp_path_factory, contracts):
    folder = tmp_path_factory.mktemp("generated")
    generate(0.01, 1, folder, contracts)
    return folder


@pytest.fixture
def source(generated, database, contracts):
    """The DSN of a seeded source whose changes are written down."""
    with psycopg.connect(database) as connection:
        connection.execute(AUDIT)
    seed(database, generated, contracts)
    return database


def seed(dsn: str, folder, contracts) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("DROP SCHEMA IF EXISTS shop CASCADE; TRUNCATE public.audit")
    load(folder, dsn, contracts)
    with psycopg.connect(dsn) as connection:
        for table in contracts:
            connection.execute(
                f"CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON shop.{table} "
                "FOR EACH ROW EXECUTE FUNCTION public.audit()"
            )


def ask(dsn: str, query: str) -> list[tuple]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(query).fetchall()


def audit(dsn: str) -> list[tuple]:
    """Every change in order, with its transaction's place in the order of transactions."""
    return ask(dsn, "SELECT dense_rank() OVER (ORDER BY transaction), name, kind, old, new FROM audit ORDER BY id")


def test_the_tally_is_what_the_source_has_seen_and_every_kind_of_change_occurs(source, contracts):
    tally = simulate(source, rate=1e6, seconds=0.006, seed=1)
    changes = audit(source)
    assert tally.changes == Counter((name, kind) for _, name, kind, _, _ in changes)
    assert 6000 <= tally.total < 6100
    assert tally.committed == len({transaction for transaction, *_ in changes})
    assert 0.01 < tally.rolled_back / tally.committed < 0.06
    assert {
        *((table, "insert") for table in contracts if table != "product_category_name_translation"),
        *((table, "update") for table in ("customers", "orders", "order_items", "order_reviews")),
        *((table, "update") for table in ("products", "sellers")),
        *((table, "delete") for table in ("customers", "orders", "order_payments", "order_reviews")),
    } <= tally.changes.keys()  # fmt: skip


def test_the_same_seed_on_the_same_source_does_the_same_at_any_rate(generated, contracts, source):
    simulate(source, rate=1e6, seconds=0.001, seed=7)
    first = audit(source)
    seed(source, generated, contracts)
    simulate(source, rate=2000, seconds=0.5, seed=7)
    assert audit(source) == first
    assert simulate(source, rate=1e6, seconds=0.001, seed=8).changes != Counter((n, k) for _, n, k, _, _ in first)


def test_an_order_is_placed_whole_and_goes_through_its_states(source):
    simulate(source, rate=1e6, seconds=0.004, seed=1)
    changes = audit(source)
    placed = {t: new["order_id"] for t, name, kind, _, new in changes if (name, kind) == ("orders", "insert")}
    for transaction, order in placed.items():
        rows = [(name, new) for t, name, kind, _, new in changes if t == transaction]
        assert {"customers", "order_items", "order_payments"} < {name for name, _ in rows}
        cost = sum(new["price"] + new["freight_value"] for name, new in rows if name == "order_items")
        assert sum(new["payment_value"] for name, new in rows if name == "order_payments") == pytest.approx(cost)
        assert {new["order_id"] for name, new in rows if name != "customers"} == {order}
    steps = {
        (old["order_status"], new["order_status"]) for _, n, k, old, new in changes if (n, k) == ("orders", "update")
    }
    life = ["created", "approved", "processing", "invoiced", "shipped", "delivered"]
    assert set(zip(life, life[1:], strict=False)) <= steps
    assert {after for before, after in steps if (before, after) not in zip(life, life[1:], strict=False)} <= {
        "canceled", "unavailable",
    }  # fmt: skip


class Clock:
    """On which nothing but waiting takes time: how long the work takes is the machine's affair."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_the_rate_is_held(source, monkeypatch):
    assert simulate(source, rate=500, seconds=1, seed=1).seconds > 0.95
    monkeypatch.setattr(simulator, "time", Clock())
    tally = simulate(source, rate=500, seconds=1, seed=1)
    assert 0.95 < tally.seconds <= tally.total / 500


def test_it_ends_between_transactions_when_it_is_asked_to(source):
    """Ctrl-C, as a user presses it."""
    command = [sys.executable, "-m", "seed_data.simulator", source, "--rate", "300", "--seconds", "600"]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, text=True)
    while not audit(source):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    [told] = re.findall(r"^([\d,]+) row changes in", output, re.MULTILINE)
    assert int(told.replace(",", "")) == len(audit(source))


def test_the_same_seed_again_makes_no_key_twice_and_who_gives_the_tally_sees_it_grow(source):
    simulate(source, 500, 1, seed=1)
    tally = Tally()
    simulate(source, 500, 1, seed=1, tally=tally)
    assert tally.total >= 500


@pytest.mark.parametrize("rate, seconds", [(0, 1), (1, 0), (-1, 1)])
def test_a_rate_or_a_time_that_changes_nothing_is_refused(source, rate, seconds):
    with pytest.raises(SeedError, match="changes nothing"):
        simulate(source, rate, seconds, seed=1)


def test_a_source_that_is_not_seeded_is_named(database):
    with pytest.raises(SeedError, match='"shop.orders" does not exist\n→ `make local-up`'):
        simulate(database, 1, 1, seed=1)
