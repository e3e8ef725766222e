"""MWAA's Airflow is this one: the versions that are locked, the files that it is given, and the DAGs read from them."""

import json
import os
import platform
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from airflow.configuration import conf
from airflow.dag_processing.dagbag import DagBag

from groundwork.deployment import mwaa
from groundwork.install import ROOT, find_python, uv
from groundwork.local.airflow import as_variables

PROJECT = tomllib.loads((ROOT / "airflow" / "pyproject.toml").read_text())
# The one place that says what MWAA's image holds.
CONSTRAINTS = PROJECT["tool"]["uv"]["constraint-dependencies"]
READ_DAGS = """
import json, sys
from pathlib import Path
from airflow.dag_processing.dagbag import BundleDagBag
bag = BundleDagBag(sys.argv[1], bundle_path=Path(sys.argv[1]))
tasks = {task.task_id: task for dag in bag.dags.values() for task in dag.tasks}
target = tasks["marts.dbt_producer_watcher"].profile_config.target_name if tasks else None
schedule = bag.dags["olist_pipeline"].schedule if tasks else None
print(json.dumps({"errors": bag.import_errors, "tasks": sorted(tasks), "target": target, "schedule": schedule}))
"""


def pins(requirements: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", requirements, re.MULTILINE))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """MWAA's home folder, with what it fetched from its bucket; the two files have plain names in it."""
    bucket = tmp_path_factory.mktemp("bucket")
    mwaa.main(bucket)
    for parameter, name in (("mwaa_requirements", "requirements.txt"), ("mwaa_startup_script", "startup.sh")):
        (bucket / mwaa.parameters()[parameter]).rename(bucket / "mwaa" / name)
    return bucket / "mwaa"


def start(home, component: str) -> dict[str, str]:
    """Source the start-up script as MWAA does before a component starts; the environment that it leaves."""
    options = mwaa.configuration_options("production", "the-workgroup.serverless.example", "*/15 * * * *")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "DBT_", "AWS_"))},
        **as_variables(options),
        "PATH": os.pathsep.join([str(Path(find_python("3.12")).parent), os.environ["PATH"]]),
        "AIRFLOW_HOME": str(home), "MWAA_AIRFLOW_COMPONENT": component, "PIP_USER": "true", "PIP_NO_COMPILE": "1",
    }  # fmt: skip
    script = f"source {home}/startup.sh >&2; {sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_python_and_every_package_are_those_of_mwaas_image():
    locked = {p["name"]: p["version"] for p in tomllib.loads((ROOT / "airflow" / "uv.lock").read_text())["package"]}
    held = dict(constraint.split("==") for constraint in CONSTRAINTS)
    assert len(held) > 180
    assert {name: locked[name] for name in held} == held
    direct = pins("\n".join(PROJECT["project"]["dependencies"]))
    for name, wanted in {**held, **direct}.items():
        assert locked[name] == wanted, name
        assert version(name) == wanted, name
    assert platform.python_version_tuple()[:2] == ("3", "12")
    production = yaml.safe_load((ROOT / "cloudformation" / "environments" / "production.yaml").read_text())
    assert production["airflow_version"] == locked["apache-airflow"]


def test_requirements_hold_what_the_image_lacks_at_the_locked_versions(home):
    required = pins((home / "requirements.txt").read_text())
    locked = {p["name"]: p["version"] for p in tomllib.loads((ROOT / "airflow" / "uv.lock").read_text())["package"]}
    assert required["astronomer-cosmos"] == locked["astronomer-cosmos"]
    assert required.items() <= locked.items()
    # MWAA installs nothing when a file names another version of these.
    assert not {"apache-airflow", "celery", "sqlalchemy", "flask", "gunicorn", "watchtower"} & set(required)


def test_requirements_name_no_constraints_so_that_mwaa_adds_airflows(home):
    assert not re.search(r"-c |--constraint ", (home / "requirements.txt").read_text())


