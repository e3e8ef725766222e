"""The engine that stands for Athena's: DuckDB reading the lake in S3, and nothing else.

It has no access to the machine's files, cannot load or download extensions and cannot change its settings: those are
locked before the first query. DataScannedInBytes is what DuckDB received from S3 for the query, footers included; no
cache is kept between queries, so that the same query scans the same again, as on Athena.
"""

import importlib
import json
import queue
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from groundwork_aws.athena import dialect, relations, results
from groundwork_aws.athena.catalog import Catalog
from groundwork_aws.athena.errors import from_duckdb
from groundwork_aws.athena.functions import MACROS
from groundwork_aws.athena.types import Column

EXTENSIONS = ("httpfs", "delta", "icu")


class Cancelled(Exception):
    """The query was stopped; the text is why."""

    def __init__(self, reason: str = "Query cancelled by user", bytes_scanned: int = 0) -> None:
        super().__init__(reason)
        self.bytes_scanned = bytes_scanned


@dataclass
class Run:
    """A query while it runs: ``interrupt`` may be called from any thread, before it starts too.

    ``cutoff`` is the most bytes that it may scan. What it scanned is known when it has ended, and judged then.
    """

    cutoff: int | None = None
    connection: duckdb.DuckDBPyConnection | None = None
    stopped: threading.Event = field(default_factory=threading.Event)

    def __reduce__(self) -> tuple:
        """Saved and restored it is no longer a running query."""
        return Run, (self.cutoff,)

    def interrupt(self) -> None:
        self.stopped.set()
        if self.connection is not None:
            self.connection.interrupt()

    def check(self) -> None:
        if self.stopped.is_set():
            raise Cancelled

    def check_scanned(self, bytes_scanned: int) -> None:
        if self.cutoff is not None and bytes_scanned > self.cutoff:
            raise Cancelled("Bytes scanned limit was exceeded", self.cutoff)


@dataclass(frozen=True)
class Outcome:
    columns: list[Column]
    rows: int
    bytes_scanned: int


@dataclass(frozen=True)
class Target:
    """Where a query's rows go as Parquet: ``shape(names, types)`` says what is selected of the columns c0, c1, …"""

    folder: str
    partition_keys: list[str]
    id: str
    shape: Callable[[list[str], list], list[str]]
    compression: str = "GZIP"
    with_data: bool = True
    kms_key: str | None = None

    def destination(self) -> str:
        compression = "UNCOMPRESSED" if self.compression.upper() == "NONE" else self.compression
        options = f"FORMAT parquet, COMPRESSION {compression}, RETURN_FILES"
        if not self.partition_keys:
            return f"{relations.literal(f'{self.folder}/{self.id}.parquet')} ({options})"
        keys = ", ".join(relations.quoted(k) for k in self.partition_keys)
        return (
            f"{relations.literal(self.folder)} ({options}, PARTITION_BY ({keys}), OVERWRITE_OR_IGNORE,"
            f" FILENAME_PATTERN '{self.id}_{{i}}')"
        )


@dataclass(frozen=True)
class Written:
    rows: int
    files: list[str]
    bytes_scanned: int
    columns: list[tuple[str, object]]


