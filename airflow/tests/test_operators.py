"""What the operators ask AWS for, against answers in the shapes that botocore knows."""

import json
from datetime import UTC, datetime
from io import BytesIO
from types import SimpleNamespace

import boto3
import pytest
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.sdk.exceptions import AirflowException
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber
from groundwork_operators import (
    AthenaCheckOperator,
    DmsReplicatingSensor,
    DmsReplicationOperator,
    EmrClusterOperator,
    EmrRunStepOperator,
)

TASK = "arn:aws:dms:us-east-1:000000000000:task:T"
RUN_STARTED = datetime(2026, 11, 22, 3, tzinfo=UTC)
ALIVE = ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"]
METADATA = {"ResponseMetadata": {"HTTPStatusCode": 200}}


@pytest.fixture
def context():
    pushed = {}
    ti = SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}))
    return {"dag_run": SimpleNamespace(start_date=RUN_STARTED), "ti": ti, "task_instance": ti}


@pytest.fixture
def answers():
    """``answers(operator, (operation, answer, expected request), ...)``: AWS as far as a test needs it."""
    stubbers = []

    def prepare(operator, *exchanges):
        stubber = Stubber(operator.hook.conn)
        for operation, answer, request in exchanges:
            stubber.add_response(operation, {**answer, **METADATA}, request)
        stubber.activate()
        stubbers.append(stubber)
        return operator

    yield prepare
    for stubber in stubbers:
        stubber.assert_no_pending_responses()


def replication_task(status: str, **stats) -> tuple:
    task = {"ReplicationTaskArn": TASK, "Status": status, "ReplicationTaskStats": stats}
    if status == "failed":
        task["LastFailureMessage"] = "the slot is gone"
    request = {"Filters": [{"Name": "replication-task-arn", "Values": [TASK]}], "WithoutSettings": True}
    return "describe_replication_tasks", {"ReplicationTasks": [task]}, request


def replicate() -> DmsReplicationOperator:
    return DmsReplicationOperator(task_id="replicate", replication_task_arn=TASK, aws_conn_id=None)


def replicating() -> DmsReplicatingSensor:
    return DmsReplicatingSensor(task_id="wait_for_full_load", replication_task_arn=TASK, aws_conn_id=None)


@pytest.mark.parametrize(
    ("status", "kind"),
    [("ready", "start-replication"), ("stopped", "resume-processing"), ("failed", "resume-processing")],
)
def test_A13_replication_is_started_the_way_that_the_task_allows(answers, context, status, kind):
    request = {"ReplicationTaskArn": TASK, "StartReplicationTaskType": kind}
    start = ("start_replication_task", {"ReplicationTask": {"Status": "starting"}}, request)
    answers(replicate(), replication_task(status), start).execute(context)


@pytest.mark.parametrize("status", ["starting", "running"])
def test_a_replication_that_runs_is_left_alone(answers, context, status):
    answers(replicate(), replication_task(status)).execute(context)


@pytest.mark.parametrize(
    ("status", "stats", "done"),
    [
        ("starting", {}, False),
        ("running", {"FullLoadProgressPercent": 40, "TablesLoading": 3, "TablesQueued": 2}, False),
        ("running", {"FullLoadProgressPercent": 100, "TablesLoading": 0, "TablesLoaded": 9}, True),
    ],
)
def test_the_full_load_is_waited_for(answers, context, status, stats, done):
    assert answers(replicating(), replication_task(status, **stats)).poke(context) is done


@pytest.mark.parametrize(
    ("status", "stats", "message"),
    [("failed", {}, "the slot is gone"), ("running", {"TablesErrored": 1}, "1 tables could not be loaded")],
)
def test_a_failed_replication_is_not_waited_for(answers, context, status, stats, message):
    with pytest.raises(AirflowException, match=message):
        answers(replicating(), replication_task(status, **stats)).poke(context)


def cluster() -> EmrClusterOperator:
    overrides = {"Name": "run-1", "Instances": {"KeepJobFlowAliveWhenNoSteps": True}}
    return EmrClusterOperator(
        task_id="create_cluster",
        job_flow_overrides=json.dumps(overrides),
        emr_conn_id=None,
        aws_conn_id=None,
        region_name="us-east-1",
    )


def clusters(*names: str) -> tuple:
    found = [{"Id": f"j-{number}", "Name": name} for number, name in enumerate(names)]
    return "list_clusters", {"Clusters": found}, {"ClusterStates": ALIVE}


