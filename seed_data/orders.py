"""The rows of everything that hangs on an order: customers, orders, items, payments, reviews."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from seed_data.catalogue import price_in_cents, seller_of, weight_in_grams
from seed_data.dice import curve, weighted
from seed_data.market import COMMENTS_PER_MOOD, Market, comment_texts
from seed_data.text import days, integers, money, times

Tables = Iterator[tuple[str, list[pa.Array]]]
HOUR, DAY = 3600, 86_400

HOURS = weighted([24, 12, 5, 3, 2, 2, 5, 12, 29, 48, 62, 66, 60, 65, 66, 65, 67, 62, 58, 60, 62, 62, 58, 41])
APPROVAL = curve({0: 0, 0.05: 526, 0.25: 774, 0.5: 1234, 0.75: 53_069, 0.9: 125_966, 0.99: 324_586, 1: 900_000})
HANDLING = curve({0: 0, 0.05: 22_315, 0.25: 74_822, 0.5: 153_329, 0.75: 310_266, 0.95: 640_000, 1: 1_900_000})
# Per mille of the state's average.
TRANSIT = curve({0: 60, 0.05: 200, 0.25: 560, 0.5: 860, 0.75: 1220, 0.9: 1640, 0.95: 2100, 0.99: 3700, 1: 12_000})
PROMISE = curve({0: 450, 0.05: 750, 0.25: 890, 0.5: 985, 0.75: 1120, 0.95: 1400, 0.99: 1900, 1: 4000})
SHIPPING_LIMIT = curve({0: 2 * DAY, 0.05: 245_000, 0.25: 431_000, 0.75: 604_800, 0.95: 1_123_000, 1: 2_600_000})
FREIGHT = curve({0: 100, 0.05: 780, 0.25: 1260, 0.5: 1540, 0.75: 1980, 0.9: 2900, 0.99: 7000, 1: 28_000})

ITEM_COUNTS = weighted([0, 88_863, 7_516, 1_322, 505, 204, 198, 22, 8, 3, 8, 4, 5], 1 << 18)
PAYMENT_COUNTS = weighted([0, 96_479, 2_382, 301, 108, 52, 36, 28, 11, 9, 5, 8, 8, 3], 1 << 18)
PAYMENT_TYPES = ("boleto", "credit_card", "debit_card", "voucher", "not_defined")
BOLETO, CREDIT_CARD, DEBIT_CARD, VOUCHER, NOT_DEFINED = range(5)
SINGLE_PAYMENT = weighted([19_784, 73_900, 1_520, 1_620])
CREDIT_SHARE = curve({0: 50, 1: 950})
# Instalments of a card payment below 100 BRL, below 300 BRL and above.
INSTALMENTS = [
    weighted([0, 50, 19, 14, 8, 5, 2, 1, 1]),
    weighted([0, 27, 17, 16, 11, 9, 7, 3, 5, 1, 4]),
    weighted([0, 20, 11, 12, 8, 8, 7, 3, 9, 2, 19, 0.1, 0.5, 0.1, 0.1, 0.3, 0, 0.1, 0.1, 0, 0.1, 0, 0, 0, 0.1]),
]
# How an order went decides its score: on time, up to four days late, later, never delivered.
SCORES = [
    weighted([0, 68, 25, 80, 200, 627]),
    weighted([0, 270, 85, 150, 165, 330]),
    weighted([0, 660, 85, 90, 65, 100]),
    weighted([0, 700, 75, 80, 55, 90]),
]
MESSAGE_PER_MILLE = np.array([0, 760, 690, 440, 310, 360])
TITLE_PER_MILLE = np.array([0, 160, 150, 105, 95, 108])
MOOD_OF_SCORE = np.array([0, 2, 2, 1, 0, 0])
ANSWER = curve({0: 3000, 0.05: 35_900, 0.25: 76_300, 0.5: 138_000, 0.75: 261_000, 0.95: 653_000, 1: 2_700_000})


@dataclass(frozen=True)
class Orders:
    """A chunk of orders as plain numbers; times are seconds since 1970, valid where the mask beside them says so."""

    rows: np.ndarray
    place: np.ndarray
    state: np.ndarray
    status: np.ndarray
    purchased: np.ndarray
    approved: np.ndarray
    shipped: np.ndarray
    delivered: np.ndarray
    promised: np.ndarray


def order_tables(market: Market, chunk: int) -> Tables:
    """The five tables of the orders, a chunk of ``chunk`` orders at a time."""
    titles, messages = comment_texts()
    for start in range(0, market.orders, chunk):
        rows = np.arange(start, min(start + chunk, market.orders))
        person = persons(market, rows)
        orders = make_orders(market, rows, person)
        yield "customers", customer_columns(market, orders, person)
        yield "orders", order_columns(market, orders)
        owner, columns, amounts = items(market, orders)
        yield "order_items", columns
        yield "order_payments", payments(market, orders, order_totals(market, orders, owner, amounts))
        yield "order_reviews", reviews(market, orders, titles, messages)


def persons(market: Market, rows: np.ndarray) -> np.ndarray:
    """Who placed an order: somebody new, or (3.4 %) one of the few who come back."""
    returning = market.dice.chance("returning", rows, 0.034) & (rows >= 4)
    earlier = market.dice.below("earlier person", rows, np.maximum(rows // 4, 1)) * 4
    return np.where(returning, earlier, rows)


def make_orders(market: Market, rows: np.ndarray, person: np.ndarray) -> Orders:
    dice, statuses, places = market.dice, market.statuses, market.places
    place = places.of(dice, "customer", person, places.customer_cities)
    state = places.state[place]
    # Three in Olist's size are abandoned with a payment that is not defined; none may be lost at a small scale.
    status = np.where(is_undefined(rows), statuses.abandoned, dice.pick("status", rows, statuses.table))
    day = dice.pick("day", rows, market.days.table)
    purchased = market.days.starts[day] + dice.pick("hour", rows, HOURS) * HOUR + dice.below("second", rows, HOUR)
    approved = purchased + dice.pick("approval", rows, APPROVAL)
    shipped = approved + dice.pick("handling", rows, HANDLING)
    transit = places.transit_hours[state] * market.days.delivery_percent[day] * dice.pick("transit", rows, TRANSIT)
    promise = places.promised_hours[state] * dice.pick("promise", rows, PROMISE) * HOUR // 1000
    return Orders(
        rows, place, state, status, purchased, approved, shipped,
        delivered=shipped + transit * HOUR // 100_000,
        promised=(purchased + promise) // DAY * DAY,
    )  # fmt: skip


def is_undefined(rows: np.ndarray) -> np.ndarray:
    return rows % 33_147 == 500


def customer_columns(market: Market, orders: Orders, person: np.ndarray) -> list[pa.Array]:
    places = market.places
    return [
        market.dice.identifier("customer", orders.rows),
        market.dice.identifier("person", person),
        places.zip_texts.take(pa.array(orders.place)),
        places.city_texts.take(pa.array(places.city[orders.place])),
        places.state_texts.take(pa.array(orders.state)),
    ]


def order_columns(market: Market, orders: Orders) -> list[pa.Array]:
    statuses, status = market.statuses, orders.status
    return [
        market.dice.identifier("order", orders.rows),
        market.dice.identifier("customer", orders.rows),
        statuses.texts.take(pa.array(status)),
        times(orders.purchased),
        times(orders.approved, ~statuses.approved[status]),
        times(orders.shipped, ~statuses.shipped[status]),
        times(orders.delivered, ~statuses.delivered[status]),
        times(orders.promised),
    ]


# --- items ------------------------------------------------------------------------------------------------------------


def items(market: Market, orders: Orders) -> tuple[np.ndarray, list[pa.Array], np.ndarray]:
    """The items' orders (positions in the chunk), columns and amounts in cents."""
    dice = market.dice
    counts = np.where(market.statuses.has_items[orders.status], dice.pick("items", orders.rows, ITEM_COUNTS), 0)
    owner, number = repeat(counts)
    order = orders.rows[owner]
    item = order * 32 + number
    # Two in three further items are the same product again.
    same = dice.chance("same product", item, 0.66) | (number == 1)
    product = popular(market, np.where(same, order * 32, item))
    price = price_in_cents(market, product)
    price = np.where(
        dice.chance("offer", item, 0.2), price * dice.below("offer percent", item, 15) // 100 + price, price
    )
    heavy = np.minimum(weight_in_grams(market, product), 20_000) // 10
    distance = 700 + market.places.transit_hours[orders.state[owner]]
    freight = dice.pick("freight", order, FREIGHT) * distance * (900 + heavy) // 1_000_000
    columns = [
        dice.identifier("order", order),
        integers(number),
        dice.identifier("product", product),
        dice.identifier("seller", seller_of(market, product)),
        times(orders.approved[owner] + dice.pick("shipping limit", order, SHIPPING_LIMIT)),
        money(price),
        money(freight),
    ]
    return owner, columns, price + freight


