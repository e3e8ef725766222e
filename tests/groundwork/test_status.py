"""What `make status` says of the replication and of the stages: AWS's answers are recorded, PostgreSQL's are real."""

import io
import json
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber
from rich.console import Console

from groundwork import aws, cli, console
from groundwork.local.services import running_postgres
from groundwork.pipeline.airflow_api import Task
from groundwork.pipeline.replication import held_here, replication
from groundwork.pipeline.runs import stages_of
from groundwork.settings import read_environment
from groundwork.settings import settings as read_settings
from tests.recorded import VARIABLES

TASK = "arn:aws:dms:us-east-1:000000000000:task:OLIST"
INSTANCE = "arn:aws:dms:us-east-1:000000000000:rep:R"
BEGUN = datetime(2026, 11, 23, 12, tzinfo=UTC)
ORDERS = {"SchemaName": "shop", "TableName": "orders", "TableState": "Table completed",
          "Inserts": 1200, "Updates": 7, "Deletes": 1, "Ddls": 0}  # fmt: skip


@pytest.fixture
def stubs():
    """boto3's clients with recorded answers, each of which must be asked for."""
    with aws.environment(VARIABLES), ExitStack() as stack:
        found = {name: stack.enter_context(Stubber(aws.client(name))) for name in ("ssm", "dms", "cloudwatch", "s3")}
        yield found
        for stub in found.values():
            stub.assert_no_pending_responses()


def on_aws():
    """Settings of an environment that is not here: its source cannot be asked."""
    return replace(read_settings(), environment="production", parameters=read_environment("production"))


def test_replication_is_what_dms_cloudwatch_and_silver_say(stubs):
    instance = {"ReplicationInstanceArn": INSTANCE, "ReplicationInstanceIdentifier": "groundwork"}
    task = {"ReplicationTaskArn": TASK, "ReplicationInstanceArn": INSTANCE, "Status": "running"}
    summary = json.dumps({"tables": [{"table": "orders", "rows_read": 1208}]}).encode()
    for value in (TASK, "silver"):
        stubs["ssm"].add_response("get_parameter", {"Parameter": {"Value": value}})
    stubs["dms"].add_response("describe_replication_tasks", {"ReplicationTasks": [task]})
    stubs["s3"].add_response("get_object", {"Body": StreamingBody(io.BytesIO(summary), len(summary))})
    for name, dimensions, values in (
        ("CDCLatencySource", ANY, [(0, 9.0), (1, 2.0)]),
        ("CDCLatencyTarget", ANY, [(1, 3.0), (0, 9.0)]),
        (
            "OldestReplicationSlotLag",
            [{"Name": "DBInstanceIdentifier", "Value": "groundwork-production"}],
            [(0, 512.0)],
        ),
    ):
        points = [{"Timestamp": BEGUN + timedelta(minutes=m), "Maximum": value} for m, value in values]
        asked = {k: ANY for k in ("Namespace", "StartTime", "EndTime", "Period", "Statistics")}
        asked |= {"MetricName": name, "Dimensions": dimensions}
        stubs["cloudwatch"].add_response("get_metric_statistics", {"Datapoints": points}, asked)
    stubs["dms"].add_response("describe_replication_instances", {"ReplicationInstances": [instance]})
    stubs["dms"].add_response("describe_table_statistics", {"TableStatistics": [ORDERS]}, {"ReplicationTaskArn": TASK})
    assert replication(on_aws()) == {
        "status": "running",
        "failure": None,
        "lag": {"source_seconds": 2.0, "target_seconds": 3.0, "wal_bytes": 512},
        "tables": [
            {"table": "orders", "state": "Table completed", "inserts": 1200, "updates": 7, "deletes": 1, "ddls": 0,
             "merged": 1208},
        ],
    }  # fmt: skip


def test_without_a_task_there_is_no_replication(stubs):
    stubs["ssm"].add_client_error("get_parameter", "ParameterNotFound")
    assert replication(on_aws()) is None


def test_E1_what_a_slot_of_dms_holds_at_the_source_is_counted_in_bytes(tmp_path):
    with running_postgres(tmp_path, wal_level="logical") as server, psycopg.connect(server.dsn(), autocommit=True) as c:
        assert held_here(server.dsn()) is None
        c.execute("SELECT pg_create_logical_replication_slot('other', 'pgoutput')")
        c.execute("CREATE TABLE rows (id int)")
        c.execute("SELECT pg_create_logical_replication_slot('awsdms_olist', 'pgoutput')")
        before = held_here(server.dsn())
        c.execute("INSERT INTO rows SELECT generate_series(1, 1000)")
        assert held_here(server.dsn()) >= before + 1000 * 32


def task(id: str, state: str | None, first: int | None = None, last: int | None = None) -> Task:
    moments = [None if second is None else BEGUN + timedelta(seconds=second) for second in (first, last)]
    return Task(id, state, *moments, attempt=1)


@pytest.mark.parametrize(
    "tasks, expected",
    [
        ([task("silver.a", "success", 0, 5), task("silver.b", "success", 3, 9)], ("success", 9)),
        ([task("silver.a", "success", 0, 5), task("silver.b", None)], ("running", None)),
        ([task("silver.a", "failed", 0, 5), task("silver.b", "upstream_failed")], ("failed", 5)),
        ([task("silver.a", "upstream_failed")], ("upstream_failed", None)),
        ([task("silver.a", "scheduled"), task("silver.b", None)], ("waiting", None)),
        ([task("silver.a", "success", 0, 5), task("silver.b", "removed")], ("success", 5)),
    ],
)
def test_a_stage_is_as_the_worst_of_its_tasks(tasks, expected):
    [stage] = stages_of(tasks)
    assert (stage.name, (stage.state, stage.seconds)) == ("silver", expected)


def test_stages_stand_in_the_order_in_which_they_began():
    tasks = [task("marts.a", None), task("warehouse.a", "running", 9), task("bronze.a", "success", 0, 2)]
    assert [stage.name for stage in stages_of(tasks)] == ["bronze", "warehouse", "marts"]


def test_status_shows_lag_captured_and_merged_rows_and_stages(monkeypatch):
    monkeypatch.setattr(console, "results", Console(file=io.StringIO(), width=120))
    row = {"table": "orders", "state": "Table completed", "inserts": 1200, "updates": 7, "deletes": 1, "ddls": 0}
    stage = {"name": "silver", "state": "success", "started": BEGUN, "ended": BEGUN + timedelta(seconds=75)}
    waiting = {"name": "marts", "state": "waiting", "started": None, "ended": None}
    cli.show_status(
        {
            "services": [],
            "stacks": [],
            "replication": {
                "status": "running",
                "failure": None,
                "lag": {"source_seconds": 1.0, "target_seconds": 3.0, "wal_bytes": 1048576},
                "tables": [{**row, "merged": None}],
            },
            "last_run": {"dag_run_id": "manual__1", "state": "running", "stages": [stage, waiting]},
        }
    )
    shown = console.results.file.getvalue()
    assert "replication running: 3 s from a commit to the lake, 1,048,576 bytes of WAL not consumed" in shown
    assert "│ orders │ completed │   1,200 │       7 │       1 │   0 │" in shown
    assert "  silver       success              75 s  2026-11-23 12:01:15 UTC\n  marts        waiting\n" in shown
