"""The control tables of a task that captures changes: files in the bucket that tell how the task is doing.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TaskSettings.ControlTable.html

AWS documents the columns; their names in lower case, their types and the folder without a schema were observed. Not
documented for S3, and so a guess, is when a row is written: a status at each change of it and every 30 seconds, a row
of history for each time slot, a suspended table once. ``awsdms_apply_exceptions`` is made "on database targets" only.

It all hangs on the events that the process tells anyway; rows go to S3 from a thread of their own, and one that S3 does
not take is missing. Nothing is cached here beside the source, so that ``pending_changes`` and ``disk_swap_size`` are 0.
"""

import logging
import socket
import threading
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import botocore.exceptions
import pyarrow as pa

from groundwork_aws.dms.change_files import FileNames
from groundwork_aws.dms.changes import ChangeLayout
from groundwork_aws.dms.checkpoint import as_text
from groundwork_aws.dms.full_load import Layout, now
from groundwork_aws.dms.parquet import Format, Writer
from groundwork_aws.dms.target import Target, Upload

log = logging.getLogger("TASK_MANAGER")
STATUS, SUSPENDED, HISTORY = "awsdms_status", "awsdms_suspended_tables", "awsdms_history"
SWITCHES = {
    STATUS: "StatusTableEnabled", SUSPENDED: "SuspendedTablesTableEnabled", HISTORY: "HistoryTableEnabled",
}  # fmt: skip
TASK = {"server_name": pa.string(), "task_name": pa.string()}
TIME = pa.timestamp("us", "UTC")
COLUMNS = {
    STATUS: TASK | {
        "task_status": pa.string(), "status_time": TIME, "pending_changes": pa.int64(), "disk_swap_size": pa.int64(),
        "task_memory": pa.int64(), "source_current_position": pa.string(), "source_current_timestamp": TIME,
        "source_tail_position": pa.string(), "source_tail_timestamp": TIME, "source_timestamp_applied": TIME,
    },
    SUSPENDED: TASK | {
        "table_owner": pa.string(), "table_name": pa.string(), "suspend_reason": pa.string(), "suspend_timestamp": TIME,
    },
    HISTORY: TASK | {
        "timeslot_type": pa.string(), "timeslot": TIME, "timeslot_duration": pa.int64(), "timeslot_latency": pa.int64(),
        "timeslot_records": pa.int64(), "timeslot_volume": pa.int64(),
    },
}  # fmt: skip
FULL_LOAD, CHANGE_PROCESSING, NOT_RUNNING = "FULL LOAD", "CHANGE PROCESSING", "NOT RUNNING"
STATUS_SECONDS = timedelta(seconds=30)
TICK_SECONDS = 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@contextmanager
def kept(task: dict, target: Target, layout: Layout, format: Format, changes: ChangeLayout, tell):
    """``tell``, or one that also keeps the control tables that the task's settings ask for."""
    tables = {table for table, switch in SWITCHES.items() if task["settings"]["ControlTablesSettings"][switch]}
    if not tables:
        yield tell
        return
    files = ControlFiles(target, layout, format, changes, task["settings"]["ControlTablesSettings"]["ControlSchema"])
    control, done = ControlTables(task, tables, files, tell), threading.Event()

    def write() -> None:
        while not done.wait(TICK_SECONDS):
            control.tick(now())

    writer = threading.Thread(target=write, name="control-tables")
    writer.start()
    try:
        yield control
    finally:
        done.set()
        writer.join()
        control.end(now())


