"""A rehearsal of an environment's life without its account: deployed on the plug-in of LocalStack, and destroyed.

LocalStack runs on a free port with new servers behind it: PostgreSQL for RDS and for Redshift, and for MWAA an Airflow
that has nothing but MWAA's options and what lies in its bucket. The deployment and the destruction are the commands'
own.
"""

import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

import boto3
from botocore.exceptions import ClientError

from groundwork import aws
from groundwork.deployment import changes, destroy, mwaa, set_up
from groundwork.local import databases, services
from groundwork.local.airflow import Airflow, as_variables
from groundwork.local.postgres.server import Server, read_configuration
from groundwork.local.runtimes.stages import make_certificate
from groundwork.settings import Settings

SYNC_SECONDS = 2


def rehearse(settings: Settings, say: Callable[[str], None]) -> None:
    """Deploy the environment, seed its source, destroy it. Raises UserError with what failed or what is left."""
    with tempfile.TemporaryDirectory(prefix="groundwork-") as folder, stand_in(Path(folder), settings.environment):
        rehearsed = replace(settings, state=Path(folder))
        changes.show(changes.changes(rehearsed))
        set_up.set_up(rehearsed, say)
        destroy.destroy(rehearsed, say)


@contextmanager
def stand_in(state: Path, environment: str) -> Iterator[int]:
    """What stands for the account, to which this process then talks; gives LocalStack's port."""
    with running_source(state) as source, services.running_postgres(state, "warehouse") as warehouse:
        port = services.free_port()
        airflow = managed_airflow(state, environment, warehouse, port)
        localstack = services.localstack(
            port, state, warehouse.dsn(), "http://127.0.0.1:1", "none",
            source_dsn=source.dsn(), airflow_url=airflow.url_with_login,
        )  # fmt: skip
        with ExitStack() as running:
            running.enter_context(services.running(localstack, state / "localstack.log"))
            running.enter_context(aws.environment(services.aws_environment(port)))
            running.enter_context(dags_synchronised(port, state / "dags"))
            for part in as_on_mwaa(airflow):
                running.enter_context(services.running(part, state / f"{part.name}.log"))
            yield port


@contextmanager
def running_source(state: Path) -> Iterator[Server]:
    server = Server(state / "source", services.free_port(), "test", {"fsync": "off", **read_configuration("source")})
    server.initialise()
    make_certificate(server.data)
    with services.running(services.postgres("source", server), state / "source.log"):
        yield server


def managed_airflow(state: Path, environment: str, metadata: Server, localstack_port: int) -> Airflow:
    """An Airflow with a new metadata database, which calls AWS as MWAA's role does."""
    password = secrets.token_urlsafe()
    databases.create_role(metadata.dsn(), "airflow", password)
    databases.create_database(metadata.dsn(), "airflow", owner="airflow")
    airflow = Airflow(
        state=state / "airflow",
        port=services.free_port(),
        database=f"postgresql://airflow:{password}@127.0.0.1:{metadata.port}/airflow",
        admin_password=password,
        fernet_key="",
        jwt_secret=secrets.token_urlsafe(64),
        secret_key=secrets.token_urlsafe(),
        environment_name=environment,
        aws=services.aws_environment(localstack_port, caller="airflow"),
        dbt={},
    )
    airflow.migrate()
    return airflow


def as_on_mwaa(airflow: Airflow) -> list[services.Service]:
    """Airflow's services with MWAA's options, and with the folder that MWAA fills for all that they may import."""
    home = airflow.state.parent
    options = {
        **mwaa.configuration_options(airflow.environment_name, "127.0.0.1", ""),
        "core.dags_folder": f"{mwaa.HOME}/dags",
        "core.plugins_folder": f"{mwaa.HOME}/plugins",
        "dag_processor.refresh_interval": str(SYNC_SECONDS),
    }
    variables = as_variables({name: value.replace(mwaa.HOME, str(home)) for name, value in options.items()})
    return [
        replace(service, environment={**service.environment, **variables, "PYTHONPATH": ""})
        for service in airflow.services()
    ]


@contextmanager
def dags_synchronised(localstack_port: int, folder: Path) -> Iterator[None]:
    """Within the block the folder follows the environment's DAGs in S3, as that of MWAA's workers does."""
    folder.mkdir(exist_ok=True)
    session = boto3.Session("mwaa", "test", region_name=services.REGION)
    mwaa_api, s3 = (session.client(n, endpoint_url=f"http://127.0.0.1:{localstack_port}") for n in ("mwaa", "s3"))
    ended = Event()

    def follow() -> None:
        while not ended.wait(SYNC_SECONDS):
            synchronise(mwaa_api, s3, folder)

    thread = Thread(target=follow)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def synchronise(mwaa_api, s3, folder: Path) -> None:
    for environment in mwaa_api.list_environments()["Environments"]:
        found = mwaa_api.get_environment(Name=environment)["Environment"]
        bucket, prefix = found["SourceBucketArn"].rpartition(":")[2], f"{found['DagS3Path']}/"
        try:
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                for item in page.get("Contents", []):
                    file = folder / item["Key"].removeprefix(prefix)
                    if not file.is_file() or file.stat().st_mtime < item["LastModified"].timestamp():
                        file.parent.mkdir(parents=True, exist_ok=True)
                        file.write_bytes(s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read())
        except ClientError:  # the environment is being destroyed
            return
