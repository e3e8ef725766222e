"""One table from bronze to silver: built anew from a full load, then kept up by the changes after it.

Writes below the silver folder: the Delta table ``<table>``, the Delta table ``_quarantine/<table>`` of rejected rows,
``_checkpoints/<table>``, and ``_manifests/<table>.manifest`` for Redshift's COPY.
"""

import inspect
import time
from dataclasses import asdict, dataclass, field, replace

from groundwork_contracts import Contract
from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, TimestampType

from groundwork_spark import bronze, changes, delta_table, history, maintenance, quarantine, transforms
from groundwork_spark.changes import Batch
from groundwork_spark.lake import Lake, manifest
from groundwork_spark.log import say
from groundwork_spark.progress import Progress, fingerprint
from groundwork_spark.schema import Found, check_bronze_schema, read_schema
from groundwork_spark.session import session_for_changes
from groundwork_spark.storage import File

# The code that makes the rows. Read once, by one thread: tables run side by side, and reading a module's text out of
# an archive is not safe for two at a time.
CODE = inspect.getsource(transforms)


@dataclass(frozen=True)
class Source:
    """What bronze has for a table, and what is to be done with it: ``rebuild``, ``follow`` or ``nothing``.

    ``until`` is the name of the run's last change file, of whichever table. ``found`` are the columns of the files that
    were ``inspected``, by their names.
    """

    contract: Contract
    folder: str
    files: list[File]
    until: str
    basis: str
    work: str
    progress: Progress | None = None
    inspected: frozenset[str] = frozenset()
    found: Found = field(default_factory=dict)
    ignored_columns: list[str] = field(default_factory=list)

    @property
    def seen(self) -> str:
        return fingerprint([asdict(file) for file in self.files])

    @property
    def changes(self) -> dict[str, str]:
        return {bronze.name_of(file.path): file.path for file in self.files if bronze.is_change(file)}

    @property
    def loads(self) -> dict[str, str]:
        return {bronze.name_of(file.path): file.path for file in self.files if not bronze.is_change(file)}


@dataclass(frozen=True)
class Outcome:
    """What became of a table, for the run's summary. ``status`` is rebuilt, merged, unchanged, untouched or failed.

    ``rows_read`` counts the rows of bronze that this run read, ``rows`` those of silver after it. ``change_seq`` is the
    last of bronze's changes that silver has; what is above it has come since.
    """

    table: str
    status: str
    version: int | None = None
    change_seq: str = ""
    rows_read: int = 0
    rows: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    ignored_columns: list[str] = field(default_factory=list)
    seconds: float = 0.0
    error: str | None = None


def look(lake: Lake, contract: Contract, folder: str, files: list[File], until: str) -> Source:
    """Compare bronze with what silver was made of, and the schema of the files that are new with the contract.

    Raises BronzeSchemaError; a file that is not Parquet raises Spark's error, which names it.
    """
    basis = fingerprint(asdict(contract), [asdict(file) for file in files if not bronze.is_change(file)], CODE)
    progress = Progress.read(lake.storage, lake.checkpoints(contract))
    source = Source(contract, folder, files, until, basis, "nothing", progress)
    if must_rebuild(lake, source):
        work, new = "rebuild", files
    elif progress.seen == source.seen and delta_table.is_at(lake.storage, lake.table(contract), progress.version):
        return replace(source, ignored_columns=progress.ignored_columns)
    else:
        work, new = "follow", [f for f in files if bronze.is_change(f) and f.modified >= progress.seen_until]
    found, ignored = inspect_columns(lake, contract, new)
    inspected = frozenset(bronze.name_of(file.path) for file in new)
    return replace(source, work=work, inspected=inspected, found=found, ignored_columns=ignored)


def must_rebuild(lake: Lake, source: Source) -> bool:
    """A new or reloaded full load, another contract, or a stream whose checkpoint is gone."""
    progress = source.progress
    if progress is None or progress.basis != source.basis:
        return True
    checkpoint = f"{lake.checkpoints(source.contract)}/{progress.generation}/offsets"
    return progress.streaming and not lake.storage.exists(checkpoint)


