"""The state folder: a SQLite database beside the objects' files, and the mark of who wrote it.

The database's log is not forced to disk at each commit: a killed process loses nothing by that.
"""

import logging
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

LOG = logging.getLogger(__name__)
SCHEMA = """
create table written_by (mark text);
create table services (name text primary key, state blob);
-- in the order in which the versions of a key were made
create table objects (
    id integer primary key, bucket text, key text, version text, file text, state blob, unique (bucket, key, version)
);
"""


class Database:
    """``mark`` says who writes the state: what another has written is set aside, as it might be read wrongly."""

    def __init__(self, folder: Path, mark: str) -> None:
        self.folder, self.lock = folder, RLock()
        set_aside_unless(mark, folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.connection = connect(folder)
        if not written_by(self.connection):
            self.connection.executescript(f"begin; {SCHEMA} commit;")
            self.connection.execute("insert into written_by values (?)", [mark])

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing; one at a time."""
        with self.lock:
            self.connection.execute("begin")
            try:
                yield self.connection
            except BaseException:
                self.connection.execute("rollback")
                raise
            self.connection.execute("commit")

    def close(self) -> None:
        with self.lock:
            self.connection.close()


def connect(folder: Path) -> sqlite3.Connection:
    # One process writes; whoever else holds the file is not waited for long.
    connection = sqlite3.connect(folder / "state.sqlite", timeout=1, autocommit=True, check_same_thread=False)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = normal")
    return connection


def written_by(connection: sqlite3.Connection) -> str | None:
    if not connection.execute("select 1 from sqlite_master where name = 'written_by'").fetchone():
        return None
    return (connection.execute("select mark from written_by").fetchone() or [None])[0]


def set_aside_unless(mark: str, folder: Path) -> None:
    """Rename the folder when its state is of another writer or cannot be read at all."""
    if not (folder / "state.sqlite").is_file():
        return
    try:
        connection = connect(folder)
        found = written_by(connection)
        connection.close()
    except sqlite3.DatabaseError as error:
        found = f"nobody who can be told ({error})"
    if found and found != mark:
        set_aside(folder, f"it was written by {found}, and this is {mark}")


def set_aside(folder: Path, reason: str) -> None:
    """Keep the folder under another name, in place of what was set aside before."""
    aside = folder.with_name(f"{folder.name}.set-aside")
    shutil.rmtree(aside, ignore_errors=True)
    folder.rename(aside)
    LOG.warning("LocalStack starts with nothing: its earlier state is now in %s, for %s", aside, reason)
