"""What DMS writes of a table's changes: which of them, in which columns, and in which folder.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.S3.html#CHAP_Target.S3.Configuring.InsertOps
https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Source.PostgreSQL.html#CHAP_Source.PostgreSQL.Limitations
"""

import logging
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from groundwork_aws.dms.expressions import added_values, sql_type
from groundwork_aws.dms.full_load import SAMPLE_ROWS, Layout, Shape
from groundwork_aws.dms.pgoutput import DELETE, INSERT, UPDATE, Rows, Transactions
from groundwork_aws.dms.planning import Reading
from groundwork_aws.dms.values import typed

log = logging.getLogger("SOURCE_CAPTURE")
OPERATIONS = {INSERT: "Inserts", UPDATE: "Updates", DELETE: "Deletes"}
# DatePartitionSequence and DatePartitionDelimiter
SEQUENCES = {
    "YYYYMMDD": ("%Y", "%m", "%d"), "YYYYMMDDHH": ("%Y", "%m", "%d", "%H"), "YYYYMM": ("%Y", "%m"),
    "MMYYYYDD": ("%m", "%Y", "%d"), "DDMMYYYY": ("%d", "%m", "%Y"),
}  # fmt: skip
# Where ``yyyy-MM-dd HH:mm:ss.SSSSSS`` has the digits of yyyyMMddHHmmssSS.
SEQUENCE_DIGITS = [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18, 20, 21]
DELIMITERS = {"SLASH": "/", "DASH": "-", "UNDERSCORE": "_", "NONE": ""}


@dataclass(frozen=True)
class ChangeLayout:
    """What the target's S3Settings say about changes; ``partition`` is a format of time, empty without partitions."""

    max_batch_seconds: int
    min_file_bytes: int
    inserts_only: bool = False
    inserts_and_updates: bool = False
    partition: str = ""
    timezone: str = "UTC"

    @property
    def operations(self) -> tuple[int, ...]:
        if self.inserts_only:
            return (INSERT,)
        return (INSERT, UPDATE) if self.inserts_and_updates else (INSERT, UPDATE, DELETE)


def partition_format(sequence: str, delimiter: str) -> str:
    return DELIMITERS[delimiter].join(SEQUENCES[sequence])


class ChangeShape(Shape):
    """Brings changes into the target's columns: ``Op``, the commit time, the source's columns and added ones."""

    def __init__(self, reading: Reading, layout: Layout, fail_on_lob_truncation: bool):
        super().__init__(reading.plan, layout, fail_on_lob_truncation)
        self.reading, self.unreadable = reading, 0

    def repeating(self, rows: pa.Table) -> list[str]:
        """The columns that a dictionary makes smaller, judged by the first rows."""
        few = rows.num_rows < SAMPLE_ROWS
        return [
            name
            for name, values in zip(rows.column_names, rows.columns, strict=True)
            if few or pa.types.is_dictionary(values.type) or pc.count_distinct(values).as_py() < len(values) // 2
        ]

    def table(self, rows: Rows) -> pa.Table:
        arrays = []
        if self.layout.include_op:
            codes = np.select([rows.operations == INSERT, rows.operations == UPDATE], [0, 1], 2).astype(np.int8)
            arrays.append(pa.DictionaryArray.from_arrays(pa.array(codes), ["I", "U", "D"]))
        if self.layout.timestamp_column:
            arrays.append(commit_times(rows))
        for index, kind, column in self.reading.columns:
            arrays.append(self._read(rows.values[index], kind, column))
        for rule, column in self.reading.added:
            arrays.append(self._read(added_values(rule, self._names(rows)), sql_type(column), column))
        return pa.Table.from_arrays(arrays, schema=self.schema)

    def _read(self, texts: pa.Array, kind: str, column) -> pa.Array:
        values = typed(texts, kind, column)
        self.unreadable += values.null_count - texts.null_count
        return self._converted(column, values)

    def _names(self, rows: Rows) -> dict[str, pa.Array]:
        """What the expressions of add-column rules may name, as texts."""
        names = {
            name: typed(values, kind, TEXTS) if kind == "boolean" else values
            for (name, _, _), kind, values in zip(rows.relation.columns, self.reading.types, rows.values, strict=True)
        }
        wanted = {header for rule, _ in self.reading.added for header in HEADERS if f"${header}" in rule.expression}
        return names | {header: HEADERS[header](rows) for header in wanted}


