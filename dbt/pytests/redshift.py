"""The project as dbt-redshift would send it, and a Redshift of the plug-in's to send it to."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
from dbt.cli.main import dbtRunner
from dbt.config import RuntimeConfig
from dbt.context.providers import generate_runtime_model_context
from dbt.contracts.graph.nodes import ModelNode
from dbt.flags import get_flags

from groundwork.local import services
from groundwork.local.postgres.server import Server

NAME, DATABASE = "groundwork", "analytics"
# As a workgroup's address is made; no name server knows this one, so what connects fails.
HOST = f"{NAME}.000000000000.{services.REGION}.redshift-serverless.amazonaws.com"
BATCH = 40  # statements that the Data API takes at once


def compiled() -> tuple[list[str], dict[str, str]]:
    """dbt-redshift's statements, parents first: those that make the models, and the data tests' queries by name.

    Nothing is asked of a warehouse; the environment has what ``profiles.yml`` reads. The DDL around a model's query
    comes of the adapter's own macros, in the context that ``dbt run`` gives them.
    """
    offline = ["--target", "production", "--no-introspect", "--no-populate-cache", "--quiet"]
    done = dbtRunner().invoke(["compile", *offline])
    assert done.success, done.exception
    nodes = [result.node for result in done.result.results]
    manifest = dbtRunner().invoke(["parse", "--target", "production", "--quiet"]).result
    config = RuntimeConfig.from_args(get_flags())
    models = [create(node, generate_runtime_model_context(node, config, manifest)) for node in nodes if is_model(node)]
    return models, {node.name: node.compiled_code for node in nodes if node.resource_type == "test"}


def is_model(node) -> bool:
    return isinstance(node, ModelNode)


def create(model: ModelNode, context: dict) -> str:
    if model.config.materialized == "view":
        return context["create_view_as"](context["this"], model.compiled_code)
    return context["create_table_as"](False, context["this"], model.compiled_code)


class DataApi:
    """SQL as Redshift takes it: what Redshift would refuse is refused."""

    def __init__(self, client):
        self.client, self.target = client, {"WorkgroupName": NAME, "Database": DATABASE}

    def run(self, *sqls: str) -> list[dict]:
        """Run the statements, each batch in one transaction; what DescribeStatement says of each of them."""
        described = []
        for start in range(0, len(sqls), BATCH):
            part = list(sqls[start : start + BATCH])
            answer = self.wait(self.client.batch_execute_statement(Sqls=part, **self.target)["Id"])
            failed = [s for s in answer["SubStatements"] if s["Status"] == "FAILED"]
            assert answer["Status"] == "FINISHED", [(s.get("Error"), s["QueryString"]) for s in failed]
            described += answer["SubStatements"]
        return described

    def error(self, sql: str) -> str:
        """Why Redshift refuses the statement."""
        answer = self.wait(self.client.execute_statement(Sql=sql, **self.target)["Id"])
        assert answer["Status"] == "FAILED", answer
        return answer["Error"]

    def wait(self, id: str) -> dict:
        deadline = time.monotonic() + 240
        while (answer := self.client.describe_statement(Id=id))["Status"] not in ("FINISHED", "FAILED", "ABORTED"):
            assert time.monotonic() < deadline, answer
            time.sleep(0.02)
        return answer


@contextmanager
def running_redshift(server: Server, folder: Path) -> Iterator[DataApi]:
    """LocalStack with the plug-in, whose workgroup has ``server`` behind it."""
    service = services.localstack(services.free_port(), folder, server.dsn(), "http://127.0.0.1:1", "unused")
    with services.running(service, folder / "localstack.log"):
        credentials = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        session = boto3.Session(region_name=services.REGION, **credentials)
        endpoint = f"http://127.0.0.1:{service.port}"
        serverless = session.client("redshift-serverless", endpoint_url=endpoint)
        serverless.create_namespace(
            namespaceName=NAME, dbName=DATABASE, adminUsername="warehouse_admin", manageAdminPassword=True
        )
        serverless.create_workgroup(namespaceName=NAME, workgroupName=NAME)
        yield DataApi(session.client("redshift-data", endpoint_url=endpoint))
