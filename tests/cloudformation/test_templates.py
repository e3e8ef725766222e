"""The templates agree with the contracts and with one another, before anything is deployed."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from cfnlint.decode import decode

from groundwork.deployment.mwaa import configuration_options
from groundwork.install import ROOT

FOLDER = ROOT / "cloudformation"
TEMPLATES = sorted((FOLDER / "templates").glob("*.yaml"))
ENVIRONMENTS = sorted((FOLDER / "environments").glob("*.yaml"))

# Variables that the deploying command finds out by itself, and what of an environment is for it and for no stack.
OF_THE_COMMAND = {"mwaa_requirements", "mwaa_startup_script", "source_host", "source_port", "stacks_role"}
FOR_THE_COMMAND = {"account_id", "here", "stacks"}


def template(name: str) -> dict:
    document, problems = decode(str(FOLDER / "templates" / f"{name}.yaml"))
    assert not problems
    return document


def targets(crawler: str, kind: str) -> list[str]:
    found = template("catalog")["Resources"][crawler]["Properties"]["Targets"]
    paths = [t["Path"] for t in found["S3Targets"]] if kind == "s3" else found["DeltaTargets"][0]["DeltaTables"]
    return [path["Fn::Sub"] for path in paths]


def test_cfn_lint_finds_nothing():
    program = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run([program, *TEMPLATES], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "crawler, kind, folder",
    [
        ("BronzeCrawler", "s3", "s3://${BronzeBucket}/olist/shop"),
        ("SilverCrawler", "delta", "s3://${SilverBucket}/olist"),
        ("QuarantineCrawler", "delta", "s3://${SilverBucket}/olist/_quarantine"),
    ],
)
def test_a_crawler_has_a_target_for_every_contract(contracts, crawler, kind, folder):
    tables = [
        *contracts,
        *(f"{c.table}_history" for c in contracts.values() if c.history and crawler == "SilverCrawler"),
    ]
    assert targets(crawler, kind) == [f"{folder}/{table}/" for table in sorted(tables)]


def test_the_replication_task_selects_the_schema_of_the_contracts(contracts):
    task = template("replication")["Resources"]["Task"]["Properties"]
    rules = json.loads(task["TableMappings"])["rules"]
    assert {rule["object-locator"]["schema-name"] for rule in rules} == {c.schema for c in contracts.values()}
    json.loads(task["ReplicationTaskSettings"])


def test_every_bucket_is_encrypted_private_and_reached_over_tls_only():
    resources = template("storage")["Resources"]
    buckets = {name: r["Properties"] for name, r in resources.items() if r["Type"] == "AWS::S3::Bucket"}
    assert len(buckets) == 6
    for name, bucket in buckets.items():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) <= {True, "true"}, name
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        algorithm = "AES256" if name == "AccessLogsBucket" else "aws:kms"
        assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == algorithm, name
        statement, *_ = resources[f"{name}Policy"]["Properties"]["PolicyDocument"]["Statement"]
        assert statement["Effect"] == "Deny", name
        assert statement["Condition"]["Bool"]["aws:SecureTransport"] == "false", name


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda f: f.stem)
def test_a_template_says_what_it_is_and_knows_of_no_local_variant(file):
    text = file.read_text()
    document = template(file.stem)
    assert document["Description"]
    assert all(p.get("Description") for p in document["Parameters"].values())
    assert "Conditions" not in document
    assert not re.search(r"localhost|127\.0\.0\.1|localstack|4566", text)


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda f: f.stem)
def test_a_stack_gets_the_parameters_of_its_template(file):
    lines = (FOLDER / "config" / file.name).read_text().split("parameters:\n")[1].splitlines()
    given = {line.split(":")[0].strip() for line in lines if not line.strip().startswith("#")}
    assert given == set(template(file.stem)["Parameters"])


@pytest.mark.parametrize("file", ENVIRONMENTS, ids=lambda f: f.stem)
def test_an_environment_gives_its_stacks_every_variable_and_no_other(file):
    parameters = yaml.safe_load(file.read_text())
    configs = [(FOLDER / "config" / f"{stack}.yaml").read_text() for stack in ("config", *parameters["stacks"])]
    used = {name for text in configs for name in re.findall(r"var\.(\w+)", text)}
    assert used - set(parameters) <= OF_THE_COMMAND
    assert set(parameters) - used <= FOR_THE_COMMAND


@pytest.mark.parametrize("file", ENVIRONMENTS, ids=lambda f: f.stem)
def test_an_environments_stacks_need_no_stack_that_it_lacks(file):
    parameters = yaml.safe_load(file.read_text())
    texts = [(FOLDER / "config" / f"{stack}.yaml").read_text() for stack in parameters["stacks"]]
    needed = {name for text in [*texts, file.read_text()] for name in re.findall(r"!stack_output (\w+)\.yaml", text)}
    assert needed <= set(parameters["stacks"])


def test_every_template_belongs_to_production():
    parameters = yaml.safe_load((FOLDER / "environments" / "production.yaml").read_text())
    assert sorted(parameters["stacks"]) == [file.stem for file in TEMPLATES]


def test_mwaa_has_the_options_that_the_local_airflow_has():
    options = template("orchestration")["Resources"]["Airflow"]["Properties"]["AirflowConfigurationOptions"]
    given = {name: value["Fn::Sub"].replace("${Environment}", "production") if "Fn::Sub" in value else value
             for name, value in options.items()}  # fmt: skip
    wanted = configuration_options("production", "the.warehouse", "the schedule")
    assert json.loads(given.pop("secrets.backend_kwargs")) == json.loads(wanted.pop("secrets.backend_kwargs"))
    given |= {"groundwork.warehouse_host": "the.warehouse", "groundwork.schedule": "the schedule"}
    assert given == wanted


def test_the_deploy_workflow_fits_the_role_that_it_assumes():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "deploy.yml").read_text())
    assert workflow["permissions"]["id-token"] == "write"
    job = workflow["jobs"]["production"]
    role = template("ci")["Resources"]["DeployRole"]["Properties"]
    conditions = role["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]["StringEquals"]
    subject = conditions["token.actions.githubusercontent.com:sub"]["Fn::Sub"]
    assert subject.endswith(":environment:${Environment}")
    assert job["environment"] == "production"
    [seconds] = [step["with"]["role-duration-seconds"] for step in job["steps"] if "configure-aws" in str(step)]
    assert seconds <= role["MaxSessionDuration"]
    assert job["timeout-minutes"] * 60 <= seconds


def test_a_check_that_is_skipped_says_why():
    skipped = [
        skip
        for file in TEMPLATES
        for resource in template(file.stem)["Resources"].values()
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
    ]
    assert skipped
    assert all(re.fullmatch(r"CKV2?_AWS_\d+", skip["id"]) and len(skip["comment"]) > 20 for skip in skipped)
