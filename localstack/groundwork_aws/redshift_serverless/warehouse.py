"""The PostgreSQL server that stands for Redshift: one database per namespace, and the users of the namespace as roles.

Names of databases and roles are the ones AWS would have, because dbt and BI tools connect to the server directly. Roles
belong to the whole server, so two namespaces cannot have an administrator of the same name.
"""

import secrets
from pathlib import Path

from psycopg import sql
from psycopg.conninfo import make_conninfo

from groundwork_aws.postgres import PostgresServer

FUNCTIONS = Path(__file__).with_name("functions.sql")
# Redshift reserves the first four; the last is PostgreSQL's own.
RESERVED_DATABASES = frozenset({"template0", "template1", "padb_harvest", "sys", "postgres"})


class Warehouse(PostgresServer):
    """The server with the namespaces' databases; the Data API signs in to it as a user of a namespace."""

    def connection_string(self, database: str, user: str, password: str) -> str:
        return make_conninfo(self.dsn, dbname=database, user=user, password=password, application_name="redshift-data")


def create_database(warehouse: Warehouse, name: str, owner: str) -> None:
    """Make the namespace's database with Redshift's functions. One that is there already is taken as it is, so that a
    LocalStack that was started anew finds its data again."""
    with warehouse.connect() as server:
        if not server.execute("select 1 from pg_database where datname = %s", [name]).fetchone():
            server.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        server.execute(sql.SQL("alter database {} owner to {}").format(sql.Identifier(name), sql.Identifier(owner)))
        server.execute(
            sql.SQL("alter database {} set search_path = '$user', public, redshift").format(sql.Identifier(name))
        )
    with warehouse.connect(name) as database:
        database.execute(FUNCTIONS.read_text())
        database.execute(sql.SQL("alter schema public owner to {}").format(sql.Identifier(owner)))


def drop_database(warehouse: Warehouse, name: str, owner: str) -> None:
    """Drop the database, its connections, and the users that only it had."""
    with warehouse.connect() as server:
        server.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
        roles = server.execute(
            """
            select r.rolname from pg_auth_members m join pg_roles r on r.oid = m.roleid
            where m.member = (select oid from pg_roles where rolname = %(owner)s) and m.admin_option
            union
            select r.rolname from pg_auth_members m join pg_roles r on r.oid = m.member
            where m.roleid = (select oid from pg_roles where rolname = %(owner)s) and r.rolname like 'IAM%%:%%'
              and (select count(*) from pg_auth_members o where o.member = m.member) = 1
            """,
            {"owner": owner},
        ).fetchall()
        for (role,) in [*roles, (owner,)]:
            server.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(role)))


def create_administrator(warehouse: Warehouse, name: str, password: str) -> None:
    """Make the namespace's administrator, who may make users and owns the database, or set the password of the one that
    is there. Raises ValueError for a superuser of the server."""
    with warehouse.connect() as server:
        row = server.execute("select rolsuper from pg_roles where rolname = %s", [name]).fetchone()
        if row and row[0]:
            raise ValueError(f"{name} is a superuser of the PostgreSQL server behind the warehouse")
        verb = "alter" if row else "create"
        statement = sql.SQL(verb + " role {} login createrole password {}")
        server.execute(statement.format(sql.Identifier(name), sql.Literal(password)))


def sign_in(warehouse: Warehouse, database: str, administrator: str, user: str) -> str:
    """Make the database user of an IAM identity (``IAMR:role``, ``IAM:user``) if need be, and give it a new password.

    On AWS the identity gets only what was granted to it or to PUBLIC. Here it acts as the administrator, so that what
    one identity makes, every other one can load and grant.
    """
    password = secrets.token_urlsafe(24)
    role, admin = sql.Identifier(user), sql.Identifier(administrator)
    with warehouse.connect() as server, server.transaction():
        # Two statements of a new identity at once must not both make it.
        server.execute("select pg_advisory_xact_lock(hashtext(%s))", [user])
        known = server.execute("select 1 from pg_roles where rolname = %s", [user]).fetchone()
        server.execute(
            sql.SQL(("alter" if known else "create") + " role {} login password {}").format(role, sql.Literal(password))
        )
        server.execute(sql.SQL("grant {} to {}").format(admin, role))
        server.execute(
            sql.SQL("alter role {} in database {} set role = {}").format(role, sql.Identifier(database), admin)
        )
    return password
