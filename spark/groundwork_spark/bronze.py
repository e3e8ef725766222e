"""What DMS wrote: the files of each table, and their rows.

The layout is DMS's (https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.S3.html): the full load in
``<schema>/<table>/LOAD<8 hexadecimal digits>.parquet``, then the changes in ``YYYYMMDD-HHMMSSmmm.parquet`` beside it,
or in folders by date below it. Full load and changes of a table have different columns; readers go by name.
"""

import re
from collections import defaultdict

from groundwork_contracts import Contract
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as t

from groundwork_spark.schema import Found, read_schema
from groundwork_spark.storage import File, Storage

FULL_LOAD_FILE = re.compile(r"LOAD[0-9A-F]{8}\.parquet")
CHANGE_FILE = re.compile(r"\d{8}-\d{9}\.parquet")
CHANGE_GLOB = "[0-9]*.parquet"
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


def stream_of_changes(spark: SparkSession, folder: str) -> DataFrame:
    """A stream of the paths of a table's change files, each once."""
    stream = spark.readStream.format("binaryFile").schema(BINARY_FILE)
    stream = stream.option("pathGlobFilter", CHANGE_GLOB).option("recursiveFileLookup", "true")
    return stream.load(folder).select("path")


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
        return [spark.read.option("mergeSchema", "true").parquet(*paths).schema] if paths else []
    except (PySparkException, Py4JJavaError) as error:
        if "CANNOT_MERGE_SCHEMAS" not in str(error) or len(paths) == 1:
            raise
        return [schema for path in paths for schema in schemas_of(spark, [path])]


def read(spark: SparkSession, contract: Contract, paths: list[str], found: Found) -> DataFrame:
    """The rows of these files; a column that a file lacks is NULL."""
    return spark.read.schema(read_schema(contract, found)).parquet(*paths)
