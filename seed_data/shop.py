"""A shop at work: what it does next, as changes of rows. Nothing here talks to a database.

A `Shop` knows a sample of what is sold and of the orders that are open, decides by its dice what happens next, and
keeps its own time, which goes on from the last order. What it decides is a `Transaction`; once that is committed,
``then`` brings the shop's own knowledge up to date.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from seed_data.market import COMMENTS_PER_MOOD, comment_texts

# How often each thing happens, of the functions below.
HABITS = {
    "place_order": 25, "go_on_with_orders": 35, "cancel_order": 2, "review_order": 10, "change_review": 3,
    "mistype_score": 0.3, "change_prices": 5, "change_products": 4, "list_product": 3, "welcome_seller": 1,
    "move_seller": 1, "move_customer": 5, "survey_point": 1, "forget_order": 2, "withdraw_review": 2,
}  # fmt: skip
# Of an order's life: the state after each, and the column that says when it came.
NEXT = {
    "created": ("approved", "order_approved_at"),
    "approved": ("processing", None),
    "processing": ("invoiced", None),
    "invoiced": ("shipped", "order_delivered_carrier_date"),
    "shipped": ("delivered", "order_delivered_customer_date"),
}
MOODS = {1: 2, 2: 2, 3: 1, 4: 0, 5: 0}
# The most that the shop remembers of a kind.
MEMORY = 5000


@dataclass(frozen=True)
class Change:
    """One statement: ``values`` are inserted or set, ``where`` says of which rows."""

    kind: str
    table: str
    values: dict = field(default_factory=dict)
    where: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Transaction:
    what: str
    changes: list[Change]
    then: Callable[[], None] = lambda: None


@dataclass(eq=False)
class Order:
    id: str
    customer: str
    status: str
    purchased: datetime
    items: list[tuple[int, Decimal]] = field(default_factory=list)


@dataclass(eq=False)
class Person:
    """Somebody with a customer's record for every order."""

    id: str
    records: list[str]


@dataclass(frozen=True)
class Product:
    id: str
    seller: str
    price: Decimal
    freight: Decimal


