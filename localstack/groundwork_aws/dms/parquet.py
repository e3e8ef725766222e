"""Parquet files as DMS writes them.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.S3.html (observed in files that DMS wrote): ``created_by``
is "AWS", there is no key-value metadata, and types are annotated by the old ConvertedType alone. pyarrow writes the
data; its footer is rewritten here.

https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

MAGIC = b"PAR1"
CREATED_BY = b"AWS"


@dataclass(frozen=True)
class Format:
    """How the files are written: S3Settings of the target endpoint. Sizes in bytes, lengths in rows."""

    row_group_length: int = 10000
    data_page_size: int = 1 << 20
    dictionary_page_size: int = 1 << 20
    encoding: str = "rle-dictionary"
    version: str = "parquet-1-0"
    statistics: bool = True
    compression: str = "none"


class Writer:
    """Writes tables as row groups into ``sink`` (see target.Upload); ``dictionary`` names the columns that get one."""

    def __init__(self, sink, schema: pa.Schema, format: Format, dictionary: list[str]):
        self.sink = sink
        self.format = format
        self.stream = pa.PythonFile(sink, "w")
        self.writer = pq.ParquetWriter(
            self.stream,
            schema,
            # 1.0 is what makes pyarrow call the encoding PLAIN_DICTIONARY
            version="1.0" if format.encoding == "plain-dictionary" else "2.6",
            data_page_version="2.0" if format.version == "parquet-2-0" else "1.0",
            compression=format.compression,
            use_dictionary=False if format.encoding == "plain" else dictionary,
            write_statistics=format.statistics,
            data_page_size=format.data_page_size,
            dictionary_pagesize_limit=format.dictionary_page_size,
            store_schema=False,
        )

    def write(self, table: pa.Table) -> None:
        self.writer.write_table(table, row_group_size=self.format.row_group_length)

    def close(self) -> None:
        """Write the footer."""
        position = self.sink.hold()
        self.writer.close()
        held = self.sink.release(position)
        length = int.from_bytes(held[-8:-4], "little")
        footer = rewritten(held[-8 - length : -8], 2 if self.format.version == "parquet-2-0" else 1)
        self.sink.write(held[: -8 - length] + footer + len(footer).to_bytes(4, "little") + MAGIC)


# --- the footer: a FileMetaData in Thrift's compact protocol ----------------------------------------------------------

BOOLEANS, INTEGERS, DOUBLE, BINARY, LISTS, STRUCT = (1, 2), (4, 5, 6), 7, 8, (9, 10), 12
VERSION, SCHEMA, KEY_VALUE_METADATA, CREATED = 1, 2, 5, 6
# in a SchemaElement, and of a LogicalType and a ConvertedType
CONVERTED_TYPE, LOGICAL_TYPE, TIME, TIME_MILLIS = 6, 10, 7, 7


def rewritten(footer: bytes, version: int) -> bytes:
    """The footer with DMS's version, ``created_by`` and schema annotations; row groups are kept as they are."""
    fields = []
    for field, kind, start, end in struct_fields(footer, 0):
        value = footer[start:end]
        if field == VERSION:
            value = varint(zigzag(version))
        elif field == SCHEMA:
            value = with_old_annotations(value)
        elif field == CREATED:
            value = varint(len(CREATED_BY)) + CREATED_BY
        if field != KEY_VALUE_METADATA:
            fields.append((field, kind, value))
    return struct(fields)


def with_old_annotations(elements: bytes) -> bytes:
    """The schema's elements without LogicalType. pyarrow gives a time no ConvertedType: it is added."""
    count, _, position = list_header(elements, 0)
    header, made = elements[:position], []
    for _ in range(count):
        fields = {f: (kind, elements[start:end]) for f, kind, start, end in struct_fields(elements, position)}
        _, logical = fields.pop(LOGICAL_TYPE, (STRUCT, b"\0"))
        if logical[0] >> 4 == TIME:
            fields[CONVERTED_TYPE] = (INTEGERS[1], varint(zigzag(TIME_MILLIS)))
        made.append(struct([(f, *fields[f]) for f in sorted(fields)]))
        position = skip(elements, position, STRUCT)
    return header + b"".join(made)


def struct(fields: list[tuple[int, int, bytes]]) -> bytes:
    """A struct of (field id, type, encoded value)."""
    made, last = bytearray(), 0
    for field, kind, value in fields:
        if not 1 <= field - last <= 15:
            raise ValueError(f"field {field} after {last}: the long form of field headers is never needed in a footer")
        made.append((field - last) << 4 | kind)
        made += value
        last = field
    made.append(0)
    return bytes(made)


def struct_fields(data: bytes, position: int):
    """The fields of the struct at ``position``: (field id, type, where its value starts, where it ends)."""
    field = 0
    while header := data[position]:
        field, kind = field + (header >> 4), header & 15
        start = position + 1
        position = skip(data, start, kind)
        yield field, kind, start, position


def skip(data: bytes, position: int, kind: int) -> int:
    """Where the value at ``position`` ends."""
    if kind in BOOLEANS:
        return position
    if kind in INTEGERS:
        while data[position] & 0x80:
            position += 1
        return position + 1
    if kind == BINARY:
        length, position = read_varint(data, position)
        return position + length
    if kind == STRUCT:
        while header := data[position]:
            position = skip(data, position + 1, header & 15)
        return position + 1
    if kind in LISTS:
        count, element, position = list_header(data, position)
        if element in BOOLEANS:
            return position + count
        for _ in range(count):
            position = skip(data, position, element)
        return position
    if kind == DOUBLE:
        return position + 8
    return position + 1 if kind == 3 else unknown(kind)


def unknown(kind: int):
    raise ValueError(f"type {kind} does not occur in a parquet footer")


def list_header(data: bytes, position: int) -> tuple[int, int, int]:
    """(number of elements, their type, where the first one starts)."""
    header = data[position]
    if header >> 4 < 15:
        return header >> 4, header & 15, position + 1
    count, start = read_varint(data, position + 1)
    return count, header & 15, start


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def varint(value: int) -> bytes:
    made = bytearray()
    while value >= 0x80:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)


def zigzag(value: int) -> int:
    return value << 1 ^ value >> 63
