"""Change capture: loads the tables in the snapshot of a replication slot, then writes what changes from there on.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Task.CDC.html

Changes are taken in batches: CdcMaxBatchInterval after the first that is not written yet, or when the WAL has grown by
CdcMinFileSize since. The order is: S3 has the batch, the checkpoint says so, the source may forget it. What lies
between two of these steps when the process is killed is written again, with the same change sequence.
"""

import logging
import queue
import threading
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import botocore.exceptions
import psycopg

from groundwork_aws.dms import chosen_slot, orphans, preflight
from groundwork_aws.dms.batch import Batch, Captured, Job
from groundwork_aws.dms.change_files import FileNames
from groundwork_aws.dms.checkpoint import Checkpoint, as_lsn, as_moment, as_text
from groundwork_aws.dms.full_load import Plan
from groundwork_aws.dms.loading import Loader
from groundwork_aws.dms.pgoutput import Decoder
from groundwork_aws.dms.planning import TaskFailed, names
from groundwork_aws.dms.retries import RECOVERABLE, Retries
from groundwork_aws.dms.slot import HEARTBEAT, CatalogTable, Slot, catalog

log = logging.getLogger("SOURCE_CAPTURE")
POLL_SECONDS = 0.2
REPORT_SECONDS = 30
# What one reading of the slot takes at most, at the end of a transaction.
CHANGES_AT_ONCE = 1_000_000


