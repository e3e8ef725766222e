"""Fills the source database of an environment that has one of its own, from within its private network.

`make seed TARGET=production` puts the nine CSV files below `seed/` in the artifacts bucket and starts a run; so does
`make deploy-production`. It has no schedule.

### Triage notes

- `load_source`: *Variable source_owner_secret_arn does not exist* means that the environment has no database of its own
  (no stack `database`), and nothing here may fill it. What the files or the database refuse is in the log, with the
  line; the database is as it was. Mend it and clear the task: data that is there already is not loaded again.
"""

from datetime import timedelta

from airflow.configuration import conf
from airflow.sdk import DAG
from groundwork_operators import SeedSourceOperator

with DAG(
    dag_id="seed_source",
    description="Olist's CSV files into the source database",
    doc_md=__doc__,
    schedule=None,
    max_active_runs=1,
    tags=["olist", "source"],
    default_args={
        "owner": "data-platform",
        "retries": 2,
        "retry_delay": timedelta(seconds=conf.getint("groundwork", "retry_seconds", fallback=60)),
        "retry_exponential_backoff": 2,
        "execution_timeout": timedelta(hours=1),
    },
) as dag:
    SeedSourceOperator(
        task_id="load_source",
        bucket="{{ var.value.artifacts_bucket }}",
        prefix="seed/",
        owner_secret_arn="{{ var.value.source_owner_secret_arn }}",
        replication_secret_arn="{{ var.value.source_secret_arn }}",
        doc_md="The files into the tables, as they are, in one transaction; then the user that DMS connects as.",
    )
