"""Columns of numbers as the text that Kaggle's files hold, and rows of such columns as lines of CSV."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def lines(columns: list[pa.Array]) -> pa.Buffer:
    """The rows as CSV, each ended by a line feed. The columns hold fields that need no more quoting; NULL is empty."""
    ended = pc.binary_join_element_wise(columns[-1], "", "\n", null_handling="replace", null_replacement="")
    rows = pc.binary_join_element_wise(*columns[:-1], ended, ",", null_handling="replace", null_replacement="")
    start, end = (int.from_bytes(rows.buffers()[1].slice(4 * i, 4).to_pybytes(), "little") for i in (0, len(rows)))
    return rows.buffers()[2].slice(start, end - start)


def integers(values: np.ndarray, missing: np.ndarray | None = None) -> pa.Array:
    return pa.array(values, mask=missing).cast(pa.string())


def money(cents: np.ndarray) -> pa.Array:
    """``5890`` cents as ``58.90``."""
    words = np.stack([cents, np.zeros_like(cents)], axis=1).astype("<i8")
    return pa.Array.from_buffers(pa.decimal128(10, 2), len(cents), [None, pa.py_buffer(words)]).cast(pa.string())


def times(seconds: np.ndarray, missing: np.ndarray | None = None) -> pa.Array:
    """Seconds since 1970 as ``2017-10-02 10:56:33``."""
    return pa.array(seconds, pa.timestamp("s"), mask=missing).cast(pa.string())


def days(seconds: np.ndarray) -> pa.Array:
    """The same, at midnight: Olist writes its days as ``2017-10-02 00:00:00``."""
    return times(seconds // 86_400 * 86_400)


def degrees(parts: np.ndarray) -> pa.Array:
    """Parts of 10⁻¹⁴ degrees as the shortest decimal that gives the same double."""
    return pa.array(parts / 1e14).cast(pa.string())
