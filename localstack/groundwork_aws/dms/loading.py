"""Loads the tables of a task, several side by side.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TaskSettings.FullLoad.html
"""

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import duckdb

from groundwork_aws.dms.full_load import Layout, Plan, Stopped, connect, load, unloaded
from groundwork_aws.dms.parquet import Format
from groundwork_aws.dms.planning import names
from groundwork_aws.dms.postgres import Source
from groundwork_aws.dms.retries import Away, source_or_target_is_away
from groundwork_aws.dms.target import Target

log = logging.getLogger("TASK_MANAGER")
REPORT_ROWS = 50_000
# Each holds some 25 MB, and on two cores eight at once were no quicker than three.
TABLES_AT_ONCE = 3


@contextmanager
def rolled_back(cursor: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """With its transaction ended in the end: DuckDB ends the whole process when it finds the source away only then."""
    try:
        yield cursor
    finally:
        with suppress(duckdb.Error):
            cursor.rollback()
        with suppress(duckdb.Error):
            cursor.close()


class Loader:
    """Loads tables side by side, each with its statistics and its end."""

    def __init__(self, source: Source, target: Target, layout: Layout, format: Format, settings: dict, report, stop):
        self.source, self.target, self.layout, self.format = source, target, layout, format
        self.at_once = settings["FullLoadSettings"]["MaxFullLoadSubTasks"]
        self.prepare = settings["FullLoadSettings"]["TargetTablePrepMode"] != "DO_NOTHING"
        self.stop_on_error = settings["ErrorBehavior"]["TableErrorPolicy"] == "STOP_TASK"
        self.report, self.stop = report, stop
        self.failed = threading.Event()

    def load_all(self, plans: list[Plan], snapshot: str = "", completed: Callable[[Plan], None] = lambda plan: None):
        """Load the tables, of MaxFullLoadSubTasks at most TABLES_AT_ONCE at a time. Gives back what went wrong.

        All are read in ``snapshot``, an exported one, where there is one. ``completed`` is told of each that is loaded,
        and what it raises is the table's error. Raises Away when the source or target is: what is not completed by then
        has to be loaded again.
        """
        self.duckdb, self.snapshot, self.completed, self.away = connect(self.source), snapshot, completed, None
        with ThreadPoolExecutor(min(TABLES_AT_ONCE, self.at_once)) as pool:
            errors = [error for error in pool.map(self.load, plans) if error]
        if self.away:
            raise self.away
        return errors

    def load(self, plan: Plan) -> str | None:
        """Load one table. Gives back what went wrong, if it did."""
        table, rows = names(plan.table), 0

        def loaded(count: int) -> None:
            nonlocal rows
            if count // REPORT_ROWS != rows // REPORT_ROWS:
                self.report(table=table, state="Full load", rows=count)
            rows = count

        if self.stop.is_set() or self.failed.is_set():
            self.report(table=table, state="Table cancelled")
            return None
        if self.away:
            return None
        self.report(table=table, state="Full load", rows=0)
        try:
            if self.prepare:
                self.target.clear(self.target.table_folder(plan.target_schema, plan.target_table))
            fail_on_truncation = self.source.fail_on_lob_truncation
            with rolled_back(self.duckdb.cursor()) as cursor:
                reader = unloaded(cursor, plan, self.snapshot)
                load(reader, plan, self.target, self.layout, self.format, fail_on_truncation, loaded, self.stop)
            self.completed(plan)
        except Stopped:
            self.report(table=table, state="Table cancelled", rows=rows)
            return None
        except Exception as error:  # whatever goes wrong with one table ends in its state, and the others go on
            if source_or_target_is_away(error):
                self.away = Away(str(error))
                self.report(table=table, state="Before load", rows=0)
                return None
            log.error("%s.%s: %s", *table, error)
            self.report(table=table, state="Table error", rows=rows, reason=str(error))
            if self.stop_on_error:
                self.failed.set()
            return f"{table[0]}.{table[1]}: {error}"
        self.report(table=table, state="Table completed", rows=rows)
        log.info("Load finished for table %s.%s. %d rows received.", *table, rows)
        return None
