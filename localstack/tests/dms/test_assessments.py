"""Premigration assessments of real tables, each with something that DMS does not like, and the doctor's lines."""

import json

import psycopg
import pytest
from groundwork_aws.dms import assessment_operations
from groundwork_aws.dms.models import Task
from groundwork_aws.dms.postgres import Source
from tests.dms.conftest import document, include, own

from groundwork import aws as platform
from groundwork.pipeline.assessment import check_source
from groundwork.settings import settings

ONCE = {"AWS_MAX_ATTEMPTS": "1"}


@pytest.fixture
def doctor(endpoint_url, aws):
    """The lines for the source, when the task is the deployed one."""

    def ask(task: str | None, at: str = endpoint_url) -> list[tuple[str, str, str]]:
        with platform.environment({**platform.variables_of(settings()), "AWS_ENDPOINT_URL": at, **ONCE}):
            name = f"/groundwork/{settings().environment}/variables/replication_task_arn"
            if task:
                aws("ssm").put_parameter(Name=name, Value=task, Type="String", Overwrite=True)
            try:
                return [(check.level, check.text, check.remedy) for check in check_source()]
            finally:
                if task:
                    aws("ssm").delete_parameter(Name=name)

    return ask


@pytest.fixture
def spoiled(source, schema):
    """Nothing is wrong with orders; each of the others has something."""
    own(source, "CREATE TABLE orders (id int PRIMARY KEY, city text); ALTER TABLE orders REPLICA IDENTITY FULL")
    own(source, "CREATE TABLE visits (page text)")
    own(source, "CREATE TABLE items (id int PRIMARY KEY, price int)")
    own(source, "CREATE TABLE reviews (id int PRIMARY KEY, comment text, mood varchar)")
    own(source, "ALTER TABLE reviews REPLICA IDENTITY FULL")
    own(source, "INSERT INTO reviews VALUES (1, repeat('ã', 16385), repeat('x', 8001)), (2, 'short', NULL)")


def found(aws, made, **more) -> tuple[dict, dict[str, str], dict[str, list]]:
    """The run, the status of each of its assessments, and what the files in the bucket say."""
    dms, bronze = aws("dms"), more.pop("bucket", made.bucket)
    [target] = dms.describe_endpoints(Filters=[{"Name": "endpoint-arn", "Values": [made.target]}])["Endpoints"]
    arn = dms.start_replication_task_assessment_run(
        ReplicationTaskArn=made.task, ServiceAccessRoleArn=target["S3Settings"]["ServiceAccessRoleArn"],
        ResultLocationBucket=bronze, ResultLocationFolder="assessed", **{"AssessmentRunName": "first", **more},
    )["ReplicationTaskAssessmentRun"]["ReplicationTaskAssessmentRunArn"]  # fmt: skip
    mine = [{"Name": "replication-task-assessment-run-arn", "Values": [arn]}]
    [run] = dms.describe_replication_task_assessment_runs(Filters=mine)["ReplicationTaskAssessmentRuns"]
    individual = dms.describe_replication_task_individual_assessments(Filters=mine)
    statuses = {
        one["IndividualAssessmentName"]: one["Status"] for one in individual["ReplicationTaskIndividualAssessments"]
    }
    files = {name: json.loads(made.raw(f"assessed/{name}.json"))["results"] for name in statuses}
    return run, statuses, files


def test_E5_an_assessment_says_what_would_be_ignored_or_cut_before_the_task_runs(aws, capture, spoiled, schema):
    made = capture()
    run, statuses, files = found(aws, made)
    assert run["Status"] == "passed"
    assert run["ResultStatistic"] == {"Passed": 6, "Failed": 0, "Error": 0, "Warning": 3}
    assert {name for name, status in statuses.items() if status == "warning"} == {
        "postgres-check-pk", "groundwork-check-replica-identity", "postgres-check-limited-lob-size",
    }  # fmt: skip
    assert [one["problem"].split(":")[0] for one in files["postgres-check-pk"]] == [
        f"{schema}.visits has no primary key"
    ]
    [identity] = files["groundwork-check-replica-identity"]
    assert identity["mend"] == f'ALTER TABLE "{schema}"."items" REPLICA IDENTITY FULL'
    comment, mood = files["postgres-check-limited-lob-size"]
    assert f"{schema}.reviews.comment holds values of up to 32770 bytes" in comment["problem"]
    assert '"LobMaxSize": 33' in comment["mend"]
    assert "are cut after 8000" in mood["problem"]
    assert mood["mend"].endswith("UnboundedVarcharMaxSize=8001")


def test_the_values_that_an_assessment_names_are_those_that_are_cut(capture, spoiled, source):
    made = capture(settings={"Logging": {"EnableLogging": True}, "TargetMetadata": {"LobMaxSize": 33}})
    made.follow()
    [key] = [key for key in made.objects() if "/reviews/" in key]
    [(comment, mood)] = [(r["comment"], r["mood"]) for r in made.parquet(key).read().to_pylist() if r["id"] == 1]
    assert (len(comment), len(mood)) == (16385, 8000)  # with the size that it asked for nothing is


