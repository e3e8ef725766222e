"""Take an environment away: end what runs, delete the stacks in reverse, and what they leave behind on purpose.

Each step takes what it finds, so that a destruction which was interrupted is finished by the next one. Buckets and the
key outlive their stack (``DeletionPolicy: Retain``); they are found by name.
"""

import time
from collections.abc import Callable, Iterator

from botocore.exceptions import ClientError
from sceptre.exceptions import SceptreException

from groundwork.aws import client
from groundwork.deployment import deploy
from groundwork.deployment.leftovers import clusters_of, keys_of, leftovers, log_groups_of, prefix_of, tasks_of
from groundwork.settings import Settings, UserError

# The shortest time that KMS waits before it deletes a key. The key costs nothing meanwhile, and may be brought back.
# https://docs.aws.amazon.com/kms/latest/developerguide/deleting-keys.html
KEY_DAYS = 7

Say = Callable[[str], None]


def doomed(settings: Settings) -> list[str]:
    """What destruction takes away, a line each; nothing where nothing is left."""
    stacks = [name for part in deploy.stacks_of(settings) if deploy.describe(name := deploy.name_of(settings, part))]
    return [f"stack {name}" for name in reversed(stacks)] + leftovers(settings)


def destroy(settings: Settings, say: Say) -> None:
    """Raises UserError with the stack that could not be deleted, and with what remains in the end."""
    forget_deployment(settings)
    end_clusters(settings, say)
    stop_tasks(settings, say)
    lift_protection(settings, say)
    delete_stacks(settings, say)
    for bucket in buckets_of(settings):
        delete_bucket(bucket, say)
    for group in log_groups_of(settings):
        client("logs").delete_log_group(logGroupName=group)
    for key in keys_of(settings):
        client("kms").schedule_key_deletion(KeyId=key, PendingWindowInDays=KEY_DAYS)
        say(f"key {key} is deleted in {KEY_DAYS} days; until then `aws kms cancel-key-deletion` keeps it")
    if left := leftovers(settings):
        lines = "\n".join(f"  {line}" for line in left)
        raise UserError(f"these remain:\n{lines}\n→ destroy again in some minutes")
    say(f"nothing of {settings.environment} is left")


def forget_deployment(settings: Settings) -> None:
    """A deployment after this one must not take the stacks for deployed."""
    client("ssm").delete_parameters(Names=[deploy.mark_of(settings)])


def end_clusters(settings: Settings, say: Say) -> None:
    emr = client("emr")
    if not (clusters := clusters_of(settings)):
        return
    say(f"ending {len(clusters)} EMR clusters")
    emr.set_termination_protection(JobFlowIds=clusters, TerminationProtected=False)
    emr.terminate_job_flows(JobFlowIds=clusters)
    wait(lambda: not clusters_of(settings), f"the EMR clusters {', '.join(clusters)} do not end", timeout=1800)


def stop_tasks(settings: Settings, say: Say) -> None:
    """DMS deletes no task that runs. One that captures changes drops its replication slot when it is deleted."""
    for task in tasks_of(settings):
        if task["Status"] in ("running", "starting"):
            say(f"stopping the replication task {task['ReplicationTaskIdentifier']}")
            client("dms").stop_replication_task(ReplicationTaskArn=task["ReplicationTaskArn"])
    settled = {"running", "starting", "stopping"}
    wait(lambda: not [t for t in tasks_of(settings) if t["Status"] in settled], "the replication task does not stop")


def lift_protection(settings: Settings, say: Say) -> None:
    rds, name = client("rds"), prefix_of(settings).removesuffix("-")
    for instance in rds.describe_db_instances()["DBInstances"]:
        if instance["DBInstanceIdentifier"] == name and instance["DeletionProtection"]:
            say(f"lifting the deletion protection of the database {name}")
            rds.modify_db_instance(DBInstanceIdentifier=name, DeletionProtection=False, ApplyImmediately=True)
            rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier=name)


def delete_stacks(settings: Settings, say: Say) -> None:
    parts = deploy.stacks_of(settings)
    try:
        with deploy.progress(say):
            # CloudFormation may be acting in a role that `ci` makes: it goes when there is nothing else to delete.
            deploy.plan_of(settings, [part for part in parts if part != "ci"]).delete()
            deploy.plan_of(settings, parts).delete()
    except (ClientError, SceptreException) as error:
        raise UserError(f"the stacks could not be deleted: {error}") from error
    left = [name for part in parts if deploy.describe(name := deploy.name_of(settings, part))]
    if left:
        reasons = [f"stack {name} was not deleted: {deploy.failure_reason(name)}" for name in left]
        raise UserError("\n".join([*reasons, "→ mend the cause, then destroy again: it goes on from here"]))


def buckets_of(settings: Settings) -> list[str]:
    """The bucket of access logs last: the others' deletion is still logged there."""
    named = [b["Name"] for b in client("s3").list_buckets()["Buckets"] if b["Name"].startswith(prefix_of(settings))]
    return sorted(named, key=lambda name: ("access-logs" in name, name))


def delete_bucket(bucket: str, say: Say) -> None:
    """Empty the bucket of every version, every mark of a deletion and every unfinished upload, and delete it."""
    s3, gone = client("s3"), 0
    while versions := next(versions_of(bucket)):
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": versions, "Quiet": True})
        if errors := answer.get("Errors"):
            raise UserError(f"s3://{bucket}/{errors[0]['Key']} could not be deleted: {errors[0]['Message']}")
        gone += len(versions)
    for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
        s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    s3.delete_bucket(Bucket=bucket)
    say(f"bucket {bucket} is gone, with {gone:,} objects")


def versions_of(bucket: str) -> Iterator[list[dict]]:
    """Pages of what the bucket holds, versions and marks of deletions alike, as many as one request may delete."""
    for page in client("s3").get_paginator("list_object_versions").paginate(Bucket=bucket):
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        yield [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]


def wait(done: Callable[[], bool], complaint: str, timeout: float = 600) -> None:
    deadline = time.monotonic() + timeout
    while not done():
        if time.monotonic() > deadline:
            raise UserError(f"{complaint} within {timeout / 60:.0f} minutes → destroy again, or look at the console")
        time.sleep(2)
