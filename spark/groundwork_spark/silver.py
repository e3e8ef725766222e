"""One table from bronze to silver, as a snapshot: silver becomes what bronze holds, or stays what it was.

Writes below the silver folder: the Delta table ``<table>``, the Delta table ``_quarantine/<table>`` of rejected rows,
and ``_manifests/<table>.manifest`` for Redshift's COPY
(https://docs.aws.amazon.com/redshift/latest/dg/loading-data-files-using-manifest.html).
"""

import hashlib
import inspect
import json
import time
from dataclasses import asdict, dataclass, field

from groundwork_contracts import Contract
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType

from groundwork_spark import bronze, delta_table, transforms
from groundwork_spark.delta_table import Commit
from groundwork_spark.log import say
from groundwork_spark.schema import check_bronze_schema, silver_schema
from groundwork_spark.storage import File, Storage

# The code that makes the rows. Read once, by one thread: tables run side by side, and reading a module's text out of
# an archive is not safe for two at a time.
CODE = inspect.getsource(transforms)


class TooManyRejected(Exception):
    """More rows break the contract than it allows. Its text says how many, which rule, and where they are."""


@dataclass(frozen=True)
class Lake:
    """Where the tables are, and the session that works on them."""

    spark: SparkSession
    storage: Storage
    silver: str

    def table(self, contract: Contract) -> str:
        return f"{self.silver}/{contract.table}"

    def quarantine(self, contract: Contract) -> str:
        return f"{self.silver}/_quarantine/{contract.table}"

    def manifest(self, contract: Contract) -> str:
        return f"{self.silver}/_manifests/{contract.table}.manifest"


@dataclass(frozen=True)
class Source:
    """What bronze has for a table. ``rows`` is None where silver was already made of exactly this."""

    contract: Contract
    fingerprint: str
    rows: DataFrame | None
    ignored_columns: list[str]
    last: Commit | None


@dataclass(frozen=True)
class Outcome:
    """What became of a table, for the run's summary. ``status`` is written, unchanged or failed."""

    table: str
    status: str
    version: int | None = None
    rows_read: int = 0
    rows_written: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    ignored_columns: list[str] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
    seconds: float = 0.0
    error: str | None = None


def inspect(lake: Lake, contract: Contract, files: list[File]) -> Source:
    """Compare bronze with what silver was made of, and its schema with the contract.

    Raises BronzeSchemaError; a file that is not Parquet raises Spark's error, which names it.
    """
    fingerprint = fingerprint_of(contract, files)
    last = delta_table.last_overwrite(lake.storage, lake.table(contract))
    if last and last.note.get("fingerprint") == fingerprint:
        return Source(contract, fingerprint, None, last.note["ignored_columns"], last)
    if not files:
        return Source(contract, fingerprint, no_rows(lake, contract), [], last)
    rows = bronze.read(lake.spark, files)
    ignored = check_bronze_schema(contract, rows.schema)
    for column in ignored:
        say(f"{contract.table}: bronze's column {column!r} is not in the contract, so it is left out of silver")
    return Source(contract, fingerprint, rows.transform(transforms.located), ignored, last)


def fingerprint_of(contract: Contract, files: list[File]) -> str:
    """Changes with any file of bronze, with the contract, and with the code that makes the rows."""
    parts = [asdict(contract), [asdict(file) for file in files], CODE]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def no_rows(lake: Lake, contract: Contract) -> DataFrame:
    """An empty source table, for which DMS writes no file."""
    columns = {field.name: field.dataType for field in silver_schema(contract)}
    columns |= {"dms_timestamp": StringType(), "_file": StringType(), "_row": LongType()}
    return lake.spark.range(0).select(*(F.lit(None).cast(kind).alias(name) for name, kind in columns.items()))


def refresh(lake: Lake, source: Source) -> Outcome:
    """Bring one table of silver up to its source. Raises TooManyRejected with silver as it was."""
    started = time.monotonic()
    contract, commit = source.contract, source.last
    if source.rows is not None:
        commit = write(lake, source)
    lake.storage.write(lake.manifest(contract), manifest(commit))
    outcome = describe(source, commit, time.monotonic() - started)
    say(
        f"{contract.table}: {outcome.status}, {outcome.rows_written:,} rows in {outcome.files} files, "
        f"version {outcome.version} ({outcome.seconds:.1f} s)"
    )
    return outcome


def write(lake: Lake, source: Source) -> Commit:
    """Commit the quarantine, then silver: a run that ends between the two is repeated whole by the next."""
    contract = source.contract
    rows = source.rows.transform(transforms.typed(contract))
    checked = rows.transform(transforms.checked(contract))
    counts = count_by_rule(checked)
    rows_read = sum(counts.values())
    counts.pop(None, None)
    say(f"{contract.table}: {rows_read:,} rows read, {sum(counts.values()):,} rejected")
    write_quarantine(lake, contract, checked.transform(transforms.rejected(contract)), counts)
    check_threshold(lake, contract, rows_read, counts)
    good = checked.transform(transforms.accepted) if counts else rows
    silver = good.transform(transforms.keep_latest(contract)).transform(transforms.partitioned(contract))
    note = {
        "fingerprint": source.fingerprint,
        "rows_read": rows_read,
        "quarantined": counts,
        "ignored_columns": source.ignored_columns,
    }
    delta_table.overwrite(silver, lake.table(contract), note, contract.partition_name)
    return delta_table.last_overwrite(lake.storage, lake.table(contract))


def count_by_rule(checked: DataFrame) -> dict[str | None, int]:
    """How many rows break each rule first; under None the good ones."""
    return {row["_rule"]: row["rows"] for row in checked.groupBy("_rule").agg(F.count("*").alias("rows")).collect()}


def write_quarantine(lake: Lake, contract: Contract, rejected: DataFrame, counts: dict[str, int]) -> None:
    if counts:
        delta_table.overwrite(rejected, lake.quarantine(contract), {"quarantined": counts})
    else:
        delta_table.make_empty(rejected, lake.storage, lake.quarantine(contract))


def check_threshold(lake: Lake, contract: Contract, rows_read: int, counts: dict[str, int]) -> None:
    rejected = sum(counts.values())
    share = 100 * rejected / rows_read if rows_read else 0
    if share <= contract.quarantine_threshold_percent:
        return
    worst = max(counts, key=counts.get)
    raise TooManyRejected(
        f"{contract.table}: {rejected:,} of {rows_read:,} rows ({share:.3g} %) break the contract, which allows "
        f"{contract.quarantine_threshold_percent:g} %. Most often broken: {worst} ({counts[worst]:,} rows). "
        f"See _reason, _file and _row in {lake.quarantine(contract)}; silver's {contract.table} is as it was"
    )


def manifest(commit: Commit) -> str:
    """Redshift's COPY manifest of the table's files. COPY of Parquet needs each file's exact size."""
    entries = [
        {"url": url, "mandatory": True, "meta": {"content_length": size}} for url, size in sorted(commit.files.items())
    ]
    return json.dumps({"entries": entries}, indent=1)


def describe(source: Source, commit: Commit, seconds: float) -> Outcome:
    quarantined = commit.note["quarantined"]
    return Outcome(
        table=source.contract.table,
        status="unchanged" if source.rows is None else "written",
        version=commit.version,
        rows_read=commit.note["rows_read"],
        rows_written=commit.rows,
        quarantined=quarantined,
        duplicates=commit.note["rows_read"] - sum(quarantined.values()) - commit.rows,
        ignored_columns=source.ignored_columns,
        files=len(commit.files),
        bytes=sum(commit.files.values()),
        seconds=round(seconds, 2),
    )
