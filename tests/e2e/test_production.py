"""Production on the plug-in, with production's parameters: deployed, seeded, changed, and destroyed.

Behind it are real servers: PostgreSQL for RDS and for Redshift, Airflow with MWAA's files for MWAA. The commands are
typed at a terminal, and find AWS under a name that is not this machine's, because their guards refuse one that is.
"""

import json
import os
import pty
import re
import subprocess
import time
from dataclasses import replace
from types import SimpleNamespace

import psycopg
import pytest

from groundwork import aws
from groundwork.deployment import changes, deploy, destroy, guards, rehearsal, set_up
from groundwork.deployment import doctor as doctor_account
from groundwork.deployment.iam import report
from groundwork.deployment.iam.account import deployed_roles, resource_policy
from groundwork.deployment.iam.parity import examine, recorded_calls
from groundwork.deployment.leftovers import FOUND
from groundwork.local.runtimes import processes
from groundwork.settings import UserError
from groundwork.settings import settings as read_settings
from tests.isolation import command, isolated_environment

ARTIFACTS = "groundwork-production-artifacts-000000000000"
# What a platform that never ran a pipeline, or never changed its database's kind, has none of.
NOT_YET = {"EMR cluster", "database snapshot"}


# What a resolver of one's own would do.
RESOLVER = """
import socket
asked = socket.getaddrinfo
def getaddrinfo(host, *rest, **options):
    return asked("127.0.0.1" if str(host).endswith("aws.example") else host, *rest, **options)
socket.getaddrinfo = getaddrinfo
"""


@pytest.fixture(scope="module")
def production(runtime, tmp_path_factory):
    """Production's settings, for which the plug-in is AWS, and a Sceptre that asks more often."""
    if runtime is not processes:
        pytest.skip("of the session on processes: it is the same in both")
    state = tmp_path_factory.mktemp("production")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TARGET", "production")
        patch.setenv("SCALE", "0.01")
        patch.setattr("sceptre.plan.actions.time", SimpleNamespace(sleep=lambda seconds: time.sleep(seconds / 20)))
        read_settings.cache_clear()
        with rehearsal.stand_in(state, "production"):
            yield replace(read_settings(), state=state)
    read_settings.cache_clear()


@pytest.fixture
def terminal(production):
    """``terminal("deploy", typed="production")``: the command's exit code and what it shows."""
    (production.state / "sitecustomize.py").write_text(RESOLVER)
    (production.state / "aws.config").write_text("[default]\ns3 =\n    addressing_style = path\n")
    aws_at = aws.client("sts").meta.endpoint_url.replace("127.0.0.1", "aws.example")
    environment = {
        **isolated_environment(production.state), "PYTHONPATH": str(production.state), "TARGET": "production",
        "OLIST_CSV_DIR": "", "SCALE": "0.01",
        "AWS_CONFIG_FILE": str(production.state / "aws.config"), "AWS_ENDPOINT_URL": aws_at,
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "EXPECTED_ACCOUNT": "000000000000",
    }  # fmt: skip

    def run(*arguments: str, typed: str = "", **variables: str) -> tuple[int, str]:
        keyboard, stdin = pty.openpty()
        os.write(keyboard, f"{typed}\n".encode())
        done = subprocess.run(
            command(*arguments), env={**environment, **variables}, stdin=stdin, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=1800,
        )  # fmt: skip
        os.close(keyboard), os.close(stdin)
        return done.returncode, done.stdout

    return run