def repeat(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For ``[2, 0, 1]``: the owners ``[0, 0, 2]`` and the numbers from 1 within each, ``[1, 2, 1]``."""
    owner = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    return owner, np.arange(len(owner)) - first[owner] + 1


def popular(market: Market, rows: np.ndarray) -> np.ndarray:
    """A product per row; the best-seller has about half a per cent of all."""
    luck = market.dice.below("product", rows, 1 << 30)
    return ((luck * luck >> 30) * market.products) >> 30


def order_totals(market: Market, orders: Orders, owner: np.ndarray, amounts: np.ndarray) -> np.ndarray:
    """What each order cost in cents; one whose items are unknown cost something too."""
    totals = np.bincount(owner, weights=amounts, minlength=len(orders.rows)).astype(np.int64)
    unknown = price_in_cents(market, popular(market, orders.rows)) + market.dice.pick("freight", orders.rows, FREIGHT)
    return np.where(totals > 0, totals, unknown)


# --- payments ---------------------------------------------------------------------------------------------------------


def payments(market: Market, orders: Orders, totals: np.ndarray) -> list[pa.Array]:
    """One payment for most orders; else a card and vouchers for the rest, or vouchers only."""
    dice = market.dice
    undefined = is_undefined(orders.rows)
    counts = np.where(undefined, 1, dice.pick("payments", orders.rows, PAYMENT_COUNTS))
    owner, number = repeat(counts)
    order, count = orders.rows[owner], counts[owner]
    single = dice.pick("payment type", order, SINGLE_PAYMENT)
    with_card = (number == 1) & dice.chance("card first", order, 0.88)
    kind = np.where(count == 1, single, np.where(with_card, CREDIT_CARD, VOUCHER))
    kind = np.where(undefined[owner], NOT_DEFINED, kind)
    value = np.where(kind == NOT_DEFINED, 0, payment_values(totals, counts, owner, number, dice, order))
    instalments = card_instalments(dice, order, value)
    instalments = np.where(kind == CREDIT_CARD, instalments, 1)
    # Olist has two card payments of no instalment.
    instalments = np.where((order % 49_720 == 700) & (kind == CREDIT_CARD), 0, instalments)
    return [
        dice.identifier("order", order),
        integers(number),
        pa.array(PAYMENT_TYPES).take(pa.array(kind)),
        integers(instalments),
        money(value),
    ]


def payment_values(totals, counts, owner, number, dice, order) -> np.ndarray:
    """The first payment takes a share, the others the rest in equal parts, the last one the odd cents too."""
    total, count = totals[owner], counts[owner]
    first = np.where(count == 1, total, total * dice.pick("card share", order, CREDIT_SHARE) // 1000)
    others = np.maximum(count - 1, 1)
    part = (total - first) // others
    last = (total - first) - part * (others - 1)
    return np.where(number == 1, first, np.where(number == count, last, part))


def card_instalments(dice, order: np.ndarray, value: np.ndarray) -> np.ndarray:
    level = np.searchsorted([10_000, 30_000], value, side="right")
    return np.choose(level, [dice.pick("instalments", order, table) for table in INSTALMENTS])


# --- reviews ----------------------------------------------------------------------------------------------------------


def reviews(market: Market, orders: Orders, titles: pa.Array, messages: pa.Array) -> list[pa.Array]:
    """A review for nearly every order, two for some; some stand for the order before as well and share its id."""
    dice = market.dice
    counts = 1 - dice.chance("no review", orders.rows, 0.0077).astype(np.int64)
    counts += dice.chance("second review", orders.rows, 0.0055)
    owner, number = repeat(counts)
    shared = dice.chance("shared review", orders.rows[owner], 0.0082) & (owner > 0) & (number == 1)
    told = owner - shared
    review = orders.rows[told] * 2 + number - 1
    score = review_scores(market, orders, told, review)
    created = survey_day(market, orders)[told] + (number - 1) * DAY
    comment = MOOD_OF_SCORE[score] * COMMENTS_PER_MOOD + dice.below("comment", review, COMMENTS_PER_MOOD)
    silent = dice.below("has message", review, 1000) >= MESSAGE_PER_MILLE[score]
    untitled = dice.below("has title", review, 1000) >= TITLE_PER_MILLE[score]
    return [
        dice.identifier("review", review),
        dice.identifier("order", orders.rows[owner]),
        integers(score),
        titles.take(pa.array(comment, mask=untitled)),
        messages.take(pa.array(comment, mask=silent)),
        days(created),
        times(created + dice.pick("answer", review, ANSWER)),
    ]


def review_scores(market: Market, orders: Orders, told: np.ndarray, review: np.ndarray) -> np.ndarray:
    late = (orders.delivered // DAY * DAY - orders.promised) // DAY
    outcome = np.searchsorted([1, 5], late, side="right")
    outcome = np.where(market.statuses.delivered[orders.status], outcome, 3)[told]
    return np.choose(outcome, [market.dice.pick("score", review, table) for table in SCORES])


def survey_day(market: Market, orders: Orders) -> np.ndarray:
    """The survey goes out the day after delivery, or when the promised day has passed without one."""
    overdue = orders.promised + 2 * DAY
    arrived = market.statuses.delivered[orders.status]
    return (np.where(arrived, np.minimum(orders.delivered, overdue), overdue)) // DAY * DAY + DAY
