"""The source's tables as PostgreSQL DDL, written from the contracts.

Keys and foreign keys are apart from the tables: they are added when the rows are in, which is faster and lets
the tables be loaded in any order.
"""

from collections.abc import Iterable

from groundwork_contracts import Column, Contract
from psycopg import sql

SCHEMA = "shop"
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


def dms_role(password: str, known_roles: set[str]) -> list[str]:
    """The role that AWS DMS connects as: it may replicate, and read the tables, also those made later.

    On RDS nobody may give the right to replicate but by a role of RDS's own.
    https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Source.PostgreSQL.html
    """
    verb = "ALTER" if DMS_ROLE in known_roles else "CREATE"
    on_rds = RDS_REPLICATION in known_roles
    return [
        f"{verb} ROLE {DMS_ROLE} LOGIN {'' if on_rds else 'REPLICATION '}PASSWORD {sql.Literal(password).as_string()}",
        *([f"GRANT {RDS_REPLICATION} TO {DMS_ROLE}"] if on_rds else []),
        f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}",
        f"GRANT USAGE ON SCHEMA {SCHEMA} TO {DMS_ROLE}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMA} TO {DMS_ROLE}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {SCHEMA} GRANT SELECT ON TABLES TO {DMS_ROLE}",
    ]