def test_a_cluster_of_the_same_name_is_taken(answers, context):
    assert answers(cluster(), clusters("run-0", "run-1")).execute(context) == "j-1"


def test_a_cluster_is_created_when_there_is_none_of_its_name(answers, context):
    operator = answers(
        cluster(),
        clusters("run-0"),
        ("run_job_flow", {"JobFlowId": "j-new"}, {"Name": "run-1", "Instances": {"KeepJobFlowAliveWhenNoSteps": True}}),
        ("describe_cluster", {"Cluster": {}}, {"ClusterId": "j-new"}),
    )
    assert operator.execute(context) == "j-new"


def run_step() -> EmrRunStepOperator:
    step = {"Name": "silver", "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["spark-submit"]}}
    return EmrRunStepOperator(
        task_id="run_silver",
        job_flow_id="j-1",
        steps=[step],
        summary="s3://silver/olist/_runs/latest.json",
        waiter_delay=0,
        waiter_max_attempts=3,
        aws_conn_id=None,
        region_name="us-east-1",
    )


@pytest.fixture
def summary(monkeypatch) -> dict:
    """What the step left in S3."""
    told = {"status": "succeeded", "tables": []}
    s3 = boto3.client("s3", "us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
    body = StreamingBody(BytesIO(json.dumps(told).encode()), None)
    with Stubber(s3) as stubber:
        stubber.add_response("get_object", {"Body": body}, {"Bucket": "silver", "Key": "olist/_runs/latest.json"})
        monkeypatch.setattr(S3Hook, "conn", s3)
        yield told
        stubber.assert_no_pending_responses()


def steps(*names: str) -> tuple:
    found = [{"Id": f"s-{number}", "Name": name} for number, name in enumerate(names)]
    return "list_steps", {"Steps": found}, {"ClusterId": "j-1", "StepStates": ["PENDING", "RUNNING", "COMPLETED"]}


def step_is(state: str, **status) -> tuple:
    return "describe_step", {"Step": {"Status": {"State": state, **status}}}, {"ClusterId": "j-1", "StepId": ANY}


ADDED = [
    ("describe_cluster", {"Cluster": {}}, {"ClusterId": "j-1"}),
    ("add_job_flow_steps", {"StepIds": ["s-new"]}, {"JobFlowId": "j-1", "Steps": ANY}),
]


def test_a_step_is_added_and_waited_for_and_tells_what_it_did(answers, context, summary):
    operator = answers(run_step(), steps(), *ADDED, step_is("RUNNING"), step_is("COMPLETED"))
    assert operator.execute(context) == summary


def test_a_step_that_an_earlier_try_added_is_waited_for(answers, context, summary):
    operator = answers(run_step(), steps("other", "silver"), step_is("RUNNING"), step_is("COMPLETED"))
    assert operator.execute(context) == summary


def test_a_failed_step_fails_with_the_reason_of_emr(answers, context):
    failed = step_is("FAILED", FailureDetails={"Message": "TooManyRejected: orders", "LogFile": "s3://logs/stderr.gz"})
    operator = answers(run_step(), steps(), *ADDED, failed, failed)
    with pytest.raises(AirflowException, match="TooManyRejected: orders\nLogFile: s3://logs/stderr.gz"):
        operator.execute(context)


def check(answers, *rows: list[str]) -> AthenaCheckOperator:
    operator = AthenaCheckOperator(task_id="check", query="SELECT", workgroup="w", aws_conn_id=None, sleep_time=0)
    results = {"ResultSet": {"Rows": [{"Data": [{"VarCharValue": value} for value in row]} for row in rows]}}
    done = {"QueryExecution": {"Status": {"State": "SUCCEEDED"}}}
    return answers(
        operator,
        ("start_query_execution", {"QueryExecutionId": "q"}, None),
        *[("get_query_execution", done, {"QueryExecutionId": "q"})] * 3,
        ("get_query_results", results, {"QueryExecutionId": "q", "MaxResults": 1000}),
    )


def test_a_check_without_rows_passes(answers, context):
    assert check(answers, ["table_name"]).execute(context) == "q"


def test_a_check_fails_with_the_rows_that_it_found(answers, context):
    with pytest.raises(AirflowException, match="table_name, bronze_rows\norders, 3"):
        check(answers, ["table_name", "bronze_rows"], ["orders", "3"]).execute(context)
