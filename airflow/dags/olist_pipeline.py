"""Olist, from the source to the marts: replication, Delta tables, catalog, warehouse, star schema.

DMS captures the source's changes all the time; a run takes what it has written since the run before through the later
layers. Every task may be cleared and run again: what an earlier try has started is found and not started twice, and
what is there already is not written again. Data is never half-written: each layer keeps its old state until the new
one is ready.

### Triage notes

**bronze**

- `replicate`: *InvalidResourceStateFault* about a connection test means that DMS cannot reach an endpoint. Test the
  endpoints' connections; the failure message of the test says why (password, network, bucket).
- `wait_for_full_load`: the task failed. Its `LastFailureMessage` and table statistics name the table; mend it and
  clear `replicate`. A replication slot that is lost cannot be gone on with: start the task with `reload-target`.

**silver**

- `create_cluster`: the answer of EMR names the parameter that it refuses.
- `loaded_versions`: Redshift's error is in the log.
- `run_silver`: the log ends with EMR's reason and the step's log file. *TooManyRejected* means that a source sends
  rows that break its contract: look into `olist_silver.quarantine_<table>`, then mend the source, or the contract.
- `terminate_cluster`: runs whatever happened. When it fails, end the cluster by hand: it costs money. (It ends by
  itself after an hour without a step.)

**catalog**: a crawler that fails says why in its last crawl. Nothing but Athena depends on it: the warehouse and the
marts are loaded all the same.

**lake_checks**

- `no_row_lost`: the log lists the tables whose bronze rows are neither in silver nor in quarantine. Do not trust this
  run's marts. Clear `run_silver`; should it stay so, compare the bronze files with the table statistics of DMS.

**warehouse**

- `load_changes`: the log names the tables and Redshift's error. All statements of a table are one transaction, which
  also records the version of silver that it brings: its rows are the old ones until it succeeds, and what is loaded is
  not loaded again. Clear the task. *silver's changes begin at version …* means that somebody else has loaded
  meanwhile: start a new run.

**marts**: `dbt_producer_watcher` is the one `dbt build` of all models and tests; its log shows what failed. Each model
has a task beside it, which fails with its model, and with a model or a test that it depends on. Mend it and start a new
run. A model's task that is cleared runs that model alone, without its tests.
"""

from datetime import timedelta
from pathlib import Path

from airflow.configuration import conf
from airflow.providers.amazon.aws.operators.emr import EmrTerminateJobFlowOperator
from airflow.providers.amazon.aws.operators.glue_crawler import GlueCrawlerRunOperator
from airflow.sdk import DAG, TaskGroup
from cosmos import DbtTaskGroup, ExecutionConfig, ProfileConfig, ProjectConfig, RenderConfig
from cosmos.constants import ExecutionMode, InvocationMode, LoadMode, TestBehavior
from groundwork_operators import (
    AthenaCheckOperator,
    DmsReplicatingSensor,
    DmsReplicationOperator,
    EmrClusterOperator,
    EmrRunStepOperator,
)
from warehouse_operators import LoadedVersionsOperator, LoadWarehouseOperator

# The source's tables, each with its key.
TABLES = {
    "customers": ["customer_id"],
    "geolocation": [],
    "order_items": ["order_id", "order_item_id"],
    "order_payments": ["order_id", "payment_sequential"],
    "order_reviews": ["review_id", "order_id"],
    "orders": ["order_id"],
    "product_category_name_translation": ["product_category_name"],
    "products": ["product_id"],
    "sellers": ["seller_id"],
}
SILVER_STEP = {
    "Name": "silver",
    "ActionOnFailure": "CONTINUE",
    "HadoopJarStep": {
        "Jar": "command-runner.jar",
        "Args": [
            "spark-submit",
            "--deploy-mode",
            "client",
            "--py-files",
            "s3://{{ var.value.artifacts_bucket }}/spark/groundwork_spark.zip",
            "s3://{{ var.value.artifacts_bucket }}/spark/silver.py",
            "--bronze",
            "s3://{{ var.value.bronze_bucket }}/olist/shop",
            "--silver",
            "s3://{{ var.value.silver_bucket }}/olist",
            "--loaded",
            "{{ ti.xcom_pull(task_ids='silver.loaded_versions') }}",
        ],
    },
}
WAREHOUSE = {
    "workgroup_name": "{{ var.value.redshift_workgroup }}",
    "database": "{{ var.value.redshift_database }}",
    # A statement takes seconds, wherever it runs.
    "poll_interval": 0.5,
}
# Airflow's own configuration, which is MWAA's too; nothing here is read from the network.
poll_seconds = conf.getint("groundwork", "poll_seconds", fallback=30)
retry_seconds = conf.getint("groundwork", "retry_seconds", fallback=60)
schedule = conf.get("groundwork", "schedule", fallback="") or None
dbt_project = Path(conf.get("groundwork", "dbt_project"))