class Capture:
    """A task of type ``cdc`` or ``full-load-and-cdc``, from its start to its end."""

    def __init__(self, task: dict, job: Job, loader: Loader, report, requests):
        self.task, self.job, self.loader, self.report, self.requests = task, job, loader, report, requests
        self.source, self.planner, self.settings = job.source, job.planner, job.settings
        self.file_names, self.path = FileNames(job.changes.timezone), Path(task["checkpoint"])
        self.stop = requests.stop
        self.stop_at: int | None = None
        self.beyond, self.published = 0, None
        self.users_slot = task.get("users_slot", False)

    def run(self) -> str:
        """Replicate until the end, and give back its reason. Raises TaskFailed."""
        self.fresh, self.retries = self.task["fresh"], Retries(self.settings["ErrorBehavior"], self.stop)
        while True:
            try:
                return self._replicate()
            except RECOVERABLE as error:
                if not self.retries.after(error):
                    return "NORMAL"
            except psycopg.Error as error:
                raise TaskFailed(f"The source endpoint at {self.source.host} failed: {error}") from error
            except botocore.exceptions.ClientError as error:
                raise TaskFailed(f"The target endpoint {self.job.target.bucket} failed: {error}") from error

    def _replicate(self) -> str:
        with psycopg.connect(self.source.connection_string(), autocommit=True) as connection:
            self.connection = connection
            self.slot = Slot(self.source, connection, self.task["slot"], inserts_apart=not self.users_slot)
            self.slot.connect_reader()
            self.slot.lock()
            # both from anew: what the decoder has told of a table once it does not tell again
            self.decoder, self.tables = Decoder(), dict[int, Captured | None]()
            self._begin()
            folders = (self.job.target.table_folder(plan.target_schema, plan.target_table) for plan in self.plans)
            self.job.target.abort_uploads(tuple(folders))
            if not self.stop.is_set() and (reason := self._load_missing()):
                return reason
            return self._follow()

    # --- the start --------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Make the slot, or go on with it. Raises TaskFailed where changes would be missing."""
        orphans.drop(self.source, [Path(path) for path in self.task["orphans"]])
        self.plans = [plan for plan in self.planner.plans(self.connection) if plan.table.name != HEARTBEAT]
        found = preflight.findings(self.connection, [names(plan.table) for plan in self.plans], self.task["slot"])
        for finding in found:
            log.warning("%s", finding)
        if blocking := [finding for finding in found if finding.blocks]:
            raise TaskFailed(" ".join(str(finding) for finding in blocking))
        self.checkpoint = None if self.fresh else Checkpoint.read(self.path)
        if self.checkpoint is None and self.users_slot:
            self._begin_with_users_slot()
        elif self.checkpoint is None:
            self.path.unlink(missing_ok=True)
            self.slot.remove()
            self.checkpoint = Checkpoint()
        else:
            self.slot.check(self.checkpoint.position)
            self._start_position()
            held = (self.slot.head() - self.checkpoint.position) / (1 << 20)
            log.info("The slot %s holds %.1f MB of WAL to be read", self.slot.name, held)
        self.checkpoint.source = orphans.identity(self.connection)
        self._publish()

    def _begin_with_users_slot(self) -> None:
        """Every table counts as loaded where the user wants to begin."""
        start, known = as_lsn(self.task["start_position"]), catalog(self.connection)
        chosen_slot.check(self.connection, self.slot.name, start)
        self.checkpoint = Checkpoint(start, start, run=self.task["run"])
        self.checkpoint.loaded = {dotted(plan): start for plan in self.plans}
        self.checkpoint.keys = {dotted(plan): known[names(plan.table)].key for plan in self.plans}
        self.slot.check(start)
        self.fresh = False
        self._save()

    def _start_position(self) -> None:
        """Begin at a CdcStartPosition, once: a process that is started again goes on where the last one was."""
        if not self.task["start_position"] or self.checkpoint.run == self.task["run"]:
            return
        wanted, position = as_lsn(self.task["start_position"]), self.checkpoint.position
        if wanted < position:
            raise TaskFailed(
                f"CdcStartPosition {as_text(wanted)} is not available any more: the source has forgotten the changes "
                f"before {as_text(position)}"
            )
        self.checkpoint.position, self.checkpoint.run = wanted, self.task["run"]
        self._save()
        self.slot.check(wanted)

    def _publish(self) -> set[tuple[str, str]]:
        """Have the selected tables published as their keys allow.

        Gives back those that were loaded and are not published any more: they were dropped and made again.
        """
        self.published = known = catalog(self.connection)
        tables = {name: known[name].has_identity for plan in self.plans if (name := names(plan.table)) in known}
        if self.task["heartbeat"]:
            tables[self.slot.make_heartbeat(self.task["heartbeat"]["schema"])] = True
            self.next_beat = 0.0
        if self.users_slot:  # its publication is the user's, too
            chosen_slot.warn_of_unpublished(self.connection, self.slot.name, list(tables))
            return set()
        remade = {name for name in tables if ".".join(name) in self.checkpoint.loaded} - set(self.slot.published())
        for name in remade:
            del self.checkpoint.loaded[".".join(name)]
        if remade:  # killed from here on, they are loaded when the task is taken up
            self._save()
        self.slot.publish(tables)
        return remade

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
        known = catalog(self.connection)
        with self.slot.snapshot(wait, lasting=first) as snapshot:
            if first:
                self.checkpoint.position = self.checkpoint.number = snapshot.lsn
                self.fresh = False
                self._save()

            one_at_a_time = threading.Lock()

            def completed(plan: Plan) -> None:
                with one_at_a_time:
                    self.checkpoint.loaded[dotted(plan)] = snapshot.lsn
                    self.checkpoint.keys[dotted(plan)] = known[names(plan.table)].key
                    self.checkpoint.suspended.pop(dotted(plan), None)
                    self._save()
                    self.retries.reset()

            def loaded(plan: Plan) -> None:
                check_unchanged(known[names(plan.table)], catalog(self.connection).get(names(plan.table)))
                completed(plan)

            if self.task["type"] == "full-load-and-cdc":
                errors = self.loader.load_all(plans, snapshot.name, loaded)
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
        if head <= self.seen:
            return False
        self.news = self.news or time.monotonic()
        waited = time.monotonic() - self.news >= self.job.changes.max_batch_seconds
        return (
            waited
            or self.stop_at is not None
            or head - max(self.seen, self.checkpoint.position) >= (self.job.changes.min_file_bytes)
        )

    def _ended(self) -> str | None:
        kind, _, moment = (self.task["stop_position"] or "").partition(":")
        if kind == "server_time" and datetime.now(UTC) >= as_moment(moment):
            self._batch()
            return "STOPPED_AT_SERVER_TIME"
        if self.beyond:
            return "STOPPED_AT_COMMIT_TIME"
        if self.stop_at is not None and self.seen >= self.stop_at:
            return "STOPPED_AFTER_CACHED_EVENTS"
        return None

    def _batch(self) -> bool:
        """Write what the slot holds. Gives back whether there is more."""
        head, messages = self.slot.head(), 0
        self._look_at_the_catalog()
        batch = Batch(self.job, self.connection, self.checkpoint, self.tables, self.file_names)
        self.decoder.begin(self.checkpoint.number, self.checkpoint.clock)
        try:
            # whatever happens here, the reading ahead ends with it
            with closing(self.slot.peek(CHANGES_AT_ONCE)) as arrays:
                for array in arrays:
                    for found in self.decoder.decode(array):
                        batch.take(found)
                    messages += len(array)
                    if self.stop.is_set() or batch.beyond:
                        break
            if self.stop.is_set():
                batch.files.abort()
                return False
            if (end := batch.beyond or self.decoder.end) > self.checkpoint.position:
                self._commit(batch, end)
        except BaseException:
            batch.files.abort()
            raise
        self.beyond = batch.beyond
        self.retries.reset()
        self.seen, self.news = (head, None) if messages < CHANGES_AT_ONCE else (self.seen, self.news)
        return messages >= CHANGES_AT_ONCE

    def _commit(self, batch: Batch, end: int) -> None:
        captured = time.time()
        batch.files.commit()
        self.checkpoint.position = end
        self.checkpoint.number, self.checkpoint.clock = self.decoder.number, self.decoder.clock
        self._save()
        self.slot.advance(end)
        for reason, count in batch.ignored.items():
            log.warning("%s (%d changes)", reason, count)
        changes = [{"table": table, **counts} for table, counts in batch.counts.items()]
        self.report(changes=changes, position=end, committed=self.decoder.time)
        if batch.first_commit:
            self._report_latency(captured - self.decoder.time / 1e6, time.time() - batch.first_commit / 1e6)

    # --- beside the changes -----------------------------------------------------------------------------------------

    def _look_at_the_catalog(self) -> None:
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
        remade = self._publish() if known != self.published else set()
        if remade:
            self.plans = [plan for plan in self.planner.plans(self.connection) if plan.table.name != HEARTBEAT]
        if new := [plan for plan in self.plans if names(plan.table) in (selected - there) | remade]:
            log.info("New tables at the source: %s", ", ".join(map(dotted, new)))
            self._load(new, first=False)

    def _suspend(self, plan: Plan, key: list[str]) -> None:
        name = dotted(plan)
        if name in self.checkpoint.suspended:
            return
        was = ", ".join(self.checkpoint.keys[name]) or "none"
        reason = f"its primary key was ({was}) and is now ({', '.join(key) or 'none'})"
        log.error("%s is suspended: %s. Its changes are not replicated until it is reloaded", name, reason)
        self.checkpoint.suspended[name] = reason
        self._save()
        self.report(table=names(plan.table), state="Table error", reason=reason)

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

    def _save(self) -> None:
        self.checkpoint.write(self.path)


class StructureChanged(Exception):
    """A table was altered while it was loaded."""


def check_unchanged(before: CatalogTable, after: CatalogTable | None) -> None:
    """A snapshot sees no rows of a table that was rewritten since, as for another type. Raises StructureChanged."""
    if after is None or after.structure != before.structure:
        raise StructureChanged(
            f"its structure changed during the full load, from ({before.structure}) to "
            f"({after.structure if after else 'none: it was dropped'}). Reload the table"
        )


def dotted(plan: Plan) -> str:
    return ".".join(names(plan.table))
