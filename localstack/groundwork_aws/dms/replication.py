"""The process of a replication task: carries it out, apart from the API that started it.

It tells what happens through a pipe (``{"table": …}``, ``{"changes": …}``, ``{"log": …}``, at the end ``{"end": …}``).
``"stop"`` from the other side ends it after the current rows, ``{"reload": [[schema, table], …]}`` loads tables again;
the other side's death ends it at once.
"""

import gc
import logging
import os
import queue
import threading
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path

import boto3
from botocore.config import Config

from groundwork_aws.dms import control_tables
from groundwork_aws.dms.batch import Job
from groundwork_aws.dms.capture import Capture
from groundwork_aws.dms.changes import ChangeLayout
from groundwork_aws.dms.checkpoint import as_moment
from groundwork_aws.dms.full_load import Layout, Plan
from groundwork_aws.dms.loading import Loader
from groundwork_aws.dms.parquet import Format
from groundwork_aws.dms.planning import Planner, TaskFailed, connected, names
from groundwork_aws.dms.postgres import Source
from groundwork_aws.dms.retries import RECOVERABLE, Retries
from groundwork_aws.dms.target import Target

log = logging.getLogger("TASK_MANAGER")


class Reporter:
    """Sends events, one at a time."""

    def __init__(self, pipe: Connection):
        self.pipe, self.lock = pipe, threading.Lock()

    def __call__(self, **event) -> None:
        with self.lock:
            self.pipe.send(event)


class EventLog(logging.Handler):
    """Sends log records as events, in the form of DMS's task log."""

    def __init__(self, report: Reporter):
        super().__init__()
        self.report = report

    def emit(self, record: logging.LogRecord) -> None:
        letter = {"WARNING": "W", "ERROR": "E"}.get(record.levelname, "I")
        self.report(log=f"[{record.name}]{letter}:  {record.getMessage()}", at=int(record.created * 1000))


def main(pipe: Connection, task: dict, log_file: str) -> None:
    """Carry out the task; what nobody expected goes to the log file."""
    with Path(log_file).open("wb") as errors:
        os.dup2(errors.fileno(), 1)
        os.dup2(errors.fileno(), 2)
    requests, report = Requests(), Reporter(pipe)
    threading.Thread(target=requests.listen, args=(pipe,), daemon=True).start()
    gc.freeze()  # a collection would copy every page that is still shared with the fork server
    logging.basicConfig(level=logging.INFO, handlers=[EventLog(report)], force=True)
    logging.getLogger("botocore").setLevel(logging.WARNING)
    try:
        report(end="stopped", reason=run(task, report, requests))
    except TaskFailed as error:
        log.error("%s", error)
        report(end="failed", message=str(error))


class Requests:
    """What the other side asks for: ``stop`` is set by it, ``reloads`` holds the tables to be loaded again."""

    def __init__(self):
        self.stop, self.reloads = threading.Event(), queue.SimpleQueue()

    def listen(self, pipe: Connection) -> None:
        try:
            while True:
                request = pipe.recv()
                if request == "stop":
                    self.stop.set()
                else:
                    self.reloads.put([tuple(table) for table in request["reload"]])
        except EOFError:
            os._exit(1)


def run(task: dict, report: Reporter, requests: "Requests") -> str:
    """Carry the task out and give back the reason of its end. Raises TaskFailed."""
    source, target = Source(**task["source"]), make_target(task)
    layout = Layout(**{**task["layout"], "started": as_time(task["layout"]["started"])})
    format, planner = Format(**task["format"]), Planner(source, task)
    if task["type"] != "full-load":
        changes, stop = ChangeLayout(**task["changes"]), last_commit(task["stop_position"])
        job = Job(source, target, layout, format, changes, task["settings"], planner, stop)
        with control_tables.kept(task, target, layout, format, changes, report) as report:
            loader = Loader(source, target, layout, format, task["settings"], report, requests.stop)
            return Capture(task, job, loader, report, requests).run()
    loader = Loader(source, target, layout, format, task["settings"], report, requests.stop)
    done = {tuple(table) for table in task["done"]}
    with connected(source) as connection:
        plans = [plan for plan in planner.plans(connection) if names(plan.table) not in done]
    for plan in plans:
        report(table=names(plan.table), state="Before load")
    errors = load(loader, plans, Retries(task["settings"]["ErrorBehavior"], requests.stop))
    if errors:
        raise TaskFailed(f"{len(errors)} of {len(plans)} tables could not be loaded. {' '.join(errors)}")
    return "NORMAL" if requests.stop.is_set() else "FULL_LOAD_ONLY_FINISHED"


def load(loader: Loader, plans: list[Plan], retries: Retries) -> list[str]:
    """Load the tables, those that are not complete again when the source or the target was away meanwhile.

    Gives back what went wrong. Raises TaskFailed.
    """
    left, folders = list(plans), [loader.target.table_folder(p.target_schema, p.target_table) for p in plans]

    def completed(plan: Plan) -> None:
        left.remove(plan)
        retries.reset()

    while True:
        try:
            if retries.count:
                loader.target.abort_uploads(tuple(folders))
            return loader.load_all(list(left), completed=completed)
        except RECOVERABLE as error:
            if not retries.after(error):
                return []


def last_commit(stop_position: str | None) -> int | None:
    """Where a task that is to stop by commit time does, in microseconds since 1970."""
    kind, _, moment = (stop_position or "").partition(":")
    return int(as_moment(moment).timestamp() * 1e6) if kind == "commit_time" else None


def as_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def make_target(task: dict) -> Target:
    quick = Config(
        # the endpoint checks what it stores; a second checksum and a signed payload cost more than the upload
        request_checksum_calculation="when_required", response_checksum_validation="when_required",
        s3={"payload_signing_enabled": False, "addressing_style": "path"}, retries={"mode": "standard"},
    )  # fmt: skip
    return Target(boto3.client("s3", config=quick, **task["aws"]), **task["target"])
