"""What would keep the source from being replicated, or make DMS lose something: a premigration assessment of the task.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.AssessmentReport.html

DMS writes the results next to what it replicates, in the role in which it does that. AWS does not tell what is in these
files: where they do not hold what the plug-in's hold, the line says where to look.
"""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError

from groundwork.aws import client, variable
from groundwork.checks import Check

UNDER_WAY = ("starting", "provisioning", "running")
LONGEST_SECONDS, POLL_SECONDS = 900, 5
LEVELS = {"failed": "FAIL", "warning": "WARN", "error": "WARN"}
EXPLAINED = "https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.AssessmentReport.PG.html"


def check_source() -> Iterator[Check]:
    """A line for each thing that an assessment finds; none where nothing is deployed."""
    try:
        yield from check_task()
    except (BotoCoreError, ClientError) as error:
        yield Check("source", "WARN", f"not assessed: {error}", "`make status` shows what is up; then ask again")


def check_task() -> Iterator[Check]:
    """A task that runs cannot be assessed: then it is what the last assessment found."""
    try:
        arn = variable("replication_task_arn")
    except client("ssm").exceptions.ParameterNotFound:
        return
    task = {"Name": "replication-task-arn", "Values": [arn]}
    try:
        run = assess(task)
        when = "now"
    except client("dms").exceptions.InvalidResourceStateFault as error:
        run = latest(task)
        if run is None:
            reason = error.response["Error"]["Message"]
            yield Check("source", "OK", f"not assessed ({reason}); what DMS ignores is in its task's log")
            return
        when = f"on {run['ReplicationTaskAssessmentRunCreationDate']:%Y-%m-%d %H:%M}"
    yield from told(run, when)


def assess(task: dict) -> dict:
    """Assess the task that the filter names, and give back the run when it has ended."""
    dms = client("dms")
    [found] = dms.describe_replication_tasks(Filters=[task], WithoutSettings=True)["ReplicationTasks"]
    target = {"Name": "endpoint-arn", "Values": [found["TargetEndpointArn"]]}
    [endpoint] = dms.describe_endpoints(Filters=[target])["Endpoints"]
    bronze, name = endpoint["S3Settings"], f"doctor-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
    run = dms.start_replication_task_assessment_run(
        ReplicationTaskArn=found["ReplicationTaskArn"],
        ServiceAccessRoleArn=bronze["ServiceAccessRoleArn"],
        ResultLocationBucket=bronze["BucketName"],
        ResultLocationFolder="/".join(filter(None, (bronze.get("BucketFolder"), "_assessments", name))),
        AssessmentRunName=name,
    )["ReplicationTaskAssessmentRun"]
    mine = {"Name": "replication-task-assessment-run-arn", "Values": [run["ReplicationTaskAssessmentRunArn"]]}
    deadline = time.monotonic() + LONGEST_SECONDS
    while run["Status"] in UNDER_WAY and time.monotonic() < deadline:
        [run] = dms.describe_replication_task_assessment_runs(Filters=[mine])["ReplicationTaskAssessmentRuns"]
        if run["Status"] in UNDER_WAY:
            time.sleep(POLL_SECONDS)
    return run


def latest(task: dict) -> dict | None:
    dms = client("dms")
    try:
        runs = dms.describe_replication_task_assessment_runs(Filters=[task])["ReplicationTaskAssessmentRuns"]
    except dms.exceptions.ResourceNotFoundFault:
        return None
    return max(runs, key=lambda run: run["ReplicationTaskAssessmentRunCreationDate"], default=None)


def told(run: dict, when: str) -> Iterator[Check]:
    if run["Status"] in UNDER_WAY or run["Status"] == "error-provisioning":
        reason = run.get("LastFailureMessage") or "look at the task's premigration assessments in the console of DMS"
        yield Check("source", "WARN", f"the assessment of DMS's task is {run['Status']}", reason)
        return
    mine = {"Name": "replication-task-assessment-run-arn", "Values": [run["ReplicationTaskAssessmentRunArn"]]}
    described = client("dms").describe_replication_task_individual_assessments(Filters=[mine], MaxRecords=100)
    assessed = described["ReplicationTaskIndividualAssessments"]
    for one in assessed:
        if level := LEVELS.get(one["Status"]):
            for problem, remedy in findings(run, one):
                yield Check("source", level, problem, remedy)
    if not any(one["Status"] in LEVELS for one in assessed):
        yield Check("source", "OK", f"DMS finds nothing wrong with it ({len(assessed)} assessments, {when})")


def findings(run: dict, assessment: dict) -> list[tuple[str, str]]:
    """Each problem of an individual assessment with its remedy."""
    name, s3, bucket = assessment["IndividualAssessmentName"], client("s3"), run["ResultLocationBucket"]
    folder = run.get("ResultLocationFolder", "")
    keys = [o["Key"] for o in s3.list_objects_v2(Bucket=bucket, Prefix=folder).get("Contents", [])]
    for key in (key for key in keys if key.endswith(f"/{name}.json")):
        found = json.load(s3.get_object(Bucket=bucket, Key=key)["Body"]).get("results") or []
        if found and all({"problem", "mend"} <= one.keys() for one in found):
            return [(one["problem"], one["mend"]) for one in found]
    return [
        (f"DMS's assessment {name}: {assessment['Status']}", f"look into s3://{bucket}/{folder}, and at {EXPLAINED}")
    ]