@dataclass
class Shop:
    """``places`` are postal code, city and state; ``ended`` are orders that came to nothing."""

    dice: random.Random
    now: datetime
    places: list[tuple[str, str, str]]
    persons: list[Person]
    products: list[Product]
    categories: list[str]
    sellers: list[str]
    open: list[Order]
    ended: list[Order]
    reviews: list[tuple[str, str]]

    def __post_init__(self) -> None:
        self.delivered: list[Order] = []
        titles, messages = comment_texts()
        self.comments = [(plain(t), plain(m)) for t, m in zip(titles.to_pylist(), messages.to_pylist(), strict=True)]
        self.wrong: list[tuple[str, str]] = []

    def next(self) -> Transaction:
        """What happens next: the first thing drawn for which there is an occasion."""
        while True:
            self.now += timedelta(seconds=self.dice.randrange(1, 60))
            [habit] = self.dice.choices(list(HABITS), HABITS.values())
            if transaction := getattr(self, habit)():
                return transaction

    # --- orders ---

    def place_order(self) -> Transaction:
        """The customer's record, the order, its items and its payments, as one."""
        order = Order(self.id(), self.id(), "created", self.now)
        person = Person(self.id(), []) if self.dice.random() < 0.9 else self.dice.choice(self.persons)
        zip_prefix, city, state = self.dice.choice(self.places)
        chosen = [self.dice.choice(self.products) for _ in range(self.dice.choices([1, 2, 3, 6], [88, 8, 3, 1])[0])]
        order.items = [(number, product.price) for number, product in enumerate(chosen, 1)]
        items = [self.item(order, number, product) for number, product in enumerate(chosen, 1)]
        total = sum(item.values["price"] + item.values["freight_value"] for item in items)
        customer = {
            "customer_id": order.customer, "customer_unique_id": person.id, "customer_zip_code_prefix": zip_prefix,
            "customer_city": city, "customer_state": state,
        }  # fmt: skip
        placed = {
            "order_id": order.id, "customer_id": order.customer, "order_status": order.status,
            "order_purchase_timestamp": self.now, "order_estimated_delivery_date": self.later(days=20).date(),
        }  # fmt: skip
        return Transaction(
            "place order",
            [insert("customers", **customer), insert("orders", **placed), *items, *self.payments(order, total)],
            lambda: self.placed(order, person),
        )

    def placed(self, order: Order, person: Person) -> None:
        self.remember(self.open, order)
        if not person.records:
            self.remember(self.persons, person)
        person.records.append(order.customer)

    def item(self, order: Order, number: int, product: Product) -> Change:
        return insert(
            "order_items", order_id=order.id, order_item_id=number, product_id=product.id, seller_id=product.seller,
            shipping_limit_date=self.later(days=6), price=product.price, freight_value=product.freight,
        )  # fmt: skip

    def payments(self, order: Order, total: Decimal) -> list[Change]:
        """By one means, or by a voucher and a card."""
        kind = self.dice.choices(["credit_card", "boleto", "debit_card", "voucher"], [74, 20, 2, 4])[0]
        parts = [(kind, total)]
        if self.dice.random() < 0.03:
            voucher = (total / 3).quantize(Decimal("0.01"))
            parts = [("credit_card", total - voucher), ("voucher", voucher)]
        return [
            insert(
                "order_payments", order_id=order.id, payment_sequential=number, payment_type=kind, payment_value=value,
                payment_installments=self.dice.randrange(1, 11) if kind == "credit_card" else 1,
            )
            for number, (kind, value) in enumerate(parts, 1)
        ]  # fmt: skip

    def go_on_with_orders(self) -> Transaction | None:
        """A list of the bank's, the warehouse's or the carrier's: each of its orders enters its next state."""
        orders = self.dice.sample(self.open, min(self.dice.randrange(1, 8), len(self.open)))
        if not orders:
            return None
        steps = [(order, *NEXT[order.status]) for order in orders]
        changes = [
            update("orders", {"order_id": order.id}, order_status=status, **({moment: self.now} if moment else {}))
            for order, status, moment in steps
        ]
        return Transaction(
            "go on with orders", changes, lambda: [self.went_on(order, status) for order, status, _ in steps]
        )

    def went_on(self, order: Order, status: str) -> None:
        order.status = status
        if status == "delivered":
            self.open.remove(order)
            self.remember(self.delivered, order)

    def cancel_order(self) -> Transaction | None:
        order = self.any(self.open)
        if not order or order.status == "shipped":
            return None
        status = self.dice.choice(["canceled", "canceled", "unavailable"])
        change = update("orders", {"order_id": order.id}, order_status=status)
        return Transaction("cancel order", [change], lambda: self.ends(order))

    def ends(self, order: Order) -> None:
        self.open.remove(order)
        self.remember(self.ended, order)

    def forget_order(self) -> Transaction | None:
        """All that belongs to an order that came to nothing, at its customer's wish."""
        order = self.any(self.ended)
        if not order:
            return None
        of_order = [delete(table, order_id=order.id) for table in ("order_reviews", "order_payments", "order_items")]
        changes = [*of_order, delete("orders", order_id=order.id), delete("customers", customer_id=order.customer)]
        return Transaction("forget order", changes, lambda: self.forgotten(order))

    def forgotten(self, order: Order) -> None:
        self.ended.remove(order)
        self.reviews = [review for review in self.reviews if review[1] != order.id]
        self.wrong = [review for review in self.wrong if review[1] != order.id]
        for person in self.persons:
            if order.customer in person.records:
                person.records.remove(order.customer)

    # --- reviews ---

    def review_order(self) -> Transaction | None:
        order = self.any(self.delivered)
        if not order:
            return None
        review, score = self.id(), self.score()
        written = insert(
            "order_reviews", review_id=review, order_id=order.id, review_score=score, **self.comment(score),
            review_creation_date=self.now.date(), review_answer_timestamp=self.later(days=1),
        )  # fmt: skip
        return Transaction("review order", [written], lambda: self.reviewed(order, review))

    def reviewed(self, order: Order, review: str) -> None:
        self.delivered.remove(order)
        self.remember(self.reviews, (review, order.id))

    def change_review(self) -> Transaction | None:
        """Somebody thinks better of it, or a score that was mistyped is put right."""
        review = self.any(self.wrong) or self.any(self.reviews)
        if not review:
            return None
        score = self.score()
        change = update("order_reviews", key_of(review), review_score=score, **self.comment(score))
        return Transaction("change review", [change], lambda: review in self.wrong and self.wrong.remove(review))

    def mistype_score(self) -> Transaction | None:
        """A score that there is not: the lake keeps such a row apart until it is put right."""
        review = self.any(self.reviews)
        if not review:
            return None
        change = update("order_reviews", key_of(review), review_score=50)
        return Transaction("mistype score", [change], lambda: review in self.wrong or self.wrong.append(review))

    def withdraw_review(self) -> Transaction | None:
        review = self.any(self.reviews)
        if not review or review in self.wrong:
            return None
        return Transaction(
            "withdraw review", [delete("order_reviews", **key_of(review))], lambda: self.reviews.remove(review)
        )

    def score(self) -> int:
        return self.dice.choices([1, 2, 3, 4, 5], [11, 3, 8, 19, 59])[0]

    def comment(self, score: int) -> dict[str, str | None]:
        place = MOODS[score] * COMMENTS_PER_MOOD + self.dice.randrange(COMMENTS_PER_MOOD)
        title, message = self.comments[place]
        told = self.dice.random()
        return {
            "review_comment_title": title if told < 0.12 else None,
            "review_comment_message": message if told < 0.42 else None,
        }

    # --- what is sold, by whom, to whom ---

    def change_prices(self) -> Transaction | None:
        """A rebate on an open order: each item's price."""
        order = self.any(self.open)
        if not order or not order.items:
            return None
        factor = Decimal(self.dice.randrange(80, 100)) / 100
        items = [(number, max((price * factor).quantize(Decimal("0.01")), Decimal(1))) for number, price in order.items]
        changes = [
            update("order_items", {"order_id": order.id, "order_item_id": number}, price=price)
            for number, price in items
        ]
        return Transaction("change prices", changes, lambda: setattr(order, "items", items))

    def change_products(self) -> Transaction:
        """A better description of one product, or now and then new photos of many."""
        many = self.dice.sample(self.products, min(30, len(self.products))) if self.dice.random() < 0.05 else []
        changes = [
            update(
                "products", {"product_id": product.id}, product_photos_qty=self.dice.randrange(1, 9),
                product_description_lenght=self.dice.randrange(100, 3000),
            )
            for product in many or [self.dice.choice(self.products)]
        ]  # fmt: skip
        return Transaction("change products", changes)

    def list_product(self) -> Transaction:
        product, change = self.new_product(self.dice.choice(self.sellers))
        return Transaction("list product", [change], lambda: self.remember(self.products, product))

    def new_product(self, seller: str) -> tuple[Product, Change]:
        cents = lambda most: Decimal(self.dice.randrange(500, most)) / 100  # noqa: E731
        product = Product(self.id(), seller, cents(30_000), cents(4_000))
        measures = ("product_length_cm", "product_height_cm", "product_width_cm")
        return product, insert(
            "products", product_id=product.id, product_category_name=self.dice.choice(self.categories),
            product_name_lenght=self.dice.randrange(20, 60), product_photos_qty=self.dice.randrange(1, 6),
            product_description_lenght=self.dice.randrange(100, 3000),
            product_weight_g=self.dice.randrange(100, 20_000),
            **{measure: self.dice.randrange(5, 100) for measure in measures},
        )  # fmt: skip

    def welcome_seller(self) -> Transaction:
        """With what the seller offers."""
        seller = self.id()
        new = [self.new_product(seller) for _ in range(self.dice.randrange(1, 5))]
        joined = insert("sellers", seller_id=seller, **self.place("seller"))
        return Transaction(
            "welcome seller",
            [joined, *(change for _, change in new)],
            lambda: [self.remember(self.sellers, seller), *(self.remember(self.products, p) for p, _ in new)],
        )

    def move_seller(self) -> Transaction:
        where = {"seller_id": self.dice.choice(self.sellers)}
        return Transaction("move seller", [update("sellers", where, **self.place("seller"))])

    def move_customer(self) -> Transaction | None:
        """One person, in all of the person's records."""
        place = self.place("customer")
        records = self.dice.choice(self.persons).records
        if not records:
            return None
        return Transaction("move customer", [update("customers", {"customer_id": id}, **place) for id in records])

    def survey_point(self) -> Transaction:
        zip_prefix, city, state = self.dice.choice(self.places)
        at = {"geolocation_lat": self.dice.uniform(-30, 0), "geolocation_lng": self.dice.uniform(-60, -40)}
        place = {"geolocation_zip_code_prefix": zip_prefix, "geolocation_city": city, "geolocation_state": state}
        return Transaction("survey point", [insert("geolocation", **place, **at)])

    def place(self, whose: str) -> dict[str, str]:
        zip_prefix, city, state = self.dice.choice(self.places)
        return {f"{whose}_zip_code_prefix": zip_prefix, f"{whose}_city": city, f"{whose}_state": state}

    # --- the dice and the memory ---

    def id(self) -> str:
        return f"{self.dice.getrandbits(128):032x}"

    def later(self, days: int) -> datetime:
        return self.now + timedelta(days=days, seconds=self.dice.randrange(86_400))

    def any(self, known: list):
        return self.dice.choice(known) if known else None

    def remember(self, known: list, new) -> None:
        if len(known) < MEMORY:
            known.append(new)
        else:
            known[self.dice.randrange(MEMORY)] = new


def insert(table: str, **values) -> Change:
    return Change("insert", table, values)


def update(table: str, where: dict, **values) -> Change:
    return Change("update", table, values, where)


def delete(table: str, **where) -> Change:
    return Change("delete", table, where=where)


def key_of(review: tuple[str, str]) -> dict[str, str]:
    return {"review_id": review[0], "order_id": review[1]}


def plain(field: str) -> str:
    """The text of a CSV field."""
    return field[1:-1].replace('""', '"') if field.startswith('"') else field
