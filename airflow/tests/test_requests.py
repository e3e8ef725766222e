"""What the DAG's own operators ask AWS for: recorded as they run, and held against the service models of AWS.

AWS's part is played by answers in the models' shapes; names, types, required members, enumerations, lengths and
patterns are those that AWS checks.
"""

import copy
import functools
import io
import json
import operator
import re
from types import SimpleNamespace

import botocore
import pytest
from airflow.configuration import conf
from airflow.dag_processing.dagbag import DagBag
from botocore.exceptions import ParamValidationError
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape
from botocore.validate import validate_parameters
from olist_pipeline import TABLES

ACCOUNT = "123456789012"
VARIABLES = {
    "artifacts_bucket": f"groundwork-production-artifacts-{ACCOUNT}",
    "athena_workgroup": "groundwork-production",
    "bronze_bucket": f"groundwork-production-bronze-{ACCOUNT}",
    "bronze_crawler": "groundwork-production-bronze",
    "emr_compute_limits": '{"UnitType": "Instances", "MinimumCapacityUnits": 2, "MaximumCapacityUnits": 6}',
    "emr_instance_profile": "groundwork-production-processing-InstanceProfile-A1B2C3",
    "emr_instance_type": "m5.xlarge",
    "emr_release_label": "emr-spark-8.1.0",
    "emr_security_configuration": "groundwork-production",
    "emr_security_group": "sg-0123456789abcdef0",
    "emr_service_role": "groundwork-production-processing-ServiceRole-A1B2C3",
    "emr_service_security_group": "sg-0123456789abcdef1",
    "emr_subnet_id": "subnet-0123456789abcdef0",
    "environment": "production",
    "logs_bucket": f"groundwork-production-logs-{ACCOUNT}",
    "quarantine_crawler": "groundwork-production-quarantine",
    "redshift_copy_role_arn": f"arn:aws:iam::{ACCOUNT}:role/groundwork-production-warehouse-CopyRole-A1B2C3",
    "redshift_database": "analytics",
    "redshift_workgroup": "groundwork-production",
    "replication_task_arn": f"arn:aws:dms:us-east-1:{ACCOUNT}:task:ABCDEFGHIJ",
    "silver_bucket": f"groundwork-production-silver-{ACCOUNT}",
    "silver_crawler": "groundwork-production-silver",
}
CLUSTER, STEP, STATEMENT = "j-2AXXXXXXGAPLF", "s-2AXXXXXXGAPLF", "d9b6c0c9-0747-4bf4-b142-e8883122f766"
QUERY = "a1b2c3d4-5678-90ab-cdef-111111111111"
# The patterns are Java's, which knows characters beyond U+FFFF as pairs.
JAVA_RANGE = r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF"
ANSWERS = {
    "StartReplicationTask": {"ReplicationTask": {"Status": "starting"}},
    "RunJobFlow": {"JobFlowId": CLUSTER},
    "ListClusters": {"Clusters": []},
    "DescribeCluster": {"Cluster": {"LogUri": "s3n://logs/emr/"}},
    "ListSteps": {"Steps": []},
    "AddJobFlowSteps": {"StepIds": [STEP]},
    "DescribeStep": {"Step": {"Status": {"State": "COMPLETED"}}},
    "TerminateJobFlows": {},
    "StartCrawler": {},
    "GetCrawler": {"Crawler": {"State": "READY", "LastCrawl": {"Status": "SUCCEEDED"}}},
    "GetCrawlerMetrics": {
        "CrawlerMetricsList": [
            {
                "LastRuntimeSeconds": 1.0,
                "MedianRuntimeSeconds": 1.0,
                "TablesCreated": 9,
                "TablesUpdated": 0,
                "TablesDeleted": 0,
            }
        ]
    },
    "StartQueryExecution": {"QueryExecutionId": QUERY},
    "GetQueryExecution": {"QueryExecution": {"QueryExecutionId": QUERY, "Status": {"State": "SUCCEEDED"}}},
    "GetQueryResults": {"ResultSet": {"Rows": [{"Data": [{"VarCharValue": "table_name"}]}]}},
    "ExecuteStatement": {"Id": STATEMENT},
    "BatchExecuteStatement": {"Id": STATEMENT},
    "DescribeStatement": {"Id": STATEMENT, "Status": "FINISHED"},
    "GetStatementResult": {"Records": []},
}
EXPORTED = {"tables": {"orders": {"mode": "full", "from": None, "to": 3, "manifest": "s3://silver/orders.manifest"}}}
MERGED = {"tables": [{"table": table, "change_seq": ""} for table in TABLES]}
XCOMS = {"silver.create_cluster": CLUSTER, "silver.loaded_versions": "{}", "silver.run_silver": MERGED}  # fmt: skip
# What AWS knows of the task before and after it was started.
TASK_STATES = {"bronze.replicate": "ready", "bronze.wait_for_full_load": "running"}
EXPECTED = {
    "bronze.replicate": ["DescribeReplicationTasks", "StartReplicationTask"],
    "bronze.wait_for_full_load": ["DescribeReplicationTasks"],
    "silver.create_cluster": ["ListClusters", "RunJobFlow", "DescribeCluster"],
    "silver.run_silver": ["ListSteps", "DescribeCluster", "AddJobFlowSteps", "DescribeStep", "GetObject"],
    "silver.terminate_cluster": ["DescribeCluster", "TerminateJobFlows"],
    "catalog.crawl_bronze": ["StartCrawler", "GetCrawler", "GetCrawlerMetrics"],
    "catalog.crawl_silver": ["StartCrawler", "GetCrawler", "GetCrawlerMetrics"],
    "catalog.crawl_quarantine": ["StartCrawler", "GetCrawler", "GetCrawlerMetrics"],
    "lake_checks.no_row_lost": ["StartQueryExecution", "GetQueryExecution", "GetQueryResults"],
    "silver.loaded_versions": ["BatchExecuteStatement", "DescribeStatement", "ExecuteStatement", "GetStatementResult"],
    "warehouse.load_changes": [
        "ExecuteStatement",
        "DescribeStatement",
        "GetStatementResult",
        "GetObject",
        "BatchExecuteStatement",
    ],
}


