"""Run a DAG, the pipeline or another, and show how it goes."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from groundwork.aws import client, variable
from groundwork.console import say
from groundwork.pipeline.airflow_api import Airflow, Task, airflow_of
from groundwork.settings import Settings, UserError

DAG = "olist_pipeline"
LOADING = "bronze.wait_for_full_load"
FINISHED = {"success", "failed", "upstream_failed", "skipped"}
MARKS = {
    "success": "[green]✓[/green]",
    "failed": "[red]✗[/red]",
    "upstream_failed": "[dim]·[/dim]",
    "skipped": "[dim]·[/dim]",
}


@dataclass(frozen=True)
class Stage:
    """A task group of a run, from its first task's start to its last one's end.

    ``state`` is the worst of its tasks' ends, ``running`` while one has not ended, ``waiting`` when none has begun.
    """

    name: str
    state: str
    started: datetime | None
    ended: datetime | None

    @property
    def seconds(self) -> float | None:
        return (self.ended - self.started).total_seconds() if self.started and self.ended else None


@dataclass(frozen=True)
class Outcome:
    """A finished run: ``stages`` are seconds per task group."""

    run: str
    seconds: float
    stages: dict[str, float]


def run(settings: Settings, dag: str = DAG) -> Outcome:
    """Trigger the DAG (or follow the run under way) until it ends. Raises UserError with the failed task's log."""
    airflow = airflow_of(settings)
    wait_for_dag(airflow, dag)
    name = airflow.active_run(dag) or airflow.trigger(dag)
    say(f"run {name} of {dag}: {airflow.url}/dags/{dag}/runs/{name}")
    started, follower = time.monotonic(), Follower()
    while (state := airflow.run_state(dag, name)) in ("queued", "running"):
        follower.look(airflow.tasks(dag, name))
        time.sleep(airflow.poll)
    tasks = airflow.tasks(dag, name)
    follower.look(tasks)
    if state != "success":
        raise UserError(failure_text(airflow, dag, name, tasks))
    stages = {stage.name: stage.seconds for stage in stages_of(tasks) if stage.seconds is not None}
    return Outcome(name, time.monotonic() - started, stages)


def wait_for_dag(airflow: Airflow, dag: str) -> None:
    """Airflow knows a DAG only some time after it started. Raises UserError with its import error."""
    deadline = time.monotonic() + airflow.patience
    while True:
        try:
            airflow.request("GET", f"/dags/{dag}")
            return
        except UserError:
            errors = airflow.import_errors()
            if errors:
                raise UserError(f"{errors[0]['filename']} cannot be imported:\n{errors[0]['stack_trace']}") from None
            if time.monotonic() > deadline:
                raise UserError(
                    f"Airflow did not find {dag} in {airflow.patience} s: see the log of its DAG processor"
                ) from None
        time.sleep(airflow.poll / 2)


class Follower:
    """Says what has changed since it looked last: a line for each task that began or ended, rows while DMS loads."""

    def __init__(self):
        self.states: dict[str, str | None] = {}
        self.rows = 0

    def look(self, tasks: list[Task]) -> None:
        for task in sorted(tasks, key=lambda t: t.ended or t.started or datetime.max.replace(tzinfo=UTC)):
            if task.state == "removed":  # of an earlier version of the DAG
                continue
            if task.state != self.states.get(task.id):
                show(task)
            elif task.id == LOADING and task.state in ("running", "up_for_reschedule", "deferred"):
                self.show_replicated_rows()
        self.states = {task.id: task.state for task in tasks}

    def show_replicated_rows(self) -> None:
        tables = client("dms").describe_table_statistics(ReplicationTaskArn=variable("replication_task_arn"))[
            "TableStatistics"
        ]
        rows = sum(t["FullLoadRows"] for t in tables)
        done = sum(t["TableState"] == "Table completed" for t in tables)
        if rows != self.rows:
            self.rows = rows
            say(f"  [dim]{rows:,} rows replicated, {done} of {len(tables)} tables done[/dim]")


def show(task: Task) -> None:
    if task.state in FINISHED:
        seconds = f"{task.seconds:.0f} s" if task.seconds is not None else ""
        say(f"{MARKS.get(task.state, ' ')} {task.id:<44} {'' if task.state == 'success' else task.state} {seconds}")
    elif task.state == "running":
        say(f"[dim]▸ {task.id}[/dim]")
    elif task.state == "up_for_retry":
        say(f"[yellow]↻[/yellow] {task.id:<44} failed, will be tried again")


def stages_of(tasks: list[Task]) -> list[Stage]:
    """The task groups of a run, in the order in which they began; those that did not, last."""
    grouped: dict[str, list[Task]] = {}
    for task in tasks:
        if task.state != "removed":  # of an earlier version of the DAG
            grouped.setdefault(task.id.split(".")[0], []).append(task)
    stages = [stage_of(name, of_stage) for name, of_stage in grouped.items()]
    return sorted(stages, key=lambda stage: stage.started or datetime.max.replace(tzinfo=UTC))


def stage_of(name: str, tasks: list[Task]) -> Stage:
    states = {task.state for task in tasks}
    started = min((task.started for task in tasks if task.started), default=None)
    ended = max((task.ended for task in tasks if task.ended), default=None)
    if bad := states & {"failed", "upstream_failed"}:
        state = min(bad)
    elif states <= FINISHED:
        state = "success"
    else:
        state, ended = "running" if started else "waiting", None
    return Stage(name, state, started, ended)


def failure_text(airflow: Airflow, dag: str, run: str, tasks: list[Task]) -> str:
    failed = [task for task in tasks if task.state == "failed"]
    lines = [f"the run {run} failed"]
    for task in failed:
        lines += [f"task {task.id}, its last log lines:", airflow.log_tail(dag, run, task)]
    lines.append(f"the whole log: {airflow.url}/dags/{dag}/runs/{run}; what to do: the DAG's notes on the same page")
    return "\n".join(lines)
