"""What EMR checks before it takes a request, and what would be ignored here and is therefore refused.

https://docs.aws.amazon.com/emr/latest/APIReference/API_RunJobFlow.html
"""

import json
import re

from localstack.aws.api import CommonServiceException

from groundwork_aws.emr.cluster import ENDS_CLUSTER, TAKES_STEPS, Cluster
from groundwork_aws.emr.runner import SCRIPT_RUNNER

COMMAND_RUNNER = "command-runner.jar"
SCRIPT_RUNNER_URI = re.compile(rf"s3://[\w-]+\.elasticmapreduce/libs/script-runner/{SCRIPT_RUNNER}")
ACTIONS = ENDS_CLUSTER | {"CANCEL_AND_WAIT", "CONTINUE"}
MOST_STEPS = 256
MOST_IDS = 10
LONGEST_STRING = 10240
IDLE_SECONDS = range(60, 604800 + 1)
CONCURRENCY = range(1, 256 + 1)
FORBIDDEN_IN_NAME = re.compile(r"[<>$|`]")
# Parameters of RunJobFlow that would change what runs, which nothing here does.
NOT_HONOURED = (
    "AdditionalInfo", "AmiVersion", "BootstrapActions", "CustomAmiId", "KerberosAttributes", "LogEncryptionKmsKeyId",
    "MonitoringConfiguration", "NewSupportedProducts", "RepoUpgradeOnBoot", "SupportedProducts",
)  # fmt: skip


def invalid_request(message: str) -> CommonServiceException:
    return CommonServiceException("InvalidRequestException", message)


def invalid(message: str) -> CommonServiceException:
    """What the older operations, those on job flows, answer."""
    return CommonServiceException("ValidationException", message)


def check_run_job_flow(request: dict) -> None:
    for name in ("Name", "Instances", "ReleaseLabel"):
        if request.get(name) in (None, ""):
            raise invalid(f"{name} is required.")
    if FORBIDDEN_IN_NAME.search(request["Name"]):
        raise invalid("The cluster name must not contain <, >, $, | or ` (backtick).")
    ignored = [name for name in NOT_HONOURED if request.get(name)]
    if ignored:
        raise invalid(f"{', '.join(ignored)}: not honoured by this platform; leave it out.")
    log_uri = request.get("LogUri")
    if log_uri and not re.match(r"s3[an]?://[^/]+", log_uri):
        raise invalid(f"LogUri must be an S3 URI, s3://bucket/prefix; it is {log_uri}.")
    for configuration in request.get("Configurations", []):
        check_configuration(configuration)
    check_concurrency(request.get("StepConcurrencyLevel", 1))
    if "ManagedScalingPolicy" in request:
        check_managed_scaling(request["ManagedScalingPolicy"])


def check_configuration(configuration: dict) -> None:
    name, properties = configuration.get("Classification"), configuration.get("Properties", {})
    nested = configuration.get("Configurations", [])
    if name == "spark-defaults" and not nested:
        return
    if name == "delta-defaults" and not nested and properties == {"delta.enabled": "true"}:
        return  # Delta's jars are on the class path
    if name == "spark-env" and not properties and all(is_export(c) for c in nested):
        return
    raise invalid(
        f"Classification {name} with these settings would be ignored here. Honoured are spark-defaults, "
        "spark-env with export, and delta-defaults with delta.enabled=true."
    )


def is_export(configuration: dict) -> bool:
    return configuration.get("Classification") == "export" and not configuration.get("Configurations")


def check_concurrency(level: int) -> None:
    if level not in CONCURRENCY:
        raise invalid("StepConcurrencyLevel must be between 1 and 256.")


def check_idle_timeout(policy: dict) -> int:
    """The policy's seconds, an hour when it names none."""
    seconds = policy.get("IdleTimeout", 3600)
    if seconds not in IDLE_SECONDS:
        raise invalid("IdleTimeout must be between 60 and 604800 seconds.")
    return seconds


def check_managed_scaling(policy: dict) -> None:
    limits = policy.get("ComputeLimits", {})
    for name in ("UnitType", "MinimumCapacityUnits", "MaximumCapacityUnits"):
        if name not in limits:
            raise invalid(f"ComputeLimits.{name} is required.")
    if limits["UnitType"] not in ("InstanceFleetUnits", "Instances", "VCPU"):
        raise invalid("ComputeLimits.UnitType must be InstanceFleetUnits, Instances or VCPU.")
    if limits["MinimumCapacityUnits"] > limits["MaximumCapacityUnits"]:
        raise invalid("MinimumCapacityUnits must not be greater than MaximumCapacityUnits.")


def check_takes_steps(cluster: Cluster, new: int) -> None:
    if cluster.state not in TAKES_STEPS:
        raise invalid("A job flow that is shutting down, terminated, or finished may not be modified.")
    if len([step for step in cluster.steps if not step.has_ended]) + new > MOST_STEPS:
        raise invalid(f"Maximum number of steps for job flow exceeded: {MOST_STEPS}.")


def checked_step(config: dict, concurrency: int) -> dict:
    """The StepConfig with its default ActionOnFailure."""
    config = {**config, "ActionOnFailure": config.get("ActionOnFailure") or default_action(concurrency)}
    if not config.get("Name") or not config.get("HadoopJarStep", {}).get("Jar"):
        raise invalid("A step needs Name and HadoopJarStep with Jar.")
    action = config["ActionOnFailure"]
    if action not in ACTIONS:
        raise invalid(f"ActionOnFailure {action} is not one of {', '.join(sorted(ACTIONS))}.")
    if concurrency > 1 and action != "CONTINUE":
        raise invalid(f"ActionOnFailure {action} is not valid with a StepConcurrencyLevel above 1; use CONTINUE.")
    check_jar(config["HadoopJarStep"])
    return config


def default_action(concurrency: int) -> str:
    return "TERMINATE_CLUSTER" if concurrency == 1 else "CONTINUE"


def check_jar(step: dict) -> None:
    jar, arguments = step["Jar"], step.get("Args", [])
    if jar != COMMAND_RUNNER and not SCRIPT_RUNNER_URI.fullmatch(jar):
        raise invalid(f"{jar}: only {COMMAND_RUNNER} and {SCRIPT_RUNNER} run here; give your own jar to spark-submit.")
    if not arguments:
        raise invalid(f"{jar} needs the command in Args.")
    if step.get("MainClass") or step.get("Properties"):
        raise invalid(f"MainClass and Properties have no meaning for {jar}.")
    if any(len(word) > LONGEST_STRING for word in [jar, *arguments]):
        raise invalid(f"The length of a HadoopJarStep's string must not exceed {LONGEST_STRING} characters.")


def check_security_configuration(text: str) -> None:
    try:
        configuration = json.loads(text)
    except ValueError as error:
        raise invalid_request(f"SecurityConfiguration is not JSON: {error}") from error
    if not isinstance(configuration, dict):
        raise invalid_request("SecurityConfiguration must be a JSON object.")
