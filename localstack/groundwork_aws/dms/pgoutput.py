"""Reads the messages of PostgreSQL's logical decoding plug-in pgoutput, whole batches of them at once.

https://www.postgresql.org/docs/17/protocol-logicalrep-message-formats.html (protocol version 1, values as text)

A message at a time would cost Python microseconds; here NumPy looks at the same byte of all messages of a table, and
Arrow takes the values out of the messages' own buffer. What comes out are texts: PostgreSQL's output of each value.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# PostgreSQL counts microseconds from 2000-01-01.
EPOCH = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
INSERT, UPDATE, DELETE, NEW, KEY, OLD = b"IUDNKO"
BEGIN, COMMIT, RELATION, TRUNCATE = b"BCRT"
NULL, UNCHANGED = b"nu"
TUPLE_AT = 6  # after the message's kind, the relation's OID and the tuple's kind
TRUNCATE_RELATIONS_AT = 6  # after the message's kind, the number of relations and the options


@dataclass(frozen=True)
class Relation:
    """A table as it was when the messages after this one were made. ``columns``: (name, type's OID, type modifier)."""

    oid: int
    schema: str
    name: str
    columns: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Transactions:
    """The transactions of a batch: where each commit lies in the WAL, when it was (microseconds since 1970), and what
    its changes are numbered with: ``first`` is the number of its first change, ``clock`` a commit time that never
    goes back."""

    lsn: np.ndarray
    time: np.ndarray
    clock: np.ndarray
    first: np.ndarray


@dataclass(frozen=True)
class Rows:
    """The changes of one relation, in their order; every array is as long as there are changes.

    ``operations`` holds the bytes I, U and D, ``transaction`` the index of each change's one in ``transactions``,
    ``number`` its place among all changes of the task. ``values`` are the columns: the new row, of a delete the old
    one as far as the replica identity gives it. ``unchanged`` says where a large value was not touched and is nowhere
    in the message, or is None. ``old`` gives a column's values before each update that ``has_old``.
    """

    relation: Relation
    transactions: Transactions
    operations: np.ndarray
    transaction: np.ndarray
    number: np.ndarray
    values: list[pa.Array]
    unchanged: list[np.ndarray | None]
    has_old: np.ndarray
    old: Callable[[int], pa.Array] | None

    def __len__(self) -> int:
        return len(self.operations)

    def where(self, mask: np.ndarray) -> "Rows":
        """Only the changes that the mask chooses; what was before them is left behind."""
        if mask.all():
            return self
        chosen = pa.array(mask)
        return replace(
            self,
            operations=self.operations[mask],
            transaction=self.transaction[mask],
            number=self.number[mask],
            values=[values.filter(chosen) for values in self.values],
            unchanged=[None if unchanged is None else unchanged[mask] for unchanged in self.unchanged],
            has_old=self.has_old[mask],
            old=None,
        )


@dataclass(frozen=True)
class Truncated:
    """A table was emptied, by the transaction whose commit lies at ``lsn``."""

    relation: Relation
    lsn: int


class Decoder:
    """Remembers from batch to batch what the messages refer to: the relations, and the transaction they stand in.

    ``end`` is the end of the last transaction that was read whole: from there the slot goes on. Changes are numbered
    from their commit's place in the WAL, or on from the last number where a large transaction reached beyond that: so
    the same changes, read again from the same ``number``, get the same numbers.
    """

    def __init__(self):
        self.relations: dict[int, Relation] = {}
        self.begin(0, 0)

    def begin(self, number: int, clock: int) -> None:
        """Read from a transaction's start, with the next number and the highest commit time so far."""
        self.lsn = self.time = self.changes = self.end = 0
        self.first, self.clock = number, clock

    @property
    def number(self) -> int:
        """The next change's number."""
        return self.first + self.changes

    def decode(self, messages: pa.Array) -> Iterator[Rows | Relation | Truncated]:
        """What the messages say, relation by relation; a new shape or a truncation parts the changes before and after.

        A relation is told where it is new or has changed.
        """
        batch = Batch(messages)
        cuts = np.flatnonzero((batch.kinds == RELATION) | (batch.kinds == TRUNCATE))
        start = 0
        for cut in [*cuts, len(batch.kinds)]:
            yield from self._changes(batch, start, cut)
            if cut < len(batch.kinds):
                yield from self._other(batch.message(cut))
            start = cut + 1

    def _changes(self, batch: "Batch", start: int, stop: int) -> Iterator[Rows]:
        """The changes among the messages from ``start`` to ``stop``."""
        kinds, positions = batch.kinds[start:stop], batch.positions[start:stop]
        begins = kinds == BEGIN
        changes = np.flatnonzero((kinds == INSERT) | (kinds == UPDATE) | (kinds == DELETE))
        belongs = np.cumsum(begins)[changes]
        counts = np.bincount(belongs, minlength=int(begins.sum()) + 1)
        number = np.arange(len(changes)) - (np.cumsum(counts) - counts)[belongs]
        number[belongs == 0] += self.changes
        transactions = self._transactions(batch, positions[begins], counts)
        commits = np.flatnonzero(kinds == COMMIT)
        if len(commits):
            self.end = integer(batch.message(start + commits[-1]), 10, 18)
        oids = batch.int32[positions[changes] + 1]
        for oid in np.unique(oids):
            mine = oids == oid
            # an OID is unsigned
            relation = self.relations[int(oid) & 0xFFFFFFFF]
            yield batch.rows(relation, transactions, positions[changes[mine]], belongs[mine], number[mine])

    def _transactions(self, batch: "Batch", begins: np.ndarray, counts: np.ndarray) -> Transactions:
        """The one under way and those that begin at the positions, with the numbers of their changes."""
        lsn = np.concatenate([[self.lsn], batch.int64[begins + 1]]).astype(np.int64)
        time = np.concatenate([[self.time], batch.int64[begins + 9] + EPOCH]).astype(np.int64)
        clock = np.maximum.accumulate(np.concatenate([[self.clock], time[1:]]))
        before = np.concatenate([[0], np.cumsum(counts)[:-1]])
        before[1:] += self.changes
        first = before + np.maximum.accumulate(np.concatenate([[self.first], (lsn - before)[1:]]))
        self.changes = int(counts[-1]) + (self.changes if len(begins) == 0 else 0)
        self.lsn, self.time, self.clock, self.first = (int(a[-1]) for a in (lsn, time, clock, first))
        return Transactions(lsn, time, clock, first)

    def _other(self, message: bytes):
        if message[0] == RELATION:
            relation = parsed_relation(message)
            if self.relations.get(relation.oid) != relation:
                self.relations[relation.oid] = relation
                yield relation
        else:
            for at in range(TRUNCATE_RELATIONS_AT, len(message), 4):
                yield Truncated(self.relations[integer(message, at, at + 4)], self.lsn)


class Batch:
    """The bytes of many messages, and views of them from which the integers at many places are read at once."""

    def __init__(self, messages: pa.Array):
        offsets = np.frombuffer(messages.buffers()[1], np.int32)[messages.offset : messages.offset + len(messages) + 1]
        self.buffer = messages.buffers()[2]
        self.bytes = np.frombuffer(self.buffer, np.uint8)
        self.offsets, self.positions = offsets, offsets[:-1].astype(np.int64)
        self.kinds = self.bytes[self.positions]
        self.int32 = self._integers(">i4")
        self.int64 = self._integers(">i8")

    def _integers(self, kind: str) -> np.ndarray:
        """The integer that starts at each byte."""
        width = np.dtype(kind).itemsize
        return np.ndarray(max(0, len(self.bytes) - width + 1), kind, self.buffer, strides=(1,))

    def message(self, index: int) -> bytes:
        return self.bytes[self.offsets[index] : self.offsets[index + 1]].tobytes()

    def rows(self, relation, transactions, positions, belongs, number) -> Rows:
        operations, width = self.bytes[positions], len(relation.columns)
        tuples = positions + TUPLE_AT
        has_old = (operations == UPDATE) & (self.bytes[positions + 5] != NEW)
        whole_old, old = has_old & (self.bytes[positions + 5] == OLD), None
        if has_old.any():
            before = Tuples(self, tuples[has_old], width)
            tuples[has_old] = before.end + 1

            def old(index: int) -> pa.Array:
                return spread(before.column(index), has_old)

        found = Tuples(self, tuples, width)
        values, unchanged = [found.column(index) for index in range(width)], found.unchanged
        for index in range(width):
            if unchanged[index] is not None and whole_old.any():
                # with the full replica identity the old row holds the untouched value
                known = unchanged[index] & whole_old
                values[index] = pc.if_else(pa.array(known), old(index), values[index])
                unchanged[index] = unchanged[index] & ~known if (unchanged[index] & ~known).any() else None
        number = transactions.first[belongs] + number
        return Rows(relation, transactions, operations, belongs, number, values, unchanged, has_old, old)


class Tuples:
    """The rows at many places, of one relation: where each of their values starts and ends."""

    def __init__(self, batch: Batch, positions: np.ndarray, width: int):
        self.width, bounds = width, np.empty((len(positions), width * 2), np.int32)
        self.missing, self.unchanged = [], []
        position = positions + 2  # after the number of columns, which is the relation's
        for index in range(width):
            kind = batch.bytes[position]
            unchanged = kind == UNCHANGED
            missing = (kind == NULL) | unchanged
            start = position + 5
            if missing.any():
                start[missing] -= 4
                end, there = start.copy(), ~missing
                end[there] += batch.int32[position[there] + 1]
            else:
                missing, end = None, start + batch.int32[position + 1]
            bounds[:, index * 2], bounds[:, index * 2 + 1] = start, end
            self.missing.append(missing)
            self.unchanged.append(unchanged if unchanged.any() else None)
            position = end
        self.end = position
        # One text array over the message buffer as it is: the even elements are values, the odd ones what lies between.
        self.bounds = bounds.reshape(-1)
        self.texts = pa.Array.from_buffers(
            pa.string(), max(0, len(self.bounds) - 1), [None, pa.py_buffer(self.bounds), batch.buffer]
        )

    def column(self, index: int) -> pa.Array:
        places = np.arange(index * 2, len(self.bounds), self.width * 2)
        return self.texts.take(pa.array(places, mask=self.missing[index]))


def spread(values: pa.Array, mask: np.ndarray) -> pa.Array:
    """The values where the mask is true, NULL elsewhere."""
    if mask.all():
        return values
    places = np.cumsum(mask) - 1
    return values.take(pa.array(places, mask=~mask))


def integer(message: bytes, start: int, stop: int) -> int:
    return int.from_bytes(message[start:stop])


def parsed_relation(message: bytes) -> Relation:
    schema, end = text_at(message, 5)
    name, end = text_at(message, end)
    position, columns = end + 3, []  # after the replica identity and the number of columns
    while position < len(message):
        column, position = text_at(message, position + 1)  # after the flags
        modifier = int.from_bytes(message[position + 4 : position + 8], signed=True)
        columns.append((column, integer(message, position, position + 4), modifier))
        position += 8
    return Relation(integer(message, 1, 5), schema or "pg_catalog", name, tuple(columns))


def text_at(message: bytes, start: int) -> tuple[str, int]:
    end = message.index(0, start)
    return message[start:end].decode(), end + 1
