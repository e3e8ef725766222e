"""The process of a replication task: carries it out, apart from the API that started it.

It tells what happens through a pipe (``{"table": …}``, ``{"log": …}``, at the end ``{"end": …}``). ``"stop"`` from the
other side ends it after the current rows; the other side's death ends it at once.
"""

import gc
import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path

import boto3
import psycopg
from botocore.config import Config

from groundwork_aws.dms import mappings, postgres
from groundwork_aws.dms.expressions import added_column
from groundwork_aws.dms.full_load import Layout, Plan, Stopped, connect, load
from groundwork_aws.dms.parquet import Format
from groundwork_aws.dms.postgres import Source, Table
from groundwork_aws.dms.target import Target

log = logging.getLogger("TASK_MANAGER")
REPORT_ROWS = 50_000
# Each holds some 25 MB, and on two cores eight at once were no quicker than three.
TABLES_AT_ONCE = 3


class TaskFailed(Exception):
    """The task cannot go on; the text is its LastFailureMessage."""


class Reporter:
    """Sends events, one at a time."""

    def __init__(self, pipe: Connection):
        self.pipe, self.lock = pipe, threading.Lock()

    def __call__(self, **event) -> None:
        with self.lock:
            self.pipe.send(event)


class EventLog(logging.Handler):
    """Sends log records as events, in the form of DMS's task log."""

    def __init__(self, report: Reporter):
        super().__init__()
        self.report = report

    def emit(self, record: logging.LogRecord) -> None:
        letter = {"WARNING": "W", "ERROR": "E"}.get(record.levelname, "I")
        self.report(log=f"[{record.name}]{letter}:  {record.getMessage()}", at=int(record.created * 1000))


def main(pipe: Connection, task: dict, log_file: str) -> None:
    """Carry out the task; what nobody expected goes to the log file."""
    with Path(log_file).open("wb") as errors:
        os.dup2(errors.fileno(), 1)
        os.dup2(errors.fileno(), 2)
    stop, report = threading.Event(), Reporter(pipe)
    threading.Thread(target=listen, args=(pipe, stop), daemon=True).start()
    gc.freeze()  # a collection would copy every page that is still shared with the fork server
    logging.basicConfig(level=logging.INFO, handlers=[EventLog(report)], force=True)
    logging.getLogger("botocore").setLevel(logging.WARNING)
    try:
        run(task, report, stop)
        report(end="stopped" if stop.is_set() else "finished")
    except TaskFailed as error:
        log.error("%s", error)
        report(end="failed", message=str(error))


def listen(pipe: Connection, stop: threading.Event) -> None:
    try:
        while pipe.recv() == "stop":
            stop.set()
    except EOFError:
        os._exit(1)


def run(task: dict, report: Reporter, stop: threading.Event) -> None:
    """Load every selected table, of MaxFullLoadSubTasks at most TABLES_AT_ONCE at a time. Raises TaskFailed."""
    source, settings = Source(**task["source"]), task["settings"]
    plans = plan(source, task)
    for p in plans:
        report(table=(p.table.schema, p.table.name), state="Before load")
    layout = Layout(**{**task["layout"], "started": as_time(task["layout"]["started"])})
    loader = Loader(source, make_target(task), layout, Format(**task["format"]), settings, report, stop)
    with ThreadPoolExecutor(min(TABLES_AT_ONCE, settings["FullLoadSettings"]["MaxFullLoadSubTasks"])) as pool:
        errors = [error for error in pool.map(loader.load, plans) if error]
    if errors:
        raise TaskFailed(f"{len(errors)} of {len(plans)} tables could not be loaded. {' '.join(errors)}")


def as_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def make_target(task: dict) -> Target:
    quick = Config(
        # the endpoint checks what it stores; a second checksum and a signed payload cost more than the upload
        request_checksum_calculation="when_required", response_checksum_validation="when_required",
        s3={"payload_signing_enabled": False, "addressing_style": "path"}, retries={"mode": "standard"},
    )  # fmt: skip
    return Target(boto3.client("s3", config=quick, **task["aws"]), **task["target"])


