"""Slots that a lost task has left at the source: dropped, as they would hold the source's WAL for ever.

When LocalStack's state is lost or set aside its tasks are gone, but not their checkpoints, and each of those names a
slot. It is dropped when it is certainly that task's: it is on the checkpoint's own server, nobody reads it, and it does
not stand beyond the checkpoint, as one would that another made later under the same name.
"""

import logging
from pathlib import Path

import psycopg

from groundwork_aws.dms.checkpoint import Checkpoint
from groundwork_aws.dms.planning import TaskFailed
from groundwork_aws.dms.postgres import Source
from groundwork_aws.dms.slot import Slot, slot_of

log = logging.getLogger("SOURCE_CAPTURE")


def identity(connection: psycopg.Connection) -> str:
    """Which database of which server this is: another name, address or password does not change it."""
    query = "SELECT system_identifier || '/' || current_database() FROM pg_control_system()"
    return connection.execute(query).fetchone()[0]


def drop(source: Source, checkpoints: list[Path]) -> None:
    """Drop what the tasks of these checkpoints have left at the source, and then their files.

    What cannot be dropped now stays, with its file, for the next time.
    """
    for path in filter(Path.exists, checkpoints):
        try:
            with psycopg.connect(source.connection_string(), autocommit=True) as connection:
                drop_one(Slot(source, connection, slot_of(path.stem)), path)
        except (psycopg.Error, TaskFailed, ValueError, TypeError) as error:  # the last two: it is no checkpoint of ours
            log.warning("The slot %s of a lost task stays: %s", slot_of(path.stem), str(error).strip())


def drop_one(slot: Slot, path: Path) -> None:
    """Raises psycopg.Error, and TaskFailed when the slot is read by somebody."""
    checkpoint = Checkpoint.read(path)
    if checkpoint.source != identity(slot.connection):
        return
    slot.lock()
    [beyond] = slot.connection.execute(
        """SELECT coalesce(bool_or(confirmed_flush_lsn - '0/0' > %s), false)
           FROM pg_replication_slots WHERE slot_name = %s""",
        (checkpoint.position, slot.name),
    ).fetchone()
    if beyond:
        log.warning("The slot %s was made anew by others since its task was lost: it stays", slot.name)
    else:
        slot.remove()
        log.info("The slot %s and its publications were dropped: no task knows them any more", slot.name)
    path.unlink()
