"""What is up, what is deployed, and how the last run went."""

from groundwork.deployment import deploy
from groundwork.local import runtimes
from groundwork.pipeline.airflow_api import airflow_of
from groundwork.pipeline.runs import DAG
from groundwork.settings import Settings, UserError


def status(settings: Settings) -> dict:
    """``services`` (name, up, port, description), ``stacks`` (name, status), ``last_run`` (id, state, times).

    An account has no services of ours.
    """
    if not settings.here:
        return {"services": [], "stacks": stacks(settings), "last_run": last_run(settings)}
    services = runtimes.current(settings).status(settings)
    up = {s["name"] for s in services if s["up"]}
    return {
        "services": services,
        "stacks": stacks(settings) if "localstack" in up else [],
        "last_run": last_run(settings) if "airflow-api-server" in up else None,
    }


def stacks(settings: Settings) -> list[dict]:
    names = [deploy.name_of(settings, part) for part in deploy.stacks_of(settings)]
    return [{"name": name, "status": deploy.status_of(name) or "not deployed"} for name in names]


def last_run(settings: Settings) -> dict | None:
    try:
        run = airflow_of(settings).latest_run(DAG)
    except UserError:
        return None
    return {key: run[key] for key in ("dag_run_id", "state", "start_date", "end_date")} if run else None
