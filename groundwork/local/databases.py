"""The databases and roles on the platform's PostgreSQL servers, made before anything uses them."""

import psycopg
from psycopg import sql

from groundwork.settings import Settings, UserError


def prepare(settings: Settings) -> None:
    """What the source and the warehouse hold from the start; doing it again changes nothing.

    Raises UserError when the servers' data was made with other credentials.
    """
    try:
        create_database(at(settings.source_dsn, "postgres"), "olist")
    except psycopg.OperationalError as error:
        if "password authentication failed" not in str(error):
            raise
        raise UserError(
            "the databases were made with other credentials than .env holds now: put the old file back, "
            "or make them anew with `make local-reset`"
        ) from error
    create_role(settings.warehouse_dsn, "airflow", settings.credentials.airflow_admin)
    create_database(settings.warehouse_dsn, "airflow", owner="airflow")
    create_role(settings.warehouse_dsn, "dbt", settings.credentials.warehouse_dbt)


def admit_dbt(settings: Settings) -> None:
    """Let dbt act as the namespace's administrator, as an IAM role does that signs in to the workgroup.

    dbt-postgres signs in with a password of its own; the database and the administrator exist once the stacks do.
    """
    with psycopg.connect(settings.warehouse_dsn, autocommit=True) as connection:
        connection.execute("GRANT warehouse_admin TO dbt")
        connection.execute("ALTER ROLE dbt IN DATABASE analytics SET role = warehouse_admin")


def at(dsn: str, database: str) -> str:
    """The same server's other database."""
    return psycopg.conninfo.make_conninfo(dsn, dbname=database)


def create_database(dsn: str, name: str, owner: str = "postgres") -> None:
    """Make the database unless it is there; the DSN's user must be allowed to."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(owner))
            )


def create_role(dsn: str, name: str, password: str) -> None:
    """A role that may log in, with this password whether it is new or not."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone():
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
        statement = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), sql.Literal(password))
        connection.execute(statement)
