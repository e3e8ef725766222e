"""Lets a shop work on the source, as a shop does: transactions at a rate of so many row changes a second.

``make simulate RATE=200 SECONDS=60 SEED=1``. It makes RATE × SECONDS changes, however long they take here: the same
seed on the same source makes the same ones. Some transactions are rolled back, and count for nothing. Beside it nobody
else may write, if it is to be the same again. It does not wait for the disk at each commit, as a shop's many sessions
would not wait for one another. Run as ``python -m seed_data.simulator DSN --rate 200 --seconds 60``.
"""

import argparse
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import psycopg

from seed_data import ddl
from seed_data.csv_folder import SeedError
from seed_data.loader import connect
from seed_data.shop import MEMORY, Change, Order, Person, Product, Shop, Transaction

ROLLED_BACK = 0.03
REPORT_SECONDS = 5.0
CATEGORY = "product_category_name"
KINDS = ("insert", "update", "delete")
OPEN = ("created", "approved", "processing", "invoiced", "shipped")


@dataclass
class Tally:
    """Committed row changes by table and kind, and what became of the transactions."""

    changes: Counter = field(default_factory=Counter)
    committed: int = 0
    rolled_back: int = 0
    seconds: float = 0.0

    @property
    def total(self) -> int:
        return self.changes.total()


def simulate(
    dsn: str,
    rate: float,
    seconds: float,
    seed: int,
    progress: Callable[[Tally], None] = lambda tally: None,
    is_over: Callable[[], bool] = lambda: False,
    tally: Tally | None = None,
) -> Tally:
    """Make ``rate`` × ``seconds`` row changes; ``is_over`` ends it before, between two transactions.

    Who gives the ``tally`` has what was made when the source is lost. Raises SeedError when the source is not there or
    not seeded.
    """
    if rate <= 0 or seconds <= 0:
        raise SeedError(f"a rate of {rate:g} for {seconds:g} seconds changes nothing: give both above 0")
    tally, started, reported = tally or Tally(), time.monotonic(), time.monotonic()
    with connect(dsn) as connection:
        connection.execute("SET synchronous_commit = off")
        connection.commit()
        shop = opened(connection, seed)
        connection.commit()
        while tally.total < rate * seconds and not is_over():
            carry_out(connection, shop, shop.next(), tally)
            tally.seconds = time.monotonic() - started
            if time.monotonic() - reported >= REPORT_SECONDS:
                progress(tally)
                reported = time.monotonic()
            time.sleep(max(0.0, tally.total / rate - tally.seconds))
    return tally


def carry_out(connection: psycopg.Connection, shop: Shop, transaction: Transaction, tally: Tally) -> None:
    """In one round trip. Raises SeedError."""
    is_kept = shop.dice.random() >= ROLLED_BACK
    try:
        with connection.pipeline():
            done = [(change, connection.execute(*statement(change))) for change in transaction.changes]
            connection.execute("COMMIT" if is_kept else "ROLLBACK")
    except psycopg.Error as error:
        raise SeedError(f"the source refused to {transaction.what}: {error}") from error
    if not is_kept:
        tally.rolled_back += 1
        return
    tally.committed += 1
    for change, cursor in done:
        tally.changes[change.table, change.kind] += cursor.rowcount
    transaction.then()


def statement(change: Change) -> tuple[str, list]:
    text = sql(change.kind, change.table, tuple(change.values), tuple(change.where))
    return text, [*change.values.values(), *change.where.values()]


@cache
def sql(kind: str, table: str, columns: tuple[str, ...], keys: tuple[str, ...]) -> str:
    name, where = f"{ddl.SCHEMA}.{table}", " AND ".join(f"{key} = %s" for key in keys)
    if kind == "insert":
        return f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})"
    if kind == "update":
        return f"UPDATE {name} SET {', '.join(f'{column} = %s' for column in columns)} WHERE {where}"
    return f"DELETE FROM {name} WHERE {where}"