def inspect_columns(lake: Lake, contract: Contract, files: list[File]) -> tuple[Found, list[str]]:
    """The columns of these files, and those that silver ignores; of the newest file also by itself."""
    if not files:
        return {}, []
    files = sorted(files, key=lambda file: (file.modified, file.path))
    found = bronze.columns_of(lake.spark, [file.path for file in files])
    ignored = check_bronze_schema(contract, found, any(map(bronze.is_change, files)))
    if bronze.is_change(files[-1]) and len(files) > 1:
        # Beside older files, a column with a new name would look like one that was dropped.
        check_bronze_schema(contract, bronze.columns_of(lake.spark, [files[-1].path]), changes=True)
    for column in ignored:
        say(f"{contract.table}: bronze's column {column!r} is not in the contract, so it is left out of silver")
    return found, ignored


def refresh(lake: Lake, source: Source, maintain: bool = False) -> Outcome:
    """Bring one table of silver up to its source. Raises TooManyRejected with silver as it was."""
    started, contract, progress, rows_read = time.monotonic(), source.contract, source.progress, 0
    if source.work != "nothing":
        built = frozenset()
        if source.work == "rebuild":
            progress, rows_read = rebuild(lake, source)
            built = frozenset(source.changes)
        progress, merged = follow(lake, source, progress, built)
        rows_read += merged
    if maintain:
        maintain_tables(lake, contract)
    if maintain or source.work != "nothing":
        progress = settle(lake, source, progress)
    status = {"rebuild": "rebuilt", "follow": "merged", "nothing": "unchanged"}[source.work]
    outcome = describe(contract, progress, status, rows_read, time.monotonic() - started)
    say(
        f"{contract.table}: {status}, {rows_read:,} rows read, {outcome.rows:,} rows in silver, "
        f"{sum(outcome.quarantined.values()):,} in quarantine, version {outcome.version} ({outcome.seconds:.1f} s)"
    )
    return outcome


# --- anew -------------------------------------------------------------------------------------------------------------


def rebuild(lake: Lake, source: Source) -> tuple[Progress, int]:
    """Commit the quarantine, then silver, both replaced: a run that ends between the two is repeated whole by the next.

    The changes that are there go in at once, so that silver never shows an older state than before.
    """
    contract, table = source.contract, lake.table(source.contract)
    lake.storage.delete(lake.checkpoints(contract))
    loads, later = read(lake, source)
    rows = loads.unionByName(later) if later else loads
    checked = rows.transform(transforms.checked(contract))
    counts = quarantine.count_by_rule(checked)
    rows_read, quarantined = sum(counts.values()), {}
    current = newest(contract, loads, later).transform(transforms.not_deleted)
    if counts.keys() - {None}:
        current = current.transform(transforms.checked(contract))
        quarantined = quarantine.replace(lake, contract, current)
        quarantine.check_threshold(lake, contract, current.count(), quarantined)
        current = current.transform(transforms.accepted)
    else:
        nothing = checked.where(F.lit(False)).transform(transforms.rejected(contract))
        delta_table.make_empty(nothing, lake.storage, lake.quarantine(contract))
    silver = current.transform(transforms.partitioned(contract))
    delta_table.overwrite(silver, table, contract.partition_name, change_feed=True)
    if contract.history:
        history.rebuild(lake, contract, rows)
    now = delta_table.snapshot(lake.spark, table)
    lake.storage.write(lake.manifest(contract), manifest({file.url: file.size for file in now.files}))
    progress = Progress(
        generation=f"{time.time_ns():x}",
        basis=source.basis,
        rebuilt=now.version,
        version=now.version,
        rows=now.rows,
        change_seq=later.agg(F.max("_seq")).first()[0] if later else "",
        quarantined=quarantined,
    )
    return progress.write(lake.storage, lake.checkpoints(contract)), rows_read


