"""Random draws that depend on nothing but the seed, the draw's name and the row's number.

There is no state that moves on: any row of any table can be computed alone and always comes out the same, on every
machine, for all arithmetic here is of integers. That is what lets an item know its order's date without a look-up.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

HEX_PAIRS = np.frombuffer(bytes(range(256)).hex().encode(), dtype="<u2")


@dataclass(frozen=True)
class Dice:
    seed: int

    def draw(self, name: str, rows: np.ndarray) -> np.ndarray:
        """A uniform 64-bit number per row, different for different rows (SplitMix64, which is a bijection)."""
        salt = hashlib.blake2b(f"{self.seed}/{name}".encode(), digest_size=8).digest()
        bits = rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(int.from_bytes(salt, "little"))
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return bits ^ (bits >> np.uint64(31))

    def chance(self, name: str, rows: np.ndarray, probability: float) -> np.ndarray:
        return self.draw(name, rows) < np.uint64(int(probability * 2**64))

    def below(self, name: str, rows: np.ndarray, limit: int | np.ndarray) -> np.ndarray:
        """Whole numbers from 0 up to, not including, ``limit`` (at most 2³¹)."""
        return ((self.draw(name, rows) >> np.uint64(33)).astype(np.int64) * limit) >> 31

    def pick(self, name: str, rows: np.ndarray, table: np.ndarray) -> np.ndarray:
        """A value per row out of a `weighted` or `curve` table; a table of several columns gives rows of it."""
        return table[self.below(name, rows, table.shape[0])]

    def identifier(self, name: str, rows: np.ndarray) -> pa.Array:
        """Olist's 32 hexadecimal digits, unique per row."""
        first = self.draw(name, rows)
        both = np.stack([first, self.draw(name + " again", first)], axis=1).astype("<u8")
        digits = HEX_PAIRS[both.view(np.uint8).reshape(-1)]
        offsets = np.arange(0, 32 * len(rows) + 1, 32, dtype=np.int32)
        return pa.StringArray.from_buffers(len(rows), pa.py_buffer(offsets), pa.py_buffer(digits))


def weighted(weights: list[int] | list[float], size: int = 1 << 16) -> np.ndarray:
    """A table in which every position's number takes its weight's share of ``size`` places."""
    total, table, passed = sum(weights), [], 0
    for position, weight in enumerate(weights):
        passed += weight
        table += [position] * (round(passed / total * size) - len(table))
    return np.array(table, dtype=np.int32)


def curve(points: dict[float, float], size: int = 1 << 12) -> np.ndarray:
    """A table of whole numbers distributed as the quantiles ``{share: value}`` say, straight lines between them."""
    shares, values = list(points), list(points.values())
    table, segment = [], 0
    for place in range(size):
        share = (place + 0.5) / size
        while segment < len(shares) - 2 and share > shares[segment + 1]:
            segment += 1
        part = (share - shares[segment]) / (shares[segment + 1] - shares[segment])
        table.append(round(values[segment] + part * (values[segment + 1] - values[segment])))
    return np.array(table, dtype=np.int64)
