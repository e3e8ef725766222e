"""Premigration assessments: what would keep a task from running, or make it lose something, before it runs.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.AssessmentReport.html
https://docs.aws.amazon.com/dms/latest/APIReference/API_StartReplicationTaskAssessmentRun.html

A run has ended when StartReplicationTaskAssessmentRun answers ``starting``. Which assessments there are, and what each
looks at, is in ``preflight.py``. Their results are in the bucket, one JSON file each, whose content AWS does not tell.
They are encrypted as the bucket encrypts: ResultEncryptionMode and ResultKmsKeyArn are refused.
"""

import json
import secrets
import string
from collections.abc import Iterable

import psycopg
from botocore.exceptions import ClientError
from localstack.aws.api import CommonServiceException, RequestContext, handler

from groundwork_aws.dms import preflight
from groundwork_aws.dms.common import (
    already_exists,
    filtered,
    invalid,
    not_found,
    now,
    paged,
    require,
    store_of,
    tag,
    wrong_state,
)
from groundwork_aws.dms.endpoint_operations import ConnectionFailed, instances, resolved_source
from groundwork_aws.dms.models import AssessmentRun, Task
from groundwork_aws.dms.planning import Planner, TaskFailed, connected, names
from groundwork_aws.dms.postgres import Source
from groundwork_aws.dms.preflight import Finding
from groundwork_aws.dms.task_checks import check_idle, combination, find_task
from groundwork_aws.dms.task_processes import slot_name
from groundwork_aws.identity.roles import role_clients

# The assessments read the tables, and the caller waits.
LONGEST_QUERY_SECONDS = 20
RUN_FILTERS = {
    "replication-task-assessment-run-arn": "ReplicationTaskAssessmentRunArn",
    "replication-task-arn": "ReplicationTaskArn", "replication-instance-arn": "ReplicationInstanceArn",
    "status": "Status",
}  # fmt: skip
STATUSES = ("passed", "failed", "error", "warning")
PLACE = ("ServiceAccessRoleArn", "ResultLocationBucket", "ResultLocationFolder", "AssessmentRunName")


class AssessmentOperations:
    @handler("StartReplicationTaskAssessmentRun", expand=False)
    def start_replication_task_assessment_run(self, context: RequestContext, request: dict) -> dict:
        require(request, "ReplicationTaskArn", "ServiceAccessRoleArn", "ResultLocationBucket", "AssessmentRunName")
        store, arn = store_of(context), request["ReplicationTaskArn"]
        task = find_task(store, arn)
        check_idle(task, "assessed")
        for name in ("ResultEncryptionMode", "ResultKmsKeyArn"):
            if request.get(name):
                raise invalid(f"{name} is not supported here: the results are encrypted as the bucket encrypts")
        earlier = [run.description for run in store.assessment_runs.values()
                   if run.description["ReplicationTaskArn"] == arn]  # fmt: skip
        if any(run["AssessmentRunName"] == request["AssessmentRunName"] for run in earlier):
            raise already_exists(f"Assessment run {request['AssessmentRunName']} already exists.")
        wanted = chosen(applicable(task), request.get("IncludeOnly"), request.get("Exclude"))
        try:
            source = Source(**resolved_source(context, store.endpoints[task.description["SourceEndpointArn"]]))
            results = assess(source, task, wanted)
        except (ConnectionFailed, TaskFailed) as error:
            raise wrong_state(f"Replication Task {arn} cannot be assessed: {error}") from None
        write(context, request, results)
        run = made(context, request, task, results)
        for other in earlier:
            other["IsLatestTaskAssessmentRun"] = False
        store.assessment_runs[run.description["ReplicationTaskAssessmentRunArn"]] = run
        tag(store, run.description["ReplicationTaskAssessmentRunArn"], request.get("Tags"))
        return {"ReplicationTaskAssessmentRun": {**public(run.description), "Status": "starting"}}

    @handler("DescribeReplicationTaskAssessmentRuns", expand=False)
    def describe_replication_task_assessment_runs(self, context: RequestContext, request: dict) -> dict:
        runs = [run.description for run in store_of(context).assessment_runs.values()]
        found = filtered(runs, request, RUN_FILTERS, "Assessment Runs")
        return paged([public(run) for run in found], request, "ReplicationTaskAssessmentRuns")

    @handler("DescribeReplicationTaskIndividualAssessments", expand=False)
    def describe_replication_task_individual_assessments(self, context: RequestContext, request: dict) -> dict:
        runs = store_of(context).assessment_runs.values()
        every = [{**one, "ReplicationTaskArn": run.description["ReplicationTaskArn"]}
                 for run in runs for one in run.individual]  # fmt: skip
        keys = {name: key for name, key in RUN_FILTERS.items() if name != "replication-instance-arn"}
        found = filtered(every, request, keys, "Individual Assessments")
        described = [{name: value for name, value in one.items() if name != "ReplicationTaskArn"} for one in found]
        return paged(described, request, "ReplicationTaskIndividualAssessments")

    @handler("DeleteReplicationTaskAssessmentRun", expand=False)
    def delete_replication_task_assessment_run(self, context: RequestContext, request: dict) -> dict:
        """What is in the bucket stays."""
        store, arn = store_of(context), request["ReplicationTaskAssessmentRunArn"]
        if arn not in store.assessment_runs:
            raise not_found(f"Assessment run {arn} not found.")
        run = store.assessment_runs.pop(arn)
        store.tags.pop(arn, None)
        return {"ReplicationTaskAssessmentRun": {**public(run.description), "Status": "deleting"}}


