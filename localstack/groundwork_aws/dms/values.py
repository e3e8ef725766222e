"""Brings the texts that PostgreSQL puts out into the types that are written, as a full load's SQL expressions do.

The texts are those of a session with the settings of ``postgres.SESSION``. What the type cannot hold becomes NULL.
"""

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal, InvalidOperation

import pyarrow as pa
import pyarrow.compute as pc

from groundwork_aws.dms.postgres import UNBOUNDED_NUMERIC, Column

MICROSECONDS_A_DAY = 86_400_000_000
# What DMS puts for infinity: 9999-12-31 (23:59:59), and 4713-01-01 BC.
INFINITY = {"infinity": (2_932_896, 86_399_000_000), "-infinity": (-2_440_550, 0)}
MOMENT = re.compile(r"(\d+)-(\d+)-(\d+)(?: (\d+):(\d+):(\d+)(?:\.(\d+))?)?( BC)?")
TIME = re.compile(r"(\d+):(\d+):(\d+)(?:\.(\d{1,3}))?")
INTERVAL_PART = re.compile(r"([+-]?\d+) (year|mon|day)s?")
INTERVAL_TIME = re.compile(r"([+-]?)(\d+):(\d+):(\d+(?:\.\d+)?)")
DAYS_OF_400_YEARS = 146_097


def typed(texts: pa.Array, kind: str, column: Column) -> pa.Array:
    """The texts of values of the SQL type ``kind``, as the column is written; its limit is not applied yet."""
    convert = BY_KIND.get(kind)
    if convert:
        return convert(texts, column)
    return texts if pa.types.is_string(column.type) else cast(texts, column.type, unreadable)


def cast(texts: pa.Array, wanted: pa.DataType, slowly: Callable[[str], object]) -> pa.Array:
    """Arrow's own reading; where one text is beyond it, each is read ``slowly``, and None is what cannot be held."""
    try:
        return texts.cast(wanted)
    except pa.ArrowInvalid:
        return one_by_one(texts, wanted, lambda text: pa.scalar(text).cast(wanted).as_py(), slowly)


def one_by_one(texts: pa.Array, wanted: pa.DataType, *ways: Callable[[str], object]) -> pa.Array:
    return pa.array([None if text is None else first_that_reads(text, ways) for text in texts.to_pylist()], wanted)


def first_that_reads(text: str, ways) -> object:
    for way in ways:
        try:
            return way(text)
        except (pa.ArrowInvalid, InvalidOperation, ValueError, OverflowError):
            continue
    return None


def unreadable(text: str) -> None:
    return None


def boolean(texts: pa.Array, column: Column) -> pa.Array:
    is_true = pc.equal(texts, "t")
    return is_true if pa.types.is_boolean(column.type) else pc.if_else(is_true, "true", "false")


def numeric(texts: pa.Array, column: Column) -> pa.Array:
    if not pa.types.is_decimal(column.type):
        return texts
    if (column.type.precision, column.type.scale) == UNBOUNDED_NUMERIC:
        texts = pc.replace_substring_regex(texts, rf"(\.\d{{{UNBOUNDED_NUMERIC[1]}}})\d+", r"\1")
    return cast(texts, column.type, unreadable)


def money(texts: pa.Array, column: Column) -> pa.Array:
    return cast(pc.replace_substring_regex(texts, "[$,]", ""), column.type, unreadable)


def day(texts: pa.Array, column: Column) -> pa.Array:
    return integers(texts, column.type, pa.int32(), lambda text: days_and_microseconds(text)[0])


def moment(texts: pa.Array, column: Column) -> pa.Array:
    def microseconds(text: str) -> int:
        days, rest = days_and_microseconds(text)
        return days * MICROSECONDS_A_DAY + rest

    return integers(texts, pa.timestamp("us"), pa.int64(), microseconds).cast(pa.timestamp("us", "UTC"))


def moment_with_zone(texts: pa.Array, column: Column) -> pa.Array:
    return moment(pc.replace_substring_regex(texts, r"\+00( BC)?$", r"\1"), column)


def integers(texts: pa.Array, wanted: pa.DataType, stored: pa.DataType, slowly: Callable[[str], int]) -> pa.Array:
    """A date or time stamp: Arrow's own reading, else as the integers that Arrow stores."""
    try:
        return texts.cast(wanted)
    except pa.ArrowInvalid:
        return one_by_one(texts, stored, slowly).cast(wanted)


def days_and_microseconds(text: str) -> tuple[int, int]:
    """Since 1970, in the Gregorian calendar also before it began, as PostgreSQL counts."""
    if text in INFINITY:
        return INFINITY[text]
    found = MOMENT.fullmatch(text)
    if not found:
        raise ValueError(text)
    year, month, day_of_month = (int(found[n]) for n in (1, 2, 3))
    year = 1 - year if found[8] else year
    cycles, year_of_cycle = divmod(year - 2000, 400)
    day_number = date(2000 + year_of_cycle, month, day_of_month).toordinal() - date(1970, 1, 1).toordinal()
    hours, minutes, seconds = (int(found[n] or 0) for n in (4, 5, 6))
    fraction = int((found[7] or "0").ljust(6, "0"))
    rest = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + fraction
    return day_number + cycles * DAYS_OF_400_YEARS, rest


def time_of_day(texts: pa.Array, column: Column) -> pa.Array:
    """Milliseconds, without the zone; ``24:00:00`` is the end of the day."""

    def milliseconds(text: str) -> int:
        hours, minutes, seconds, fraction = TIME.match(text).groups()
        return ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int((fraction or "0").ljust(3, "0"))

    return one_by_one(texts, pa.int32(), milliseconds).cast(column.type)


def trimmed(texts: pa.Array, column: Column) -> pa.Array:
    return pc.utf8_rtrim(texts, " ") if column.expression.endswith("::text") else texts


def binary(texts: pa.Array, column: Column) -> pa.Array:
    return one_by_one(texts, column.type, lambda text: bytes.fromhex(text.removeprefix("\\x")))


def interval(texts: pa.Array, column: Column) -> pa.Array:
    return one_by_one(texts, column.type, interval_in_words)


def interval_in_words(text: str) -> str:
    """``1 year 2 mons 04:05:06`` as ``1 YEAR, 2 MONTHS, 4 HOURS, 5 MINUTES, 6 SECONDS``."""
    words = {"year": "YEAR", "mon": "MONTH", "day": "DAY"}
    parts = [(Decimal(number), words[word]) for number, word in INTERVAL_PART.findall(text)]
    for sign, *numbers in INTERVAL_TIME.findall(text):
        for number, word in zip(numbers, ("HOUR", "MINUTE", "SECOND"), strict=True):
            parts.append((Decimal(sign + number), word))
    shown = [f"{plain(n)} {word}{'' if n == 1 else 'S'}" for n, word in parts if n]
    return ", ".join(shown) or "0 SECONDS"


def plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


BY_KIND = {
    "boolean": boolean, "numeric": numeric, "money": money, "date": day, "timestamp without time zone": moment,
    "timestamp": moment, "timestamp with time zone": moment_with_zone, "time": time_of_day,
    "time without time zone": time_of_day, "time with time zone": time_of_day, "character": trimmed, "bytea": binary,
    "interval": interval,
}  # fmt: skip
