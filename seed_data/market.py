"""The market that the generated data is drawn from: places, months, states of an order, categories, comments.

The figures in ``reference/`` are counts and averages that describe Olist's data set, and public facts about
Brazil; none of its rows is there. The comments are our own.
"""

import calendar
import csv
import datetime
import unicodedata
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from seed_data.dice import Dice, weighted

REFERENCE = Path(__file__).parent / "reference"
FULL_ORDERS, FULL_POINTS, FULL_PRODUCTS, FULL_SELLERS, FULL_ZIPS = 99_441, 1_000_163, 32_951, 3_095, 19_177
WEEKDAY_WEIGHTS = [120, 118, 116, 111, 108, 83, 92]
BLACK_FRIDAY, BLACK_FRIDAY_WEIGHT = datetime.date(2017, 11, 24), 6


def reference(name: str) -> list[dict[str, str]]:
    with (REFERENCE / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@dataclass(frozen=True)
class Market:
    """Everything that does not depend on a row, at a scale where 1 is Olist's size."""

    dice: Dice
    scale: float
    orders: int = field(init=False)
    products: int = field(init=False)
    sellers: int = field(init=False)
    points: int = field(init=False)

    def __post_init__(self) -> None:
        for name, full in (
            ("orders", FULL_ORDERS), ("products", FULL_PRODUCTS), ("sellers", FULL_SELLERS), ("points", FULL_POINTS),
        ):  # fmt: skip
            object.__setattr__(self, name, max(1, round(full * self.scale)))

    @cached_property
    def places(self) -> "Places":
        return Places(FULL_ZIPS * min(1, self.scale) ** 0.5)

    @cached_property
    def days(self) -> "Days":
        return Days()

    @cached_property
    def statuses(self) -> "Statuses":
        return Statuses()

    @cached_property
    def categories(self) -> "Categories":
        return Categories()


class Places:
    """Postal code prefixes. ``city`` is a prefix's city; customers and sellers have their own table of cities."""

    def __init__(self, prefixes: float) -> None:
        states, cities = reference("states"), reference("cities")
        self.state_names = [s["state"] for s in states]
        state_of_city = np.array([self.state_names.index(c["state"]) for c in cities])
        people = np.array([int(c["people_thousands"]) for c in cities])
        share = people / np.bincount(state_of_city, weights=people)[state_of_city]
        customers = share * np.array([int(s["customers"]) for s in states])[state_of_city]
        sellers = share * np.array([int(s["sellers"]) for s in states])[state_of_city]
        self.customer_cities, self.seller_cities = weighted(customers.tolist()), weighted(sellers.tolist())

        first, last = (np.array([int(c[k]) for c in cities]) for k in ("first_zip", "last_zip"))
        wanted = np.maximum(1, (customers / customers.sum() * prefixes).astype(np.int64))
        self.prefixes_of_city = np.minimum(last - first + 1, wanted)
        self.first_prefix = np.concatenate([[0], np.cumsum(self.prefixes_of_city)[:-1]])
        self.city = np.repeat(np.arange(len(cities)), self.prefixes_of_city)
        position = np.arange(len(self.city)) - self.first_prefix[self.city]
        self.zips = first[self.city] + position * (last - first + 1)[self.city] // self.prefixes_of_city[self.city]
        self.state = state_of_city[self.city]

        # The loader and the silver layer must keep leading zeros, both spellings and prefixes without any point.
        self.zip_texts = pa.array([f"{z:05}" for z in self.zips.tolist()])
        self.city_spellings = [c["city"].lower() for c in cities]
        self.city_texts = pa.array([without_accents(c) for c in self.city_spellings])
        self.state_texts = pa.array(self.state_names)
        self.with_points = np.flatnonzero(np.arange(len(self.city)) % 350 != 175)
        self.latitude, self.longitude = (
            np.array([round(float(c[axis]) * 10_000) for c in cities]) * 10**10 for axis in ("latitude", "longitude")
        )
        self.transit_hours, self.promised_hours = (
            np.array([round(float(s[k]) * 24) for s in states]) for k in ("transit_days", "promised_days")
        )

    def of(self, dice: Dice, name: str, rows: np.ndarray, cities: np.ndarray) -> np.ndarray:
        """A prefix per row, in a city drawn from ``cities``."""
        city = dice.pick(f"{name} city", rows, cities)
        return self.first_prefix[city] + dice.below(f"{name} prefix", rows, self.prefixes_of_city[city])


class Days:
    """Days on which orders are placed, with the months' seasons, quiet weekends and Black Friday."""

    def __init__(self) -> None:
        starts, weights, percents = [], [], []
        for month in reference("months"):
            year, number = map(int, month["month"].split("-"))
            days = [datetime.date(year, number, d + 1) for d in range(calendar.monthrange(year, number)[1])]
            heights = [WEEKDAY_WEIGHTS[d.weekday()] * (BLACK_FRIDAY_WEIGHT if d == BLACK_FRIDAY else 1) for d in days]
            weights += [int(month["orders"]) * height / sum(heights) for height in heights]
            starts += [calendar.timegm(d.timetuple()) for d in days]
            percents += [int(month["delivery_percent"])] * len(days)
        self.table = weighted(weights, 1 << 18)
        self.starts, self.delivery_percent = np.array(starts), np.array(percents)


class Statuses:
    """What became of an order: its status and how far it got."""

    def __init__(self) -> None:
        rows = reference("statuses")
        self.table = weighted([int(r["orders"]) for r in rows], 1 << 18)
        self.texts = pa.array([r["status"] for r in rows])
        self.has_items, self.approved, self.shipped, self.delivered = (
            np.array([r[k] == "1" for r in rows]) for k in ("has_items", "approved", "shipped", "delivered")
        )
        # An order that was cancelled before anything was approved: the kind whose payment is not defined.
        self.abandoned = next(
            i for i, r in enumerate(rows) if r["status"] == "canceled" and r["approved"] == r["has_items"] == "0"
        )


class Categories:
    def __init__(self) -> None:
        rows = reference("categories")
        self.table = weighted([int(r["products"]) for r in rows])
        self.names = [r["category"] for r in rows]
        self.texts = pa.array(self.names)
        self.translations = {r["category"]: r["english"] for r in rows if r["english"]}
        self.median_price = np.array([int(r["median_price"]) for r in rows])
        self.median_weight = np.array([int(r["median_weight"]) for r in rows])


MOODS = ("good", "mixed", "bad")
COMMENTS_PER_MOOD = 4096


def comment_texts() -> tuple[pa.Array, pa.Array]:
    """Titles and messages as CSV fields: ``COMMENTS_PER_MOOD`` of each mood, one mood after the other."""
    rows = reference("comments")
    titles, messages = [], []
    for mood in MOODS:
        parts = {
            part: [r["text"] for r in rows if (r["mood"], r["part"]) == (mood, part)]
            for part in ("title", "opening", "detail", "closing")
        }
        titles += [quoted(parts["title"][i % len(parts["title"])]) for i in range(COMMENTS_PER_MOOD)]
        messages += [quoted(message(parts, i)) for i in range(COMMENTS_PER_MOOD)]
    return pa.array(titles), pa.array(messages)


def message(parts: dict[str, list[str]], number: int) -> str:
    """A comment of one to three parts; every eighth has line breaks in it, as Olist's have."""
    number, form = divmod(number, 8)
    opening = parts["opening"][number % len(parts["opening"])]
    detail = parts["detail"][number // 3 % len(parts["detail"])]
    closing = parts["closing"][number // 7 % len(parts["closing"])]
    if form == 0:
        return f"{opening}.\r\n\r\n{closing}"
    if form < 3:
        return opening
    return f"{opening}, {detail}." if form < 6 else f"{opening}, {detail}. {closing}"


def quoted(text: str) -> str:
    """The text as a CSV field."""
    escaped = text.replace('"', '""')
    return f'"{escaped}"' if any(c in text for c in ',"\r\n') else text


def without_accents(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
