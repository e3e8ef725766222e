"""The rows that no order changes: products, sellers, points of postal codes, names of categories."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from seed_data.dice import curve, weighted
from seed_data.market import Market
from seed_data.text import degrees, integers

PRICE = curve({0: 60, 0.01: 130, 0.1: 320, 0.25: 540, 0.5: 1000, 0.75: 1700, 0.9: 2750, 0.99: 6500, 1: 28_000})
WEIGHT = curve({0: 70, 0.05: 160, 0.25: 430, 0.5: 1000, 0.75: 2000, 0.95: 6000, 1: 25_000})
ENDINGS = np.array([90, 90, 90, 99, 99, 0, 50, 89])
NAME_LENGTH = curve({0: 5, 0.05: 29, 0.25: 42, 0.5: 51, 0.75: 57, 0.95: 60, 1: 76})
DESCRIPTION_LENGTH = curve({0: 4, 0.05: 150, 0.25: 340, 0.5: 595, 0.75: 970, 0.95: 2060, 0.99: 3280, 1: 3992})
PHOTOS = weighted([0, 508, 190, 117, 76, 45, 29, 10, 6, 3, 2])
LENGTH = curve({0: 7, 0.01: 16, 0.1: 16, 0.25: 18, 0.5: 25, 0.75: 38, 0.95: 63, 1: 105})
HEIGHT = curve({0: 2, 0.05: 3, 0.25: 8, 0.5: 13, 0.75: 21, 0.95: 44, 1: 105})
WIDTH = curve({0: 6, 0.01: 11, 0.1: 11, 0.25: 15, 0.5: 20, 0.75: 30, 0.95: 47, 1: 118})

POINTS_PER_PREFIX = 75
# Where the wrong points lie: Lisbon, Porto, Buenos Aires.
ABROAD = np.array([[387_200, -91_400], [411_500, -86_100], [-346_000, -583_800]]) * 10**10

Tables = Iterator[tuple[str, list[pa.Array]]]


def price_in_cents(market: Market, product: np.ndarray) -> np.ndarray:
    """The price at which a product is usually sold, ending as prices in shops do."""
    median = market.categories.median_price[market.dice.pick("category", product, market.categories.table)]
    reais = median * market.dice.pick("price", product, PRICE) // 1000
    return reais * 100 + market.dice.pick("price ending", product, ENDINGS)


def weight_in_grams(market: Market, product: np.ndarray) -> np.ndarray:
    median = market.categories.median_weight[market.dice.pick("category", product, market.categories.table)]
    return np.minimum(median * market.dice.pick("weight", product, WEIGHT) // 1000, 40_425)


def seller_of(market: Market, product: np.ndarray) -> np.ndarray:
    """The one seller of a product; a few sellers have most of them."""
    luck = market.dice.below("seller", product, 1 << 30)
    return ((luck * luck >> 30) * market.sellers) >> 30


def catalogue_tables(market: Market, chunk: int) -> Tables:
    yield "product_category_name_translation", translation_columns(market)
    for name, count, columns in (
        ("sellers", market.sellers, seller_columns),
        ("products", market.products, product_columns),
        ("geolocation", market.points, point_columns),
    ):
        for start in range(0, count, chunk):
            yield name, columns(market, np.arange(start, min(start + chunk, count)))


def translation_columns(market: Market) -> list[pa.Array]:
    names = market.categories.translations
    return [pa.array(list(names)), pa.array(list(names.values()))]


def seller_columns(market: Market, rows: np.ndarray) -> list[pa.Array]:
    places = market.places
    place = places.of(market.dice, "seller", rows, places.seller_cities)
    return [
        market.dice.identifier("seller", rows),
        places.zip_texts.take(pa.array(place)),
        places.city_texts.take(pa.array(places.city[place])),
        places.state_texts.take(pa.array(places.state[place])),
    ]


def product_columns(market: Market, rows: np.ndarray) -> list[pa.Array]:
    """Of Olist's 32,951 products 610 have no category, name or description, and two no measures."""
    dice = market.dice
    nameless, unmeasured = rows % 54 == 20, rows % 16_475 == 900
    return [
        dice.identifier("product", rows),
        market.categories.texts.take(pa.array(dice.pick("category", rows, market.categories.table), mask=nameless)),
        integers(dice.pick("name length", rows, NAME_LENGTH), nameless),
        integers(dice.pick("description length", rows, DESCRIPTION_LENGTH), nameless),
        integers(dice.pick("photos", rows, PHOTOS), nameless),
        integers(weight_in_grams(market, rows), unmeasured),
        integers(dice.pick("length", rows, LENGTH), unmeasured),
        integers(dice.pick("height", rows, HEIGHT), unmeasured),
        integers(dice.pick("width", rows, WIDTH), unmeasured),
    ]


def point_columns(market: Market, rows: np.ndarray) -> list[pa.Array]:
    """Points by prefix. A prefix has few, so rows repeat; a row in 25,000 lies abroad."""
    dice, places = market.dice, market.places
    place = places.with_points[rows * len(places.with_points) // market.points]
    point = place * 128 + dice.below("point", rows, POINTS_PER_PREFIX)
    city = places.city[place]
    # In 10⁻¹⁴ degrees. A larger city spreads wider; the points of a prefix lie close together.
    spread = np.minimum(4 + places.prefixes_of_city[city] // 12, 18) * 10**12 + 12_345_679
    latitude, longitude = (
        centre[city]
        + scatter(dice, f"prefix {axis}", place, spread)
        + scatter(dice, f"point {axis}", point, 987_654_321_123)
        for axis, centre in (("latitude", places.latitude), ("longitude", places.longitude))
    )
    abroad = rows % 25_000 == 1_200
    elsewhere = ABROAD[rows // 25_000 % len(ABROAD)]
    accented = dice.chance("accents", point, 0.16)
    spellings = pa.chunked_array([places.city_texts, pa.array(places.city_spellings)]).combine_chunks()
    return [
        places.zip_texts.take(pa.array(place)),
        degrees(np.where(abroad, elsewhere[:, 0] + latitude % 10**12, latitude)),
        degrees(np.where(abroad, elsewhere[:, 1] + longitude % 10**12, longitude)),
        spellings.take(pa.array(city + accented * len(places.city_texts))),
        places.state_texts.take(pa.array(places.state[place])),
    ]


def scatter(dice, name: str, rows: np.ndarray, radius: int | np.ndarray) -> np.ndarray:
    """An offset within ``radius`` to either side, more often small than large."""
    bits = dice.draw(name, rows)
    low, high = (bits & np.uint64(0xFFFF)).astype(np.int64), (bits >> np.uint64(48)).astype(np.int64)
    return ((low + high - 0xFFFF) * radius) >> 16
