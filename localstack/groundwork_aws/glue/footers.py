"""The schema and row count of Parquet files from their footers alone, read with range requests."""

import io
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
from botocore.exceptions import ClientError

from groundwork_aws.glue.hive_types import NoHiveType, from_arrow
from groundwork_aws.glue.listing import StoredObject

MAGIC = b"PAR1"
# Nearly every footer is in the last 16 kB; a longer one costs a second request.
FIRST_READ = 16 * 1024
READERS = 8


class Unreadable(Exception):
    """The object gives no schema; the text names it, says why and what to do."""

    def __init__(self, item: StoredObject, reason: str) -> None:
        super().__init__(f"{item.uri} {reason}, or name it in the target's Exclusions")
        self.uri = item.uri


@dataclass(frozen=True)
class DataFile:
    """``columns`` are Hive types by lower-case name, in the file's order; ``rows`` is None for a file not read."""

    key: str
    size: int
    columns: dict[str, str] | None
    rows: int | None


def read_files(
    s3, objects: Iterable[StoredObject], stopped: Callable[[], bool]
) -> tuple[list[DataFile], list[Unreadable]]:
    """The files that could be read, in order, and why the others could not. Reads no more once ``stopped``."""

    def attempt(item: StoredObject) -> DataFile | Unreadable | None:
        try:
            return None if stopped() else read_file(s3, item)
        except Unreadable as error:
            return error

    with ThreadPoolExecutor(READERS, thread_name_prefix="glue-footer") as pool:
        results = list(pool.map(attempt, objects))
    files = [result for result in results if isinstance(result, DataFile)]
    return files, [result for result in results if isinstance(result, Unreadable)]


def read_file(s3, item: StoredObject) -> DataFile:
    try:
        metadata = read_footer(s3, item)
        schema = metadata.schema.to_arrow_schema()
        columns = {field.name.lower(): from_arrow(field.type) for field in schema}
    except NotParquet:
        raise Unreadable(item, "is not a Parquet file, and other formats are not classified here: move it") from None
    except (pa.ArrowException, OSError, NoHiveType, ClientError) as error:
        raise Unreadable(item, f"cannot be read as Parquet ({error}): write it again") from None
    return DataFile(item.key, item.size, columns, metadata.num_rows)


class NotParquet(Exception):
    """The object neither begins nor ends as a Parquet file does."""


def read_footer(s3, item: StoredObject) -> pq.FileMetaData:
    tail = read_end(s3, item, FIRST_READ)
    if tail[-4:] != MAGIC:
        start = s3.get_object(Bucket=item.bucket, Key=item.key, Range="bytes=0-3")["Body"].read()
        if start == MAGIC or item.key.endswith(".parquet"):
            raise pa.ArrowInvalid("it does not end with a Parquet footer")
        raise NotParquet
    length = int.from_bytes(tail[-8:-4], "little") + 8
    if length > item.size - len(MAGIC):
        raise pa.ArrowInvalid(f"its footer claims {length} of the file's {item.size} bytes")
    if length > len(tail):
        tail = read_end(s3, item, length)
    # Arrow wants a whole file: magic and footer are one that has no row groups' bytes, which nobody reads.
    return pq.read_metadata(io.BytesIO(MAGIC + tail[-length:]))


def read_end(s3, item: StoredObject, length: int) -> bytes:
    return s3.get_object(Bucket=item.bucket, Key=item.key, Range=f"bytes=-{length}")["Body"].read()