TEXTS = pa.field("text", pa.string())  # typed() asks for a column's type only


def commit_times(rows: Rows) -> pa.Array:
    """``yyyy-MM-dd HH:mm:ss.SSSSSS`` of each change's transaction."""
    return written(rows.transactions.time).take(pa.array(rows.transaction))


def written(times: np.ndarray) -> pa.Array:
    return pa.array(times).cast(pa.timestamp("us")).cast(pa.string())


def operations(rows: Rows) -> pa.Array:
    codes = np.select([rows.operations == INSERT, rows.operations == UPDATE], [0, 1], 2).astype(np.int8)
    return pa.array(["INSERT", "UPDATE", "DELETE"]).take(pa.array(codes))


def stream_positions(rows: Rows) -> pa.Array:
    """Where the commit lies in the WAL, in PostgreSQL's writing but of fixed length."""
    texts = [f"{lsn >> 32:08X}/{lsn & 0xFFFFFFFF:08X}" for lsn in rows.transactions.lsn.tolist()]
    return pa.array(texts).take(pa.array(rows.transaction))


def change_sequences(rows: Rows) -> pa.Array:
    """35 digits that rise from change to change: the commit's time to hundredths of a second, and a number of 19."""
    clock = np.frombuffer(written(rows.transactions.clock).buffers()[2], np.uint8).reshape(-1, 26)
    digits = np.ascontiguousarray(clock[:, SEQUENCE_DIGITS]).view("S16").ravel()
    times = pa.array(digits).cast(pa.string()).take(pa.array(rows.transaction))
    numbers = pc.ascii_lpad(pa.array(rows.number).cast(pa.string()), 19, "0")
    return pc.binary_join_element_wise(times, numbers, "")


HEADERS = {
    "AR_H_OPERATION": operations,
    "AR_H_COMMIT_TIMESTAMP": commit_times,
    "AR_H_TIMESTAMP": commit_times,
    "AR_H_STREAM_POSITION": stream_positions,
    "AR_H_CHANGE_SEQ": change_sequences,
}


def partitions(rows: Rows, layout: ChangeLayout) -> list[tuple[str, np.ndarray]]:
    """The folders below the table's, each with the changes that were committed on its date."""
    if not layout.partition:
        return [("", np.ones(len(rows), bool))]
    zone = ZoneInfo(layout.timezone)
    moments = pa.array(rows.transactions.time).cast(pa.timestamp("us", "UTC")).to_pylist()
    folders = np.array([f"{moment.astimezone(zone):{layout.partition}}/" for moment in moments])
    mine = folders[rows.transaction]
    return [(str(folder), mine == folder) for folder in np.unique(mine)]


def counted(rows: Rows) -> dict[str, int]:
    """How many Inserts, Updates and Deletes there are."""
    return {name: int((rows.operations == code).sum()) for code, name in OPERATIONS.items()}


def key_changed(rows: Rows, key: list[int]) -> np.ndarray:
    """Which updates give their row another key."""
    changed = np.zeros(len(rows), bool)
    if rows.old is None:
        return changed
    for index in key:
        differs = pc.not_equal(rows.old(index), rows.values[index]).fill_null(False)
        changed |= differs.to_numpy(zero_copy_only=False) & rows.has_old
    return changed


def after(rows: Rows, lsn: int) -> np.ndarray:
    """The changes of transactions that committed at the place in the WAL or later."""
    return (rows.transactions.lsn >= lsn)[rows.transaction]


def last_commit_time(transactions: Transactions) -> int:
    return int(transactions.time[-1])
