"""Change capture: loads the tables in the snapshot of a replication slot, then writes what changes from there on.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Task.CDC.html

Changes are taken in batches: CdcMaxBatchInterval after the first that is not written yet, or when the WAL has grown by
CdcMinFileSize since. The order is: S3 has the batch, the checkpoint says so, the source may forget it. What lies
between two of these steps when the process is killed is written again, with the same change sequence.
"""

import logging
import queue
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import botocore.exceptions
import duckdb
import numpy as np
import psycopg

from groundwork_aws.dms import preflight
from groundwork_aws.dms.change_files import ChangeFiles, FileNames
from groundwork_aws.dms.changes import ChangeLayout, ChangeShape, after, counted, key_changed, partitions
from groundwork_aws.dms.checkpoint import Checkpoint, as_lsn, as_text
from groundwork_aws.dms.full_load import LobTruncated, Plan
from groundwork_aws.dms.lookup import with_untouched_values
from groundwork_aws.dms.pgoutput import INSERT, Decoder, Relation, Rows, Truncated
from groundwork_aws.dms.planning import Planner, TaskFailed, names
from groundwork_aws.dms.slot import HEARTBEAT, Slot, catalog

log = logging.getLogger("SOURCE_CAPTURE")
POLL_SECONDS = 0.2
REPORT_SECONDS = 30
# What one reading of the slot takes at most, at the end of a transaction.
CHANGES_AT_ONCE = 1_000_000
RECOVERABLE = (
    psycopg.OperationalError, psycopg.InterfaceError, duckdb.Error, botocore.exceptions.ConnectionError,
    botocore.exceptions.HTTPClientError,
)  # fmt: skip
# https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TaskSettings.ErrorHandling.html
RETRIES = 9


@dataclass
class Captured:
    """A table whose changes are written, in its present shape; ``key`` are the columns of its primary key."""

    shape: ChangeShape
    folder: str
    key: list[int]

    @property
    def names(self) -> tuple[str, str]:
        return names(self.shape.plan.table)


