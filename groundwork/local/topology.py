"""What the platform consists of: each part with its addresses, ports and credentials out of the settings.

Every runtime runs these same parts: supervisord as processes, Compose as containers.
"""

import socket

from groundwork.local import services
from groundwork.local.airflow import Airflow
from groundwork.local.postgres.server import Server, read_configuration
from groundwork.local.services import Service
from groundwork.local.spark import SparkCluster
from groundwork.settings import Settings


def source_server(settings: Settings) -> Server:
    return Server(
        settings.state / "source",
        settings.ports.source,
        settings.credentials.source_superuser,
        read_configuration("source"),
    )


def warehouse_server(settings: Settings) -> Server:
    return Server(
        settings.state / "warehouse",
        settings.ports.warehouse,
        settings.credentials.warehouse_superuser,
        read_configuration("warehouse"),
    )


def localstack(settings: Settings) -> Service:
    return services.localstack(
        settings.ports.localstack,
        settings.state,
        settings.warehouse_dsn,
        spark_cluster(settings).controller_url,
        settings.credentials.instance_controller_token,
        settings.hosts.localstack,
        settings.listen,
        settings.source_dsn,
        airflow(settings).url_with_login,
        keeps_state=True,
    )


def spark_cluster(settings: Settings) -> SparkCluster:
    address, name = own_address(settings.listen)
    return SparkCluster(
        state=settings.state / "spark",
        aws=aws_environment(settings, "emr"),
        token=settings.credentials.instance_controller_token,
        master_port=settings.ports.spark_master,
        web_port=settings.ports.spark_master_ui,
        worker_web_port=settings.ports.spark_worker_ui,
        controller_port=settings.ports.instance_controller,
        history_port=settings.ports.spark_history,
        master_host=settings.hosts.spark_master,
        history_host=settings.hosts.spark_history,
        controller_host=settings.hosts.instance_controller,
        host=address,
        hostname=name,
        workers=settings.workers,
        cores=settings.worker_cores,
        executor_memory=settings.worker_memory,
    )


def airflow(settings: Settings) -> Airflow:
    credentials = settings.credentials
    server = f"{settings.hosts.warehouse}:{settings.ports.warehouse}"
    return Airflow(
        state=settings.state / "airflow",
        port=settings.ports.airflow,
        database=f"postgresql://airflow:{credentials.airflow_admin}@{server}/airflow",
        admin_password=credentials.airflow_admin,
        fernet_key=credentials.airflow_fernet_key,
        jwt_secret=credentials.airflow_jwt_secret,
        secret_key=credentials.airflow_secret_key,
        environment_name=settings.environment,
        aws=aws_environment(settings, "airflow"),
        dbt={
            "DBT_HOST": settings.hosts.warehouse,
            "DBT_PORT": str(settings.ports.warehouse),
            "DBT_USER": "dbt",
            "DBT_PASSWORD": credentials.warehouse_dbt,
            "DBT_DATABASE": "analytics",
        },
        host=settings.hosts.airflow,
        listen=settings.listen,
        schedule=settings.schedule,
    )


def aws_environment(settings: Settings, caller: str) -> dict[str, str]:
    """``caller`` is one of ``groundwork/deployment/iam/principals.yaml``."""
    return services.aws_environment(settings.ports.localstack, settings.hosts.localstack, caller)


def own_address(listen: str) -> tuple[str, str]:
    """The address and the name that Spark's parts give one another; it cannot be told to listen everywhere."""
    if listen != "0.0.0.0":
        return listen, "localhost"
    address = socket.gethostbyname(socket.gethostname())
    return address, address
