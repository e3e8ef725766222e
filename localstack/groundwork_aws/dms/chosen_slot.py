"""A replication slot that the user has made (``SlotName``), from which a ``cdc`` task starts at a place of his choice.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Source.PostgreSQL.html (SlotName)
https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Task.CDC.html#CHAP_Task.CDC.StartPoint.Native

DMS takes slots of test_decoding and pglogical. Here it must be one of pgoutput, the only plug-in that is read (see
slot.py), and pgoutput reads old changes by the publication as it was then: it must have been made before the slot, and
has the slot's name, as a task's own has. Neither is changed or removed by the task.
"""

import logging

import psycopg

from groundwork_aws.dms.checkpoint import as_text
from groundwork_aws.dms.mappings import identifier
from groundwork_aws.dms.planning import TaskFailed

log = logging.getLogger("SOURCE_CAPTURE")


def check(connection: psycopg.Connection, name: str, position: int) -> None:
    """Raises TaskFailed where the slot cannot give every change from the position on."""
    found = connection.execute(
        """SELECT slot_type, plugin, database, current_database(), wal_status,
                  (confirmed_flush_lsn - '0/0')::bigint, (pg_current_wal_flush_lsn() - '0/0')::bigint
           FROM pg_replication_slots WHERE slot_name = %s""",
        (name,),
    ).fetchone()
    if found is None:
        raise TaskFailed(f'replication slot "{name}" (SlotName) does not exist: make it before the task starts')
    kind, plugin, database, here, wal_status, confirmed, head = found
    if kind != "logical":
        raise TaskFailed(f'replication slot "{name}" is {kind}: changes are read from a logical one')
    if database != here:
        raise TaskFailed(f'replication slot "{name}" is in the database {database}, not in {here}')
    if plugin != "pgoutput":
        raise TaskFailed(
            f'replication slot "{name}" is of the plug-in {plugin}: only pgoutput is read here. Make a publication '
            f"{identifier(name)}, then the slot by pg_create_logical_replication_slot('{name}', 'pgoutput')"
        )
    if wal_status == "lost":
        raise TaskFailed(f'replication slot "{name}" was invalidated: its changes cannot be read any more')
    if not confirmed <= position <= head:
        raise TaskFailed(
            f"CdcStartPosition {as_text(position)} is not available: the slot {name} has the changes from "
            f"{as_text(confirmed)} to {as_text(head)}"
        )
    check_publication(connection, name)


def check_publication(connection: psycopg.Connection, name: str) -> None:
    found = connection.execute(
        "SELECT pubinsert AND pubupdate AND pubdelete AND pubtruncate FROM pg_publication WHERE pubname = %s", (name,)
    ).fetchone()
    if found is None:
        raise TaskFailed(f"there is no publication {identifier(name)}: the slot needs one, made before it")
    if not found[0]:
        raise TaskFailed(f"the publication {identifier(name)} must publish insert, update, delete and truncate")


def warn_of_unpublished(connection: psycopg.Connection, name: str, tables: list[tuple[str, str]]) -> None:
    rows = connection.execute("SELECT schemaname, tablename FROM pg_publication_tables WHERE pubname = %s", (name,))
    for schema, table in sorted(set(tables) - set(rows.fetchall())):
        log.warning("%s.%s is not in the publication %s: its changes are not captured", schema, table, name)
