"""What a replication task tells of itself: its state, its tables, its statistics and its log.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Monitoring.html
"""

import json
from contextlib import suppress
from datetime import datetime

from localstack.aws.api import RequestContext
from localstack.aws.connect import connect_to

from groundwork_aws.dms.checkpoint import as_recovery_checkpoint
from groundwork_aws.dms.common import now
from groundwork_aws.dms.models import DmsStore, Task
from groundwork_aws.identity.roles import role_clients

# The role in which DMS writes its logs, of this name in every account.
# https://docs.aws.amazon.com/dms/latest/userguide/security-iam.html#CHAP_Security.APIRole
LOGS_ROLE = "dms-cloudwatch-logs-role"
NO_CHANGES = dict.fromkeys(
    ("Inserts", "Deletes", "Updates", "Ddls", "AppliedInserts", "AppliedDeletes", "AppliedUpdates", "AppliedDdls"), 0
)


def begin(task: Task, keep_completed: bool) -> None:
    task.run += 1
    task.started, task.stopped = now(), None
    if not keep_completed or task.fresh_start is None:
        task.fresh_start = task.started
    kept = task.tables if keep_completed else {}
    task.description.pop("CdcStartPosition", None)
    task.tables = {key: t for key, t in kept.items() if t["TableState"] == "Table completed"}
    task.description |= {"Status": "starting", "ReplicationTaskStartDate": task.started}
    task.description.pop("StopReason", None)
    task.description.pop("LastFailureMessage", None)


def end(task: Task, status: str, reason: str) -> None:
    task.stopped = now()
    task.description |= {"Status": status, "StopReason": reason}


def fail(task: Task, message: str) -> None:
    task.description["LastFailureMessage"] = f"{message} Stop Reason FATAL_ERROR Error Level FATAL"
    end(task, "failed", "Stop Reason FATAL_ERROR")


def changed(task: Task, changes: list[dict]) -> None:
    """Count what was written; on S3 what is captured is applied."""
    for entry in changes:
        table = task.tables.get(tuple(entry["table"]))
        for name in ("Inserts", "Updates", "Deletes", "Ddls"):
            if table and entry.get(name):
                table[name] += entry[name]
                table[f"Applied{name}"] += entry[name]
                table["LastUpdateTime"] = now()


def moved(task: Task, position: int) -> None:
    task.description["RecoveryCheckpoint"] = as_recovery_checkpoint(position)


def write_latency(context: RequestContext, store: DmsStore, task: Task, latency: dict) -> None:
    """https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Monitoring.html#CHAP_Monitoring.Metrics.Task"""
    instance = store.instances[task.description["ReplicationInstanceArn"]]["ReplicationInstanceIdentifier"]
    dimensions = [
        {"Name": "ReplicationInstanceIdentifier", "Value": instance},
        {"Name": "ReplicationTaskIdentifier", "Value": task.description["ReplicationTaskArn"].rpartition(":")[2]},
    ]
    cloudwatch = connect_to(aws_access_key_id=context.account_id, region_name=context.region).cloudwatch
    cloudwatch.put_metric_data(
        Namespace="AWS/DMS",
        MetricData=[
            {"MetricName": name, "Dimensions": dimensions, "Value": value, "Unit": "Seconds"}
            for name, value in latency.items()
        ],
    )


def table_changed(task: Task, event: dict) -> None:
    schema, name = event["table"]
    table = task.tables.setdefault(
        (schema, name),
        {
            "SchemaName": schema, "TableName": name, **NO_CHANGES, "FullLoadRows": 0, "FullLoadCondtnlChkFailedRows": 0,
            "FullLoadErrorRows": 0, "FullLoadReloaded": False, "ValidationState": "Not enabled",
            "ValidationPendingRecords": 0, "ValidationFailedRecords": 0, "ValidationSuspendedRecords": 0,
        },
    )  # fmt: skip
    if event["state"] == "Before load" and table.get("TableState") == "Table is being reloaded":
        return  # the waiter for a reload must not lose sight of it
    table |= {"TableState": event["state"], "LastUpdateTime": now()}
    table["FullLoadRows"] = event.get("rows", table["FullLoadRows"])
    if event["state"] == "Full load":
        table.setdefault("FullLoadStartTime", now())
    elif event["state"] != "Before load":
        table["FullLoadEndTime"] = now()


def described(store: DmsStore, task: Task) -> dict:
    return {
        **task.description,
        "ReplicationTaskSettings": json.dumps(with_log_place(store, task)),
        "ReplicationTaskStats": statistics(task),
    }


def statistics(task: Task) -> dict:
    """FullLoadProgressPercent counts tables, not rows."""
    states = [table["TableState"] for table in task.tables.values()]
    loaded = states.count("Table completed")
    stats = {
        "FullLoadProgressPercent": 100 * loaded // len(states) if states else 0,
        "TablesLoaded": loaded,
        "TablesLoading": states.count("Full load"),
        "TablesQueued": states.count("Before load"),
        "TablesErrored": states.count("Table error"),
        "ElapsedTimeMillis": milliseconds(task.started, task.stopped or now()) if task.started else 0,
        "FreshStartDate": task.fresh_start,
        "StartDate": task.started,
        "StopDate": task.stopped,
        "FullLoadStartDate": min(
            (t["FullLoadStartTime"] for t in task.tables.values() if "FullLoadStartTime" in t), default=None
        ),
        "FullLoadFinishDate": task.stopped if states and loaded == len(states) else None,
    }
    return {name: value for name, value in stats.items() if value is not None}


def milliseconds(start: datetime, end: datetime) -> int:
    return int((end - start).total_seconds() * 1000)


# --- the task's log ---------------------------------------------------------------------------------------------------


def log_place(store: DmsStore, task: Task) -> tuple[str, str]:
    instance = store.instances[task.description["ReplicationInstanceArn"]]["ReplicationInstanceIdentifier"]
    return f"dms-tasks-{instance}", f"dms-task-{task.description['ReplicationTaskArn'].rpartition(':')[2]}"


def with_log_place(store: DmsStore, task: Task) -> dict:
    if not task.settings["Logging"]["EnableLogging"]:
        return task.settings
    group, stream = log_place(store, task)
    place = {"CloudWatchLogGroup": group, "CloudWatchLogStream": stream}
    return {**task.settings, "Logging": {**task.settings["Logging"], **place}}


def write_log(context: RequestContext, store: DmsStore, task: Task, event: dict) -> None:
    role = f"arn:aws:iam::{context.account_id}:role/{LOGS_ROLE}"
    logs = role_clients(role, "dms", context.region).logs
    group, stream = log_place(store, task)
    for make, name in ((logs.create_log_group, {}), (logs.create_log_stream, {"logStreamName": stream})):
        with suppress(logs.exceptions.ResourceAlreadyExistsException):
            make(logGroupName=group, **name)
    logs.put_log_events(
        logGroupName=group, logStreamName=stream, logEvents=[{"timestamp": event["at"], "message": event["log"]}]
    )
