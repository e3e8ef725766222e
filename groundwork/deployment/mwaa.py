"""What MWAA is given so that its Airflow is the local one: requirements, start-up script, DAGs and options.

``python -m groundwork.deployment.mwaa FOLDER`` writes the objects that MWAA reads. They come of the lock files and the
sources: the same ones give the same bytes.
https://docs.aws.amazon.com/mwaa/latest/userguide/working-dags-dependencies.html
https://docs.aws.amazon.com/mwaa/latest/userguide/using-startup-script.html

Standard library only, like ``groundwork.local.airflow``.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from groundwork.install import ROOT, uv
from groundwork.local.airflow import program, shared_options

# Where MWAA's files lie in the artifacts bucket.
PREFIX = "mwaa"
# Airflow's home on MWAA, where the DAGs are and where the start-up script puts dbt.
HOME = "/usr/local/airflow"
# In MWAA's image already, with all that they depend on.
# https://github.com/aws/amazon-mwaa-docker-images/tree/main/images/airflow/3.3.1
IMAGE = (
    "apache-airflow",
    "apache-airflow-providers-amazon",
    "apache-airflow-providers-fab",
    "apache-airflow-providers-postgres",
)
# Of the package seed_data, what fills a database; what generates data is not needed there.
LOADER = ("__init__.py", "csv_folder.py", "ddl.py", "loader.py")
# What dbt writes into a manifest anew each time.
VOLATILE = {"created_at", "generated_at", "invocation_id", "invocation_started_at", "run_started_at"}
STARTUP = """\
#!/bin/bash
# Written by python -m groundwork.deployment.mwaa. MWAA sources it before each of its components starts, and gives it
# five minutes.
# A worker without dbt must not come up: MWAA starts nothing when this ends early.
set -e

# Where dbt/profiles.yml finds the warehouse. MWAA itself sets the region, and the role's credentials are at hand.
export DBT_HOST="$AIRFLOW__GROUNDWORK__WAREHOUSE_HOST"
export DBT_PORT="$AIRFLOW__GROUNDWORK__WAREHOUSE_PORT"
export DBT_DATABASE="$AIRFLOW__GROUNDWORK__WAREHOUSE_DATABASE"
export DBT_LOG_PATH=/tmp/dbt

# Only these two run tasks. dbt has an environment of its own, because its dependencies are not Airflow's.
case "$MWAA_AIRFLOW_COMPONENT" in worker | hybrid)
    venv="$AIRFLOW_HOME/dbt_venv"
    python3 -m venv --without-pip "$venv"
    # The lock names every package. MWAA has its pip install for the user, which a virtual environment refuses.
    PIP_USER=false python3 -m pip --python "$venv/bin/python" install --no-deps --require-hashes -r /dev/stdin <<'LOCK'
{lock}LOCK
    ;;
esac
"""


def main(folder: Path) -> None:
    for key, content in objects().items():
        file = folder / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def objects() -> dict[str, bytes]:
    """Everything that MWAA reads, by its key in the artifacts bucket."""
    return {key: content.encode() for key, content in files().values()} | dags()


def parameters() -> dict[str, str]:
    """The environment's parameters that say which two files the orchestration stack names."""
    return {name: key for name, (key, _) in files().items()}


@cache
def files() -> dict[str, tuple[str, str]]:
    """Key and content of the two files. New content has a new key: MWAA looks at neither again while the key stays."""
    contents = {
        "mwaa_requirements": ("requirements-{}.txt", requirements()),
        "mwaa_startup_script": ("startup-{}.sh", startup_script()),
    }
    return {
        name: (f"{PREFIX}/{key.format(hashlib.sha256(content.encode()).hexdigest()[:12])}", content)
        for name, (key, content) in contents.items()
    }


def requirements() -> str:
    """``requirements.txt``: what the DAGs need besides MWAA's image, with hashes.

    It names no constraints, so MWAA holds it to Airflow's own, which ``airflow/uv.lock`` is resolved by.
    """
    return export("airflow", *(word for package in IMAGE for word in ("--prune", package)))


def startup_script() -> str:
    """``startup.sh``: dbt as ``dbt/uv.lock`` has it, and the variables of ``dbt/profiles.yml``."""
    return STARTUP.format(lock=export("dbt"))


def export(project: str, *options: str) -> str:
    """The project's lock as pip reads it. Raises CalledProcessError."""
    command = [str(uv()), "export", "--frozen", "--quiet", "--project", str(ROOT / project), "--no-dev",
               "--no-emit-project", "--no-header", "--no-annotate", *options]  # fmt: skip
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def dags() -> dict[str, bytes]:
    """The DAGs folder: the DAGs, the operators and the loader that they import, the dbt project and its manifest."""
    airflow, dbt, contracts = ROOT / "airflow", ROOT / "dbt", ROOT / "contracts"
    project = [dbt / "dbt_project.yml", dbt / "profiles.yml"]
    project += [file for folder in ("macros", "models", "tests") for file in (dbt / folder).rglob("*.*")]
    found = {file.relative_to(airflow / "dags"): file for file in (airflow / "dags").rglob("*.*")}
    found |= {Path(file.name): file for file in (airflow / "plugins").glob("*.*")}
    found |= {"dbt" / file.relative_to(dbt): file for file in project}
    found |= {Path("seed_data", file): ROOT / "seed_data" / file for file in LOADER}
    found |= {file.relative_to(contracts): file for file in (contracts / "groundwork_contracts").glob("*.py")}
    found |= {file.relative_to(contracts): file for file in (contracts / "olist").glob("*.yaml")}
    content = {
        f"{PREFIX}/dags/{name}": file.read_bytes() for name, file in sorted(found.items()) if file.suffix != ".pyc"
    }
    return {**content, f"{PREFIX}/dags/dbt/manifest.json": manifest()}


def manifest() -> bytes:
    """The project as dbt understands it for production, of which the DAG's tasks are made."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ, "DBT_HOST": "unused", "DBT_PORT": "5439", "DBT_DATABASE": "analytics", "AWS_REGION": "unused",
            "DBT_PROJECT_DIR": str(ROOT / "dbt"), "DBT_PROFILES_DIR": str(ROOT / "dbt"),
            "DBT_TARGET_PATH": folder, "DBT_LOG_PATH": folder,
        }  # fmt: skip
        command = [program("dbt"), "parse", "--quiet", "--target", "production"]
        subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        written = (Path(folder) / "manifest.json").read_text()
    stable = json.loads(written, object_hook=lambda found: {k: v for k, v in found.items() if k not in VOLATILE})
    return json.dumps(stable, sort_keys=True).encode()


def configuration_options(environment: str, warehouse_host: str, schedule: str) -> dict[str, str]:
    """MWAA's ``AirflowConfigurationOptions``: what the local Airflow has as environment variables.

    ``warehouse_host`` is the address of the workgroup's endpoint, ``schedule`` the pipeline's cron expression. What is
    not here is MWAA's to set, or has the default that the DAG gives it.
    """
    return {
        **shared_options(environment),
        "groundwork.dbt_executable": f"{HOME}/dbt_venv/bin/dbt",
        "groundwork.dbt_project": f"{HOME}/dags/dbt",
        "groundwork.dbt_manifest": f"{HOME}/dags/dbt/manifest.json",
        "groundwork.dbt_target": "production",
        "groundwork.schedule": schedule,
        "groundwork.warehouse_host": warehouse_host,
        "groundwork.warehouse_port": "5439",
        "groundwork.warehouse_database": "analytics",
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