def read(lake: Lake, source: Source) -> tuple[DataFrame, DataFrame | None]:
    """The rows of the full load, and of the changes if there are any."""
    sides = []
    for files in (source.loads, source.changes):
        rows = bronze.read(lake.spark, source.contract, list(files.values()), source.found) if files else None
        sides.append(rows.transform(transforms.located).transform(transforms.typed(source.contract)) if rows else None)
    return sides[0] or no_rows(lake, source.contract), sides[1]


def no_rows(lake: Lake, contract: Contract) -> DataFrame:
    """The full load of an empty source table, for which DMS writes no file."""
    fields = {field.name: field.dataType for field in read_schema(contract, {})}
    fields |= {"_file": StringType(), "_row": LongType(), "_arrived": TimestampType()}
    nothing = lake.spark.range(0).select(*(F.lit(None).cast(kind).alias(name) for name, kind in fields.items()))
    return nothing.transform(transforms.typed(contract))


def newest(contract: Contract, loads: DataFrame, later: DataFrame | None) -> DataFrame:
    """The newest version of each key; without a key, the full load and then every insert."""
    keep_newest = transforms.keep_newest(contract)
    if contract.key:
        return keep_newest(loads.unionByName(later) if later else loads)
    return loads.unionByName(keep_newest(later)) if later else loads


# --- change by change -------------------------------------------------------------------------------------------------


def follow(lake: Lake, source: Source, progress: Progress, built: frozenset[str]) -> tuple[Progress, int]:
    """Merge the change files that the stream has not seen, but those (``built``) that were built in.

    Returns how many rows they had. Raises what a batch raises.
    """
    if not source.changes:
        return progress, 0
    session, rows_read, failures = session_for_changes(lake.spark), 0, []

    def merge_batch(paths: DataFrame, number: int) -> None:
        nonlocal progress, rows_read
        try:
            files = {bronze.name_of(row["path"]): row["path"] for row in paths.collect()}
            new = {name: path for name, path in files.items() if name not in built}
            if new:
                found = source.found if new.keys() <= source.inspected else None
                known = {**source.changes, **new}
                batch = Batch(lake, session, source.contract, number, new, known, source.loads, found)
                progress, rows = changes.apply(batch, progress)
                rows_read += rows
        except Exception as error:
            failures.append(error)
            raise

    stream = bronze.stream_of_changes(session, source.folder, source.until).writeStream.foreachBatch(merge_batch)
    checkpoint = f"{lake.checkpoints(source.contract)}/{progress.generation}"
    try:
        stream.option("checkpointLocation", checkpoint).trigger(availableNow=True).start().awaitTermination()
    except StreamingQueryException:
        # Which has the text of the error only; its kind is what tells the user's mistakes from ours.
        if not failures:
            raise
        raise failures[0] from None
    return progress.having(streaming=True), rows_read


# --- afterwards -------------------------------------------------------------------------------------------------------


def maintain_tables(lake: Lake, contract: Contract) -> None:
    maintenance.maintain(lake.spark, lake.table(contract), contract.partition_name)
    maintenance.maintain(lake.spark, lake.quarantine(contract), None)
    if contract.history:
        maintenance.maintain(lake.spark, lake.history(contract), None)


def settle(lake: Lake, source: Source, progress: Progress) -> Progress:
    """Write down where the table now is.

    A merge that feeds Delta's change feed adds a column to its data files, which COPY by position would stumble over:
    after one there is no manifest, until the export makes a copy.
    """
    contract = source.contract
    version = delta_table.version(lake.spark, lake.table(contract))
    if version != progress.rebuilt:
        lake.storage.delete(lake.manifest(contract))
    done = progress.having(
        version=version,
        seen=source.seen,
        seen_until=max((file.modified for file in source.files), default=0),
        ignored_columns=source.ignored_columns,
    )
    return done.write(lake.storage, lake.checkpoints(contract))


def describe(contract: Contract, progress: Progress, status: str, rows_read: int, seconds: float) -> Outcome:
    return Outcome(
        table=contract.table,
        status=status,
        version=progress.version,
        change_seq=progress.change_seq,
        rows_read=rows_read,
        rows=progress.rows,
        quarantined=progress.quarantined,
        ignored_columns=progress.ignored_columns,
        seconds=round(seconds, 2),
    )
