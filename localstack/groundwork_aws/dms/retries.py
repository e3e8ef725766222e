"""Errors that pass by themselves, and how long a task waits before it tries again.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TaskSettings.ErrorHandling.html
"""

import logging
import re
import threading

import botocore.exceptions
import duckdb
import psycopg
import pyarrow as pa

from groundwork_aws.dms.planning import TaskFailed

log = logging.getLogger("TASK_MANAGER")


class Away(Exception):
    """The source or the target was away while tables were loaded."""


RECOVERABLE = (
    Away, psycopg.OperationalError, psycopg.InterfaceError, duckdb.Error, botocore.exceptions.ConnectionError,
    botocore.exceptions.HTTPClientError,
)  # fmt: skip
# DuckDB, and Arrow that reads from it, have the same errors for what the source says of a query and for a source that
# is away. libpq's words for the latter, and PostgreSQL's for a snapshot whose connection is gone:
AWAY = re.compile(
    "connection to server|closed the connection|could not (connect|receive|send)|no connection to the server|"
    "connection not open|SSL SYSCALL|terminating connection|the database system is|invalid snapshot identifier",
)
RETRIES = 9


def source_or_target_is_away(error: Exception) -> bool:
    """Whether it is no fault of the table that was being loaded."""
    if isinstance(error, (duckdb.Error, pa.ArrowException, OSError)):
        return AWAY.search(str(error)) is not None
    return isinstance(error, RECOVERABLE)


class Retries:
    """``after`` an error until nothing is left to hope for; ``reset`` when something was achieved."""

    def __init__(self, behavior: dict, stop: threading.Event):
        self.limit = RETRIES if behavior["RecoverableErrorCount"] < 0 else behavior["RecoverableErrorCount"]
        self.interval, self.longest = behavior["RecoverableErrorInterval"], behavior["RecoverableErrorThrottlingMax"]
        self.stop, self.count = stop, 0

    def reset(self) -> None:
        self.count = 0

    def after(self, error: Exception) -> bool:
        """Wait, longer each time. False: the task was stopped meanwhile. Raises TaskFailed after the last try."""
        if self.count >= self.limit:
            raise TaskFailed(f"{error} Stop Reason RECOVERABLE_ERROR") from error
        pause = min(self.interval * 2**self.count, self.longest)
        self.count += 1
        log.warning("%s. Task is retried in %d s (%d of %d)", str(error).strip(), pause, self.count, self.limit)
        return not self.stop.wait(pause)