def plan(source: Source, task: dict) -> list[Plan]:
    """What is to be loaded, in load order. Raises TaskFailed."""
    try:
        with psycopg.connect(source.connection_string(), autocommit=True) as connection:
            connection.execute(f"SET statement_timeout = {source.execute_timeout * 1000}")
            plans = selected(connection, source, task)
    except psycopg.Error as error:
        raise TaskFailed(f"The source endpoint at {source.host}:{source.port} failed: {error}") from error
    except mappings.MappingError as error:
        raise TaskFailed(f"Invalid Table Mappings document: {error}") from error
    folders = [(p.target_schema, p.target_table) for p in plans]
    for p in plans:
        if folders.count((p.target_schema, p.target_table)) > 1:
            raise TaskFailed(
                f"Several tables would be written to {p.target_schema}/{p.target_table}: S3 targets do not support that"
            )
    return sorted(plans, key=lambda p: -p.load_order)


def selected(connection: psycopg.Connection, source: Source, task: dict) -> list[Plan]:
    rules = mappings.parse(task["mappings"])
    found = [(t, rules.selected(t.schema, t.name, t.is_view)) for t in postgres.tables(connection)]
    chosen = [(t, rule) for t, rule in found if rule]
    if not chosen and task["settings"]["ErrorBehavior"]["FailOnNoTablesCaptured"]:
        wanted = ", ".join(f"{s.schema}.{s.table}" for s in rules.selections if s.action != "exclude")
        raise TaskFailed(
            f"No tables were found at task initialization. Either the selected table(s) or schemas(s) no longer exist "
            f"or no match was found for the table selection pattern(s): {wanted} in database {source.database}"
        )
    done = {tuple(names) for names in task["done"]}
    enums = postgres.enum_types(connection)
    return [
        table_plan(connection, source, task, rules, table, rule, enums)
        for table, rule in chosen
        if (table.schema, table.name) not in done
    ]


def table_plan(connection, source, task, rules: mappings.Mappings, table: Table, rule, enums) -> Plan:
    found = postgres.catalog_columns(connection, table)
    metadata = task["settings"]["TargetMetadata"]
    columns = []
    for entry in found:
        name = rules.target_column(table.schema, table.name, entry["name"])
        column = postgres.column(entry, source, metadata["LobMaxSize"] * 1024, enums)
        if column is None or (column.dms_type.endswith("LOB") and not metadata["SupportLobs"]):
            log.warning("%s.%s: column %s is not migrated", table.schema, table.name, entry["name"])
        elif name is not None:
            columns.append(postgres.replace(column, name=name))
    names = {entry["name"] for entry in found}
    columns += [added_column(added, names) for added in rules.added_columns(table.schema, table.name)]
    return Plan(table, *rules.target_name(table.schema, table.name), tuple(columns), rule.filters, rule.load_order)


class Loader:
    """Loads tables side by side, each with its statistics and its end."""

    def __init__(self, source: Source, target: Target, layout: Layout, format: Format, settings: dict, report, stop):
        self.duckdb = connect(source)
        self.source, self.target, self.layout, self.format = source, target, layout, format
        self.prepare = settings["FullLoadSettings"]["TargetTablePrepMode"] != "DO_NOTHING"
        self.stop_on_error = settings["ErrorBehavior"]["TableErrorPolicy"] == "STOP_TASK"
        self.report, self.stop = report, stop
        self.failed = threading.Event()

    def load(self, plan: Plan) -> str | None:
        """Load one table. Gives back what went wrong, if it did."""
        names, rows = (plan.table.schema, plan.table.name), 0

        def loaded(count: int) -> None:
            nonlocal rows
            if count // REPORT_ROWS != rows // REPORT_ROWS:
                self.report(table=names, state="Full load", rows=count)
            rows = count

        if self.stop.is_set() or self.failed.is_set():
            self.report(table=names, state="Table cancelled")
            return None
        self.report(table=names, state="Full load", rows=0)
        try:
            if self.prepare:
                self.target.clear(self.target.table_folder(plan.target_schema, plan.target_table))
            fail_on_truncation = self.source.fail_on_lob_truncation
            load(self.duckdb, plan, self.target, self.layout, self.format, fail_on_truncation, loaded, self.stop)
        except Stopped:
            self.report(table=names, state="Table cancelled", rows=rows)
            return None
        except Exception as error:  # whatever goes wrong with one table ends in its state, and the others go on
            log.error("%s.%s: %s", *names, error)
            self.report(table=names, state="Table error", rows=rows)
            if self.stop_on_error:
                self.failed.set()
            return f"{names[0]}.{names[1]}: {error}"
        self.report(table=names, state="Table completed", rows=rows)
        log.info("Load finished for table %s.%s. %d rows received.", *names, rows)
        return None
