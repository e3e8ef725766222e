"""Airflow as the platform runs it, without its processes: its environment must be there before Airflow is imported."""

import os
import tempfile
from pathlib import Path

from groundwork.local import services
from groundwork.local.airflow import Airflow

# Gone when the tests end.
FOLDER = tempfile.TemporaryDirectory(prefix="groundwork-airflow-")
STATE = Path(FOLDER.name)

AIRFLOW = Airflow(
    state=STATE,
    port=0,
    database=f"sqlite:///{STATE}/airflow.db",
    admin_password="",
    fernet_key="",
    jwt_secret="",
    secret_key="",
    environment_name="test",
    aws=services.aws_environment(0),
    dbt={
        "DBT_HOST": "127.0.0.1",
        "DBT_PORT": "5439",
        "DBT_USER": "dbt",
        "DBT_PASSWORD": "",
        "DBT_DATABASE": "analytics",
    },
)
os.environ.update(AIRFLOW.environment())
AIRFLOW.write_manifest()
