"""UNLOAD to Parquet.

https://docs.aws.amazon.com/redshift/latest/dg/r_UNLOAD.html

Files are named ``<prefix><slice>_part_<nn>.parquet``; one slice works here, so PARALLEL ON and OFF give the same files.
The rows come from the statement's own connection, so that they are the ones its transaction sees. A file ends with the
row group that passes MAXFILESIZE. PARTITION BY is refused.
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from groundwork_aws.redshift_data.commands import UnloadCommand
from groundwork_aws.redshift_data.lake import Lake, split_url
from groundwork_aws.redshift_data.tokens import RedshiftError

BLOCK_BYTES = 8 << 20
ARROW_TYPES = {
    "int2": pa.int16(), "int4": pa.int32(), "int8": pa.int64(), "float4": pa.float32(), "float8": pa.float64(),
    "bool": pa.bool_(), "date": pa.date32(), "timestamp": pa.timestamp("us"), "timestamptz": pa.timestamp("us", "UTC"),
    "varchar": pa.string(), "text": pa.string(), "bpchar": pa.string(), "name": pa.string(),
}  # fmt: skip
REDSHIFT_NAMES = {
    pa.string(): "character varying", pa.int16(): "smallint", pa.int32(): "integer", pa.int64(): "bigint",
    pa.float32(): "real", pa.float64(): "double precision", pa.bool_(): "boolean", pa.date32(): "date",
}  # fmt: skip


def unload(connection: psycopg.Connection, lake: Lake, command: UnloadCommand, query: str) -> int:
    """Write the rows of ``query`` (in PostgreSQL's words) and return their number. Raises RedshiftError."""
    if command.partition_by:
        raise RedshiftError("UNLOAD … PARTITION BY is not done here", hint="Unload once per partition.")
    clear_target(lake, command)
    schema = result_schema(connection, query)
    bucket, prefix = split_url(command.target)
    entries = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (file, rows) in enumerate(write_files(connection, query, schema, Path(folder), command)):
            key = f"{prefix}0000_part_{number:02}.parquet"
            lake.s3.upload_file(str(file), bucket, key)
            size = file.stat().st_size
            entries.append({"url": f"s3://{bucket}/{key}", "meta": {"content_length": size, "record_count": rows}})
            file.unlink()
    if command.manifest:
        lake.s3.put_object(Bucket=bucket, Key=f"{prefix}manifest", Body=manifest(command, entries, schema))
    return sum(entry["meta"]["record_count"] for entry in entries)


def clear_target(lake: Lake, command: UnloadCommand) -> None:
    """Nothing is overwritten unless the command says so."""
    bucket, prefix = split_url(command.target)
    present = lake.objects(command.target)
    if command.clean_path:
        for url in present:
            lake.s3.delete_object(Bucket=bucket, Key=split_url(url)[1])
    elif present and not command.allow_overwrite:
        raise RedshiftError(
            "Specified unload destination on S3 is not empty. Consider using a different bucket / prefix, manually "
            "removing the target files in S3, or using the ALLOWOVERWRITE option.",
            detail=f"s3://{bucket}/{prefix}",
        )


def result_schema(connection: psycopg.Connection, query: str) -> pa.Schema:
    cursor = connection.execute(f"select * from ({query}) as q limit 0")
    types = connection.adapters.types
    return pa.schema([(c.name, arrow_type(c, types.get(c.type_code))) for c in cursor.description])


def arrow_type(column: psycopg.Column, kind) -> pa.DataType:
    name = kind.name if kind else "unknown"
    if name == "numeric":
        if column.precision is None:
            raise RedshiftError(f'Column "{column.name}" needs a cast to decimal(p,s) to be unloaded to Parquet')
        return pa.decimal128(column.precision, column.scale or 0)
    if name not in ARROW_TYPES:
        raise RedshiftError(f'Column "{column.name}" of type "{name}" cannot be unloaded to Parquet')
    return ARROW_TYPES[name]


def write_files(
    connection, query: str, schema: pa.Schema, folder: Path, command: UnloadCommand
) -> Iterator[tuple[Path, int]]:
    """Files of at most about MAXFILESIZE, at least one, with the number of their rows."""
    limit, number, rows = command.max_file_megabytes << 20, 0, 0
    path = folder / "0"
    writer = parquet_writer(path, schema)
    with connection.cursor().copy(f"copy ({query}) to stdout (format csv)") as source:
        for table in tables(source, schema):
            if path.stat().st_size >= limit:
                writer.close()
                yield path, rows
                number, rows = number + 1, 0
                path = folder / str(number)
                writer = parquet_writer(path, schema)
            writer.write_table(table)
            rows += len(table)
    writer.close()
    yield path, rows


def parquet_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(path, schema, version="1.0", compression="snappy", coerce_timestamps="us")


def tables(source: psycopg.Copy, schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows in blocks. psycopg hands over whole rows, so that a block can end after any of them."""
    block = bytearray()
    for row in source:
        block += row
        if len(block) >= BLOCK_BYTES:
            yield parse(bytes(block), schema)
            block.clear()
    if block:
        yield parse(bytes(block), schema)


def parse(block: bytes, schema: pa.Schema) -> pa.Table:
    """PostgreSQL's CSV tells NULL (nothing) from an empty text (quotes)."""
    return pa_csv.read_csv(
        pa.BufferReader(block),
        pa_csv.ReadOptions(column_names=schema.names, block_size=len(block) + 1),
        pa_csv.ParseOptions(newlines_in_values=True),
        pa_csv.ConvertOptions(
            column_types=schema, strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""],
            true_values=["t"], false_values=["f"],
            timestamp_parsers=[pa_csv.ISO8601],
        ),
    )  # fmt: skip


def manifest(command: UnloadCommand, entries: list[dict], schema: pa.Schema) -> bytes:
    document: dict = {"entries": entries}
    if command.verbose:
        document["schema"] = {"elements": [{"name": f.name, "type": {"base": redshift_name(f.type)}} for f in schema]}
        document["meta"] = {
            "content_length": sum(e["meta"]["content_length"] for e in entries),
            "record_count": sum(e["meta"]["record_count"] for e in entries),
        }
        document["author"] = {"name": "Amazon Redshift", "version": "1.0"}
    else:
        document["entries"] = [{**e, "meta": {"content_length": e["meta"]["content_length"]}} for e in entries]
    return json.dumps(document).encode()


def redshift_name(kind: pa.DataType) -> str:
    if pa.types.is_decimal(kind):
        return "numeric"
    if pa.types.is_timestamp(kind):
        return "timestamptz" if kind.tz else "timestamp"
    return REDSHIFT_NAMES[kind]
