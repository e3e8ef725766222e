"""How far the source's changes have come: what DMS has captured, how late it is, and what silver has merged."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import psycopg

from groundwork.aws import client, variable
from groundwork.settings import Settings

LATEST_RUN = "olist/_runs/latest.json"
CAPTURED = ("Inserts", "Updates", "Deletes", "Ddls")
MINUTES = 10  # both services write their metrics every minute, or more often
# What is not consumed: WAL that the source must keep (https://www.postgresql.org/docs/17/view-pg-replication-slots.html).
HELD = """
    SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn))::bigint FROM pg_replication_slots
    WHERE database = current_database() AND slot_name LIKE 'awsdms\\_%'
"""


def replication(settings: Settings) -> dict | None:
    """``status`` and ``failure`` of DMS's task; ``lag``; ``tables``. None where there is no task.

    ``lag`` has ``source_seconds`` and ``target_seconds``, from a commit until DMS has read and written it
    (https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Monitoring.html), and ``wal_bytes``, which the slot holds at
    the source; each is None where nobody knows it. A table has its ``state``, what was captured of it since the task
    was started, and ``merged``: the rows of bronze that silver's last run has read of it.
    """
    try:
        arn = variable("replication_task_arn")
    except client("ssm").exceptions.ParameterNotFound:
        return None
    dms = client("dms")
    tasks = {"Filters": [{"Name": "replication-task-arn", "Values": [arn]}], "WithoutSettings": True}
    [task] = dms.describe_replication_tasks(**tasks)["ReplicationTasks"]
    pages = dms.get_paginator("describe_table_statistics").paginate(ReplicationTaskArn=arn)
    merged, dimensions = merged_rows(), dimensions_of(task)
    return {
        "status": task["Status"],
        "failure": task.get("LastFailureMessage") or None,
        "lag": {
            "source_seconds": newest("AWS/DMS", "CDCLatencySource", dimensions),
            "target_seconds": newest("AWS/DMS", "CDCLatencyTarget", dimensions),
            "wal_bytes": held_here(settings.source_dsn) if settings.here else held_by_rds(settings.environment),
        },
        "tables": [
            {
                "table": table["TableName"],
                "state": table["TableState"],
                **{count.lower(): table[count] for count in CAPTURED},
                "merged": merged.get(table["TableName"]),
            }
            for page in pages
            for table in sorted(page["TableStatistics"], key=lambda t: t["TableName"])
        ],
    }


def merged_rows() -> dict[str, int]:
    """By table, what the silver job tells of its last run; nothing before the first."""
    s3 = client("s3")
    try:
        summary = json.load(s3.get_object(Bucket=variable("silver_bucket"), Key=LATEST_RUN)["Body"])
    except s3.exceptions.NoSuchKey:
        return {}
    return {table["table"]: table["rows_read"] for table in summary["tables"]}


def dimensions_of(task: dict) -> dict[str, str]:
    """Under which DMS writes the task's metrics."""
    dms = client("dms")
    arn = {"Name": "replication-instance-arn", "Values": [task["ReplicationInstanceArn"]]}
    [instance] = dms.describe_replication_instances(Filters=[arn])["ReplicationInstances"]
    return {
        "ReplicationInstanceIdentifier": instance["ReplicationInstanceIdentifier"],
        "ReplicationTaskIdentifier": task["ReplicationTaskArn"].rpartition(":")[2],
    }


def held_here(dsn: str) -> int | None:
    with suppress(psycopg.OperationalError), psycopg.connect(dsn, connect_timeout=5) as source:
        return source.execute(HELD).fetchone()[0]
    return None


def held_by_rds(environment: str) -> int | None:
    """https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-metrics.html; of a database of your own, not known."""
    held = newest("AWS/RDS", "OldestReplicationSlotLag", {"DBInstanceIdentifier": f"groundwork-{environment}"})
    return None if held is None else int(held)


def newest(namespace: str, name: str, dimensions: dict[str, str]) -> float | None:
    """The metric's last value; None where there was none in the last MINUTES."""
    until = datetime.now(UTC)
    points = client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=until - timedelta(minutes=MINUTES),
        EndTime=until,
        Period=60,
        Statistics=["Maximum"],
    )["Datapoints"]
    return max(points, key=lambda point: point["Timestamp"])["Maximum"] if points else None
