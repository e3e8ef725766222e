"""House rules that hold for every DAG."""

import re
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.configuration import conf
from airflow.dag_processing.dagbag import DagBag
from groundwork_contracts import load_contracts
from olist_pipeline import TABLES

from groundwork.install import ENVIRONMENTS, ROOT

FOLDERS = [ROOT / "airflow" / "dags", ROOT / "airflow" / "plugins"]
TEMPLATES = ROOT / "cloudformation" / "templates"
VARIABLE = re.compile(r"var\.value\.(\w+)")


@pytest.fixture(scope="module")
def bag():
    return DagBag(conf.get("core", "dags_folder"))


@pytest.fixture(scope="module")
def dags(bag):
    assert bag.dags
    return list(bag.dags.values())


@pytest.fixture(scope="module")
def tasks(dags):
    return [task for dag in dags for task in dag.tasks]


def source_files() -> list[Path]:
    return [file for folder in FOLDERS for file in folder.rglob("*") if file.suffix in (".py", ".sql", ".json")]


def test_every_dag_imports(bag):
    assert bag.import_errors == {}
    assert set(bag.dags) == {"olist_pipeline", "seed_source"}


def test_every_dag_says_what_it_does_and_runs_alone(dags):
    for dag in dags:
        assert "### Triage notes" in dag.doc_md, dag.dag_id
        assert dag.tags and dag.description, dag.dag_id
        assert dag.max_active_runs == 1, dag.dag_id


def test_every_task_has_an_owner_and_retries_with_backoff(tasks):
    for task in tasks:
        assert task.owner == "data-platform", task.task_id
        assert task.retry_exponential_backoff, task.task_id
        assert task.retries == (0 if task.task_id == "marts.dbt_producer_watcher" else 2), task.task_id


def test_every_task_of_ours_is_documented_and_in_the_triage_notes(dags):
    for dag in dags:
        for task in dag.tasks:
            group, _, name = task.task_id.rpartition(".")
            assert not group or f"**{group}**" in dag.doc_md, task.task_id
            if group != "marts":
                assert task.doc_md, task.task_id
            if group not in ("marts", "catalog", "warehouse"):
                assert f"`{name}`" in dag.doc_md, task.task_id


def test_every_variable_is_one_that_a_stack_writes():
    written = set(re.findall(r"/variables/(\w+)", "".join(f.read_text() for f in TEMPLATES.glob("*.yaml"))))
    read = {name for file in source_files() for name in VARIABLE.findall(file.read_text())}
    assert len(read) > 10
    assert read - {""} - written == set()


def test_nothing_is_read_while_a_dag_is_parsed_and_no_endpoint_is_named():
    files = source_files()
    assert len(files) > 5
    for file in files:
        for word in ("Variable.get", "get_connection(", "http://", "localhost", "127.0.0.1", "endpoint_url"):
            assert word not in file.read_text(), file


def test_every_table_of_the_contracts_is_checked_and_every_model_is_a_task(bag):
    assert set(TABLES) == set(load_contracts())
    dag = bag.dags["olist_pipeline"]
    models = {file.stem for file in (ROOT / "dbt" / "models").rglob("*.sql")}
    tasks = {task_id.removeprefix("marts.") for task_id in dag.task_ids if task_id.startswith("marts.")}
    assert tasks == {f"{model}_run" for model in models} | {"dbt_producer_watcher", "dbt_producer_watcher_done"}


def test_the_one_dbt_runs_models_and_tests(bag):
    producer = bag.dags["olist_pipeline"].get_task("marts.dbt_producer_watcher")
    kinds = {kind for flag, kind in pairwise(producer.dbt_cmd_flags) if flag == "--resource-type"}
    assert {"model", "test", "unit_test"} <= kinds


def test_the_lake_check_counts_every_table(bag):
    check = bag.dags["olist_pipeline"].get_task("lake_checks.no_row_lost")
    check.resolve_template_files()
    merged = [{"table": table, "change_seq": f"seq of {table}"} for table in reversed(TABLES)]
    ti = SimpleNamespace(xcom_pull=lambda task_ids: {"silver.run_silver": {"tables": merged}}[task_ids])
    query = check.render_template(check.query, {"params": check.params.dump(), "ti": ti})
    assert query.count("UNION ALL") == len(TABLES) - 1
    assert re.findall(r"FROM olist_bronze.(\w+)\s+WHERE.* <= 'seq of (\w+)'", query) == [(t, t) for t in TABLES]
    assert "(SELECT count(*) FROM olist_silver.quarantine_orders) AS quarantined_rows" in query
    assert "{" not in query


def test_the_cluster_ends_whatever_happened(bag):
    terminate = bag.dags["olist_pipeline"].get_task("silver.terminate_cluster")
    assert terminate.is_teardown
    assert terminate.upstream_task_ids == {"silver.create_cluster", "silver.run_silver"}


def test_the_cluster_runs_the_python_that_the_job_is_tested_with():
    cluster = (ROOT / "airflow" / "dags" / "emr" / "cluster.json").read_text()
    assert re.findall(r'"PYSPARK_PYTHON": "(.+?)"', cluster) == [f"python{ENVIRONMENTS['spark'][1]}"]
