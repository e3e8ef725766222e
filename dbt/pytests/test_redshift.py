"""The project on Redshift: dbt-redshift's SQL passes Redshift's grammar and makes the rows that PostgreSQL makes."""

import json
import os
import subprocess
from collections import Counter

import boto3
import psycopg2
import pytest
from groundwork_contracts.warehouse import create_table
from redshift import DATABASE, HOST, compiled, running_redshift

from groundwork.install import ROOT, venv
from groundwork.local import services


@pytest.fixture(scope="module")
def statements(tmp_path_factory):
    """What dbt-redshift compiles, with a host that does not exist."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in profile(tmp_path_factory.mktemp("redshift")).items():
            environment.setenv(name, value)
        yield compiled()


def profile(folder) -> dict[str, str]:
    """What production's output of ``profiles.yml`` reads, and nothing else of it: there is no password."""
    project = str(ROOT / "dbt")
    return {
        "DBT_HOST": HOST, "DBT_PORT": "5439", "DBT_DATABASE": DATABASE, "AWS_REGION": services.REGION,
        "DBT_PROJECT_DIR": project, "DBT_PROFILES_DIR": project, "DBT_TARGET_PATH": str(folder),
        "DBT_LOG_PATH": str(folder), "DBT_USE_COLORS": "false",
    }  # fmt: skip


@pytest.fixture(scope="module")
def redshift(server, silver, contracts, tmp_path_factory):
    """The silver schema as the DAG makes it, and the rows that the PostgreSQL build has."""
    with running_redshift(server, tmp_path_factory.mktemp("localstack")) as data_api:
        tables = [create_table(contracts[table]) for table in silver]
        rows = [f"insert into silver.{table} values {values(rows)}" for table, rows in silver.items()]
        schemas = [f"create schema {schema}" for schema in ("silver", "staging", "marts")]
        data_api.run(*schemas, *tables, *rows)
        yield data_api


def values(rows: list[list]) -> str:
    return ", ".join(f"({', '.join(literal(value) for value in row)})" for row in rows)


def literal(value) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return "null" if value is None else str(value)


@pytest.fixture(scope="module")
def built(redshift, statements):
    redshift.run(*statements[0])
    return redshift


@pytest.fixture(scope="module")
def both(server, warehouse, dbt, built):
    """``both(sql)``: the columns and rows of the PostgreSQL build, and those of the Redshift build."""
    process, _ = dbt("run")
    assert process.returncode == 0, process.stdout
    on_redshift = psycopg2.connect(server.dsn(), dbname=DATABASE)

    def query(sql: str) -> tuple:
        answers = []
        for connection in (warehouse, on_redshift):
            with connection.cursor() as cursor:
                cursor.execute(sql)
                answers.append(([column.name for column in cursor.description], Counter(cursor.fetchall())))
        return tuple(answers)

    yield query
    on_redshift.close()


def test_every_model_has_the_same_rows_on_both(both, dbt):
    manifest = json.loads((dbt.target / "manifest.json").read_text())
    models = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    assert len(models) == 20
    for model in models:
        postgres, redshift = both(f"select * from {model['schema']}.{model['name']}")
        assert redshift == postgres, model["name"]
        columns, rows = redshift
        assert rows, f"{model['name']} is empty: nothing was compared"
        keys = {model["config"].get("dist", "all"), model["config"].get("sort", "all")}
        assert keys - {"all"} <= set(columns), model["name"]


def test_every_data_test_passes_on_redshift(built, statements):
    tests = statements[1]
    assert len(tests) > 70
    described = built.run(*tests.values())
    assert [name for name, answer in zip(tests, described, strict=True) if answer["ResultRows"] != 0] == []


def test_the_facts_lie_together_by_order_and_small_dimensions_everywhere(statements):
    made = {sql.split('"')[5]: " ".join(sql.split()) for sql in statements[0]}
    by_order = " diststyle key distkey (order_id) compound sortkey(purchased_date) as ("
    assert by_order in made["fct_orders"] and by_order in made["fct_order_items"]
    assert " diststyle all compound sortkey(date_day) as (" in made["dim_dates"]


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("select distinct on (order_id) * from marts.fct_orders", "DISTINCT ON is not supported"),
        ("select count(*) filter (where is_late) from marts.fct_orders", "syntax error"),
        ("select string_agg(order_id, ',') from marts.fct_orders", "string_agg"),
    ],
)
def test_what_only_postgresql_says_would_not_pass(built, sql, error):
    assert error in built.error(f"create table marts.refused as ({sql})")


def test_dbt_signs_in_as_the_role_that_runs_it(redshift, server, tmp_path):
    """As far as it goes without Redshift: the role gets a database user's password, and dbt takes it to the host."""
    aws = services.aws_environment(int(redshift.client.meta.endpoint_url.rpartition(":")[2]))
    environment = {"PATH": os.environ["PATH"], **aws, **session_of_role("airflow", aws), **profile(tmp_path)}
    command = [str(venv("dbt") / "bin" / "dbt"), "debug", "--connection", "--target", "production"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert "Connection test: [ERROR]" in done.stdout and "gaierror" in done.stdout, done.stdout
    with psycopg2.connect(server.dsn()) as connection, connection.cursor() as cursor:
        cursor.execute("select rolpassword is not null from pg_authid where rolname = 'IAMR:airflow'")
        assert cursor.fetchall() == [(True,)]


def session_of_role(name: str, aws: dict[str, str]) -> dict[str, str]:
    """Credentials of a role's session, as the variables that AWS clients read."""
    account = boto3.Session(aws["AWS_ACCESS_KEY_ID"], aws["AWS_SECRET_ACCESS_KEY"], region_name=services.REGION)
    iam, sts = (account.client(service, endpoint_url=aws["AWS_ENDPOINT_URL"]) for service in ("iam", "sts"))
    trust = {"Effect": "Allow", "Principal": {"Service": "airflow.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    session = sts.assume_role(RoleArn=role, RoleSessionName="dbt")["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
        "AWS_SESSION_TOKEN": session["SessionToken"],
    }
