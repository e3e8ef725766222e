"""Deploy the stacks with Sceptre, put the files on S3 that they and the jobs read, and test DMS's connections.

The same code for every target: what differs is the file of ``cloudformation/environments`` and where AWS is.
"""

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

from botocore.exceptions import ClientError
from sceptre.context import SceptreContext
from sceptre.exceptions import SceptreException
from sceptre.plan.plan import SceptrePlan
from sceptre.stack_status import StackStatus

from groundwork.aws import client, variable
from groundwork.deployment import bundle, mwaa
from groundwork.settings import Settings, UserError

DEPLOYED = {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
# CloudFormation updates no such stack: it is deleted and made anew.
UNFINISHED = {"ROLLBACK_COMPLETE", "CREATE_FAILED", "ROLLBACK_FAILED", "REVIEW_IN_PROGRESS"}


def deploy_stacks(settings: Settings, say: Callable[[str], None]) -> None:
    """Bring the stacks to what the templates say; one that is so already stays as it is. Raises UserError."""
    fingerprint = fingerprint_of(with_names_of_files(settings))
    if deployed_fingerprint(settings) == fingerprint:
        put_files(settings, say)
        say("stacks are as the templates say")
        return
    remove_failed(settings, say)
    started = time.monotonic()
    # Other stacks read files when they are made, out of a bucket that this one makes.
    launch(settings, ["storage"], say)
    put_files(settings, say)
    launch(settings, stacks_of(settings), say)
    client("ssm").put_parameter(Name=mark_of(settings), Value=fingerprint, Type="String", Overwrite=True)
    say(f"{len(stacks_of(settings))} stacks deployed in {time.monotonic() - started:.0f} s")


def launch(settings: Settings, parts: list[str], say: Callable[[str], None]) -> None:
    plan = plan_of(settings, parts)
    try:
        with progress(say):
            statuses = plan.launch()
    except (ClientError, SceptreException) as error:
        # One that waits for another's output fails after that one: its own reason comes first.
        raise UserError("\n".join([*failures(settings), f"the stacks could not be deployed: {error}"])) from error
    # Not by the stacks' states: an update that was rolled back leaves its mark, and a stack that is as it should be.
    if failed := [stack.external_name for stack, status in statuses.items() if status != StackStatus.COMPLETE]:
        raise UserError("\n".join(f"stack {name} failed: {failure_reason(name)}" for name in failed))


@contextmanager
def progress(say: Callable[[str], None]) -> Iterator[None]:
    """Say when a stack begins and ends; Sceptre logs each event as its stack, the resource, its type and its status."""
    logger, handler = logging.getLogger("sceptre"), logging.Handler()

    def emit(record: logging.LogRecord) -> None:
        _, *event = record.getMessage().split(" ", 4)
        if len(event) > 2 and event[1] == "AWS::CloudFormation::Stack":
            say(f"  [dim]{event[0]:<36} {event[2].lower().replace('_', ' ')}[/dim]")

    handler.emit = emit
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def stacks_of(settings: Settings) -> list[str]:
    """The environment's stacks."""
    return settings.parameters["stacks"]


def has_airflow(settings: Settings) -> bool:
    """Whether a stack of the environment makes its Airflow."""
    return "orchestration" in stacks_of(settings)


def with_names_of_files(settings: Settings) -> Settings:
    names = mwaa.parameters() if has_airflow(settings) else {}
    return replace(settings, parameters={**settings.parameters, **names})


def plan_of(settings: Settings, parts: list[str]) -> SceptrePlan:
    """Stacks of the environment for Sceptre, which knows which of them waits for which."""
    settings = with_names_of_files(settings)
    project = project_of(settings, parts)
    context = SceptreContext(project_path=str(project), command_path="", user_variables=settings.parameters)
    return SceptrePlan(context)


def project_of(settings: Settings, parts: list[str]) -> Path:
    """A Sceptre project with these stacks only, for Sceptre reads every configuration that it finds."""
    source, project = settings.root / "cloudformation", settings.state / "sceptre" / settings.environment
    shutil.rmtree(project, ignore_errors=True)
    (project / "config").mkdir(parents=True)
    for name in ("config", *parts):
        shutil.copy(source / "config" / f"{name}.yaml", project / "config")
    shutil.copytree(source / "templates", project / "templates")
    return project


def failures(settings: Settings) -> list[str]:
    names = [name_of(settings, part) for part in stacks_of(settings)]
    states = {name: status_of(name) for name in names}
    return [
        f"stack {name} failed: {failure_reason(name)}"
        for name, state in states.items()
        if state not in {None, *DEPLOYED}
    ]


def remove_failed(settings: Settings, say: Callable[[str], None]) -> None:
    """Delete the stacks whose creation failed. One being made is waited for."""
    for part in reversed(stacks_of(settings)):
        name = name_of(settings, part)
        if settled_status(name) in UNFINISHED:
            say(f"removing the unfinished stack {name}")
            client("cloudformation").delete_stack(StackName=name)
            client("cloudformation").get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 2})


