"""A rehearsal of an environment's life without its account: deployed on the plug-in of LocalStack, and destroyed.

LocalStack runs on a free port with new servers behind it, PostgreSQL for RDS and for Redshift, and for MWAA Airflow's
own answer about its version. The deployment and the destruction are the commands' own.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from groundwork import aws
from groundwork.deployment import changes, destroy, set_up
from groundwork.install import ROOT, venv
from groundwork.local import services
from groundwork.local.postgres.server import Server, read_configuration
from groundwork.local.runtimes.stages import make_certificate
from groundwork.settings import Settings


def rehearse(settings: Settings, say: Callable[[str], None]) -> None:
    """Deploy the environment, seed its source, destroy it. Raises UserError with what failed or what is left."""
    with tempfile.TemporaryDirectory(prefix="groundwork-") as folder, stand_in(Path(folder)):
        rehearsed = replace(settings, state=Path(folder))
        changes.show(changes.changes(rehearsed))
        set_up.set_up(rehearsed, say)
        destroy.destroy(rehearsed, say)


@contextmanager
def stand_in(state: Path) -> Iterator[int]:
    """What stands for the account, to which this process then talks; gives LocalStack's port."""
    with running_source(state) as source, services.running_postgres(state, "warehouse") as warehouse:
        airflow = version_of_airflow(state)
        localstack = services.localstack(
            services.free_port(), state, warehouse.dsn(), "http://127.0.0.1:1", "none",
            source_dsn=source.dsn(), airflow_url=f"http://127.0.0.1:{airflow.port}",
        )  # fmt: skip
        with (
            services.running(airflow, state / "airflow.log"),
            services.running(localstack, state / "localstack.log"),
            aws.environment(services.aws_environment(localstack.port)),
        ):
            yield localstack.port


@contextmanager
def running_source(state: Path) -> Iterator[Server]:
    server = Server(state / "source", services.free_port(), "test", {"fsync": "off", **read_configuration("source")})
    server.initialise()
    make_certificate(server.data)
    with services.running(services.postgres("source", server), state / "source.log"):
        yield server


def version_of_airflow(state: Path) -> services.Service:
    port = services.free_port()
    return services.Service(
        "airflow",
        [
            str(venv("airflow") / "bin" / "python"),
            str(ROOT / "groundwork" / "local" / "version_of_airflow.py"),
            str(port),
        ],
        port,
        {"AIRFLOW_HOME": str(state / "airflow")},
        health=f"http://127.0.0.1:{port}/api/v2/version",
    )
