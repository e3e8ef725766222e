"""The files of one batch of changes: written side by side, seen in the bucket all at once or not at all.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.S3.html
"""

from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa

from groundwork_aws.dms.changes import ChangeShape
from groundwork_aws.dms.full_load import now
from groundwork_aws.dms.parquet import Format, Writer
from groundwork_aws.dms.planning import names
from groundwork_aws.dms.target import Target, Upload

TABLES_PENDING = 1
FILES_COMPLETING = 4
A_MILLISECOND = timedelta(milliseconds=1)


class FileNames:
    """``YYYYMMDD-HHMMSSmmm``: one moment for the files of a batch, the present one, and none twice.

    So whoever reads the files up to some name has whole transactions of all tables. A table's second file in a batch
    is named a millisecond later.
    """

    def __init__(self, timezone: str):
        self.zone, self.last = ZoneInfo(timezone), datetime.min.replace(tzinfo=UTC)

    def moment(self) -> datetime:
        time = now()
        time = time.replace(microsecond=time.microsecond // 1000 * 1000)
        self.last = max(time, self.last + A_MILLISECOND)
        return self.last

    def name(self, moment: datetime, number: int) -> str:
        """Of a table's file in the batch of this moment; ``number`` counts from 0."""
        time = moment + number * A_MILLISECOND
        self.last = max(self.last, time)
        local = time.astimezone(self.zone)
        return f"{local:%Y%m%d-%H%M%S}{local.microsecond // 1000:03}.parquet"


class ChangeFile:
    """A Parquet file that grows by row groups of the format's length; the first one says what repeats."""

    def __init__(self, target: Target, key: str, shape: ChangeShape, format: Format):
        self.shape, self.format, self.length = shape, format, format.row_group_length
        self.upload = Upload(target, key)
        self.writer: Writer | None = None
        self.held: list[pa.Table] = []

    def write(self, table: pa.Table) -> None:
        self.held.append(table)
        rows = sum(held.num_rows for held in self.held)
        if whole := rows // self.length * self.length:
            table = pa.concat_tables(self.held)
            self._write(table.slice(0, whole))
            self.held = [table.slice(whole)] if rows > whole else []

    def finish(self) -> None:
        if self.held:
            self._write(pa.concat_tables(self.held))
        self.writer.close()

    def _write(self, table: pa.Table) -> None:
        if self.writer is None:
            self.writer = Writer(self.upload, self.shape.schema, self.format, self.shape.repeating(table))
        self.writer.write(table)


class ChangeFiles:
    """``write`` what changed, folder by folder, then ``commit``, or ``abort``."""

    def __init__(self, target: Target, format: Format, names: FileNames, max_file_bytes: int):
        self.target, self.format, self.names, self.max_file_bytes = target, format, names, max_file_bytes
        self.moment: datetime | None = None
        self.numbers: Counter[tuple[str, str]] = Counter()
        self.open: dict[str, ChangeFile] = {}
        self.finished: list[tuple[str, ChangeFile]] = []
        self.cleared: list[str] = []
        # rows are written while the next ones are decoded, and never pile up
        self.writer, self.pending = ThreadPoolExecutor(1, "write"), deque()

    def write(self, folder: str, shape: ChangeShape, table: pa.Table) -> None:
        self._wait(TABLES_PENDING)
        self.pending.append(self.writer.submit(self._write, folder, shape, table))

    def _wait(self, most: int) -> None:
        """Until no more than so many tables are not written yet. Raises what went wrong with one."""
        while len(self.pending) > most:
            self.pending.popleft().result()

    def _write(self, folder: str, shape: ChangeShape, table: pa.Table) -> None:
        file = self.open.get(folder)
        if file and (file.shape is not shape or file.upload.written >= self.max_file_bytes):
            self._finish(folder)
            file = None
        if file is None:
            file = ChangeFile(self.target, f"{folder}{self._name(shape)}", shape, self.format)
            self.open[folder] = file
        file.write(table)

    def _name(self, shape: ChangeShape) -> str:
        self.moment = self.moment or self.names.moment()
        table = names(shape.plan.table)
        self.numbers[table] += 1
        return self.names.name(self.moment, self.numbers[table] - 1)

    def clear(self, folder: str) -> None:
        """Remove the table's files with the commit, also what this batch wrote below the folder so far."""
        self._wait(0)
        for place in [place for place in self.open if place.startswith(folder)]:
            self.open.pop(place).upload.abort()
        for place, file in self.finished:
            if place.startswith(folder):
                file.upload.abort()
        self.finished = [(place, file) for place, file in self.finished if not place.startswith(folder)]
        self.cleared.append(folder)

    def commit(self) -> None:
        """Everything is sent before the first file shows, so that a reader meets few half batches."""
        self._wait(0)
        for folder in list(self.open):
            self._finish(folder)
        for _, file in self.finished:
            file.upload.send_rest()
        for folder in self.cleared:
            self.target.clear(folder)
        with ThreadPoolExecutor(FILES_COMPLETING) as completing:
            list(completing.map(lambda finished: finished[1].upload.complete(), self.finished))
        self.finished.clear()
        self.writer.shutdown()

    def abort(self) -> None:
        self.writer.shutdown(cancel_futures=True)
        for file in [*self.open.values(), *(file for _, file in self.finished)]:
            file.upload.abort()

    def _finish(self, folder: str) -> None:
        file = self.open.pop(folder)
        self.finished.append((folder, file))
        file.finish()