class Capture:
    """A task of type ``cdc`` or ``full-load-and-cdc``, from its start to its end."""

    def __init__(self, task, source, target, layout, format, planner: Planner, loader, report, requests):
        self.task, self.source, self.target, self.layout, self.format = task, source, target, layout, format
        self.planner, self.loader, self.report, self.requests = planner, loader, report, requests
        self.settings, self.changes = task["settings"], ChangeLayout(**task["changes"])
        self.file_names = FileNames(self.changes.timezone)
        self.path = Path(task["checkpoint"])
        self.stop, self.decoder = requests.stop, Decoder()
        self.stop_at: int | None = None

    def run(self) -> str:
        """Replicate until the end, and give back its reason. Raises TaskFailed."""
        behavior = self.settings["ErrorBehavior"]
        limit = RETRIES if behavior["RecoverableErrorCount"] < 0 else behavior["RecoverableErrorCount"]
        self.fresh, self.retries = self.task["fresh"], 0
        while True:
            try:
                return self._replicate()
            except RECOVERABLE as error:
                if self.retries >= limit:
                    raise TaskFailed(f"{error} Stop Reason RECOVERABLE_ERROR") from error
                pause = behavior["RecoverableErrorInterval"] * 2**self.retries
                pause = min(pause, behavior["RecoverableErrorThrottlingMax"])
                self.retries += 1
                log.warning("%s. Task is retried in %d s (%d of %d)", str(error).strip(), pause, self.retries, limit)
                if self.stop.wait(pause):
                    return "NORMAL"
            except psycopg.Error as error:
                raise TaskFailed(f"The source endpoint at {self.source.host} failed: {error}") from error
            except botocore.exceptions.ClientError as error:
                raise TaskFailed(f"The target endpoint {self.target.bucket} failed: {error}") from error

    def _replicate(self) -> str:
        with psycopg.connect(self.source.connection_string(), autocommit=True) as connection:
            self.connection, self.slot = connection, Slot(self.source, connection, self.task["slot"])
            self.slot.lock()
            self.tables: dict[int, Captured | None] = {}
            self._begin()
            self.target.abort_uploads(self.target.folder)
            if not self.stop.is_set() and (reason := self._load_missing()):
                return reason
            return self._follow()

    # --- the start --------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Make the slot, or go on with it. Raises TaskFailed where changes would be missing."""
        self.plans = [plan for plan in self.planner.plans(self.connection) if plan.table.name != HEARTBEAT]
        found = preflight.findings(self.connection, [names(plan.table) for plan in self.plans], self.task["slot"])
        for finding in found:
            log.warning("%s", finding)
        if blocking := [finding for finding in found if finding.blocks]:
            raise TaskFailed(" ".join(str(finding) for finding in blocking))
        self.checkpoint = None if self.fresh else Checkpoint.read(self.path)
        if self.checkpoint is None:
            self.slot.remove()
            self.checkpoint = Checkpoint()
        else:
            self.slot.check(self.checkpoint.position)
            self._start_position()
        self._publish()

    def _start_position(self) -> None:
        if not self.task["start_position"]:
            return
        wanted, position = as_lsn(self.task["start_position"]), self.checkpoint.position
        if wanted < position:
            raise TaskFailed(
                f"CdcStartPosition {as_text(wanted)} is not available any more: the source has forgotten the changes "
                f"before {as_text(position)}"
            )
        self.checkpoint.position = wanted
        self._save()
        self.slot.check(wanted)

    def _publish(self) -> list[tuple[str, str]]:
        """Have the selected tables published as their keys allow; gives back those that are new."""
        known = catalog(self.connection)
        tables = {name: known[name].has_identity for plan in self.plans if (name := names(plan.table)) in known}
        if self.task["heartbeat"]:
            tables[self.slot.make_heartbeat(self.task["heartbeat"]["schema"])] = True
            self.next_beat = 0.0
        return self.slot.publish(tables)

    def _load_missing(self) -> str | None:
        """Load the tables that are not loaded yet. Gives back the reason to stop there, if there is one."""
        first = self.checkpoint.position == 0
        missing = [plan for plan in self.plans if dotted(plan) not in self.checkpoint.loaded]
        for plan in self.plans:
            state = "Before load" if plan in missing else "Table completed"
            self.report(table=names(plan.table), state=state)
        if missing or first:
            self._load(missing, first)
        if self.stop.is_set():
            return "NORMAL"
        fresh_load, full_load = missing and self.task["type"] == "full-load-and-cdc", self.settings["FullLoadSettings"]
        if fresh_load and full_load["StopTaskCachedChangesNotApplied"]:
            return "STOPPED_AFTER_FULL_LOAD"
        if fresh_load and full_load["StopTaskCachedChangesApplied"]:
            self.stop_at = self.slot.head()
        return None

    def _load(self, plans: list[Plan], first: bool) -> None:
        """Load tables in a snapshot whose place in the WAL is known: older changes of them are not written again."""
        wait = self.settings["FullLoadSettings"]["TransactionConsistencyTimeout"]
        keys = {name: table.key for name, table in catalog(self.connection).items()}
        with self.slot.snapshot(wait, lasting=first) as snapshot:
            if first:
                self.checkpoint.position = self.checkpoint.number = snapshot.lsn
                self.fresh = False
                self._save()

            def completed(plan: Plan) -> None:
                self.checkpoint.loaded[dotted(plan)] = snapshot.lsn
                self.checkpoint.keys[dotted(plan)] = keys.get(names(plan.table), [])
                self.checkpoint.suspended.pop(dotted(plan), None)
                self._save()

            if self.task["type"] == "full-load-and-cdc":
                errors = self.loader.load_all(plans, snapshot.name, completed)
                if errors and self.loader.failed.is_set():
                    raise TaskFailed(f"{len(errors)} of {len(plans)} tables could not be loaded. {' '.join(errors)}")
            else:
                for plan in plans:
                    completed(plan)
                    self.report(table=names(plan.table), state="Table completed")

    # --- following the changes --------------------------------------------------------------------------------------

    def _follow(self) -> str:
        self.seen, self.news, self.reported = 0, None, 0.0
        self.report(position=self.checkpoint.position)
        while not self.stop.is_set():
            self._reload()
            self._beat()
            if reason := self._ended():
                return reason
            if not self._due() or not self._batch():
                self._report_idle()
                self.stop.wait(POLL_SECONDS)
        return "NORMAL"

    def _due(self) -> bool:
        """Whether it is time for a batch: something happened, and long enough ago, or much."""
        head = self.slot.head()
        self.retries = 0
        if head <= self.seen:
            return False
        self.news = self.news or time.monotonic()
        waited = time.monotonic() - self.news >= self.changes.max_batch_seconds
        return (
            waited
            or self.stop_at is not None
            or head - max(self.seen, self.checkpoint.position) >= (self.changes.min_file_bytes)
        )

    def _ended(self) -> str | None:
        kind, _, moment = (self.task["stop_position"] or "").partition(":")
        if kind == "server_time" and datetime.now(UTC) >= as_moment(moment):
            self._batch()
            return "STOPPED_AT_SERVER_TIME"
        if kind == "commit_time" and self.beyond:
            return "STOPPED_AT_COMMIT_TIME"
        if self.stop_at is not None and self.seen >= self.stop_at:
            return "STOPPED_AFTER_CACHED_EVENTS"
        return None

    beyond = False  # a change was seen that was committed after CdcStopPosition

    def _batch(self) -> bool:
        """Write what the slot holds. Gives back whether there is more."""
        head, messages = self.slot.head(), 0
        self._look_for_new_tables()
        self.counts: dict[tuple[str, str], dict[str, int]] = {}
        self.ignored: dict[str, int] = {}
        self.first_commit = 0
        self.files = ChangeFiles(self.target, self.format, self.file_names, self.layout.max_file_bytes)
        self.decoder.begin(self.checkpoint.number, self.checkpoint.clock)
        try:
            for array in self.slot.peek(CHANGES_AT_ONCE):
                for found in self.decoder.decode(array):
                    self._take(found)
                messages += len(array)
                if self.stop.is_set() or self.beyond:
                    break
            if self.stop.is_set():
                self.files.abort()
                return False
            end = self.beyond or self.decoder.end
            if end > self.checkpoint.position:
                self._commit(end)
        except BaseException:
            self.files.abort()
            raise
        self.seen, self.news = (head, None) if messages < CHANGES_AT_ONCE else (self.seen, self.news)
        return messages >= CHANGES_AT_ONCE

    def _commit(self, end: int) -> None:
        captured = time.time()
        self.files.commit()
        self.checkpoint.position = end
        self.checkpoint.number, self.checkpoint.clock = self.decoder.number, self.decoder.clock
        self._save()
        self.slot.advance(end)
        for reason, count in self.ignored.items():
            log.warning("%s (%d changes)", reason, count)
        changes = [{"table": table, **counts} for table, counts in self.counts.items()]
        self.report(changes=changes, position=end)
        if self.first_commit:
            self._report_latency(captured - self.decoder.time / 1e6, time.time() - self.first_commit / 1e6)

    def _take(self, found: Rows | Relation | Truncated) -> None:
        if isinstance(found, Relation):
            self._shape(found)
        elif isinstance(found, Truncated):
            self._truncate(found)
        elif table := self.tables.get(found.relation.oid):
            self._write(table, self._applicable(table, found))

    def _shape(self, relation: Relation) -> None:
        """Take over a table's columns, as they are from here on."""
        before = self.tables.get(relation.oid)
        reading = self.planner.reading(self.connection, relation) if relation.name != HEARTBEAT else None
        if reading is None:
            self.tables[relation.oid] = None
            return
        if before:
            self._count(before.names, {"Ddls": 1})
            log.info("%s.%s: its structure changed; files from here on have the new one", *before.names)
        key = self.checkpoint.keys.get(f"{relation.schema}.{relation.name}", [])
        columns = [name for name, *_ in relation.columns]
        plan = reading.plan
        self.tables[relation.oid] = Captured(
            ChangeShape(reading, self.change_layout(), self.source.fail_on_lob_truncation),
            self.target.table_folder(plan.target_schema, plan.target_table),
            [columns.index(name) for name in key if name in columns],
        )

    def change_layout(self):
        """As the full load's, but Op shows wherever more than inserts are written."""
        include_op = not self.changes.inserts_only or self.layout.include_op
        return type(self.layout)(**{**vars(self.layout), "include_op": include_op})

    def _truncate(self, found: Truncated) -> None:
        table = self.tables.get(found.relation.oid)
        if not table or found.lsn < self.checkpoint.loaded.get(".".join(table.names), found.lsn + 1):
            return
        self._count(table.names, {"Ddls": 1})
        if self.settings["ChangeProcessingDdlHandlingPolicy"]["HandleSourceTableTruncated"]:
            log.info("%s.%s was truncated: its files are removed", *table.names)
            self.files.clear(table.folder)

    def _applicable(self, table: Captured, rows: Rows) -> Rows:
        """What DMS writes of the changes; what it ignores is counted for the log."""
        name = ".".join(table.names)
        loaded = self.checkpoint.loaded.get(name)
        if loaded is None or name in self.checkpoint.suspended:
            return rows.where(np.zeros(len(rows), bool))
        wanted = after(rows, loaded)
        if self.task["stop_position"] and self.task["stop_position"].startswith("commit_time:"):
            wanted &= self._before_the_end(rows)
        if not table.key:
            wanted = self._ignore(wanted, rows.operations != INSERT, f"{name} has no primary key: updates and deletes")
        else:
            changed = key_changed(rows, table.key)
            wanted = self._ignore(wanted, changed, f"{name}: updates that change the primary key")
        self._count(table.names, counted(rows.where(wanted)))
        return rows.where(wanted & np.isin(rows.operations, self.changes.operations))

    def _before_the_end(self, rows: Rows) -> np.ndarray:
        last = int(as_moment(self.task["stop_position"].partition(":")[2]).timestamp() * 1e6)
        late = rows.transactions.time > last
        if late.any():
            self.beyond = self.beyond or int(rows.transactions.lsn[late][0])
        return (np.maximum.accumulate(late) == 0)[rows.transaction]

    def _ignore(self, wanted: np.ndarray, mask: np.ndarray, what: str) -> np.ndarray:
        if count := int((wanted & mask).sum()):
            self.ignored[f"{what} are ignored"] = self.ignored.get(f"{what} are ignored", 0) + count
        return wanted & ~mask

    def _write(self, table: Captured, rows: Rows) -> None:
        if not len(rows):
            return
        self.first_commit = self.first_commit or int(rows.transactions.time[rows.transaction[0]])
        rows = with_untouched_values(self.connection, rows, table.key, table.shape.reading.types)
        unreadable, truncated = table.shape.unreadable, table.shape.truncated
        try:
            for part, mask in partitions(rows, self.changes):
                chosen = rows.where(mask)
                self.files.write(table.folder + part, table.shape, table.shape.table(chosen))
        except LobTruncated as error:
            raise TaskFailed(f"{'.'.join(table.names)}: {error}") from error
        for what, count in (
            ("values were cut to LobMaxSize", table.shape.truncated - truncated),
            ("values that the column's type cannot hold became NULL", table.shape.unreadable - unreadable),
        ):
            if count:
                log.warning("%s.%s: %d %s", *table.names, count, what)

    # --- beside the changes -----------------------------------------------------------------------------------------

    def _look_for_new_tables(self) -> None:
        """What the catalog says now: tables that were made, dropped, or given another primary key."""
        known = catalog(self.connection)
        there = {names(plan.table) for plan in self.plans}
        for plan in self.plans:
            name, table = dotted(plan), known.get(names(plan.table))
            if table is None and name in self.checkpoint.loaded and not plan.table.is_view:
                log.warning("%s was dropped at the source: its files stay", name)
                self.report(table=names(plan.table), state="Table does not exist")
                del self.checkpoint.loaded[name]
            elif table and name in self.checkpoint.keys and table.key != self.checkpoint.keys[name]:
                self._suspend(plan, table.key)
        selected = {name for name in known if self.planner.rules.selected(*name) and name[1] != HEARTBEAT}
        if selected != there:
            self.plans = [plan for plan in self.planner.plans(self.connection) if plan.table.name != HEARTBEAT]
        if self._publish_needed(known):
            self._publish()
        if new := [plan for plan in self.plans if names(plan.table) in selected - there]:
            log.info("New tables at the source: %s", ", ".join(map(dotted, new)))
            self._load(new, first=False)

    def _publish_needed(self, known: dict) -> bool:
        state = {name: (table.has_identity, table.key) for name, table in known.items()}
        changed = state != getattr(self, "published_state", None)
        self.published_state = state
        return changed

    def _suspend(self, plan: Plan, key: list[str]) -> None:
        name = dotted(plan)
        if name in self.checkpoint.suspended:
            return
        was = ", ".join(self.checkpoint.keys[name]) or "none"
        reason = f"its primary key was ({was}) and is now ({', '.join(key) or 'none'})"
        log.error("%s is suspended: %s. Its changes are not replicated until it is reloaded", name, reason)
        self.checkpoint.suspended[name] = reason
        self._save()
        self.report(table=names(plan.table), state="Table error")

    def _reload(self) -> None:
        try:
            wanted = self.requests.reloads.get_nowait()
        except queue.Empty:
            return
        while self._batch():  # what came before the reload is not written after it
            pass
        plans = [plan for plan in self.plans if names(plan.table) in wanted]
        for plan in plans:
            self.checkpoint.loaded.pop(dotted(plan), None)
        self._save()
        self._load(plans, first=False)

    def _beat(self) -> None:
        if self.task["heartbeat"] and time.monotonic() >= self.next_beat:
            self.slot.beat(self.task["heartbeat"]["schema"])
            self.next_beat = time.monotonic() + self.task["heartbeat"]["seconds"]

    def _report_idle(self) -> None:
        """Without news there is no latency, and that is told too."""
        if self.news is None and time.monotonic() - self.reported >= REPORT_SECONDS:
            self._report_latency(0, 0)

    def _report_latency(self, source: float, target: float) -> None:
        self.reported = time.monotonic()
        self.report(latency={"CDCLatencySource": max(0, round(source)), "CDCLatencyTarget": max(0, round(target))})

    def _count(self, table: tuple[str, str], counts: dict[str, int]) -> None:
        mine = self.counts.setdefault(table, {})
        for name, count in counts.items():
            mine[name] = mine.get(name, 0) + count

    def _save(self) -> None:
        self.checkpoint.write(self.path)


def dotted(plan: Plan) -> str:
    return ".".join(names(plan.table))


def as_moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
