"""Production on the plug-in, with production's parameters: deployed, changed, and destroyed by the commands' own code.

Behind it are real servers: PostgreSQL for RDS and for Redshift, Airflow's own answer about its version for MWAA.
"""

import json
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from groundwork import aws
from groundwork.deployment import changes, deploy, destroy, guards, rehearsal, set_up
from groundwork.deployment import doctor as doctor_account
from groundwork.deployment.iam import report
from groundwork.deployment.iam.account import deployed_roles, resource_policy
from groundwork.deployment.iam.parity import examine, recorded_calls
from groundwork.deployment.leftovers import FOUND
from groundwork.settings import UserError
from groundwork.settings import settings as read_settings

ARTIFACTS = "groundwork-production-artifacts-000000000000"
# What a platform that never ran a pipeline, or never changed its database's kind, has none of.
NOT_YET = {"EMR cluster", "database snapshot"}


@pytest.fixture(scope="module")
def production(tmp_path_factory):
    """Production's settings, for which the plug-in is AWS, and a Sceptre that asks more often."""
    state = tmp_path_factory.mktemp("production")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TARGET", "production")
        patch.setenv("SCALE", "0.01")
        patch.setattr("sceptre.plan.actions.time", SimpleNamespace(sleep=lambda seconds: time.sleep(seconds / 20)))
        read_settings.cache_clear()
        with rehearsal.stand_in(state):
            yield replace(read_settings(), state=state)
    read_settings.cache_clear()


def test_production_is_deployed_changed_and_destroyed(production, capsys):
    the_doctor_says("once", "OK", "will be made", production)
    before = len(recorded_calls())
    a_new_environment_is_announced_by_type(production)
    a_failed_deployment_goes_on_where_it_stopped(production)
    made = recorded_calls()[before:]
    assert states(production) == {"CREATE_COMPLETE"}
    outputs_are_the_running_parts(production)
    the_doctor_says("once", "OK", "are there", production)
    assert {kind for kind, names in FOUND.items() if not names(production)} == NOT_YET

    bigger = {**production.parameters, "mwaa_max_workers": 5, "source_backup_days": 14, "monthly_budget_usd": 300}
    changed = replace(production, parameters=bigger)
    before = len(recorded_calls())
    announced = changes.changes(changed)
    assert {(c.action, c.what.split()[0]) for c in announced} == {
        ("Modify", "Airflow"), ("Modify", "Instance"), ("Modify", "Budget"),
    }  # fmt: skip
    deploy.deploy_stacks(changed, print)
    made += recorded_calls()[before:]
    assert aws.client("mwaa").get_environment(Name="groundwork-production")["Environment"]["MaxWorkers"] == 5
    [instance] = aws.client("rds").describe_db_instances()["DBInstances"]
    assert instance["BackupRetentionPeriod"] == 14
    budget = aws.client("budgets").describe_budget(AccountId="000000000000", BudgetName="groundwork-production")
    assert budget["Budget"]["BudgetLimit"]["Amount"] == "300"
    assert changes.changes(changed) == []

    the_deploy_role_may_do_it(made)

    set_up.fill(production, print)
    passwords = passwords_of_the_platform()
    leave_what_hinders_a_deletion()
    destroy.destroy(production, print)
    assert destroy.leftovers(production) == []
    assert what_else_is_there() == []
    destroy.destroy(production, print)
    printed = capsys.readouterr()
    assert "nothing of production is left" in printed.out
    assert [password for password in passwords if password in printed.out + printed.err] == []

    aws.client("iam").create_role(RoleName="dms-vpc-role", AssumeRolePolicyDocument="{}")
    the_doctor_says("once", "FAIL", "has dms-vpc-role already", production)
    aws.client("iam").delete_role(RoleName="dms-vpc-role")


def passwords_of_the_platform() -> list[str]:
    """Those of the replication user, of the database's owner and of the warehouse's administrator."""
    client = aws.client("secretsmanager")
    secrets = [client.get_secret_value(SecretId=secret["ARN"]) for secret in client.list_secrets()["SecretList"]]
    assert len(secrets) == 3
    return [json.loads(secret["SecretString"])["password"] for secret in secrets]