def test_production_is_deployed_seeded_changed_and_destroyed(production, terminal):
    the_doctor_says("once", "OK", "will be made", production)
    before = len(recorded_calls())
    a_new_environment_is_announced_by_type(production)
    shown = a_failed_deployment_goes_on_where_it_stopped(production, terminal)
    made = recorded_calls()[before:]
    the_source_holds_the_data(production)
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

    each_role_may_do_what_it_did(made)
    shown += the_commands_answer(terminal)

    passwords = passwords_of_the_platform()
    leave_what_hinders_a_deletion()
    shown += nothing_is_destroyed_by_mistake(production, terminal)
    code, text = terminal("destroy", typed="production")
    assert code == 0, text
    assert "nothing of production is left" in text
    assert destroy.leftovers(production) == []
    assert what_else_is_there() == []
    code, text = terminal("destroy")
    assert (code, "nothing of production is left" in text) == (0, True), text
    assert [password for password in passwords if password in shown + text] == []

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


def a_failed_deployment_goes_on_where_it_stopped(production, terminal) -> str:
    """No Airflow of that version runs here: its stack fails, and the others are not made again by the next attempt."""
    wrong = replace(production, parameters={**production.parameters, "airflow_version": "3.2.0"})
    with pytest.raises(UserError, match=r"AirflowVersion 3\.2\.0 is not available"):
        set_up.deploy_platform(wrong, print)
    there = {part: deploy.describe(deploy.name_of(production, part)) for part in deploy.stacks_of(production)}
    done = {part: stack["StackId"] for part, stack in there.items() if stack and part != "orchestration"}
    assert "storage" in done
    code, shown = terminal("deploy", typed="production")
    assert code == 0, shown
    for part, stack in done.items():
        found = deploy.describe(deploy.name_of(production, part))
        assert (found["StackId"], found.get("LastUpdatedTime")) == (stack, there[part].get("LastUpdatedTime")), part
    assert "account 000000000000, region us-east-1" in shown
    assert re.search(r"Left on for a month.*: \d+ USD", shown)
    assert shown.index("Type the environment's name (production)") < shown.index("create in progress")
    return shown


def the_source_holds_the_data(production) -> None:
    """Airflow loaded it, with nothing but what MWAA has, as the database's owner."""
    [instance] = aws.client("rds").describe_db_instances()["DBInstances"]
    secret = aws.client("secretsmanager").get_secret_value(SecretId="groundwork-production-source")
    login = json.loads(secret["SecretString"])
    with psycopg.connect(
        host=login["host"], port=instance["Endpoint"]["Port"], dbname="olist", user="dms", password=login["password"]
    ) as connection:
        assert connection.execute("SELECT count(*) FROM shop.orders").fetchone()[0] == 994


def the_commands_answer(terminal) -> str:
    """Seeding again loads nothing, and the pipeline's status is asked of MWAA."""
    shown = ""
    for arguments, words in ((["seed"], "source seeded"), (["status"], "no run of the pipeline yet")):
        code, text = terminal(*arguments)
        assert (code, words in text) == (0, True), text
        shown += text
    return shown


def nothing_is_destroyed_by_mistake(production, terminal) -> str:
    shown = ""
    local = aws.client("sts").meta.endpoint_url
    for typed, variables, words in (
        ("prod", {}, "nothing was done"),
        ("production", {"AWS_ENDPOINT_URL": local}, "no address of AWS"),
        ("production", {"EXPECTED_ACCOUNT": "111122223333"}, "belongs to 111122223333"),
    ):
        code, text = terminal("destroy", typed=typed, **variables)
        assert (code, words in text) == (1, True), text
        assert "Traceback" not in text
        shown += text
    assert states(production) == {"UPDATE_COMPLETE", "CREATE_COMPLETE"}
    return shown


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


def each_role_may_do_what_it_did(calls: list[dict]) -> None:
    """What was called, held against the policies: deployment's of the role of a workflow, Airflow's of MWAA's role."""
    principals = {"test": "ci.DeployRole", "airflow": "orchestration.Role"}
    parity = examine(calls, deployed_roles("groundwork-production-"), principals, resource_policy, [])
    assert parity.roles["ci.DeployRole"] > len(calls) / 2
    assert parity.roles["orchestration.Role"] > 10, "nine files, two secrets"
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
