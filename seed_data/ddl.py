"""The source's tables as PostgreSQL DDL, written from the contracts.

Keys and foreign keys are apart from the tables: they are added when the rows are in, which is faster and lets
the tables be loaded in any order.
"""

from collections.abc import Iterable

from groundwork_contracts import Column, Contract
from psycopg import sql

SCHEMA = "shop"
# Has the tables, and nobody logs in as it.
OWNER = "shop_owner"
DMS_ROLE = "dms"
RDS_REPLICATION = "rds_replication"


def create_table(contract: Contract) -> str:
    columns = ",\n".join(f"    {column_definition(column)}" for column in contract.columns)
    return f"CREATE TABLE {contract.schema}.{contract.table} (\n{columns}\n)"


def column_definition(column: Column) -> str:
    return f"{column.name} {column.type}" + (" NOT NULL" if column.required else "")


def primary_keys(contracts: Iterable[Contract]) -> list[str]:
    """One statement per table that has a key; geolocation has none."""
    return [f"ALTER TABLE {c.schema}.{c.table} ADD PRIMARY KEY ({', '.join(c.key)})" for c in contracts if c.key]


def foreign_keys(contracts: Iterable[Contract]) -> list[str]:
    """One statement per reference; the keys that they point to must be there."""
    return [
        f"ALTER TABLE {c.schema}.{c.table} ADD FOREIGN KEY ({column.name}) REFERENCES {c.schema}.{table} ({key})"
        for c in contracts
        for column in c.columns
        if column.references
        for table, key in [column.references]
    ]


def replica_identities(contracts: Iterable[Contract]) -> list[str]:
    """With every change the whole old row goes into the log: also large values that an update left alone."""
    return [f"ALTER TABLE {c.schema}.{c.table} REPLICA IDENTITY FULL" for c in contracts]


def ownership(contracts: Iterable[Contract]) -> list[str]:
    return [f"ALTER TABLE {c.schema}.{c.table} OWNER TO {OWNER}" for c in contracts]


def owner_role(known_roles: set[str]) -> list[str]:
    """The tables' owner, of which whoever loads them is a member: only an owner publishes a table."""
    return [
        *([] if OWNER in known_roles else [f"CREATE ROLE {OWNER} NOLOGIN"]),
        f"GRANT {OWNER} TO CURRENT_USER",
        f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}",
        f"GRANT USAGE, CREATE ON SCHEMA {SCHEMA} TO {OWNER}",
    ]


def dms_role(password: str, known_roles: set[str]) -> list[str]:
    """The role that AWS DMS connects as: it may replicate, and read and publish the tables, also those made later.

    On RDS nobody may give the right to replicate but by a role of RDS's own.
    https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Source.PostgreSQL.html
    """
    verb = "ALTER" if DMS_ROLE in known_roles else "CREATE"
    on_rds = RDS_REPLICATION in known_roles
    return [
        f"{verb} ROLE {DMS_ROLE} LOGIN {'' if on_rds else 'REPLICATION '}PASSWORD {sql.Literal(password).as_string()}",
        *([f"GRANT {RDS_REPLICATION} TO {DMS_ROLE}"] if on_rds else []),
        *owner_role(known_roles),
        f"GRANT {OWNER} TO {DMS_ROLE}",
        f"DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO {DMS_ROLE}', current_database()); END $$",
        f"GRANT USAGE ON SCHEMA {SCHEMA} TO {DMS_ROLE}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMA} TO {DMS_ROLE}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {SCHEMA} GRANT SELECT ON TABLES TO {DMS_ROLE}",
    ]
