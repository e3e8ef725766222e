"""What the platform consists of, in the order in which it comes up; each runtime runs the same parts."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
import trustme
from psycopg import sql

from groundwork import services
from groundwork.airflow_services import Airflow
from groundwork.postgres.server import Server
from groundwork.services import Service
from groundwork.settings import Settings
from groundwork.spark_cluster import SparkCluster

CERTIFICATE, KEY = "server.pem", "server.key"


@dataclass(frozen=True)
class Stage:
    """Services that come up together, what they find when they start, and what the next stage finds.

    Both preparations are harmless when they are done again.
    """

    services: list[Service]
    beforehand: Callable[[], None] = lambda: None
    afterwards: Callable[[], None] = lambda: None


def platform_services(settings: Settings) -> list[Stage]:
    source, warehouse = source_server(settings), warehouse_server(settings)
    spark = spark_cluster(settings)

    def prepare_folders() -> None:
        make_certificate(settings.state / "tls")
        source.initialise()
        warehouse.initialise()
        spark.configure()

    def prepare_databases() -> None:
        create_database(source.dsn(), "olist")
        create_role(warehouse.dsn(), "airflow", settings.credentials.airflow_admin)
        create_database(warehouse.dsn(), "airflow", owner="airflow")
        create_role(warehouse.dsn(), "dbt", settings.credentials.warehouse_dbt)
        airflow(settings).migrate()

    return [
        Stage(
            [
                services.postgres("source", source),
                services.postgres("warehouse", warehouse),
                localstack(settings, spark),
                spark.master(),
            ],
            prepare_folders,
            prepare_databases,
        ),
        Stage([spark.worker(), spark.instance_controller(), *airflow(settings).services()]),
    ]


def source_server(settings: Settings) -> Server:
    return Server(
        settings.state / "source",
        settings.ports.source,
        settings.credentials.source_superuser,
        {
            "wal_level": "logical",
            "max_replication_slots": "10",
            "max_wal_senders": "10",
            "max_wal_size": "2GB",
            # DMS's endpoint asks for TLS, here as on RDS.
            "ssl": "on",
            "ssl_cert_file": str(settings.state / "tls" / CERTIFICATE),
            "ssl_key_file": str(settings.state / "tls" / KEY),
        },
    )


def warehouse_server(settings: Settings) -> Server:
    return Server(
        settings.state / "warehouse",
        settings.ports.warehouse,
        settings.credentials.warehouse_superuser,
        {"max_wal_size": "2GB", "shared_buffers": "256MB", "work_mem": "32MB"},
    )


def localstack(settings: Settings, spark: SparkCluster) -> Service:
    return services.localstack(
        settings.ports.localstack,
        settings.state,
        settings.warehouse_dsn,
        spark.controller_url,
        settings.credentials.instance_controller_token,
    )


def spark_cluster(settings: Settings) -> SparkCluster:
    return SparkCluster(
        state=settings.state / "spark",
        aws=services.aws_environment(settings.ports.localstack),
        token=settings.credentials.instance_controller_token,
        master_port=settings.ports.spark_master,
        web_port=settings.ports.spark_master_ui,
        worker_web_port=settings.ports.spark_worker_ui,
        controller_port=settings.ports.instance_controller,
    )


def airflow(settings: Settings) -> Airflow:
    credentials = settings.credentials
    return Airflow(
        state=settings.state / "airflow",
        port=settings.ports.airflow,
        database=f"postgresql://airflow:{credentials.airflow_admin}@127.0.0.1:{settings.ports.warehouse}/airflow",
        admin_password=credentials.airflow_admin,
        fernet_key=credentials.airflow_fernet_key,
        jwt_secret=credentials.airflow_jwt_secret,
        secret_key=credentials.airflow_secret_key,
        environment_name=settings.environment,
        aws=services.aws_environment(settings.ports.localstack),
        dbt={
            "DBT_HOST": "127.0.0.1",
            "DBT_PORT": str(settings.ports.warehouse),
            "DBT_USER": "dbt",
            "DBT_PASSWORD": credentials.warehouse_dbt,
            "DBT_DATABASE": "analytics",
        },
    )


def admit_dbt(settings: Settings) -> None:
    """Let dbt act as the namespace's administrator, as an IAM role does that signs in to the workgroup.

    dbt-postgres signs in with a password of its own; the database and the administrator exist once the stacks do.
    """
    with psycopg.connect(settings.warehouse_dsn, autocommit=True) as connection:
        connection.execute("GRANT warehouse_admin TO dbt")
        connection.execute("ALTER ROLE dbt IN DATABASE analytics SET role = warehouse_admin")


def make_certificate(folder: Path) -> None:
    """A self-signed certificate for 127.0.0.1 and its key, made once."""
    if (folder / KEY).is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    issued = trustme.CA().issue_cert("127.0.0.1", "localhost")
    issued.cert_chain_pems[0].write_to_path(folder / CERTIFICATE)
    (folder / KEY).touch(mode=0o600)
    issued.private_key_pem.write_to_path(folder / KEY)


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
