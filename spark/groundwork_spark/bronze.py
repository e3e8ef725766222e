"""What DMS wrote: the files of each table, and their rows.

The layout is that of DMS's full load, ``<schema>/<table>/LOAD<8 hexadecimal digits>.parquet``
(https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.S3.html): the folder holds the whole table.
"""

import re
from collections import defaultdict

from groundwork_contracts import Contract
from pyspark.sql import DataFrame, SparkSession

from groundwork_spark.storage import File, Storage

FULL_LOAD_FILE = re.compile(r"LOAD[0-9A-F]{8}\.parquet")


class BronzeError(Exception):
    """Bronze holds what cannot be read. Its text names the file and the remedy."""


def list_tables(storage: Storage, root: str, contracts: dict[str, Contract]) -> dict[str, list[File]]:
    """Each table's files, by one listing of all. DMS makes no folder for an empty table: it has no files.

    Raises BronzeError where there is no file of any table, or one that a full load does not write.
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
    name = file.path.rsplit("/", 1)[1]
    if not FULL_LOAD_FILE.fullmatch(name):
        raise BronzeError(
            f"{file.path} is not a file of a full load in Parquet (LOAD00000001.parquet), "
            "and silver is made of full loads. Look at the settings of the replication task and its target endpoint"
        )
    if file.size == 0:
        raise BronzeError(f"{file.path} is empty (0 bytes): load its table again")


def read(spark: SparkSession, files: list[File]) -> DataFrame:
    """The rows of these files; every file's footer is read, so a broken one fails here, by name."""
    return spark.read.option("mergeSchema", "true").parquet(*(file.path for file in files))
