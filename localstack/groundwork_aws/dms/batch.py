"""One batch of changes: which of them DMS writes, to which files, and what it counts and ignores.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Source.PostgreSQL.html#CHAP_Source.PostgreSQL.Limitations
"""

import logging
from dataclasses import dataclass

import numpy as np
import psycopg

from groundwork_aws.dms import source_filter
from groundwork_aws.dms.change_files import ChangeFiles, FileNames
from groundwork_aws.dms.changes import ChangeLayout, ChangeShape, after, counted, key_changed, partitions
from groundwork_aws.dms.checkpoint import Checkpoint
from groundwork_aws.dms.full_load import Layout, LobTruncated
from groundwork_aws.dms.generated import Completed, completed, with_generated_values
from groundwork_aws.dms.lookup import with_untouched_values
from groundwork_aws.dms.parquet import Format
from groundwork_aws.dms.pgoutput import DELETE, INSERT, Relation, Rows, Truncated
from groundwork_aws.dms.planning import Planner, TaskFailed, names
from groundwork_aws.dms.postgres import Source
from groundwork_aws.dms.slot import HEARTBEAT
from groundwork_aws.dms.target import Target

log = logging.getLogger("SOURCE_CAPTURE")


@dataclass(frozen=True)
class Job:
    """What does not change while a task runs. ``last_commit``: where it stops by commit time, in microseconds."""

    source: Source
    target: Target
    layout: Layout
    format: Format
    changes: ChangeLayout
    settings: dict
    planner: Planner
    last_commit: int | None = None


@dataclass
class Captured:
    """A table whose changes are written, in its present shape; ``key`` are the columns of its primary key, ``whole`` is
    the relation with the columns that no message has."""

    shape: ChangeShape
    folder: str
    key: list[int]
    whole: Completed

    @property
    def names(self) -> tuple[str, str]:
        return names(self.shape.plan.table)


class Batch:
    """``take`` what the decoder finds, then ``files.commit()``. ``tables`` are kept from batch to batch."""

    def __init__(
        self, job: Job, connection: psycopg.Connection, checkpoint: Checkpoint, tables: dict, file_names: FileNames
    ):
        self.job, self.connection, self.checkpoint, self.tables = job, connection, checkpoint, tables
        self.files = ChangeFiles(job.target, job.format, file_names, job.layout.max_file_bytes)
        self.counts: dict[tuple[str, str], dict[str, int]] = {}
        self.ignored: dict[str, int] = {}
        self.first_commit, self.beyond = 0, 0

    def take(self, found: Rows | Relation | Truncated) -> None:
        if isinstance(found, Relation):
            self._shape(found)
        elif isinstance(found, Truncated):
            self._truncate(found)
        elif table := self.tables[found.relation.oid]:
            self._write(table, self._applicable(table, found))

    def _shape(self, relation: Relation) -> None:
        """Take over a table's columns, as they are from here on."""
        before = self.tables.get(relation.oid)
        whole = completed(self.connection, relation)
        reading = self.job.planner.reading(self.connection, whole.relation) if relation.name != HEARTBEAT else None
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
            ChangeShape(reading, self._change_layout(), self.job.source.fail_on_lob_truncation),
            self.job.target.table_folder(plan.target_schema, plan.target_table),
            [columns.index(name) for name in key if name in columns],
            whole,
        )

    def _change_layout(self):
        """As the full load's, but Op shows wherever more than inserts are written."""
        include_op = not self.job.changes.inserts_only or self.job.layout.include_op
        return type(self.job.layout)(**{**vars(self.job.layout), "include_op": include_op})

    def _truncate(self, found: Truncated) -> None:
        table = self.tables[found.relation.oid]
        if not table or found.lsn < self.checkpoint.loaded.get(".".join(table.names), found.lsn + 1):
            return
        self._count(table.names, {"Ddls": 1})
        if self.job.settings["ChangeProcessingDdlHandlingPolicy"]["HandleSourceTableTruncated"]:
            log.info("%s.%s was truncated: its files are removed", *table.names)
            self.files.clear(table.folder)

    def _applicable(self, table: Captured, rows: Rows) -> Rows:
        """What DMS writes of the changes; what it ignores is counted for the log."""
        name = ".".join(table.names)
        loaded = self.checkpoint.loaded.get(name)
        if loaded is None or name in self.checkpoint.suspended:
            return rows.where(np.zeros(len(rows), bool))
        wanted = after(rows, loaded) & self._before_the_end(rows)
        if not table.key:
            wanted = self._ignore(wanted, rows.operations != INSERT, f"{name} has no primary key: updates and deletes")
        else:
            changed = key_changed(rows, table.key)
            wanted = self._ignore(wanted, changed, f"{name}: updates that change the primary key")
        if table.shape.plan.filters:
            wanted = self._filter(table, rows, wanted)
        self._count(table.names, counted(rows.where(wanted)))
        return rows.where(wanted & np.isin(rows.operations, self.job.changes.operations))

    def _filter(self, table: Captured, rows: Rows, wanted: np.ndarray) -> np.ndarray:
        """Which of the wanted changes the table's source filters choose."""
        filters, deletes = table.shape.plan.filters, rows.operations == DELETE
        if deletes.any() and not source_filter.deletes_tell(self.connection, rows.relation, filters):
            name = ".".join(table.names)
            reason = f"{name}: deletes, as the replica identity does not hold what the source filter asks for,"
            wanted = self._ignore(wanted, deletes, reason)
        whole = with_untouched_values(self.connection, rows.where(wanted), table.key, table.shape.reading.types)
        wanted[wanted] = source_filter.chosen(self.connection, whole, filters)
        return wanted

    def _before_the_end(self, rows: Rows) -> np.ndarray:
        """The changes up to a CdcStopPosition by commit time; ``beyond`` is where the first later commit lies."""
        if self.job.last_commit is None:
            return np.ones(len(rows), bool)
        late = np.logical_or.accumulate(rows.transactions.time > self.job.last_commit)
        if late.any():
            self.beyond = self.beyond or int(rows.transactions.lsn[late][0])
        return ~late[rows.transaction]

    def _ignore(self, wanted: np.ndarray, mask: np.ndarray, what: str) -> np.ndarray:
        if count := int((wanted & mask).sum()):
            self.ignored[f"{what} are ignored"] = self.ignored.get(f"{what} are ignored", 0) + count
        return wanted & ~mask

    def _write(self, table: Captured, rows: Rows) -> None:
        if not len(rows):
            return
        self.first_commit = self.first_commit or int(rows.transactions.time[rows.transaction[0]])
        rows = with_untouched_values(self.connection, rows, table.key, table.shape.reading.types)
        rows = with_generated_values(self.connection, rows, table.whole)
        unreadable, truncated = table.shape.unreadable, table.shape.truncated
        try:
            for part, mask in partitions(rows, self.job.changes):
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

    def _count(self, table: tuple[str, str], counts: dict[str, int]) -> None:
        mine = self.counts.setdefault(table, {})
        for name, count in counts.items():
            mine[name] = mine.get(name, 0) + count