# --- what the shop knows when it opens --------------------------------------------------------------------------------


def opened(connection: psycopg.Connection, seed: int) -> Shop:
    """A shop that knows a sample of the source, the same for the same seed. Raises SeedError."""

    def sample(table: str, columns: str, key: str, where: str = "true") -> list[tuple]:
        query = (
            f"SELECT {columns} FROM {ddl.SCHEMA}.{table} WHERE {where} ORDER BY md5({key} || %s), {key} LIMIT {MEMORY}"
        )
        return connection.execute(query, [str(seed)]).fetchall()

    def orders(where: str) -> list[Order]:
        columns = "order_id, customer_id, order_status, order_purchase_timestamp"
        return [Order(*row) for row in sample("orders", columns, "order_id", where)]

    try:
        [now] = connection.execute(f"SELECT max(order_purchase_timestamp) FROM {ddl.SCHEMA}.orders").fetchone()
        if now is None:
            raise SeedError("the source holds no orders\n→ seed it with data")
        items = sample("order_items", "product_id, seller_id, price, freight_value", "order_id || order_item_id")
        customers = sample(
            "customers",
            "customer_unique_id, customer_id, customer_zip_code_prefix, customer_city, customer_state",
            "customer_id",
        )
        return Shop(
            dice=random.Random(f"{seed} {now}"),  # the same seed again, on what it made, makes no key twice
            now=now,
            places=[row[2:] for row in customers],
            persons=[Person(person, [record]) for person, record, *_ in customers],
            products=[Product(*row) for row in items],
            categories=[
                name for (name,) in sample("product_category_name_translation", *["product_category_name"] * 2)
            ],
            sellers=[seller for (seller,) in sample("sellers", "seller_id", "seller_id")],
            open=orders(f"order_status IN {OPEN}"),
            ended=orders("order_status IN ('canceled', 'unavailable')"),
            reviews=sample("order_reviews", "review_id, order_id", "review_id || order_id"),
        )
    except psycopg.errors.UndefinedTable as error:
        raise SeedError(
            f"the source is not seeded: {error.diag.message_primary}\n→ `make local-up` seeds it"
        ) from error


# --- the command ------------------------------------------------------------------------------------------------------


def summary(tally: Tally) -> list[str]:
    """A line per table, and what became of the transactions."""
    tables = sorted({table for table, _ in tally.changes})
    lines = [f"{'':36}{'inserts':>10}{'updates':>10}{'deletes':>10}"]
    for table in tables:
        lines.append(f"{table:36}" + "".join(f"{tally.changes[table, kind]:>10,}" for kind in KINDS))
    lines.append(f"{'all tables':36}" + "".join(f"{sum(tally.changes[t, k] for t in tables):>10,}" for k in KINDS))
    pace = tally.total / tally.seconds if tally.seconds else 0
    lines.append(
        f"{tally.total:,} row changes in {tally.seconds:.1f} s ({pace:,.0f} a second), in {tally.committed:,} "
        f"transactions; {tally.rolled_back:,} more were rolled back"
    )
    return lines


def until_interrupted() -> Callable[[], bool]:
    """Says whether Ctrl-C was pressed, which from now on breaks nothing off."""
    pressed = []
    signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
    return lambda: bool(pressed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dsn", help="connection string of the source's database")
    parser.add_argument("--rate", type=float, default=200, help="row changes a second (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=60, help="how long, at that rate (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed does the same (default: %(default)s)")
    given = parser.parse_args()
    try:
        tally = simulate(given.dsn, given.rate, given.seconds, given.seed, print_progress, until_interrupted())
    except SeedError as error:
        sys.exit(f"simulator: {error}")
    print("\n".join(summary(tally)))


def print_progress(tally: Tally) -> None:
    print(f"{tally.seconds:6.0f} s {tally.total:>10,} row changes", flush=True)


if __name__ == "__main__":
    main()