def applicable(task: Task) -> tuple[str, ...]:
    """The assessments for a task of its type."""
    capture = () if task.description["MigrationType"] == "full-load" else preflight.FOR_CAPTURE
    return (*capture, preflight.LONG_VALUES)


def chosen(names: tuple[str, ...], include: list[str] | None, exclude: list[str] | None) -> list[str]:
    if include and exclude:
        raise combination("IncludeOnly and Exclude cannot be given together")
    if unknown := {*(include or ()), *(exclude or ())} - set(names):
        raise invalid(f"{', '.join(sorted(unknown))} cannot be assessed for this task: there are {', '.join(names)}")
    return [name for name in names if (name in include if include else name not in (exclude or ()))]


def assess(source: Source, task: Task, wanted: list[str]) -> dict[str, dict]:
    """The result of each assessment: its status and what was found. Raises TaskFailed without a source or tables."""
    work = {"mappings": task.description["TableMappings"], "settings": task.settings}
    with connected(source) as connection:
        plans = Planner(source, work).plans(connection)
        connection.execute(f"SET statement_timeout = {LONGEST_QUERY_SECONDS * 1000}")
        found = preflight.findings(connection, [names(plan.table) for plan in plans], slot_name(task))
        results = {name: result(name, [f for f in found if f.check == name]) for name in wanted}
        if preflight.LONG_VALUES in results:
            try:
                long_values = preflight.long_values(connection, plans)
                results[preflight.LONG_VALUES] = result(preflight.LONG_VALUES, long_values)
            except psycopg.errors.QueryCanceled as error:
                results[preflight.LONG_VALUES] |= {"status": "error", "message": str(error).strip()}
    return results


def result(name: str, found: Iterable[Finding]) -> dict:
    found = list(found)
    status = "failed" if any(f.blocks for f in found) else "warning" if found else "passed"
    return {"name": name, "status": status, "results": [{"problem": f.problem, "mend": f.mend} for f in found]}


def write(context: RequestContext, request: dict, results: dict[str, dict]) -> None:
    """Put the results into the bucket, as the role that was given."""
    bucket, folder = request["ResultLocationBucket"], request.get("ResultLocationFolder", "").strip("/")
    summary = {"name": request["AssessmentRunName"], "assessments": {name: r["status"] for name, r in results.items()}}
    try:
        s3 = role_clients(request["ServiceAccessRoleArn"], "dms", context.region, instances(context)).s3
        for name, content in {**results, "summary": summary}.items():
            key = f"{folder}/{name}.json".lstrip("/")
            s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(content, indent=2, ensure_ascii=False).encode())
    except ClientError as error:
        reason = error.response["Error"]
        code = "S3ResourceNotFoundFault" if reason["Code"] == "NoSuchBucket" else "S3AccessDeniedFault"
        raise CommonServiceException(
            code, f"The results cannot be written to s3://{bucket}/{folder}: {reason['Code']} {reason['Message']}"
        ) from None


def made(context: RequestContext, request: dict, task: Task, results: dict[str, dict]) -> AssessmentRun:
    arn, statuses = new_arn(context, "assessment-run"), [one["status"] for one in results.values()]
    description = {
        "ReplicationTaskAssessmentRunArn": arn,
        "ReplicationTaskArn": request["ReplicationTaskArn"],
        "ReplicationInstanceArn": task.description["ReplicationInstanceArn"],
        "Status": "failed" if "failed" in statuses else "error-executing" if "error" in statuses else "passed",
        "ReplicationTaskAssessmentRunCreationDate": now(),
        "AssessmentProgress": {
            "IndividualAssessmentCount": len(statuses), "IndividualAssessmentCompletedCount": len(statuses),
        },
        "IsLatestTaskAssessmentRun": True,
        "ResultStatistic": {name.capitalize(): statuses.count(name) for name in STATUSES},
        **{name: request[name] for name in PLACE if name in request},
    }  # fmt: skip
    individual = [
        {
            "ReplicationTaskIndividualAssessmentArn": new_arn(context, "individual-assessment"),
            "ReplicationTaskAssessmentRunArn": arn,
            "IndividualAssessmentName": name,
            "Status": one["status"],
            "ReplicationTaskIndividualAssessmentStartDate": now(),
        }
        for name, one in results.items()
    ]
    return AssessmentRun(description, individual)


def new_arn(context: RequestContext, kind: str) -> str:
    name = "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(39))
    return f"arn:aws:dms:{context.region}:{context.account_id}:{kind}:{name}"


def public(description: dict) -> dict:
    return {name: value for name, value in description.items() if name != "ReplicationInstanceArn"}
