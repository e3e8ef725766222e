"""Every setting of the platform on this machine, read once and checked: ports, folders and generated credentials.

A port is changed by ``GROUNDWORK_PORT_<SERVICE>``, the state's folder by ``GROUNDWORK_STATE_DIR``.
"""

import base64
import json
import os
import secrets
import shutil
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path

import yaml

from groundwork.install import ROOT, STATE


class UserError(Exception):
    """Something that the user can mend; the text says what is wrong, where, and what to do."""


@dataclass(frozen=True)
class Ports:
    """Where the services listen, all on 127.0.0.1."""

    source: int = 5432
    warehouse: int = 5439
    localstack: int = 4566
    spark_master: int = 7077
    spark_master_ui: int = 8090
    spark_worker_ui: int = 8091
    instance_controller: int = 8998
    airflow: int = 8080
    supervisor: int = 9055


@dataclass(frozen=True)
class Credentials:
    """Secrets of this machine's services, generated once."""

    source_superuser: str
    warehouse_superuser: str
    warehouse_dbt: str
    airflow_admin: str
    airflow_fernet_key: str
    airflow_jwt_secret: str
    airflow_secret_key: str
    instance_controller_token: str
    supervisor: str


@dataclass(frozen=True)
class Settings:
    """``environment`` is a file of ``cloudformation/environments``; ``parameters`` is what it holds."""

    root: Path
    state: Path
    environment: str
    parameters: dict
    ports: Ports
    credentials: Credentials
    olist_csv_dir: Path | None
    scale: float
    seed: int

    @property
    def source_dsn(self) -> str:
        return f"postgresql://postgres:{self.credentials.source_superuser}@127.0.0.1:{self.ports.source}/olist"

    @property
    def warehouse_dsn(self) -> str:
        """The server itself; the platform's database is ``analytics``."""
        return f"postgresql://postgres:{self.credentials.warehouse_superuser}@127.0.0.1:{self.ports.warehouse}/postgres"

    @property
    def logs(self) -> Path:
        return self.state / "logs"


@cache
def settings() -> Settings:
    """Read the settings. Raises UserError naming the variable that is wrong."""
    ports = Ports(**{f.name: port_of(f.name, f.default) for f in fields(Ports)})
    parameters = yaml.safe_load((ROOT / "cloudformation" / "environments" / "local.yaml").read_text())
    folder = os.environ.get("OLIST_CSV_DIR")
    return Settings(
        root=ROOT,
        state=STATE,
        environment=parameters["environment"],
        parameters={**parameters, "source_port": ports.source},
        ports=ports,
        credentials=read_credentials(STATE / "credentials.json"),
        olist_csv_dir=Path(folder).expanduser().resolve() if folder else None,
        scale=number("SCALE", 0.1),
        seed=int(number("SEED", 42)),
    )


def port_of(service: str, default: int) -> int:
    variable = f"GROUNDWORK_PORT_{service.upper()}"
    value = os.environ.get(variable) or str(default)
    if not value.isdigit() or not 0 < int(value) < 65536:
        raise UserError(f"{variable}={value} is not a port: give a number from 1 to 65535")
    return int(value)


def number(variable: str, default: float) -> float:
    value = os.environ.get(variable) or str(default)
    try:
        return float(value)
    except ValueError:
        raise UserError(f"{variable}={value} is not a number") from None


def read_credentials(file: Path) -> Credentials:
    """The credentials of this checkout, generated on the first call into a file that only its owner can read."""
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        generated = {f.name: secrets.token_urlsafe(24) for f in fields(Credentials)}
        generated["airflow_fernet_key"] = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        unfinished = file.with_suffix(".new")
        unfinished.touch(mode=0o600)
        unfinished.write_text(json.dumps(asdict(Credentials(**generated)), indent=2))
        unfinished.rename(file)
    return Credentials(**json.loads(file.read_text()))


def free_disk_gib() -> float:
    STATE.mkdir(parents=True, exist_ok=True)
    return shutil.disk_usage(STATE).free / 2**30
