"""What a task keeps at its source: a replication slot, two publications, and the heartbeat's table.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Source.PostgreSQL.html

DMS reads a slot of test_decoding or pglogical. Here it is pgoutput, whose messages take half the time and which every
PostgreSQL has; it needs a publication, and so a role that owns the tables or is a member of their owner. A published
table without a replica identity would have its updates refused at the source: such a table goes into a publication of
inserts and truncations alone, and DMS too ignores its updates and deletes.
"""

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
import pyarrow as pa

from groundwork_aws.dms.checkpoint import as_text
from groundwork_aws.dms.full_load import connect
from groundwork_aws.dms.mappings import identifier, literal
from groundwork_aws.dms.planning import TaskFailed
from groundwork_aws.dms.postgres import Source
from groundwork_aws.dms.read_ahead import ReadAhead

log = logging.getLogger("SOURCE_CAPTURE")
HEARTBEAT = "awsdms_heartbeat"
MESSAGES_AT_ONCE = 16384
# What the server is asked for first, and at most after that: each time it reads the WAL from the copy's beginning.
CHANGES_AT_FIRST, CHANGES_AT_MOST = 1 << 15, 1 << 17
READ_AHEAD_BYTES = 24 << 20
# Of a process that was killed, the server keeps the connection until it has seen that.
LOCK_SECONDS = 5
CATALOG = """
SELECT n.nspname AS schema, c.relname AS name,
       coalesce(k.columns, '{}') AS key,
       (SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum)
        FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS structure,
       CASE c.relreplident WHEN 'f' THEN true WHEN 'd' THEN k.columns IS NOT NULL
            WHEN 'i' THEN EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisreplident)
            ELSE false END AS has_identity,
       c.oid::bigint AS oid
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
    SELECT array_agg(a.attname::text ORDER BY array_position(i.indkey::int[], a.attnum::int)) AS columns
    FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey::int[])
    WHERE i.indrelid = c.oid AND i.indisprimary) k ON true
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""


def slot_of(task_name: str) -> str:
    """The slot of a task whose ARN ends so: lower-case letters, digits and underscores, as PostgreSQL asks for."""
    return "awsdms_" + task_name.lower().replace("-", "_")


@dataclass(frozen=True)
class CatalogTable:
    """``key`` is the primary key, ``structure`` the columns with their types, ``has_identity`` says whether updates and
    deletes can be published. A table that was dropped and made again has another ``oid``."""

    schema: str
    name: str
    key: list[str]
    structure: str
    has_identity: bool
    oid: int


def catalog(connection: psycopg.Connection) -> dict[tuple[str, str], CatalogTable]:
    tables = (CatalogTable(*row) for row in connection.execute(CATALOG))
    return {(table.schema, table.name): table for table in tables}


@dataclass(frozen=True)
class Snapshot:
    """The source as it was at a place in the WAL; of use as long as the connection that exported it is open."""

    lsn: int
    name: str


class Slot:
    """The task's slot and publications, all of one name. ``connection`` is in autocommit mode."""

    def __init__(self, source: Source, connection: psycopg.Connection, name: str, inserts_apart: bool = True):
        self.source, self.connection, self.name = source, connection, name
        self.inserts = f"{name}_inserts" if inserts_apart else name
        self.reading = ThreadPoolExecutor(1, "reading")

    # --- making and removing it ---

    def publish(self, tables: dict[tuple[str, str], bool]) -> None:
        """Have exactly these tables published, each with (True) or without updates and deletes."""
        before = self.published()
        for publication, with_updates in ((self.name, True), (self.inserts, False)):
            wanted = {table for table, whole in tables.items() if whole == with_updates}
            there = {table for table, name in before.items() if name == publication}
            self._make_publication(publication, with_updates)
            for change, changed in (("DROP", there - wanted), ("ADD", wanted - there)):
                if changed:
                    listed = ", ".join(f"{identifier(s)}.{identifier(t)}" for s, t in sorted(changed))
                    self.connection.execute(f"ALTER PUBLICATION {identifier(publication)} {change} TABLE {listed}")

    def _make_publication(self, name: str, with_updates: bool) -> None:
        found = self.connection.execute("SELECT FROM pg_publication WHERE pubname = %s", (name,)).fetchone()
        if found is None:
            operations = "insert, update, delete, truncate" if with_updates else "insert, truncate"
            self.connection.execute(
                f"CREATE PUBLICATION {identifier(name)} "
                f"WITH (publish = {literal(operations)}, publish_via_partition_root = true)"
            )

    def published(self) -> dict[tuple[str, str], str]:
        """The tables that are, each with its publication. A table that is dropped is no more, whatever comes after."""
        rows = self.connection.execute(
            """SELECT n.nspname, c.relname, p.pubname FROM pg_publication p
               JOIN pg_publication_rel r ON r.prpubid = p.oid
               JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE p.pubname IN (%s, %s)""",
            (self.name, self.inserts),
        )
        return {(schema, table): publication for schema, table, publication in rows}

    @contextmanager
    def snapshot(self, wait_seconds: int, lasting: bool) -> Iterator[Snapshot]:
        """Make the slot (``lasting``), or one for the moment, and export the snapshot that its changes go on from.

        PostgreSQL waits for the transactions that are under way. Raises TaskFailed after ``wait_seconds``.
        """
        name, kind = (self.name, "") if lasting else (f"{self.name}_load", "TEMPORARY")
        options = f"-c lock_timeout={wait_seconds * 1000}"
        with psycopg.connect(
            self.source.connection_string(), replication="database", autocommit=True, options=options
        ) as walsender:
            command = f"CREATE_REPLICATION_SLOT {identifier(name)} {kind} LOGICAL pgoutput (SNAPSHOT 'export')"
            made = walsender.pgconn.exec_(command.encode())
            if made.status != psycopg.pq.ExecStatus.TUPLES_OK:
                raise TaskFailed(f"Could not make the replication slot {name}: {made.error_message.decode().strip()}")
            lsn, exported = (made.get_value(0, column).decode() for column in (1, 2))
            high, low = lsn.split("/")
            yield Snapshot(int(high, 16) << 32 | int(low, 16), exported)

    def remove(self) -> None:
        """Leave nothing at the source, not even what a half-made start left."""
        self.connection.execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s", (self.name,)
        )
        for publication in (self.name, self.inserts):
            self.connection.execute(f"DROP PUBLICATION IF EXISTS {identifier(publication)}")

    # --- reading it ---

    def connect_reader(self) -> None:
        """Begin to connect what will read the slot: it takes a moment in which other things can be done."""
        self.reader = self.reading.submit(connect, self.source)

    def lock(self) -> None:
        """Be the only one that reads the slot, as long as the connection lives. Raises TaskFailed."""
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            got, pid = self.connection.execute(
                """SELECT pg_try_advisory_lock(hashtextextended(%(slot)s, 0)),
                          (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
                           AND (classid::bigint << 32 | objid::bigint) = hashtextextended(%(slot)s, 0) LIMIT 1)""",
                {"slot": self.name},
            ).fetchone()
            if got:
                return
            if time.monotonic() > deadline:
                raise TaskFailed(f'replication slot "{self.name}" is active for PID {pid}')
            time.sleep(0.1)

    def check(self, position: int) -> None:
        """The slot must still hold every change from the position on. Raises TaskFailed."""
        found = self.connection.execute(
            "SELECT (confirmed_flush_lsn - '0/0')::bigint, wal_status FROM pg_replication_slots WHERE slot_name = %s",
            (self.name,),
        ).fetchone()
        gap = "The changes since then cannot be read any more: start the task again with reload-target"
        if found is None:
            raise TaskFailed(f'replication slot "{self.name}" does not exist: it was dropped at the source. {gap}')
        confirmed, wal_status = found
        if wal_status == "lost" or confirmed is None:
            raise TaskFailed(
                f'replication slot "{self.name}" was invalidated: it fell behind by more than max_slot_wal_keep_size, '
                f"or wal_level was lowered. {gap}"
            )
        if confirmed > position:
            raise TaskFailed(
                f'replication slot "{self.name}" stands at {as_text(confirmed)}, after {as_text(position)}, where this '
                f"task stopped reading: somebody made it anew or moved it. {gap}"
            )
        if confirmed < position:
            self.advance(position)

    def head(self) -> int:
        """The end of the WAL."""
        return self.connection.execute("SELECT (pg_current_wal_flush_lsn() - '0/0')::bigint").fetchone()[0]

    def peek(self, changes: int) -> Iterator[pa.Array]:
        """The slot's messages, without moving it: whole transactions, until there are as many changes."""
        read = ReadAhead(READ_AHEAD_BYTES)
        reading = self.reading.submit(self._read, changes, read)
        try:
            for batch in read:
                yield batch.column(0)
            reading.result()
        finally:
            read.abandon()

    def _read(self, changes: int, read: ReadAhead) -> None:
        """Read a copy of the slot, by itself or as long as somebody takes what is read.

        The server gives nothing away of a reading before it has decoded all of it. So it is asked for little at a time,
        which moves the copy, and decodes the next while this is worked on.
        """
        try:
            copy, at_once, got = self._copy(), CHANGES_AT_FIRST, 0
            while got < changes:
                asked, before = min(at_once, changes - got), got
                for batch in self._ask(self._messages(copy, asked)):
                    got += batch.num_rows
                    if not read.put(batch):
                        return  # the copy goes with the connection
                if got - before < asked:
                    break
                at_once = min(at_once * 2, CHANGES_AT_MOST)
            self._ask(f"SELECT pg_drop_replication_slot({literal(copy)})").read_all()
        finally:
            read.end()

    def _copy(self) -> str:
        """Copy the slot, as long as the reader's connection lives; gives back the copy's name."""
        copied = self._ask(
            f"SELECT slot_name FROM pg_copy_logical_replication_slot({literal(self.name)}, "
            f"{literal(self.name + '_read_')} || pg_backend_pid(), true)"
        )
        return copied.read_all()[0][0].as_py()

    def _messages(self, slot: str, changes: int) -> str:
        publications = f"{identifier(self.name)},{identifier(self.inserts)}"
        return (
            f"SELECT data FROM pg_logical_slot_get_binary_changes({literal(slot)}, NULL, {changes}, "
            f"'proto_version', '1', 'publication_names', {literal(publications)})"
        )

    def _ask(self, query: str) -> pa.RecordBatchReader:
        cursor = self.reader.result().cursor().execute(f"SELECT * FROM postgres_query('source', {literal(query)})")
        return cursor.to_arrow_reader(MESSAGES_AT_ONCE)

    def advance(self, position: int) -> None:
        """Let the source forget what is before the position."""
        self.connection.execute("SELECT pg_replication_slot_advance(%s, %s)", (self.name, as_text(position)))

    # --- the heartbeat ---

    def make_heartbeat(self, schema: str) -> tuple[str, str]:
        """https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Source.PostgreSQL.html (HeartbeatEnable)"""
        table = f"{identifier(schema)}.{HEARTBEAT}"
        self.connection.execute(
            f"""CREATE TABLE IF NOT EXISTS {table} (
                hb_key bigint PRIMARY KEY, hb_created_at timestamp, hb_created_by text,
                hb_last_heartbeat_at timestamp, hb_last_heartbeat_by text)"""
        )
        return schema, HEARTBEAT

    def beat(self, schema: str) -> None:
        self.connection.execute(
            f"""INSERT INTO {identifier(schema)}.{HEARTBEAT} VALUES (1, now(), %(by)s, now(), %(by)s)
                ON CONFLICT (hb_key) DO UPDATE SET hb_last_heartbeat_at = now(), hb_last_heartbeat_by = %(by)s""",
            {"by": self.name},
        )


def remove_from(source: Source, name: str, heartbeat_schema: str | None) -> None:
    """Leave nothing of the task at the source. Raises psycopg.Error."""
    with psycopg.connect(source.connection_string(), autocommit=True) as connection:
        Slot(source, connection, name).remove()
        if heartbeat_schema:
            connection.execute(f"DROP TABLE IF EXISTS {identifier(heartbeat_schema)}.{HEARTBEAT}")
