"""What is up, what is deployed, how far the source's changes have come, and how the last run went."""

from dataclasses import asdict

from groundwork.deployment import deploy
from groundwork.local import runtimes
from groundwork.pipeline.airflow_api import airflow_of
from groundwork.pipeline.replication import replication
from groundwork.pipeline.runs import DAG, stages_of
from groundwork.settings import Settings, UserError


def status(settings: Settings) -> dict:
    """``services`` (name, up, port, description), ``stacks`` (name, status), ``replication``, ``last_run``.

    The last run has its id, state and times, and its ``stages``. An account has no services of ours.
    """
    if not settings.here:
        return {
            "services": [],
            "stacks": stacks(settings),
            "replication": replication(settings),
            "last_run": last_run(settings),
        }
    services = runtimes.current(settings).status(settings)
    up = {s["name"] for s in services if s["up"]}
    return {
        "services": services,
        "stacks": stacks(settings) if "localstack" in up else [],
        "replication": replication(settings) if "localstack" in up else None,
        "last_run": last_run(settings) if "airflow-api-server" in up else None,
    }


def stacks(settings: Settings) -> list[dict]:
    names = [deploy.name_of(settings, part) for part in deploy.stacks_of(settings)]
    return [{"name": name, "status": deploy.status_of(name) or "not deployed"} for name in names]


def last_run(settings: Settings) -> dict | None:
    try:
        airflow = airflow_of(settings)
        run = airflow.latest_run(DAG)
    except UserError:
        return None
    if not run:
        return None
    told = {key: run[key] for key in ("dag_run_id", "state", "start_date", "end_date")}
    return told | {"stages": [asdict(stage) for stage in stages_of(airflow.tasks(DAG, run["dag_run_id"]))]}