with DAG(
    dag_id="olist_pipeline",
    description="Olist from the source database to the star schema",
    doc_md=__doc__,
    schedule=schedule,
    catchup=False,
    # The layers are replaced as a whole: two runs at a time would take each other's ground away.
    max_active_runs=1,
    tags=["olist", "bronze", "silver", "marts"],
    default_args={
        "owner": "data-platform",
        "retries": 2,
        "retry_delay": timedelta(seconds=retry_seconds),
        "retry_exponential_backoff": 2,
        "max_retry_delay": timedelta(minutes=10),
        "execution_timeout": timedelta(hours=2),
    },
) as dag:
    with TaskGroup("bronze") as bronze:
        replicate = DmsReplicationOperator(
            task_id="replicate",
            replication_task_arn="{{ var.value.replication_task_arn }}",
            doc_md="Has the DMS task run: all nine tables into Parquet files in the bronze bucket, then every change.",
        )
        wait_for_full_load = DmsReplicatingSensor(
            task_id="wait_for_full_load",
            replication_task_arn="{{ var.value.replication_task_arn }}",
            mode="reschedule",
            poke_interval=poll_seconds,
            timeout=timedelta(hours=2).total_seconds(),
            doc_md="Waits until DMS has loaded every table and captures changes.",
        )
        replicate >> wait_for_full_load

    with TaskGroup("silver") as silver:
        loaded_versions = LoadedVersionsOperator(
            task_id="loaded_versions",
            **WAREHOUSE,
            doc_md="What the warehouse has of each table: silver exports what has changed since.",
        )
        create_cluster = EmrClusterOperator(
            task_id="create_cluster",
            job_flow_overrides="emr/cluster.json",
            emr_conn_id=None,
            doc_md="Creates this run's EMR cluster. It takes steps while it starts, so nothing waits for it here.",
        )
        run_silver = EmrRunStepOperator(
            task_id="run_silver",
            job_flow_id=create_cluster.output,
            steps=[SILVER_STEP],
            summary="s3://{{ var.value.silver_bucket }}/olist/_runs/latest.json",
            waiter_delay=poll_seconds,
            waiter_max_attempts=7200 // poll_seconds,
            doc_md="One Spark application: bronze to typed, checked, de-duplicated Delta tables, and the quarantine.",
        )
        terminate_cluster = EmrTerminateJobFlowOperator(
            task_id="terminate_cluster",
            job_flow_id=create_cluster.output,
            doc_md="Ends the cluster, whatever became of the step.",
        ).as_teardown(setups=create_cluster)
        create_cluster >> run_silver >> terminate_cluster
        loaded_versions >> run_silver

    with TaskGroup("catalog") as catalog:
        for layer in ("bronze", "silver", "quarantine"):
            GlueCrawlerRunOperator(
                task_id=f"crawl_{layer}",
                crawler_name=f"{{{{ var.value.{layer}_crawler }}}}",
                poll_interval=poll_seconds,
                fail_on_already_running=False,
                doc_md=f"Brings the Data Catalog up to date with {layer}. A crawl that is under way is waited for.",
            )

    with TaskGroup("lake_checks") as lake_checks:
        AthenaCheckOperator(
            task_id="no_row_lost",
            query="sql/lost_rows.sql",
            database="olist_silver",
            workgroup="{{ var.value.athena_workgroup }}",
            sleep_time=poll_seconds,
            params={"tables": TABLES},
            doc_md="What bronze leaves, up to the last change that was merged, is in silver or in quarantine.",
        )

    with TaskGroup("warehouse") as warehouse:
        LoadWarehouseOperator(
            task_id="load_changes",
            silver="s3://{{ var.value.silver_bucket }}/olist",
            role_arn="{{ var.value.redshift_copy_role_arn }}",
            **WAREHOUSE,
            doc_md="Brings the tables to silver's current version, each in a transaction that records the version.",
        )

    marts = DbtTaskGroup(
        group_id="marts",
        project_config=ProjectConfig(
            dbt_project_path=dbt_project,
            manifest_path=conf.get("groundwork", "dbt_manifest"),
            install_dbt_deps=False,
        ),
        profile_config=ProfileConfig(
            profile_name="groundwork",
            target_name=conf.get("groundwork", "dbt_target", fallback="production"),
            profiles_yml_filepath=dbt_project / "profiles.yml",
        ),
        execution_config=ExecutionConfig(
            # One dbt for all models, and a task per model that shows what became of it: a start of dbt takes seconds.
            # It is not tried again as a whole, for while it waits the models' tasks would hold every slot; each of
            # them runs its model itself when dbt ended without a word about it.
            execution_mode=ExecutionMode.WATCHER,
            invocation_mode=InvocationMode.SUBPROCESS,
            dbt_executable_path=conf.get("groundwork", "dbt_executable"),
            setup_operator_args={
                "retries": 0,
                "dbt_cmd_flags": ["--resource-type", "test", "--resource-type", "unit_test"],
            },
        ),
        # The tests have no tasks of their own, which is what NONE says: they run in that one dbt, after their model
        # and before its children, which a failed test holds back.
        render_config=RenderConfig(
            load_method=LoadMode.DBT_MANIFEST, test_behavior=TestBehavior.NONE, emit_datasets=False
        ),
        operator_args={"deferrable": False, "poke_interval": poll_seconds},
    )

    bronze >> silver >> [catalog, warehouse]
    catalog >> lake_checks
    warehouse >> marts
