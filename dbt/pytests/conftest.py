"""A warehouse of three-row tables, and dbt to build on it."""

import json
import os
import subprocess
from pathlib import Path

import psycopg2
import psycopg2.extras
import pytest
from groundwork_contracts import load_contracts
from groundwork_contracts.warehouse import create_table

from groundwork.install import ROOT, venv
from groundwork.local import services

PROJECT = ROOT / "dbt"


@pytest.fixture(scope="session")
def contracts():
    return load_contracts(ROOT / "contracts" / "olist")


@pytest.fixture(scope="session")
def silver():
    """The rows of the silver tables, by table, with the quirks of the real files."""
    return json.loads((Path(__file__).parent / "silver.json").read_text())


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with services.running_postgres(tmp_path_factory.mktemp("warehouse")) as server:
        yield server


@pytest.fixture(scope="session")
def warehouse(server, contracts, silver):
    """The warehouse, with its silver tables."""
    connection = psycopg2.connect(server.dsn(), options="-c search_path=marts")
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("create schema silver")
        for contract in contracts.values():
            # PostgreSQL has no storage attributes; the plug-in takes them off too.
            cursor.execute(create_table(contract).partition("\nDISTSTYLE")[0])
            insert = f"insert into silver.{contract.table} values %s"
            psycopg2.extras.execute_values(cursor, insert, silver[contract.table])
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def dbt(server, tmp_path_factory):
    """``dbt("build", ...)`` runs dbt on it: the finished process, and its results by node name."""
    target = tmp_path_factory.mktemp("target")
    environment = {
        **os.environ, "DBT_HOST": "127.0.0.1", "DBT_PORT": str(server.port), "DBT_USER": "postgres",
        "DBT_PASSWORD": server.password, "DBT_DATABASE": "postgres", "AWS_REGION": services.REGION,
        "DBT_PROJECT_DIR": str(PROJECT), "DBT_PROFILES_DIR": str(PROJECT),
        "DBT_TARGET_PATH": str(target), "DBT_LOG_PATH": str(target), "DBT_USE_COLORS": "false",
    }  # fmt: skip

    def run(*arguments: str):
        command = [str(venv("dbt") / "bin" / "dbt"), *arguments]
        process = subprocess.run(command, env=environment, capture_output=True, text=True)
        results = json.loads((target / "run_results.json").read_text())["results"]
        return process, {result["unique_id"].split(".", 2)[2]: result for result in results}

    run.target = target
    return run
