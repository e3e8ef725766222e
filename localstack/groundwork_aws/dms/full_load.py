"""The full load of one table: PostgreSQL's binary COPY, decoded by DuckDB, into Parquet files in S3.

One query reads the table, so it is one consistent snapshot. Rows stream through: memory does not grow with the table.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from groundwork_aws.dms.mappings import Filter, identifier, literal, where
from groundwork_aws.dms.parquet import Format, Writer
from groundwork_aws.dms.postgres import Column, Source, Table
from groundwork_aws.dms.target import Target, Upload

log = logging.getLogger("SOURCE_UNLOAD")
BATCH_ROWS = 10240  # a multiple of DuckDB's vector
# a table is decoded by the thread that asks for its rows; more threads of DuckDB's spend their time handing over
DECODING_THREADS = 1
SAMPLE_ROWS = 1000  # fewer say nothing about the rest


class Stopped(Exception):
    """The task was stopped while the table was loading."""


class LobTruncated(Exception):
    """FailTasksOnLobTruncation is set and a value is longer than LobMaxSize."""


@dataclass(frozen=True)
class Layout:
    """What the target's S3Settings say about the rows; ``started``: the time that every row carries, if one."""

    include_op: bool
    timestamp_column: str
    started: datetime | None
    timestamp_in_millisecond: bool
    max_file_bytes: int


@dataclass(frozen=True)
class Plan:
    """A table of the task: where it comes from, what it becomes and where it goes."""

    table: Table
    target_schema: str
    target_table: str
    columns: tuple[Column, ...]
    filters: tuple[Filter, ...]
    load_order: int

    def query(self) -> str:
        columns = ", ".join(f"{c.expression} AS {identifier(c.name)}" for c in self.columns)
        table = f"{identifier(self.table.schema)}.{identifier(self.table.name)}"
        return f"SELECT {columns} FROM {table}" + (f" WHERE {where(self.filters)}" if self.filters else "")


def connect(source: Source) -> duckdb.DuckDBPyConnection:
    """A DuckDB with the source attached as ``source``. Its extension comes as a wheel; nothing is downloaded."""
    extension = f"v{duckdb.__version__}/postgres_scanner.duckdb_extension"
    path = files("duckdb_extension_postgres_scanner") / "extensions" / extension
    # the wheel's checksum is locked; DuckDB's own check of the file's signature takes longer than all the rest here
    config = {"autoinstall_known_extensions": "false", "allow_unsigned_extensions": "true"}
    connection = duckdb.connect(config={"threads": DECODING_THREADS, **config})
    connection.execute(f"LOAD {literal(path)}")
    connection.execute(f"ATTACH {literal(source.connection_string())} AS source (TYPE postgres, READ_ONLY)")
    return connection


def unloaded(cursor: duckdb.DuckDBPyConnection, plan: Plan, snapshot: str = "") -> pa.RecordBatchReader:
    """The table's rows, as they are now or as they are in an exported snapshot."""
    if snapshot:
        cursor.execute("BEGIN")
        cursor.execute(f"CALL postgres_execute('source', {literal(f'SET TRANSACTION SNAPSHOT {literal(snapshot)}')})")
    query = f"SELECT * FROM postgres_query('source', {literal(plan.query())})"
    return cursor.execute(query).to_arrow_reader(BATCH_ROWS)


def load(
    reader: pa.RecordBatchReader,
    plan: Plan,
    target: Target,
    layout: Layout,
    format: Format,
    fail_on_lob_truncation: bool,
    loaded: Callable[[int], None],
    stop: threading.Event,
) -> None:
    """Write the table's rows. ``loaded`` is told how many rows are in row groups by now. No row makes no file."""
    shape = Shape(plan, layout, fail_on_lob_truncation)
    folder, number, rows, file = target.table_folder(plan.target_schema, plan.target_table), 0, 0, None
    try:
        for group in in_row_groups(reader, format.row_group_length):
            if stop.is_set():
                raise Stopped
            if file is None:
                number += 1
                file = File(target, f"{folder}LOAD{number:08X}.parquet", shape, format, group)
            file.writer.write(shape.table(group))
            rows += group.num_rows
            loaded(rows)
            if file.upload.written >= layout.max_file_bytes:
                file.finish()
                file = None
        if file:
            file.finish()
    except BaseException:
        if file:
            file.upload.abort()
        raise
    if shape.truncated:
        log.warning("%s.%s: %d values were cut to LobMaxSize", plan.table.schema, plan.table.name, shape.truncated)


class File:
    """A Parquet file on its way into S3; ``first`` are the rows it begins with."""

    def __init__(self, target: Target, key: str, shape: "Shape", format: Format, first: pa.Table):
        self.upload = Upload(target, key)
        self.writer = Writer(self.upload, shape.schema, format, shape.repeating(first))

    def finish(self) -> None:
        self.writer.close()
        self.upload.complete()


def in_row_groups(batches: Iterable[pa.RecordBatch], length: int) -> Iterator[pa.Table]:
    """The same rows, ``length`` at a time."""
    held, rows = [], 0
    for batch in batches:
        held.append(batch)
        rows += batch.num_rows
        while rows >= length:
            table = pa.Table.from_batches(held)
            yield table.slice(0, length)
            rows -= length
            held = table.slice(length).to_batches()
    if rows:
        yield pa.Table.from_batches(held)


