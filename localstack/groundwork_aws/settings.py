"""What the plug-in reads from its environment, in one place."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """
    ``state_dir``: where engines keep their working files and logs.
    ``warehouse_dsn``: superuser connection to the PostgreSQL that stands for Redshift.
    ``instance_controller_url``: the EMR instance controller beside the Spark master.
    ``instance_controller_token``: the shared secret its API asks for.
    ``source_dsn``: superuser connection to the PostgreSQL that stands for RDS, or None where none runs.
    ``airflow_url``: the Airflow that stands for MWAA, with its user and password, or None where none runs.
    """

    state_dir: Path
    warehouse_dsn: str
    instance_controller_url: str
    instance_controller_token: str
    source_dsn: str | None
    airflow_url: str | None
    localstack_state_dir: Path | None


def read() -> Settings:
    """Read the settings. Raises KeyError naming a variable that is not set."""
    kept = os.environ.get("GROUNDWORK_LOCALSTACK_STATE_DIR")
    return Settings(
        state_dir=Path(os.environ["GROUNDWORK_STATE_DIR"]),
        warehouse_dsn=os.environ["GROUNDWORK_WAREHOUSE_DSN"],
        instance_controller_url=os.environ["GROUNDWORK_INSTANCE_CONTROLLER_URL"],
        instance_controller_token=os.environ["GROUNDWORK_INSTANCE_CONTROLLER_TOKEN"],
        source_dsn=os.environ.get("GROUNDWORK_SOURCE_DSN"),
        airflow_url=os.environ.get("GROUNDWORK_AIRFLOW_URL"),
        localstack_state_dir=Path(kept) if kept else None,
    )
