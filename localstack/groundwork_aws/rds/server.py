"""The PostgreSQL that runs already and stands for an RDS instance: what it is, and the instance's user and database."""

from psycopg import sql

from groundwork_aws.postgres import PostgresServer

# RDS has parameters of its own for what PostgreSQL's configuration file or its rules of access say.
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Parameters.html
OF_RDS = {
    ("rds.logical_replication", "1"): ("wal_level", "logical"),
    ("rds.force_ssl", "1"): ("ssl", "on"),
}


class Mismatch(Exception):
    """The running server is not what was asked for; the text says in what."""


def check_version(server: PostgresServer, wanted: str, or_newer_minor: bool) -> str:
    """The running version, which must be ``wanted``, or with its major version a newer one. Raises Mismatch."""
    with server.connect() as connection:
        running = connection.execute("SHOW server_version").fetchone()[0].split()[0]
    there, asked = ([int(part) for part in version.split(".")] for version in (running, wanted))
    if there != asked and not (or_newer_minor and there[0] == asked[0] and there >= asked):
        raise Mismatch(f"EngineVersion {wanted}: the PostgreSQL that runs here is {running}")
    return running


def check_parameters(server: PostgresServer, parameters: dict[str, str]) -> None:
    """Compare a parameter group's values with those of the running server. Raises Mismatch naming what differs."""
    differences = []
    with server.connect() as connection:
        for name, value in parameters.items():
            setting, wanted = OF_RDS.get((name, value), (name, value))
            row = connection.execute("SELECT setting FROM pg_settings WHERE name = %s", [setting]).fetchone()
            if row is None:
                differences.append(f"{name}={value} has no counterpart here")
            elif row[0] != wanted:
                differences.append(f"{name}={value} needs {setting}={wanted}, the PostgreSQL here has {row[0]}")
    if differences:
        raise Mismatch("; ".join(differences))


def make_master_user(server: PostgresServer, name: str, password: str) -> None:
    """The instance's master user, which may make users and databases. Raises Mismatch for a superuser's name."""
    with server.connect() as connection:
        row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = %s", [name]).fetchone()
        if row and row[0]:
            raise Mismatch(f"MasterUsername {name} is a superuser of the PostgreSQL that runs here")
        verb = "ALTER" if row else "CREATE"
        statement = sql.SQL(verb + " ROLE {} LOGIN CREATEROLE CREATEDB REPLICATION PASSWORD {}")
        connection.execute(statement.format(sql.Identifier(name), sql.Literal(password)))


def make_database(server: PostgresServer, name: str, owner: str) -> bool:
    """Make the database unless it is there, and let the master user write to it. Says whether it was made."""
    with server.connect() as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if not known:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        grant = sql.SQL("GRANT ALL ON DATABASE {} TO {}").format(sql.Identifier(name), sql.Identifier(owner))
        connection.execute(grant)
    return not known


def remove(server: PostgresServer, master_user: str, database: str | None, drop: bool) -> None:
    """Remove the master user and, where ``drop`` says so, the database. What else it owns goes to the superuser."""
    user = sql.Identifier(master_user)
    with server.connect() as connection:
        if database and drop:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))
    for name in dict.fromkeys(["postgres", *([database] if database and not drop else [])]):
        with server.connect(name) as connection:
            connection.execute(sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(user))
            connection.execute(sql.SQL("DROP OWNED BY {}").format(user))
    with server.connect() as connection:
        connection.execute(sql.SQL("DROP ROLE {}").format(user))