def the_doctor_says(name: str, level: str, words: str, production) -> None:
    checks = [*doctor_account.check_once(production), doctor_account.check_zones(production)]
    checks += doctor_account.check_quotas(production)
    assert {"once", "region", "quota"} == {check.name for check in checks}
    [check] = [check for check in checks if check.name == name]
    assert (check.level, words in check.text) == (level, True), check
    assert bool(check.remedy) == (level == "FAIL")


def a_new_environment_is_announced_by_type(production) -> None:
    announced = changes.changes(production)
    assert {c.action for c in announced} == {"Add"}
    assert len({c.stack for c in announced}) == 13
    assert "6 × AWS::S3::Bucket" in {c.what for c in announced}


def a_failed_deployment_goes_on_where_it_stopped(production) -> None:
    """No Airflow of that version runs here: its stack fails, and the others are not made again by the next attempt."""
    wrong = replace(production, parameters={**production.parameters, "airflow_version": "3.2.0"})
    with pytest.raises(UserError, match=r"AirflowVersion 3\.2\.0 is not available"):
        set_up.deploy_platform(wrong, print)
    there = {part: deploy.describe(deploy.name_of(production, part)) for part in deploy.stacks_of(production)}
    done = {part: stack["StackId"] for part, stack in there.items() if stack and part != "orchestration"}
    assert "storage" in done
    set_up.deploy_platform(production, print)
    for part, stack in done.items():
        found = deploy.describe(deploy.name_of(production, part))
        assert (found["StackId"], found.get("LastUpdatedTime")) == (stack, there[part].get("LastUpdatedTime")), part


def leave_what_hinders_a_deletion() -> None:
    """A bucket with versions, a mark of a deletion and an unfinished upload, one with many objects, a running task."""
    s3 = aws.client("s3")
    s3.put_object(Bucket=ARTIFACTS, Key="spark/silver.py", Body=b"changed")
    s3.delete_object(Bucket=ARTIFACTS, Key="spark/silver.py")
    s3.create_multipart_upload(Bucket=ARTIFACTS, Key="unfinished")
    assert {"Versions", "DeleteMarkers"} <= set(s3.list_object_versions(Bucket=ARTIFACTS))
    for number in range(1001):
        s3.put_object(Bucket=ARTIFACTS.replace("artifacts", "logs"), Key=str(number), Body=b"")
    task = aws.variable("replication_task_arn")
    aws.client("dms").start_replication_task(ReplicationTaskArn=task, StartReplicationTaskType="start-replication")


@pytest.mark.parametrize(
    "account, expected, problem",
    [
        ("000000000000", "000000000000", None),
        ("000000000000", "", "account 000000000000, and production belongs to 111122223333"),
        ("222233334444", "000000000000", "account 222233334444, and production belongs to 000000000000"),
    ],
)
def test_only_the_expected_account_is_touched(production, monkeypatch, account, expected, problem):
    monkeypatch.setenv("EXPECTED_ACCOUNT", expected)
    # LocalStack has an account for every key that is a number of an account.
    with aws.environment({"AWS_ACCESS_KEY_ID": account}):
        if problem is None:
            assert guards.check_identity(production) == account
        else:
            with pytest.raises(UserError, match=problem):
                guards.check_identity(production)


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


def what_else_is_there() -> list:
    """What costs nothing and has no name of ours, asked of the services once more."""
    client = aws.client
    return [
        *(v for v in client("ec2").describe_vpcs()["Vpcs"] if not v["IsDefault"]),
        *client("ec2").describe_addresses()["Addresses"],
        *client("ec2").describe_flow_logs()["FlowLogs"],
        *client("rds").describe_db_subnet_groups()["DBSubnetGroups"],
        *client("glue").get_databases()["DatabaseList"],
        *(r for r in client("iam").list_roles()["Roles"] if "dms" in r["RoleName"]),
        *client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"],
        *client("sns").list_topics()["Topics"],
        *client("ce").get_anomaly_monitors()["AnomalyMonitors"],
    ]