def settled_status(stack: str, timeout: float = 300) -> str | None:
    """The stack's status once nothing is under way, as after an earlier deployment was interrupted; None without it."""
    deadline = time.monotonic() + timeout
    while True:
        status = status_of(stack)
        working = (status or "").endswith("_IN_PROGRESS") and status not in UNFINISHED
        if not working or time.monotonic() > deadline:
            return status
        time.sleep(1)


def name_of(settings: Settings, part: str) -> str:
    return f"groundwork-{settings.environment}-{part}"


def fingerprint_of(settings: Settings) -> str:
    """A hash of everything that the stacks are made of."""
    folders = [settings.root / "cloudformation" / name for name in ("config", "templates")]
    sources = [source for folder in folders for source in sorted(folder.glob("*.yaml"))]
    text = "".join(s.read_text() for s in sources) + json.dumps(settings.parameters, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def describe(stack: str) -> dict | None:
    try:
        return client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError:
        return None


def status_of(stack: str) -> str | None:
    return (describe(stack) or {}).get("StackStatus")


def deployed_fingerprint(settings: Settings) -> str | None:
    """The fingerprint of the last deployment that succeeded, or None."""
    try:
        return client("ssm").get_parameter(Name=mark_of(settings))["Parameter"]["Value"]
    except client("ssm").exceptions.ParameterNotFound:
        return None


def mark_of(settings: Settings) -> str:
    return f"/groundwork/{settings.environment}/deployed"


def failure_reason(stack: str) -> str:
    """The reasons of the resources that failed first when the stack was last changed, or the stack's own."""
    try:
        events = client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
    except ClientError as error:
        return str(error)
    latest = list(takewhile(lambda event: not begins(event), events))
    failed = [e for e in reversed(latest) if e["ResourceStatus"].endswith("FAILED") and e.get("ResourceStatusReason")]
    if not failed:
        return (describe(stack) or {}).get("StackStatusReason", "no reason given")
    return "; ".join(f"{e['LogicalResourceId']} ({e['ResourceType']}): {e['ResourceStatusReason']}" for e in failed[:3])


def begins(event: dict) -> bool:
    """Whether somebody asked for the stack's creation, update or deletion then."""
    asked = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")
    return event["ResourceType"] == "AWS::CloudFormation::Stack" and event["ResourceStatus"] in asked


def put_files(settings: Settings, say: Callable[[str], None]) -> None:
    """Put the Spark package where EMR fetches it, and what MWAA reads; a file that is there already stays."""
    bucket = variable("artifacts_bucket")
    spark = [bundle.build_archive(settings.state / "artifacts"), bundle.entry_point("silver")]
    files = {f"spark/{f.name}": f.read_bytes() for f in spark} | (mwaa.objects() if has_airflow(settings) else {})
    uploaded = [key for key, body in files.items() if put_if_changed(bucket, key, body)]
    if uploaded:
        say(f"uploaded {len(uploaded)} files to s3://{bucket}")


def put_if_changed(bucket: str, key: str, body: bytes) -> bool:
    digest = hashlib.sha256(body).hexdigest()
    try:
        if client("s3").head_object(Bucket=bucket, Key=key)["Metadata"].get("sha256") == digest:
            return False
    except ClientError as error:
        if error.response["Error"]["Code"] != "404":
            raise
    client("s3").put_object(Bucket=bucket, Key=key, Body=body, Metadata={"sha256": digest})
    return True


def test_connections(say: Callable[[str], None]) -> None:
    """DMS starts a task only after both of its endpoints were reached from the replication instance."""
    dms = client("dms")
    task = dms.describe_replication_tasks(
        Filters=[{"Name": "replication-task-arn", "Values": [variable("replication_task_arn")]}],
        WithoutSettings=True,
    )["ReplicationTasks"][0]
    instance = task["ReplicationInstanceArn"]
    for side in ("Source", "Target"):
        endpoint = task[f"{side}EndpointArn"]
        if connection(dms, instance, endpoint).get("Status") == "successful":
            continue
        dms.test_connection(ReplicationInstanceArn=instance, EndpointArn=endpoint)
        result = wait_for_test(dms, instance, endpoint)
        if result["Status"] != "successful":
            raise UserError(
                f"DMS cannot reach its {side.lower()} endpoint: {result.get('LastFailureMessage', 'no reason given')}"
            )
        say(f"DMS reaches its {side.lower()} endpoint")


def connection(dms, instance: str, endpoint: str) -> dict:
    filters = [
        {"Name": "endpoint-arn", "Values": [endpoint]},
        {"Name": "replication-instance-arn", "Values": [instance]},
    ]
    try:
        return dms.describe_connections(Filters=filters)["Connections"][0]
    except dms.exceptions.ResourceNotFoundFault:  # never tested
        return {}


def wait_for_test(dms, instance: str, endpoint: str, timeout: float = 300) -> dict:
    deadline = time.monotonic() + timeout
    while (found := connection(dms, instance, endpoint)).get("Status") == "testing" and time.monotonic() < deadline:
        time.sleep(0.5)
    return found