def test_requirements_resolve_beside_the_image(home, tmp_path):
    """On PyPI: every file has a locked hash, and together with Airflow under its constraints nothing moves."""
    file = home / "requirements.txt"
    hashes = [uv(), "pip", "install", "--dry-run", "--no-deps", "--require-hashes", "--target", tmp_path, "-r", file]
    done = subprocess.run([*hashes, "--python", sys.executable], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (tmp_path / "constraints.txt").write_text("\n".join(CONSTRAINTS))
    direct = tmp_path / "all.in"
    required = pins(file.read_text())
    image = [name for name in PROJECT["project"]["dependencies"] if name.startswith("apache-airflow")]
    direct.write_text("\n".join([*(f"{name}=={pin}" for name, pin in required.items()), *image]))
    compile = [uv(), "pip", "compile", "--quiet", "--python", sys.executable, "--no-annotate", "--no-header", direct]
    done = subprocess.run([*compile, "-c", tmp_path / "constraints.txt"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert required.items() <= pins(done.stdout).items()


def test_the_same_sources_give_the_same_bytes(home):
    assert mwaa.requirements() == (home / "requirements.txt").read_text()
    assert mwaa.startup_script() == (home / "startup.sh").read_text()
    manifest = (home / "dags" / "dbt" / "manifest.json").read_text()
    assert str(ROOT) not in manifest
    assert not re.search(r"20\d\d-\d\d-\d\dT|\b1[789]\d{8}\.\d", manifest), "a time of day is in the manifest"


def test_a_worker_gets_the_locked_dbt_and_the_way_to_the_warehouse(home):
    environment = start(home, "worker")
    assert {name: value for name, value in environment.items() if name.startswith("DBT_")} == {
        "DBT_HOST": "the-workgroup.serverless.example",
        "DBT_PORT": "5439",
        "DBT_DATABASE": "analytics",
        "DBT_LOG_PATH": "/tmp/dbt",
    }
    locked = pins(mwaa.export("dbt", "--no-hashes"))
    listed = [uv(), "pip", "freeze", "--python", home / "dbt_venv" / "bin" / "python"]
    installed = pins(subprocess.run(listed, capture_output=True, text=True).stdout)
    assert installed.items() <= locked.items()
    assert set(locked) - set(installed) == {"tzdata"}  # Windows's
    assert os.access(home / "dbt_venv" / "bin" / "dbt", os.X_OK)


def test_a_scheduler_installs_nothing(home, tmp_path):
    (tmp_path / "startup.sh").write_bytes((home / "startup.sh").read_bytes())
    assert start(tmp_path, "scheduler")["DBT_PORT"] == "5439"
    assert not (tmp_path / "dbt_venv").exists()


def test_a_component_whose_dbt_cannot_be_installed_does_not_start(home, tmp_path):
    (tmp_path / "startup.sh").write_bytes((home / "startup.sh").read_bytes())
    (tmp_path / "dbt_venv").write_text("a file where the environment should be")
    with pytest.raises(AssertionError, match="dbt_venv"):
        start(tmp_path, "worker")


def test_the_dags_import_from_mwaas_folder_with_mwaas_options(home):
    """Nothing but what is in the bucket and in MWAA's options; the tasks are those of the local Airflow."""
    options = mwaa.configuration_options("production", "the-workgroup.serverless.example", "*/15 * * * *")
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(home), "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        **as_variables({name: value.replace(mwaa.HOME, str(home)) for name, value in options.items()}),
    }  # fmt: skip
    command = [sys.executable, "-c", READ_DAGS, str(home / "dags")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    there = json.loads(done.stdout.splitlines()[-1])
    here = DagBag(conf.get("core", "dags_folder"))
    assert there["errors"] == {}
    assert there["tasks"] == sorted(task_id for dag in here.dags.values() for task_id in dag.task_ids)
    assert there["target"] == "production"
    assert there["schedule"] == "*/15 * * * *"


def test_every_option_of_ours_is_read_and_every_one_that_is_needed_is_set(home):
    options = mwaa.configuration_options("production", "x", "")
    set_ = {name.partition(".")[2] for name in options if "groundwork." in name}
    dag, script = (home / "dags" / "olist_pipeline.py").read_text(), (home / "startup.sh").read_text()
    read = dict(re.findall(r'conf\.get(?:int)?\("groundwork", "(\w+)"(, fallback)?', dag))
    from_script = {name.lower() for name in re.findall(r"AIRFLOW__GROUNDWORK__(\w+)", script)}
    assert set_ <= set(read) | from_script
    assert {name for name, fallback in read.items() if not fallback} | from_script <= set_