class Shape:
    """Brings decoded rows into the target's columns, in front of them ``Op`` and the timestamp where asked for."""

    def __init__(self, plan: Plan, layout: Layout, fail_on_lob_truncation: bool):
        self.plan, self.layout, self.fail_on_lob_truncation = plan, layout, fail_on_lob_truncation
        self.truncated = 0
        self.previous = now()
        self.schema = self._schema()

    def repeating(self, rows: pa.Table) -> list[str]:
        """The columns that a dictionary makes smaller, judged by the first rows; the others are better off plain."""
        names = ["Op"] if self.layout.include_op else []
        for column, values in zip(self.plan.columns, rows.columns, strict=True):
            if len(values) < SAMPLE_ROWS or pc.count_distinct(values).as_py() < len(values) // 2:
                names.append(column.name)
        return names

    def _schema(self) -> pa.Schema:
        fields = []
        if self.layout.include_op:
            fields.append(pa.field("Op", pa.dictionary(pa.int8(), pa.string())))
        if self.layout.timestamp_column:
            fields.append(pa.field(self.layout.timestamp_column, pa.string(), nullable=False))
        return pa.schema(fields + [pa.field(c.name, self._type(c)) for c in self.plan.columns])

    def _type(self, column: Column) -> pa.DataType:
        if pa.types.is_timestamp(column.type) and self.layout.timestamp_in_millisecond:
            return pa.timestamp("ms", "UTC")
        return column.type

    def table(self, rows: pa.Table) -> pa.Table:
        arrays = []
        if self.layout.include_op:
            first = pa.repeat(pa.scalar(0, pa.int8()), rows.num_rows)
            arrays.append(pa.DictionaryArray.from_arrays(first, ["I"]))
        if self.layout.timestamp_column:
            arrays.append(self._transfer_times(rows.num_rows))
        for column, values in zip(self.plan.columns, rows.columns, strict=True):
            arrays.append(self._converted(column, values))
        return pa.Table.from_arrays(arrays, schema=self.schema)

    def _converted(self, column: Column, values: pa.ChunkedArray) -> pa.ChunkedArray:
        wanted = self._type(column)
        if column.limit is not None:
            values = self._cut(column, values)
        if pa.types.is_timestamp(wanted) or pa.types.is_date(wanted):
            values = without_infinity(values)
        return values if values.type == wanted else values.cast(wanted, safe=False)

    def _cut(self, column: Column, values: pa.ChunkedArray) -> pa.ChunkedArray:
        longest = pc.max(pc.binary_length(values)).as_py() or 0
        if longest * (2 if column.wide else 1) <= column.limit:
            return values
        kept = [cut(value, column) for value in values.to_pylist()]
        truncated = sum(1 for was, value in zip(values.to_pylist(), kept, strict=True) if was != value)
        if truncated and self.fail_on_lob_truncation and column.dms_type.endswith("LOB"):
            reason = f"column {column.name} holds a value longer than LobMaxSize"
            raise LobTruncated(f"{reason}, and FailTasksOnLobTruncation is set")
        self.truncated += truncated
        return pa.chunked_array([pa.array(kept, values.type)])

    def _transfer_times(self, count: int) -> pa.Array:
        """When each row was taken over: the time since the previous rows, spread evenly over these."""
        if self.layout.started:
            return pa.array([f"{self.layout.started:%Y-%m-%d %H:%M:%S.%f}"] * count)
        start, self.previous = micros(self.previous), now()
        step = max(1, (micros(self.previous) - start) // count)
        # the cast to text writes yyyy-MM-dd HH:mm:ss.SSSSSS, and far quicker than strftime
        return pa.arange(start, start + step * count, step).cast(pa.timestamp("us")).cast(pa.string())


def cut(value: str | bytes | None, column: Column):
    """The value without what is over the column's limit, never ending in half a character."""
    if value is None or isinstance(value, bytes):
        return value and value[: column.limit]
    encoding = "utf-16-le" if column.wide else "utf-8"
    return value.encode(encoding)[: column.limit].decode(encoding, "ignore")


# What DuckDB holds for infinity and what it becomes: 9999-12-31 (23:59:59) and, for minus infinity, 4713-01-01 BC.
DAYS = (pa.int32(), 2**31 - 1, 2_932_896, -2_440_550)
MICROSECONDS = (pa.int64(), 2**63 - 1, 253_402_300_799_000_000, -210_863_520_000_000_000)


def without_infinity(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """The days or microseconds with DMS's stand-ins for ``infinity`` and ``-infinity``."""
    integer, infinity, last, first = DAYS if pa.types.is_date(values.type) else MICROSECONDS
    numbers = values.cast(integer)
    limits = pc.min_max(numbers).as_py()
    if infinity not in (limits["max"], -(limits["min"] or 0)):
        return values
    numbers = pc.if_else(pc.equal(numbers, infinity), pa.scalar(last, integer), numbers)
    numbers = pc.if_else(pc.equal(numbers, -infinity), pa.scalar(first, integer), numbers)
    return numbers.cast(values.type)


def now() -> datetime:
    return datetime.now(UTC)


def micros(time: datetime) -> int:
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
