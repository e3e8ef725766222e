"""The Amazon provider's operators, made safe to run again, and what no provider has.

An Airflow task can die after AWS took its request and before Airflow heard of it; its retry then starts the same work
a second time. Where the API has no token against that, these operators look first for what an earlier try started.
Redshift's operator does so by itself (``durable``), and crawlers and Athena queries change nothing when run twice.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.amazon.aws.hooks.secrets_manager import SecretsManagerHook
from airflow.providers.amazon.aws.operators.athena import AthenaOperator
from airflow.providers.amazon.aws.operators.dms import DmsStartTaskOperator
from airflow.providers.amazon.aws.operators.emr import EmrAddStepsOperator, EmrCreateJobFlowOperator
from airflow.providers.amazon.aws.sensors.dms import DmsTaskBaseSensor
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from botocore.exceptions import WaiterError


def read_json(url: str) -> dict:
    """A document in S3."""
    bucket, key = S3Hook.parse_s3_url(url)
    return json.load(S3Hook(aws_conn_id=None).conn.get_object(Bucket=bucket, Key=key)["Body"])


class DmsReplicationOperator(DmsStartTaskOperator):
    """Have a replication task run: from the beginning where it never ran, else from where it stopped.

    AWS wants ``start-replication`` for the one and ``resume-processing`` for the other
    (https://docs.aws.amazon.com/dms/latest/APIReference/API_StartReplicationTask.html). A task that is under way is
    left alone.
    """

    def execute(self, context) -> None:
        [task] = self.hook.find_replication_tasks_by_arn(self.replication_task_arn, without_settings=True)
        if task["Status"] in ("starting", "running"):
            self.log.info("The task is %s", task["Status"])
            return
        self.start_replication_task_type = "start-replication" if task["Status"] == "ready" else "resume-processing"
        super().execute(context)


class DmsReplicatingSensor(DmsTaskBaseSensor):
    """Wait until the full load of a task's tables has ended and changes are captured.

    Raises AirflowException with the task's last failure, or where tables could not be loaded.
    """

    def poke(self, context) -> bool:
        [task] = self.hook.find_replication_tasks_by_arn(self.replication_task_arn, without_settings=True)
        stats = task.get("ReplicationTaskStats", {})
        if task["Status"] in ("failed", "stopped"):
            raise AirflowException(f"the task is {task['Status']}: {task.get('LastFailureMessage', 'no reason given')}")
        if errored := stats.get("TablesErrored"):
            raise AirflowException(f"{errored} tables could not be loaded: the task's table statistics name them")
        waiting = stats.get("TablesLoading", 0) + stats.get("TablesQueued", 0)
        return task["Status"] == "running" and stats.get("FullLoadProgressPercent") == 100 and not waiting


class EmrClusterOperator(EmrCreateJobFlowOperator):
    """Create a cluster, unless one of its name is there; the name therefore holds the DAG run's id.

    ``job_flow_overrides`` is a JSON file with the request, a template as a whole: its values need not be text.
    Returns the cluster's id. RunJobFlow has no token
    (https://docs.aws.amazon.com/emr/latest/APIReference/API_RunJobFlow.html).
    """

    def execute(self, context) -> str:
        self.job_flow_overrides = json.loads(self.job_flow_overrides)
        alive = ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"]
        found = self.hook.get_cluster_id_by_name(self.job_flow_overrides["Name"], alive)
        return found or super().execute(context)


class EmrRunStepOperator(EmrAddStepsOperator):
    """Add one step to a cluster and wait for its end. A step of its name that has not failed is waited for instead.

    Returns what the step tells of its work: the JSON document that it leaves at the URL ``summary``. Raises
    AirflowException with the reason that EMR gives for a failed step.
    """

    template_fields = (*EmrAddStepsOperator.template_fields, "summary")
    template_ext = ()  # a URL that ends in .json is no template's file

    def __init__(self, *, summary: str, **kwargs):
        super().__init__(**kwargs)
        self.summary = summary

    def execute(self, context) -> dict:
        step_id = self.earlier_step() or super().execute(context)[0]
        try:
            self.hook.conn.get_waiter("step_complete").wait(
                ClusterId=self.job_flow_id,
                StepId=step_id,
                WaiterConfig={"Delay": self.waiter_delay, "MaxAttempts": self.waiter_max_attempts},
            )
        except WaiterError as error:
            raise AirflowException(f"{error}\n{self.failure(step_id)}") from error
        return read_json(self.summary)

    def earlier_step(self) -> str | None:
        states = ["PENDING", "RUNNING", "COMPLETED"]
        pages = self.hook.conn.get_paginator("list_steps").paginate(ClusterId=self.job_flow_id, StepStates=states)
        return next((s["Id"] for page in pages for s in page["Steps"] if s["Name"] == self.steps[0]["Name"]), None)

    def failure(self, step_id: str) -> str:
        status = self.hook.conn.describe_step(ClusterId=self.job_flow_id, StepId=step_id)["Step"]["Status"]
        details = status.get("FailureDetails", {})
        lines = [f"{name}: {details[name]}" for name in ("Reason", "Message", "LogFile") if details.get(name)]
        return "\n".join([f"step {step_id} is {status['State']}", *lines])


class AthenaCheckOperator(AthenaOperator):
    """Run a query that returns what is wrong, as a dbt test does. Raises AirflowException with the rows it returns."""

    def execute(self, context) -> str:
        query_id = super().execute(context)
        header, *rows = self.hook.get_query_results(query_id)["ResultSet"]["Rows"]
        if rows:
            lines = [", ".join(cell.get("VarCharValue", "NULL") for cell in row["Data"]) for row in (header, *rows)]
            raise AirflowException("the check found:\n" + "\n".join(lines))
        return query_id


class SeedSourceOperator(BaseOperator):
    """Load Olist's nine CSV files from S3 into the source, and make the user that DMS connects as.

    ``owner_secret_arn`` names the secret that RDS keeps of the database's owner, ``replication_secret_arn`` the one
    that DMS reads: server, database, and the user to make. Data that is there already is not loaded again. Raises
    AirflowFailException, without a retry, with what the files or the database refuse.
    """

    template_fields = ("bucket", "prefix", "owner_secret_arn", "replication_secret_arn")

    def __init__(self, *, bucket: str, prefix: str, owner_secret_arn: str, replication_secret_arn: str, **kwargs):
        super().__init__(**kwargs)
        self.bucket, self.prefix = bucket, prefix
        self.owner_secret_arn, self.replication_secret_arn = owner_secret_arn, replication_secret_arn

    def execute(self, context) -> None:
        # Beside the DAGs on MWAA. Not imported with them: the scheduler parses this file every half minute.
        from groundwork_contracts import load_contracts
        from psycopg.conninfo import make_conninfo

        from seed_data import loader
        from seed_data.csv_folder import SeedError

        secrets = SecretsManagerHook(aws_conn_id=None)
        owner = secrets.get_secret_as_dict(self.owner_secret_arn)
        replication = secrets.get_secret_as_dict(self.replication_secret_arn)
        dsn = make_conninfo(
            host=replication["host"], port=replication["port"], dbname=replication["dbname"],
            user=owner["username"], password=owner["password"], sslmode="require",
        )  # fmt: skip
        try:
            with TemporaryDirectory() as folder:
                self.download(Path(folder))
                loaded = loader.load(folder, dsn, load_contracts(), self.show)
            loader.create_dms_role(dsn, replication["password"])
        except SeedError as error:
            raise AirflowFailException(str(error)) from error
        rows, there = sum(loaded.rows.values()), "" if loaded.changed else " already"
        self.log.info("The source holds %s rows in %s tables%s", f"{rows:,}", len(loaded.rows), there)

    def download(self, folder: Path) -> None:
        s3 = S3Hook(aws_conn_id=None)
        for key in s3.list_keys(self.bucket, self.prefix) or []:
            s3.get_conn().download_file(self.bucket, key, str(folder / key.removeprefix(self.prefix)))

    def show(self, step) -> None:
        if step.rows is not None:
            self.log.info("%s: %s rows", step.table, f"{step.rows:,}")
