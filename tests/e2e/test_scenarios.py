"""The stories of ``tests/scenarios``: what goes wrong on the whole platform, step by step, and how it ends.

A step is one of `STEPS`. CI has no time for them: ``make scenarios`` tells them.
"""

import subprocess
import time

import psycopg
import pytest
import yaml

from groundwork.aws import client, variable
from groundwork.install import ROOT
from groundwork.local.runtimes import containers
from groundwork.pipeline import runs
from groundwork.pipeline.airflow_api import airflow_of
from groundwork.proofs import victims
from groundwork.queries import reconcile
from groundwork.settings import UserError
from tests.isolation import command

PATIENCE = 300


def told(file):
    return pytest.param(yaml.safe_load(file.read_text()), id=file.parent.name)


@pytest.mark.long
@pytest.mark.parametrize("story", [told(file) for file in sorted(ROOT.glob("tests/scenarios/*/story.yaml"))])
def test_story(demo, settings, runtime, story):
    if runtime is containers:
        pytest.skip("told on processes, once")
    for step in story["steps"]:
        [(name, given)] = step.items()
        STEPS[name](settings, given)


def sql(settings, statement: str) -> None:
    with psycopg.connect(settings.source_dsn) as connection:
        connection.execute(statement)


def trigger(settings, _) -> None:
    airflow_of(settings).trigger(runs.DAG)


def kill(settings, given: dict) -> None:
    """SIGKILL, in the middle of a task where one is named: some seconds after it began, unless it is over by then."""
    [victim] = [v for v in victims.victims(settings) if v.name == given["process"]]
    if "during" in given:
        wait_until(lambda: given["during"] in running(settings), f"{given['during']} does not begin")
    wait_until(lambda: victims.kill(settings, victim), f"there is no {victim.name}")


def up(settings, _) -> None:
    done = subprocess.run(command("up"), capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr


def run(settings, expected: str) -> None:
    """``success``, ``failed: words`` that the failure names, or ``either`` where a run that was hit may fail."""
    outcome, _, words = expected.partition(": ")
    try:
        runs.run(settings)
    except UserError as error:
        assert outcome != "success", error
        assert words in str(error)
    else:
        assert outcome != "failed", f"the run succeeded, and nobody heard of {words}"


def follow(settings, expected: str) -> None:
    if airflow_of(settings).active_run(runs.DAG):
        run(settings, expected)
    else:
        latest = airflow_of(settings).latest_run(runs.DAG)["state"]
        assert expected in (latest, "either")


def reload(settings, table: str) -> None:
    task, dms = variable("replication_task_arn"), client("dms")
    names = {"SchemaName": "shop", "TableName": table}
    dms.reload_tables(ReplicationTaskArn=task, TablesToReload=[names])

    def is_loaded() -> bool:
        [state] = dms.describe_table_statistics(
            ReplicationTaskArn=task, Filters=[{"Name": "table-name", "Values": [table]}]
        )["TableStatistics"]
        return state["TableState"] == "Table completed"

    wait_until(is_loaded, f"{table} is not reloaded")


def equal(settings, _) -> None:
    result = reconcile.reconcile_platform(settings)
    assert result.equal, reconcile.as_json(result)


STEPS = {step.__name__: step for step in (sql, trigger, kill, up, run, follow, reload, equal)}


def running(settings) -> set[str]:
    airflow = airflow_of(settings)
    active = airflow.active_run(runs.DAG)
    assert active, "the run is over"
    return {task.id for task in airflow.tasks(runs.DAG, active) if task.state == "running"}


def wait_until(is_so, what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.3)
