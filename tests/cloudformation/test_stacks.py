"""Production's stacks, all of them, with production's parameters: deployed on the plug-in, changed, and deleted.

Behind them are real servers: PostgreSQL for RDS and for Redshift, Airflow's own answer about its version for MWAA.
"""

import json
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from groundwork import aws, deploy, services
from groundwork.iam import report
from groundwork.iam.account import deployed_roles, resource_policy
from groundwork.iam.parity import examine, recorded_calls
from groundwork.install import ROOT, venv
from groundwork.postgres.server import Server, read_configuration
from groundwork.runtimes.stages import make_certificate
from groundwork.settings import settings as read_settings

AIRFLOW = ROOT / "localstack" / "tests" / "mwaa" / "version_of_airflow.py"
PRODUCTION = ROOT / "cloudformation" / "environments" / "production.yaml"
KEPT = {"AWS::S3::Bucket", "AWS::KMS::Key"}


@pytest.fixture(scope="module")
def state(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("production")


@pytest.fixture(scope="module")
def source(state):
    configuration = read_configuration("source")
    server = Server(state / "source", services.free_port(), "test", {"fsync": "off", **configuration})
    server.initialise()
    make_certificate(server.data)
    with services.running(services.postgres("source", server), state / "source.log"):
        yield server


@pytest.fixture(scope="module")
def endpoint(state, source, postgres_server):
    port = services.free_port()
    airflow = services.Service(
        "airflow", [str(venv("airflow") / "bin" / "python"), str(AIRFLOW), str(port)], port,
        {"AIRFLOW_HOME": str(state / "airflow")}, health=f"http://127.0.0.1:{port}/api/v2/version",
    )  # fmt: skip
    localstack = services.localstack(
        services.free_port(), state, postgres_server.dsn(), "http://127.0.0.1:1", "none",
        source_dsn=source.dsn(), airflow_url=f"http://127.0.0.1:{port}",
    )  # fmt: skip
    with services.running(airflow, state / "airflow.log"), services.running(localstack, state / "localstack.log"):
        yield localstack.port


@pytest.fixture(scope="module")
def production(state, endpoint):
    """The settings with which production would be deployed, on the plug-in, by a Sceptre that asks more often."""
    parameters = yaml.safe_load(PRODUCTION.read_text())
    with pytest.MonkeyPatch.context() as patch:
        for name, value in services.aws_environment(endpoint).items():
            patch.setenv(name, value)
        patch.setattr("sceptre.plan.actions.time", SimpleNamespace(sleep=lambda seconds: time.sleep(seconds / 20)))
        aws.client.cache_clear()
        yield replace(read_settings(), state=state, environment="production", parameters=parameters)
        aws.client.cache_clear()


def test_productions_stacks_are_deployed_changed_and_deleted(production):
    put_files_of_airflow(production)
    deploy.deploy_stacks(production, print)
    made = recorded_calls()
    assert states(production) == {"CREATE_COMPLETE"}
    outputs_are_the_running_parts(production)
    assert [kind for kind, found in what_is_there().items() if not found] == []

    bigger = {**production.parameters, "mwaa_max_workers": 5, "source_backup_days": 14, "monthly_budget_usd": 300}
    before = len(recorded_calls())
    deploy.deploy_stacks(replace(production, parameters=bigger), print)
    made += recorded_calls()[before:]
    assert aws.client("mwaa").get_environment(Name="groundwork-production")["Environment"]["MaxWorkers"] == 5
    [instance] = aws.client("rds").describe_db_instances()["DBInstances"]
    assert instance["BackupRetentionPeriod"] == 14
    budget = aws.client("budgets").describe_budget(AccountId="000000000000", BudgetName="groundwork-production")
    assert budget["Budget"]["BudgetLimit"]["Amount"] == "300"

    the_deploy_role_may_do_it(made)

    assert delete_stacks(production) == KEPT
    assert [kind for kind, found in what_is_there().items() if found] == []


def put_files_of_airflow(production) -> None:
    """MWAA reads files of a bucket that storage makes, so they are put between."""
    deploy.deploy_stacks(replace(production, parameters={**production.parameters, "stacks": ["storage"]}), print)
    bucket = "groundwork-production-artifacts-000000000000"
    for name in ("mwaa_requirements", "mwaa_startup_script"):
        aws.client("s3").put_object(Bucket=bucket, Key=production.parameters[name], Body=b"")


def states(production) -> set[str]:
    return {deploy.describe(deploy.name_of(production, part))["StackStatus"] for part in deploy.stacks_of(production)}


def outputs_are_the_running_parts(production) -> None:
    secret = aws.client("secretsmanager").get_secret_value(SecretId="groundwork-production-source")
    [instance] = aws.client("rds").describe_db_instances()["DBInstances"]
    login = json.loads(secret["SecretString"])
    assert (login["host"], login["port"]) == (instance["Endpoint"]["Address"], instance["Endpoint"]["Port"])
    limits = aws.client("ssm").get_parameter(Name="/groundwork/production/variables/emr_compute_limits")
    assert json.loads(limits["Parameter"]["Value"])["MaximumOnDemandCapacityUnits"] == 2


def the_deploy_role_may_do_it(calls: list[dict]) -> None:
    """What deployment called, held against the policies of the role in which a workflow deploys."""
    parity = examine(
        calls, deployed_roles("groundwork-production-"), {"test": "ci.DeployRole"}, resource_policy, []
    )  # fmt: skip
    assert parity.roles["ci.DeployRole"] > len(calls) / 2
    assert not parity.denied, "\n" + report.denials(parity.denied)
    assert parity.unknown == []


def delete_stacks(production) -> set[str]:
    """Delete the stacks and give back the types of what they left behind on purpose."""
    client = aws.client("cloudformation")
    names = [deploy.name_of(production, part) for part in deploy.stacks_of(production)]
    resources = [r for n in names for r in client.describe_stack_resources(StackName=n)["StackResources"]]
    aws.client("rds").modify_db_instance(DBInstanceIdentifier="groundwork-production", DeletionProtection=False)
    deploy.plan_of(production).delete()
    assert [name for name in names if deploy.describe(name)] == []
    buckets = {bucket["Name"] for bucket in aws.client("s3").list_buckets()["Buckets"]}
    keys = {key["KeyId"] for key in aws.client("kms").list_keys()["Keys"]}
    return {r["ResourceType"] for r in resources if r["PhysicalResourceId"] in buckets | keys}


def what_is_there() -> dict[str, list]:
    """What there is of the environment, by each service's own account."""
    client = aws.client
    own = "groundwork-production"
    return {
        "replication instance": client("dms").describe_replication_instances()["ReplicationInstances"],
        "database": client("rds").describe_db_instances()["DBInstances"],
        "database's groups": client("rds").describe_db_subnet_groups()["DBSubnetGroups"],
        "Airflow": client("mwaa").list_environments()["Environments"],
        "workgroup": client("redshift-serverless").list_workgroups()["workgroups"],
        "namespace": client("redshift-serverless").list_namespaces()["namespaces"],
        "crawler": client("glue").get_crawlers()["Crawlers"],
        "catalog": client("glue").get_databases()["DatabaseList"],
        "VPC": [v for v in client("ec2").describe_vpcs()["Vpcs"] if not v["IsDefault"]],
        "address": client("ec2").describe_addresses()["Addresses"],
        "NAT gateway": [n for n in client("ec2").describe_nat_gateways()["NatGateways"] if n["State"] != "deleted"],
        "flow log": client("ec2").describe_flow_logs()["FlowLogs"],
        "secret": client("secretsmanager").list_secrets()["SecretList"],
        "parameter": client("ssm").get_parameters_by_path(Path="/groundwork/production/variables")["Parameters"],
        "role": [r for r in client("iam").list_roles()["Roles"] if own in r["RoleName"] or "dms" in r["RoleName"]],
        "provider": client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"],
        "alarm": client("cloudwatch").describe_alarms()["MetricAlarms"],
        "rule": client("events").list_rules()["Rules"],
        "topic": client("sns").list_topics()["Topics"],
        "monitor": client("ce").get_anomaly_monitors()["AnomalyMonitors"],
        "budget": budgets(),
    }


def budgets() -> list:
    try:
        return [aws.client("budgets").describe_budget(AccountId="000000000000", BudgetName="groundwork-production")]
    except aws.client("budgets").exceptions.NotFoundException:
        return []