class ControlTables:
    """Called with each event, tells it on and remembers what the tables say of it. ``tick`` writes what is due."""

    def __init__(self, task: dict, tables: set[str], files: "ControlFiles", tell):
        self.tables, self.files, self.tell = tables, files, tell
        self.task = {"server_name": socket.gethostname(), "task_name": Path(task["checkpoint"]).stem}
        self.slot = timedelta(minutes=task["settings"]["ControlTablesSettings"]["HistoryTimeslotInMinutes"])
        # a task without a load calls its tables loaded at once
        self.loading = {"Before load", "Full load"} if task["type"] == "full-load-and-cdc" else set()
        self.lock, self.rows = threading.Lock(), {table: [] for table in tables}
        self.states, self.loaded = {}, Counter()
        self.status, self.operation = NOT_RUNNING, "I" if task["fresh"] else "U"
        self.position, self.committed, self.latency = 0, None, 0
        self.told, self.slot_began = datetime.min.replace(tzinfo=UTC), now()
        self.records, self.volume, self.sent = Counter(), Counter(), files.target.sent

    def __call__(self, **event) -> None:
        with self.lock:
            if "state" in event:
                self._table(event)
            self._source(event)
            self._status(self._status_of_tables(event), now())
        self.tell(**event)

    def _table(self, event: dict) -> None:
        table, state = event["table"], event["state"]
        rows = event.get("rows", self.loaded[table] if state != "Before load" else 0)
        self.records[FULL_LOAD] += max(0, rows - self.loaded[table])
        self.loaded[table], self.states[table] = rows, state
        if state == "Table error":
            owner, name = table
            self._add(SUSPENDED, "I", {"table_owner": owner, "table_name": name, "suspend_timestamp": now(),
                                       "suspend_reason": event.get("reason")})  # fmt: skip

    def _source(self, event: dict) -> None:
        self.position = event.get("position", self.position)
        if "committed" in event:
            self.committed = EPOCH + timedelta(microseconds=event["committed"])
        self.latency = event.get("latency", {}).get("CDCLatencyTarget", self.latency)
        for counts in event.get("changes", ()):
            self.records[CHANGE_PROCESSING] += sum(counts.get(name, 0) for name in ("Inserts", "Updates", "Deletes"))

    def _status_of_tables(self, event: dict) -> str:
        if self.loading.intersection(self.states.values()):
            return FULL_LOAD
        return CHANGE_PROCESSING if "position" in event or self.status != NOT_RUNNING else NOT_RUNNING

    def _status(self, status: str, moment: datetime, anyway: bool = False) -> None:
        if status == self.status and not anyway:
            return
        self._measure()
        self.status, self.told = status, moment
        place = as_text(self.position) if self.position else None
        self._add(STATUS, self.operation, {
            "task_status": status, "status_time": moment, "pending_changes": 0, "disk_swap_size": 0,
            "task_memory": memory(), "source_current_position": place, "source_current_timestamp": self.committed,
            "source_tail_position": place, "source_tail_timestamp": self.committed,
            "source_timestamp_applied": self.committed,
        })  # fmt: skip
        self.operation = "U"

    def _measure(self) -> None:
        """What was sent since the last time was sent in the present status."""
        self.volume[self.status] += self.files.target.sent - self.sent
        self.sent = self.files.target.sent

    def _end_slot(self, moment: datetime) -> None:
        self._measure()
        minutes = round((moment - self.slot_began) / timedelta(minutes=1))
        for kind in (FULL_LOAD, CHANGE_PROCESSING):
            if kind == self.status or self.records[kind]:
                self._add(HISTORY, "I", {
                    "timeslot_type": kind, "timeslot": moment, "timeslot_duration": minutes,
                    "timeslot_latency": self.latency if kind == CHANGE_PROCESSING else None,
                    "timeslot_records": self.records[kind], "timeslot_volume": self.volume[kind] >> 20,
                })  # fmt: skip
        self.slot_began, self.records, self.volume = moment, Counter(), Counter()

    def _add(self, table: str, operation: str, row: dict) -> None:
        if table in self.tables:
            self.rows[table].append((operation, self.task | row))

    def tick(self, moment: datetime) -> None:
        with self.lock:
            if moment - self.told >= STATUS_SECONDS:
                self._status(self.status, moment, anyway=True)
            if moment - self.slot_began >= self.slot:
                self._end_slot(moment)
        self._write()

    def end(self, moment: datetime) -> None:
        with self.lock:
            self._end_slot(moment)
            self._status(NOT_RUNNING, moment)
        self._write()

    def _write(self) -> None:
        with self.lock:
            rows, self.rows = self.rows, {table: [] for table in self.tables}
        for table in filter(rows.get, rows):
            try:
                self.files.write(table, rows[table])
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
                log.warning("%d rows of %s could not be written: %s", len(rows[table]), table, error)


class ControlFiles:
    """Writes rows as the target's changes are written: the same format, names of files, Op and time stamp."""

    def __init__(self, target: Target, layout: Layout, format: Format, changes: ChangeLayout, schema: str):
        self.target, self.layout, self.format, self.changes = target, layout, format, changes
        self.names, self.schema = FileNames(changes.timezone), schema
        self.include_op = not changes.inserts_only or layout.include_op

    def write(self, table: str, rows: list[tuple[str, dict]]) -> None:
        moment = self.names.moment()
        part = f"{moment.astimezone(self.names.zone):{self.changes.partition}}/" if self.changes.partition else ""
        upload = Upload(self.target, self.target.table_folder(self.schema, table) + part + self.names.name(moment, 0))
        made = self._table(table, rows, moment)
        writer = Writer(upload, made.schema, self.format, made.column_names)
        writer.write(made)
        writer.close()
        upload.complete()

    def _table(self, table: str, rows: list[tuple[str, dict]], moment: datetime) -> pa.Table:
        fields, first = [], {}
        if self.include_op:
            fields.append(pa.field("Op", pa.string()))
        if self.layout.timestamp_column:
            fields.append(pa.field(self.layout.timestamp_column, pa.string(), nullable=False))
            first[self.layout.timestamp_column] = f"{moment:%Y-%m-%d %H:%M:%S.%f}"
        stamps = pa.timestamp("ms", "UTC") if self.layout.timestamp_in_millisecond else TIME
        fields += [pa.field(name, stamps if kind == TIME else kind) for name, kind in COLUMNS[table].items()]
        columns = pa.schema(fields)
        values = [{"Op": operation, **first, **row} for operation, row in rows]
        return pa.Table.from_arrays(
            [pa.array([row[name] for row in values]).cast(columns.field(name).type, safe=False)
             for name in columns.names], schema=columns,
        )  # fmt: skip


def memory() -> int:
    """This process's resident memory in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) >> 10 for line in lines if line.startswith("VmRSS"))
