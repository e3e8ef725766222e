"""The pipeline's database role, made on a warehouse as the templates make it."""

import re

import psycopg
import pytest

from groundwork.aws import client
from groundwork.deployment import warehouse_access
from groundwork.install import ROOT
from groundwork.local import services
from groundwork.settings import UserError, settings


@pytest.fixture
def warehouse(aws, endpoint_url, unique, monkeypatch):
    """Its database; the tool's own clients find it as they would on AWS."""
    aws("redshift-serverless").create_namespace(
        namespaceName=unique, dbName=unique, adminUsername=f"{unique}_admin", manageAdminPassword=True
    )
    aws("redshift-serverless").create_workgroup(namespaceName=unique, workgroupName=unique)
    for name in ("redshift_workgroup", "redshift_database"):
        path = f"/groundwork/{settings().environment}/variables/{name}"
        aws("ssm").put_parameter(Name=path, Value=unique, Type="String", Overwrite=True)
    for name, value in services.aws_environment(int(endpoint_url.rpartition(":")[2])).items():
        monkeypatch.setenv(name, value)
    client.cache_clear()
    yield unique
    client.cache_clear()


@pytest.fixture
def may_create(warehouse, warehouse_server):
    """``may_create()``: whether the pipeline's role may make schemas in the database."""

    def ask() -> bool:
        with psycopg.connect(warehouse_server.dsn()) as connection:
            query = "select has_database_privilege(%s, %s, 'CREATE')"
            return connection.execute(query, [warehouse_access.DATABASE_ROLE, warehouse]).fetchone()[0]

    return ask


def test_the_pipelines_role_may_make_schemas_and_admitting_it_again_is_harmless(may_create):
    warehouse_access.admit_pipeline()
    assert may_create()
    warehouse_access.admit_pipeline()
    assert may_create()


def test_what_the_warehouse_refuses_is_said(warehouse, aws, monkeypatch):
    monkeypatch.setattr(warehouse_access, "DATABASE_ROLE", "no good name")
    with pytest.raises(UserError, match='does not admit the pipeline: ERROR: syntax error at or near "good"'):
        warehouse_access.admit_pipeline()


def test_airflows_iam_role_signs_in_as_the_database_role():
    template = (ROOT / "cloudformation" / "templates" / "orchestration.yaml").read_text()
    assert re.findall(r"Key: RedshiftDbRoles, Value: (\w+)", template) == [warehouse_access.DATABASE_ROLE]