@pytest.fixture(scope="module")
def tasks():
    bag = DagBag(conf.get("core", "dags_folder"))
    return {task.task_id: task for task in bag.dags["olist_pipeline"].tasks}


@pytest.fixture
def calls(monkeypatch, request):
    """Every call that a botocore session of the test makes, as (operation's model, parameters)."""
    recorded = []

    def record(params, model, **_):
        recorded.append((model, params))

    def answer(model: OperationModel, **_):
        status = TASK_STATES.get(request.node.callspec.params.get("task_id", ""), "ready")
        task = {"ReplicationTaskArn": VARIABLES["replication_task_arn"], "Status": status}
        exported = {"Body": io.BytesIO(json.dumps(EXPORTED).encode())}
        parsed = {"DescribeReplicationTasks": {"ReplicationTasks": [task]}, "GetObject": exported, **ANSWERS}[
            model.name
        ]
        if model.output_shape:
            validate_parameters(parsed, model.output_shape)
        return SimpleNamespace(status_code=200), {**parsed, "ResponseMetadata": {"HTTPStatusCode": 200}}

    def watch(session):
        session.register("provide-client-params.*.*", record)
        session.register("before-call.*.*", answer)

    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    botocore.register_initializer(watch)
    yield recorded
    botocore.unregister_initializer(watch)


def pull(task_ids, **_):
    return XCOMS[task_ids]


def run(task) -> None:
    """Render the task's templates as Airflow does and run a copy of it."""
    task = task.prepare_for_execution()
    ti = SimpleNamespace(xcom_push=lambda key, value: None, xcom_pull=pull, stats_tags={})
    context = {
        "var": {"value": VARIABLES}, "run_id": "scheduled__2026-11-22T03:00:00+00:00", "params": task.params.dump(),
        "ti": ti, "task_instance": ti, "dag_run": SimpleNamespace(start_date=None), "task": task,
    }  # fmt: skip
    task.resolve_template_files()
    task.render_template_fields(context)
    task.poke(context) if hasattr(task, "poke") else task.execute(context)


def check(model: OperationModel, params: dict) -> None:
    """Raises ParamValidationError for names and types, AssertionError for values."""
    validate_parameters(params, model.input_shape)
    assert complaints(model.input_shape, params) == [], model.name
    assert "{{" not in repr(params), "a template was not rendered"


def complaints(shape: Shape, value, path: str = "") -> list[str]:
    """What AWS would refuse besides what botocore's own validation does: enumerations, lengths, ranges and patterns."""
    if isinstance(shape, StructureShape):
        return [c for name, member in value.items() for c in complaints(shape.members[name], member, f"{path}.{name}")]
    if isinstance(shape, MapShape):
        return [c for name, member in value.items() for c in complaints(shape.value, member, f"{path}.{name}")]
    found = []
    if isinstance(shape, ListShape):
        found = [c for at, member in enumerate(value) for c in complaints(shape.member, member, f"{path}[{at}]")]
    size = value if isinstance(value, int) else len(value)
    if not shape.metadata.get("min", size) <= size <= shape.metadata.get("max", size):
        found.append(f"{path}: {value!r} is too short or too long")
    if shape.metadata.get("enum") and value not in shape.metadata["enum"]:
        found.append(f"{path}: {value!r} is none of {shape.metadata['enum']}")
    pattern = shape.metadata.get("pattern", ".*").replace(*JAVA_RANGE)
    if isinstance(value, str) and not re.fullmatch(pattern, value, re.DOTALL):
        found.append(f"{path}: {value!r} is not like {shape.metadata['pattern']}")
    return found


@pytest.mark.parametrize("task_id", EXPECTED)
def test_a_task_asks_aws_for_what_its_service_model_takes(tasks, calls, task_id):
    run(tasks[task_id])
    assert list(dict.fromkeys(model.name for model, _ in calls)) == EXPECTED[task_id]
    for model, params in calls:
        check(model, params)


def test_no_task_that_asks_aws_is_left_out(tasks):
    assert set(EXPECTED) == {task_id for task_id in tasks if not task_id.startswith("marts.")}


@pytest.mark.parametrize(
    ("place", "name", "value", "complaint"),
    [
        ([], "Release", "emr-spark-8.1.0", "Unknown parameter in input"),
        (["Instances"], "KeepJobFlowAlive", True, "Unknown parameter in Instances"),
        (["Instances", "InstanceGroups", 0], "InstanceCount", "1", "Invalid type"),
        (["Instances", "InstanceGroups", 0], "InstanceRole", "PRIMARY", "is none of"),
        ([], "LogUri", "s" * 10281, "too short or too long"),
        ([], "Name", "\x07", "is not like"),
        ([], "Name", "{{ run_id }}", "not rendered"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_wrong_request_would_not_pass(tasks, calls, place, name, value, complaint):
    run(tasks["silver.create_cluster"])
    [(model, params)] = [(model, params) for model, params in calls if model.name == "RunJobFlow"]
    params = copy.deepcopy(params)
    functools.reduce(operator.getitem, place, params)[name] = value
    with pytest.raises((ParamValidationError, AssertionError), match=complaint):
        check(model, params)