class Engine:
    """``endpoint`` is S3's host and port; ``scratch`` a folder for what does not fit into memory."""

    def __init__(self, endpoint: str, access_key: str, region: str, scratch: Path, workers: int = 4) -> None:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        database = duckdb.connect(
            config={
                "autoinstall_known_extensions": "false", "autoload_known_extensions": "false",
                "temp_directory": str(scratch), "enable_external_file_cache": "false",
            }
        )  # fmt: skip
        for name in EXTENSIONS:
            database.execute(f"LOAD '{extension_file(name)}'")
        self.s3_options = (
            f"TYPE s3, KEY_ID '{access_key}', SECRET 'test', REGION '{region}', ENDPOINT '{endpoint}',"
            " URL_STYLE 'path', USE_SSL false"
        )
        database.execute(f"CREATE SECRET ({self.s3_options})")
        database.execute("SET integer_division = true")  # a macro's ``/`` is settled when it is made
        for macro in MACROS:
            database.execute(macro)
        # Trino reads a Parquet file of up to 3 MiB as a whole (parquet.small-file-threshold): one request, not several
        database.execute(f"SET force_download_threshold = {3 << 20}")
        # parts of 20 MB, of which at most four are in memory
        database.execute("SET s3_uploader_max_filesize = '200GB'; SET s3_uploader_thread_limit = 4")
        # Parquet files whose footers agree with a table: (URI, ETag, the table's columns)
        self.checked: set[tuple] = set()
        self.connections: queue.LifoQueue = queue.LifoQueue()
        for _ in range(workers):
            connection = database.cursor()
            connection.execute("SET TimeZone = 'UTC'; SET integer_division = true")
            connection.execute("SET enable_profiling = 'no_output'; SET profiling_coverage = 'ALL'")
            self.connections.put(connection)
        database.execute("SET disabled_filesystems = 'LocalFileSystem'; SET lock_configuration = true")

    @contextmanager
    def connection(self, run: Run) -> Iterator[duckdb.DuckDBPyConnection]:
        run.check()
        connection = self.connections.get()
        run.connection = connection
        try:
            run.check()
            yield connection
        except duckdb.InterruptException as error:
            raise Cancelled from error
        finally:
            run.connection = None
            self.connections.put(connection)

    def select(
        self, sql: str, database: str, catalog: Catalog, s3, target: str, run: Run, kms_key: str | None = None
    ) -> Outcome:
        """Run a query and write its rows to ``target``. Raises QueryFailed or Cancelled; then nothing is written."""
        with self.bound(sql, database, catalog, s3, run) as (connection, query, relation):
            text_query, columns = results.printed(query, relation.columns, relation.types)
            with self.encrypted(connection, target, kms_key):
                rows = connection.execute(results.csv_copy(text_query, columns, target)).fetchone()[0]
                scanned = bytes_read(connection)
                if not rows:
                    connection.execute(results.header_copy(columns, target))
            return Outcome(columns, rows, scanned)

    def columns(self, sql: str, database: str, catalog: Catalog, s3, run: Run) -> list[tuple[str, object]]:
        """A query's columns and their types in DuckDB, without running it."""
        with self.bound(sql, database, catalog, s3, run) as (_, _, relation):
            return list(zip(relation.columns, relation.types, strict=True))

    def explain(self, sql: str, database: str, catalog: Catalog, s3, run: Run) -> list[str]:
        """The plan of the engine that will run it, which is DuckDB's."""
        with self.bound(sql, database, catalog, s3, run) as (connection, query, _):
            return connection.execute(f"EXPLAIN {query}").fetchall()[0][1].splitlines()

    def write(self, sql: str, database: str, catalog: Catalog, s3, target: Target, run: Run) -> Written:
        """Run a query and write its rows as Parquet under a folder. Raises QueryFailed or Cancelled."""
        with self.bound(sql, database, catalog, s3, run) as (connection, query, relation):
            columns = list(zip(relation.columns, relation.types, strict=True))
            selected = ", ".join(target.shape(relation.columns, relation.types))
            places = ", ".join(f"c{i}" for i in range(len(columns)))
            limit = "" if target.with_data else " LIMIT 0"
            copy = f"COPY (SELECT {selected} FROM ({query}) AS q({places}){limit}) TO {target.destination()}"
            with self.encrypted(connection, target.folder, target.kms_key):
                rows, files = connection.execute(copy).fetchone()
                scanned = bytes_read(connection)
            return Written(rows, files, scanned, columns)

    @contextmanager
    def encrypted(self, connection: duckdb.DuckDBPyConnection, target: str, kms_key: str | None) -> Iterator[None]:
        """What is written under ``target`` is encrypted with this key; without one, as the bucket says."""
        if kms_key is None:
            yield
            return
        name = relations.quoted(target)
        scope, key = relations.literal(target), relations.literal(kms_key)
        connection.execute(f"CREATE TEMPORARY SECRET {name} ({self.s3_options}, SCOPE {scope}, KMS_KEY_ID {key})")
        try:
            yield
        finally:
            connection.execute(f"DROP TEMPORARY SECRET {name}")

    @contextmanager
    def bound(self, sql: str, database: str, catalog: Catalog, s3, run: Run) -> Iterator[tuple]:
        """A connection, the query in DuckDB's dialect and the relation that it is; errors are in Athena's words."""
        tree = dialect.parse(sql)
        with self.connection(run) as connection, worded(tree.copy(), sql):
            query = self.translate(tree, sql, database, catalog, s3, connection)
            relation = connection.sql(query)
            run.check()
            yield connection, query, relation

    def translate(self, tree, sql: str, database: str, catalog: Catalog, s3, connection) -> str:
        """The query in DuckDB's dialect, with each table of the catalog as a common table expression before it."""
        names, definitions = {}, {}
        for node, name in dialect.tables(tree, sql, database):
            key = f"{name.database}.{name.table}"
            if key not in definitions:
                table = catalog.table(name.database, name.table, name.position)
                definitions[key] = self.definition(table, catalog, s3, connection)
            names[id(node)] = key
        empty = [f"{relations.quoted(k)} AS (SELECT * FROM {v.stub})" for k, v in definitions.items()]

        def probe(query: str) -> list:
            ctes, _, select = query.partition("|")
            before = ", ".join([*empty, *filter(None, [ctes])])
            return connection.sql(f"WITH {before} {select}" if before else select).types

        body = dialect.to_duckdb(tree, sql, names, probe)
        if not definitions:
            return body
        tables = ",\n".join(f"{relations.quoted(k)} AS NOT MATERIALIZED ({v.sql})" for k, v in definitions.items())
        return f"WITH {tables}\nSELECT * FROM ({body})"

    def definition(self, table, catalog: Catalog, s3, connection) -> relations.Relation:
        if table.view is None:
            return relations.relation(table, catalog, s3, connection, self.checked)
        view = table.view
        query = self.translate(dialect.parse(view.sql), view.sql, view.database, catalog, s3, connection)
        found = connection.sql(query)
        return relations.Relation(query, list(zip(found.columns, map(str, found.types), strict=True)))


@contextmanager
def worded(tree, sql: str) -> Iterator[None]:
    """DuckDB's errors in Athena's words."""
    try:
        yield
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        raise from_duckdb(error, lambda name: dialect.locate(tree, sql, name)) from error


def bytes_read(connection: duckdb.DuckDBPyConnection) -> int:
    return json.loads(connection.get_profiling_information(format="json"))["total_bytes_read"]


def extension_file(name: str) -> Path:
    """The extension out of its installed wheel: nothing is downloaded."""
    folder = Path(importlib.import_module(f"duckdb_extension_{name}").__file__).parent
    return next(folder.rglob(f"{name}.duckdb_extension"))
