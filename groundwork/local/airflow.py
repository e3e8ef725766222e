"""Airflow as processes: API server, scheduler, DAG processor, triggerer, each with its complete environment.

Standard library only. It is the Airflow that MWAA runs, with the same DAGs, plug-ins and secrets backend; what MWAA
sets as configuration options and by its start-up script is set here by environment variables
(https://airflow.apache.org/docs/apache-airflow/stable/configurations-ref.html).
"""

import hashlib
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from groundwork.install import ROOT, digest, venv
from groundwork.local.services import Service

ADMIN = "admin"
SECRETS_BACKEND = "airflow.providers.amazon.aws.secrets.systems_manager.SystemsManagerParameterStoreBackend"


@dataclass(frozen=True)
class Airflow:
    """One Airflow. ``database`` is a DSN of PostgreSQL, ``aws`` what makes boto3 find AWS, ``host`` its API server's.

    ``dbt`` holds the variables of ``dbt/profiles.yml``; the three secrets and the password are the caller's to keep.
    ``schedule`` is the pipeline's, empty where it runs on request only.
    """

    state: Path
    port: int
    database: str
    admin_password: str
    fernet_key: str
    jwt_secret: str
    secret_key: str
    environment_name: str
    aws: dict[str, str]
    dbt: dict[str, str]
    host: str = "127.0.0.1"
    listen: str = "127.0.0.1"
    schedule: str = ""

    @property
    def url(self) -> str:
        """Where the other parts find the API server."""
        return f"http://{self.host}:{self.port}"

    @property
    def url_with_login(self) -> str:
        return self.url.replace("://", f"://{ADMIN}:{self.admin_password}@")

    @property
    def manifest(self) -> Path:
        return self.state / "dbt" / "manifest.json"

    def prepare(self) -> None:
        """Bring the metadata database, the login and dbt's manifest up to date; what is up to date costs nothing.

        Raises CalledProcessError with the output of the command that failed.
        """
        self.migrate()
        self.write_manifest()

    def migrate(self) -> None:
        """The metadata database and the login."""
        self.state.mkdir(parents=True, exist_ok=True)
        passwords = self.state / "passwords.json"
        passwords.touch(mode=0o600)
        passwords.write_text(json.dumps({ADMIN: self.admin_password}))
        versions = [ROOT / "airflow" / "uv.lock"]
        if is_new(self.state / ".migrated", versions):
            self.run([program("airflow"), "db", "migrate"])
            mark(self.state / ".migrated", versions)

    def write_manifest(self) -> None:
        """Let dbt parse its project: the DAG is made of the manifest, so that parsing a DAG does not parse dbt."""
        project = ROOT / "dbt"
        sources = [f for folder in ("models", "macros", "tests") for f in sorted((project / folder).rglob("*.*"))]
        sources += [project / "dbt_project.yml", project / "profiles.yml", project / "uv.lock"]
        if is_new(self.state / ".parsed", sources):
            self.run([program("dbt"), "parse", "--target-path", str(self.manifest.parent)])
            mark(self.state / ".parsed", sources)

    def run(self, command: list[str]) -> None:
        environment = {**os.environ, **self.environment()}
        subprocess.run(command, env=environment, cwd=self.state, check=True, capture_output=True, text=True)

    def services(self) -> list[Service]:
        """The API server first: the others report to it."""
        health = f"{self.url}/api/v2/monitor/health"
        airflow, environment = program("airflow"), self.environment()
        return [
            Service("airflow-api-server", [airflow, "api-server"], self.port, environment, self.state, health),
            *(
                Service(
                    f"airflow-{command[0]}", [airflow, *command], 0, environment, self.state, health,
                    component=command[0].replace("-", "_"),
                )
                for command in (
                    ["scheduler", "--skip-serve-logs"],
                    ["dag-processor"],
                    ["triggerer", "--skip-serve-logs"],
                )
            ),
        ]  # fmt: skip

    def environment(self) -> dict[str, str]:
        options = {
            **self.core_options(),
            **self.api_options(),
            **self.process_options(),
            **self.pipeline_options(),
        }
        return {
            "AIRFLOW_HOME": str(self.state),
            **as_variables(options),
            **self.aws,
            **self.dbt,
            "DBT_PROJECT_DIR": str(ROOT / "dbt"),
            "DBT_PROFILES_DIR": str(ROOT / "dbt"),
            "DBT_LOG_PATH": str(self.state / "dbt"),
            # What fills the source; MWAA has it beside the DAGs.
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "contracts")]),
        }

    def core_options(self) -> dict[str, str]:
        return {
            **shared_options(self.environment_name),
            "core.dags_folder": str(ROOT / "airflow" / "dags"),
            "core.plugins_folder": str(ROOT / "airflow" / "plugins"),
            "core.load_examples": "False",
            "core.executor": "LocalExecutor",
            "core.parallelism": "4",
            "core.fernet_key": self.fernet_key,
            "database.sql_alchemy_conn": self.database.replace("postgresql://", "postgresql+psycopg2://"),
            "database.load_default_connections": "False",
            "logging.base_log_folder": str(self.state / "logs"),
        }

    def api_options(self) -> dict[str, str]:
        """One worker, on this machine only, with one administrator whose password is in a file only we can read."""
        return {
            "core.auth_manager": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
            "core.simple_auth_manager_users": f"{ADMIN}:admin",
            "core.simple_auth_manager_passwords_file": str(self.state / "passwords.json"),
            "core.execution_api_server_url": f"{self.url}/execution/",
            "api.host": self.listen,
            "api.port": str(self.port),
            # A person's browser is on this machine, wherever the API server runs.
            "api.base_url": f"http://127.0.0.1:{self.port}",
            "api.workers": "1",
            "api.secret_key": self.secret_key,
            "api_auth.jwt_secret": self.jwt_secret,
        }

    def process_options(self) -> dict[str, str]:
        """Few processes and short waits: a laptop runs one DAG, and somebody is looking."""
        return {
            "dag_processor.parsing_processes": "1",
            "dag_processor.min_file_process_interval": "60",
            "dag_processor.refresh_interval": "30",
            "scheduler.scheduler_idle_sleep_time": "0.5",
            "scheduler.job_heartbeat_sec": "5",
            # What a killed scheduler or worker was doing is taken up again after so long, not after five minutes.
            "scheduler.orphaned_tasks_check_interval": "30",
            "scheduler.task_instance_heartbeat_timeout": "90",
            "usage_data_collection.enabled": "False",
            "cosmos.cache_dir": str(self.state / "cosmos"),
        }

    def pipeline_options(self) -> dict[str, str]:
        """What the DAGs read from the section ``groundwork``."""
        return {
            "groundwork.poll_seconds": "1",
            "groundwork.retry_seconds": "5",
            "groundwork.schedule": self.schedule,
            "groundwork.dbt_executable": program("dbt"),
            "groundwork.dbt_project": str(ROOT / "dbt"),
            "groundwork.dbt_manifest": str(self.manifest),
            "groundwork.dbt_target": "local",
        }


def as_variables(options: dict[str, str]) -> dict[str, str]:
    """Options, each named ``section.name``, as the environment variables by which Airflow takes them."""
    return {f"AIRFLOW__{name.replace('.', '__').upper()}": value for name, value in options.items()}


def shared_options(environment: str) -> dict[str, str]:
    """What an Airflow of the platform is told wherever it runs."""
    lookup = {"variables_prefix": f"/groundwork/{environment}/variables", "connections_prefix": None,
              "config_prefix": None}  # fmt: skip
    return {
        "secrets.backend": SECRETS_BACKEND,
        "secrets.backend_kwargs": json.dumps(lookup),
        "cosmos.enable_telemetry": "False",
    }


def program(name: str) -> str:
    return str(venv(name) / "bin" / name)


def is_new(stamp: Path, files: list[Path]) -> bool:
    return not (stamp.is_file() and stamp.read_text() == fingerprint(files))


def mark(stamp: Path, files: list[Path]) -> None:
    stamp.write_text(fingerprint(files))


def fingerprint(files: list[Path]) -> str:
    return hashlib.sha256("".join(f"{file} {digest(file)}" for file in files).encode()).hexdigest()