def test_E5_what_blocks_the_task_fails_the_assessment(aws, capture, spoiled, source, schema):
    source.execute("ALTER TABLE items OWNER TO CURRENT_USER")
    run, statuses, files = found(aws, capture())
    assert (run["Status"], statuses["groundwork-check-privileges"]) == ("failed", "failed")
    assert f"does not own {schema}.items" in files["groundwork-check-privileges"][0]["problem"]


def test_a_run_can_be_of_some_assessments_and_its_record_be_deleted(aws, capture, spoiled):
    made, dms = capture(), aws("dms")
    _, statuses, _ = found(aws, made, IncludeOnly=["postgres-check-pk"])
    assert statuses == {"postgres-check-pk": "warning"}
    with pytest.raises(dms.exceptions.ResourceAlreadyExistsFault):
        found(aws, made)
    run, statuses, _ = found(aws, made, AssessmentRunName="second", Exclude=["postgres-check-pk"])
    assert len(statuses) == 8
    by_task = [{"Name": "replication-task-arn", "Values": [made.task]}]
    runs = dms.describe_replication_task_assessment_runs(Filters=by_task)["ReplicationTaskAssessmentRuns"]
    assert {one["AssessmentRunName"]: one["IsLatestTaskAssessmentRun"] for one in runs} == {
        "first": False,
        "second": True,
    }
    dms.delete_replication_task_assessment_run(ReplicationTaskAssessmentRunArn=run["ReplicationTaskAssessmentRunArn"])
    [left] = dms.describe_replication_task_assessment_runs(Filters=by_task)["ReplicationTaskAssessmentRuns"]
    assert left["AssessmentRunName"] == "first"


def test_values_that_take_too_long_to_read_are_an_error_and_the_rest_is_told(
    aws, capture, spoiled, schema, source_server, monkeypatch
):
    monkeypatch.setattr(assessment_operations, "LONGEST_QUERY_SECONDS", 1)
    settings = json.loads(capture().describe()["ReplicationTaskSettings"])
    description = {"TableMappings": document(include(schema)), "ReplicationTaskArn": "arn:aws:dms:::task:T"}
    source = Source("127.0.0.1", source_server.port, "postgres", "dms", "right")
    with psycopg.connect(source_server.dsn()) as other:
        other.execute(f"LOCK TABLE {schema}.reviews IN ACCESS EXCLUSIVE MODE")
        results = assessment_operations.assess(
            source, Task(description, settings), ["postgres-check-pk", "postgres-check-limited-lob-size"]
        )
    assert [one["status"] for one in results.values()] == ["warning", "error"]
    assert "statement timeout" in results["postgres-check-limited-lob-size"]["message"]


@pytest.mark.parametrize(
    "more, code",
    [
        ({"IncludeOnly": ["postgres-check-horoscope"]}, "InvalidParameterValueException"),
        ({"IncludeOnly": ["a"], "Exclude": ["b"]}, "InvalidParameterCombinationException"),
        ({"ResultEncryptionMode": "SSE_S3"}, "InvalidParameterValueException"),
        ({"bucket": "nobody-has-this-bucket"}, "S3ResourceNotFoundFault"),
    ],
)  # fmt: skip
def test_a_run_that_cannot_be_is_refused(aws, capture, spoiled, more, code):
    with pytest.raises(aws("dms").exceptions.ClientError) as refused:
        found(aws, capture(), **more)
    assert refused.value.response["Error"]["Code"] == code


@pytest.mark.guess
def test_a_task_that_runs_is_not_assessed_and_the_doctor_tells_what_the_last_assessment_found(
    doctor, capture, spoiled, schema
):
    assert doctor(None) == []
    [(level, text, _)] = doctor(None, at="http://127.0.0.1:1")
    assert (level, text.split(":")[0]) == ("WARN", "not assessed")
    made = capture()
    lines = doctor(made.task)
    assert [level for level, _, _ in lines] == ["WARN"] * 4
    assert ("WARN", f"{schema}.items has no full replica identity: a delete tells the key only",
            f'ALTER TABLE "{schema}"."items" REPLICA IDENTITY FULL') in lines  # fmt: skip
    made.follow()
    assert doctor(made.task) == lines


def test_the_doctor_has_one_line_for_a_source_that_is_well_and_for_a_task_that_runs_already(doctor, capture, shop):
    made = capture()
    made.follow()
    [(level, text, _)] = doctor(made.task)
    assert (level, "is currently running" in text) == ("OK", True)
    made.stop()
    [(level, text, _)] = doctor(made.task)
    assert (level, text) == ("OK", "DMS finds nothing wrong with it (9 assessments, now)")
