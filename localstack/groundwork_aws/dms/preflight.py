"""What keeps a source from being replicated, or makes DMS ignore changes, each with the SQL that mends it.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Source.PostgreSQL.html
https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.AssessmentReport.PG.html

Needs a connection as the replication user, and nothing else. The checks have the names of DMS's individual assessments;
those that DMS does not have begin with ``groundwork-``.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import psycopg

from groundwork_aws.dms.full_load import Plan
from groundwork_aws.dms.mappings import identifier
from groundwork_aws.dms.postgres import Column

SHORTEST_TIMEOUT_MS = 10_000
LONG_VALUES = "postgres-check-limited-lob-size"
# What ``findings`` looks at.
FOR_CAPTURE = (
    "postgres-check-wallevel", "postgres-check-replication-slots-count", "postgres-check-maxwalsenders",
    "postgres-check-walsenderstimeout", "postgres-check-maxslot-wal-keep-size", "postgres-check-pk",
    "groundwork-check-replica-identity", "groundwork-check-privileges",
)  # fmt: skip
IDENTITIES = """
SELECT n.nspname, c.relname, c.relreplident::text, pg_has_role(c.relowner, 'USAGE') AS owned,
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) AS has_key,
       EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
               AND a.attstorage IN ('x', 'e') AND a.atttypid NOT IN ('varchar'::regtype, 'numeric'::regtype)) AS large
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE (n.nspname, c.relname) IN (SELECT * FROM unnest(%s::text[], %s::text[])) AND c.relkind IN ('r', 'p')
ORDER BY 1, 2
"""


# A task's own slot, and one for the moment while it loads tables or reads.
SLOTS = 2


@dataclass(frozen=True)
class Finding:
    """What a check has found. ``problem`` says what is wrong and what comes of it, ``mend`` is SQL or a setting;
    ``blocks``: the task cannot start."""

    check: str
    problem: str
    mend: str
    blocks: bool = False

    def __str__(self) -> str:
        return f"{self.problem}. To mend it: {self.mend}"


def findings(connection: psycopg.Connection, tables: list[tuple[str, str]], slot: str = "") -> list[Finding]:
    """What stands in the way of change capture; an existing ``slot`` of that name is not counted as taken."""
    return [*server(connection, slot), *role(connection), *identities(connection, tables)]


def server(connection: psycopg.Connection, slot: str) -> list[Finding]:
    found = []
    setting = dict(
        connection.execute(
            """SELECT name, setting FROM pg_settings
               WHERE name IN ('wal_level', 'max_replication_slots', 'max_wal_senders', 'wal_sender_timeout',
                              'max_slot_wal_keep_size')"""
        ).fetchall()
    )
    slots, mine = connection.execute(
        "SELECT count(*), count(*) FILTER (WHERE slot_name = %s) FROM pg_replication_slots", (slot,)
    ).fetchone()
    if setting["wal_level"] != "logical":
        found.append(Finding(
            "postgres-check-wallevel",
            f"wal_level is {setting['wal_level']}: changes cannot be read",
            "ALTER SYSTEM SET wal_level = 'logical', then restart PostgreSQL (RDS: rds.logical_replication = 1)", True,
        ))  # fmt: skip
    needed = slots - mine + SLOTS
    if needed > int(setting["max_replication_slots"]):
        found.append(Finding(
            "postgres-check-replication-slots-count",
            f"{slots - mine} of {setting['max_replication_slots']} replication slots are taken, and a task needs "
            f"{SLOTS}: one that lasts, and one for the moment while it loads tables or reads",
            f"SELECT pg_drop_replication_slot('…') for one that nobody needs, or ALTER SYSTEM SET "
            f"max_replication_slots = {needed} and restart PostgreSQL", True,
        ))  # fmt: skip
    if int(setting["max_wal_senders"]) < 1:
        found.append(Finding(
            "postgres-check-maxwalsenders",
            "max_wal_senders is 0", "ALTER SYSTEM SET max_wal_senders = 4, then restart PostgreSQL", True,
        ))  # fmt: skip
    if 0 < int(setting["wal_sender_timeout"]) < SHORTEST_TIMEOUT_MS:
        found.append(Finding(
            "postgres-check-walsenderstimeout",
            f"wal_sender_timeout is {setting['wal_sender_timeout']} ms: DMS needs 0 or at least 10 s",
            "ALTER SYSTEM SET wal_sender_timeout = '60s'; SELECT pg_reload_conf()", True,
        ))  # fmt: skip
    if setting["max_slot_wal_keep_size"] != "-1":
        found.append(Finding(
            "postgres-check-maxslot-wal-keep-size",
            f"max_slot_wal_keep_size is {setting['max_slot_wal_keep_size']} MB: a task that is stopped for longer than "
            f"that much WAL loses its slot",
            "ALTER SYSTEM SET max_slot_wal_keep_size = -1; SELECT pg_reload_conf()",
        ))  # fmt: skip
    return found


def role(connection: psycopg.Connection) -> list[Finding]:
    user, may_replicate, database, may_create = connection.execute(
        """SELECT current_user, (SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user)
                                OR pg_has_role(current_user, coalesce((SELECT oid FROM pg_roles
                                               WHERE rolname = 'rds_replication'), current_user::regrole::oid), 'USAGE')
                                   AND EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_replication'),
                  current_database(), has_database_privilege(current_database(), 'CREATE')"""
    ).fetchone()
    found = []
    if not may_replicate:
        found.append(Finding(
            "groundwork-check-privileges",
            f"the role {user} may not replicate", f'ALTER ROLE "{user}" REPLICATION', True,
        ))  # fmt: skip
    if not may_create:
        found.append(Finding(
            "groundwork-check-privileges",
            f"the role {user} may not make a publication in {database}",
            f'GRANT CREATE ON DATABASE "{database}" TO "{user}"', True,
        ))  # fmt: skip
    return found


def identities(connection: psycopg.Connection, tables: list[tuple[str, str]]) -> list[Finding]:
    found, schemas, tables = [], [s for s, _ in tables], [t for _, t in tables]
    user = connection.execute("SELECT current_user").fetchone()[0]
    for schema, name, identity, owned, has_key, large in connection.execute(IDENTITIES, (schemas, tables)):
        table = f'"{schema}"."{name}"'
        if not owned:
            found.append(Finding(
                "groundwork-check-privileges",
                f"the role {user} does not own {schema}.{name}, nor is it a member of its owner: it cannot publish it",
                f'ALTER TABLE {table} OWNER TO a role without login, and GRANT that role TO "{user}"', True,
            ))  # fmt: skip
        if not has_key:
            found.append(Finding(
                "postgres-check-pk",
                f"{schema}.{name} has no primary key: its updates and deletes are ignored, it is append-only",
                f"ALTER TABLE {table} ADD PRIMARY KEY (…)",
            ))  # fmt: skip
        elif identity != "f":
            large_values = ", and large values that an update leaves alone are read from the table" if large else ""
            found.append(Finding(
                "groundwork-check-replica-identity",
                f"{schema}.{name} has no full replica identity: a delete tells the key only{large_values}",
                f"ALTER TABLE {table} REPLICA IDENTITY FULL",
            ))  # fmt: skip
    return found


def long_values(connection: psycopg.Connection, plans: Iterable[Plan]) -> Iterator[Finding]:
    """The columns that hold values which would be cut now. Reads every value that has a limit."""
    for plan in plans:
        limited = [column for column in plan.columns if column.limit is not None]
        if not limited:
            continue
        lengths = ", ".join(f"max({length(column)})" for column in limited)
        sizes = connection.execute(f"SELECT {lengths} FROM ({plan.query()}) rows").fetchone()
        for column, size in zip(limited, sizes, strict=True):
            if size is not None and size > column.limit:
                yield Finding(
                    LONG_VALUES,
                    f"{plan.table.schema}.{plan.table.name}.{column.name} holds values of up to {size} bytes, as DMS "
                    f"counts them: they are cut after {column.limit}",
                    mend_of_limit(column, size),
                )


def length(column: Column) -> str:
    """As the limit counts it, but for characters that take two of UTF-16's units: here they count as one."""
    name = identifier(column.name)
    return f"char_length({name})::bigint * 2" if column.wide else f"octet_length({name})::bigint"


def mend_of_limit(column: Column, size: int) -> str:
    if column.dms_type == "WSTRING":
        return f"ExtraConnectionAttributes of the source endpoint: UnboundedVarcharMaxSize={size}"
    return f'ReplicationTaskSettings of the task: {{"TargetMetadata": {{"LobMaxSize": {-(-size // 1024)}}}}} (KB)'
