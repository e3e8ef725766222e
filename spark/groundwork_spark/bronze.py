"""What DMS wrote: the files of each table, and their rows.

The layout is DMS's (https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.S3.html): the full load in
``<schema>/<table>/LOAD<8 hexadecimal digits>.parquet``, then the changes in ``YYYYMMDD-HHMMSSmmm.parquet`` beside it,
or in folders by date below it. Full load and changes of a table have different columns; readers go by name.

The files of all tables that DMS has captured together have one time in their names and show within moments of each
other. A run that takes the files up to one name so takes whole transactions: a payment with its order.
"""

import re
import time
from collections import defaultdict

from groundwork_contracts import Contract
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, DataFrameReader, SparkSession
from pyspark.sql import types as t

from groundwork_spark.schema import Found, read_schema
from groundwork_spark.storage import File, Storage

FULL_LOAD_FILE = re.compile(r"LOAD[0-9A-F]{8}\.parquet")
CHANGE_FILE = re.compile(r"\d{8}-\d{9}\.parquet")
# Within which the files of one name show.
SETTLE_SECONDS = 3
# Of so many files, Spark's driver asks for each by itself.
FEW_FILES = 32
# Of a file, Spark's stream needs the name; `content` is not read.
BINARY_FILE = "path string, modificationTime timestamp, length bigint, content binary"


class BronzeError(Exception):
    """Bronze holds what cannot be read. Its text names the file and the remedy."""


def list_tables(storage: Storage, root: str, contracts: dict[str, Contract]) -> dict[str, list[File]]:
    """Each table's files, by one listing of all. DMS makes no folder for an empty table: it has no files.

    Raises BronzeError where there is no file of any table, or one that DMS does not write.
    """
    files = defaultdict(list)
    base = storage.qualified(root)
    for file in storage.list(root, recursive=True):
        table, *rest = file.path.removeprefix(f"{base}/").split("/")
        if table in contracts and not rest[-1].startswith((".", "_")):
            files[table].append(file)
    for file in (f for table in files.values() for f in table):
        check_file(file)
    if not files:
        raise BronzeError(f"{root} has no files of any table: has the replication task's full load ended?")
    return {table: files[table] for table in contracts}


def list_settled(storage: Storage, root: str, contracts: dict[str, Contract]) -> tuple[dict[str, list[File]], str]:
    """Each table's files, of changes up to the newest that is there now; and its name, empty where there is none.

    Waits where that one is so new that others of its name may be missing. Raises BronzeError.
    """
    listed = list_tables(storage, root, contracts)
    changes = {name_of(file.path): file.modified for files in listed.values() for file in files if is_change(file)}
    until = max(changes, default="")
    wait = changes[until] / 1000 + SETTLE_SECONDS - time.time() if changes else 0
    if wait > 0:
        time.sleep(min(wait, SETTLE_SECONDS))
        listed = list_tables(storage, root, contracts)
    return {table: [f for f in files if is_until(f, until)] for table, files in listed.items()}, until


def is_until(file: File, until: str) -> bool:
    return not is_change(file) or name_of(file.path) <= until


def check_file(file: File) -> None:
    if not FULL_LOAD_FILE.fullmatch(name_of(file.path)) and not is_change(file):
        raise BronzeError(
            f"{file.path} is neither a full load in Parquet (LOAD00000001.parquet) nor changes "
            "(20261122-120000000.parquet). Look at the settings of the replication task and its target endpoint"
        )
    if file.size == 0:
        raise BronzeError(f"{file.path} is empty (0 bytes): load its table again")


def name_of(path: str) -> str:
    return path.rsplit("/", 1)[1]


def is_change(file: File) -> bool:
    return bool(CHANGE_FILE.fullmatch(name_of(file.path)))


def stream_of_changes(spark: SparkSession, folder: str, until: str) -> DataFrame:
    """A stream of the paths of a table's change files, each once; of those whose names are not above ``until``."""
    stream = spark.readStream.format("binaryFile").schema(BINARY_FILE)
    stream = stream.option("pathGlobFilter", glob_until(until)).option("recursiveFileLookup", "true")
    return stream.load(folder).select("path")


def glob_until(until: str) -> str:
    """A glob of Hadoop's for the change files whose names are not above this one: each digit that may be smaller.

    A stream has no other way to leave new files to the next run: ``modifiedBefore`` is for batches only.
    """
    lower = [f"{until[:i]}[0-{int(digit) - 1}]*.parquet" for i, digit in enumerate(until) if digit in "123456789"]
    return "{" + ",".join([until, *lower]) + "}"


def columns_of(spark: SparkSession, paths: list[str]) -> Found:
    """Every column of the files with all of its types; every footer is read, so a broken file fails here, by name."""
    found = defaultdict(set)
    for schema in schemas_of(spark, paths):
        for field in schema:
            found[field.name].add(field.dataType)
    return dict(found)


def schemas_of(spark: SparkSession, paths: list[str]) -> list[t.StructType]:
    """One schema for all, or each file's own where a type has changed on the way."""
    try:
        return [load(spark.read.option("mergeSchema", "true"), paths).schema] if paths else []
    except (PySparkException, Py4JJavaError) as error:
        if "CANNOT_MERGE_SCHEMAS" not in str(error) or len(paths) == 1:
            raise
        return [schema for path in paths for schema in schemas_of(spark, [path])]


def read(spark: SparkSession, contract: Contract, paths: list[str], found: Found) -> DataFrame:
    """The rows of these files; a column that a file lacks is NULL."""
    return load(spark.read.schema(read_schema(contract, found)), paths)


def load(reader: DataFrameReader, paths: list[str]) -> DataFrame:
    """These files. Of many their folders are listed, since Spark would make three requests for each path."""
    if len(paths) <= FEW_FILES:
        return reader.parquet(*paths)
    folders = {path.rsplit("/", 1)[0] for path in paths}
    tops = [folder for folder in folders if not any(folder.startswith(f"{other}/") for other in folders)]
    names = ",".join(map(name_of, paths))
    return reader.options(recursiveFileLookup="true", pathGlobFilter=f"{{{names}}}").parquet(*tops)
