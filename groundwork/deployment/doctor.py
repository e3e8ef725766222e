"""Is the account fit for the environment? One line a check, with the remedy, as for this machine.

Quotas are those that a new account may meet. They are compared with what is in use and what the environment adds
(https://docs.aws.amazon.com/servicequotas/latest/userguide/intro.html).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from botocore.exceptions import ClientError

from groundwork.aws import client
from groundwork.checks import Check
from groundwork.deployment import deploy, guards
from groundwork.deployment.leftovers import pages_of
from groundwork.local.doctor import check_disk, check_python
from groundwork.settings import Settings, UserError

ZONES = 3  # Redshift Serverless asks for subnets in as many
DMS_ROLES = {"dms-vpc-role", "dms-cloudwatch-logs-role"}
GITHUB = "oidc-provider/token.actions.githubusercontent.com"
VCPUS = {"large": 2, "xlarge": 4, "2xlarge": 8, "4xlarge": 16}


@dataclass(frozen=True)
class Quota:
    """``adds`` says of the environment's parameters how many it takes; ``used`` counts those that there are."""

    what: str
    service: str
    code: str
    adds: Callable[[dict], int]
    used: Callable[[], int]


def number_of(service: str, operation: str, key: str) -> Callable[[], int]:
    return lambda: len(list(pages_of(service, operation, key)))


def vcpus_of_a_run(parameters: dict) -> int:
    """Those of a cluster that has grown as far as it may on demand, its primary node among them."""
    size = parameters["emr_instance_type"].partition(".")[2]
    return VCPUS.get(size, 0) * (1 + parameters["emr_maximum_on_demand_instances"])


QUOTAS = [
    Quota("VPCs", "vpc", "L-F678F1CE", lambda parameters: 1, number_of("ec2", "describe_vpcs", "Vpcs")),
    Quota(
        "Elastic IPs", "ec2", "L-0263D0A3", lambda parameters: 1, number_of("ec2", "describe_addresses", "Addresses")
    ),
    Quota("on-demand vCPUs", "ec2", "L-1216C47A", vcpus_of_a_run, lambda: 0),
]


def examine(settings: Settings) -> list[Check]:
    """The checks in their order; without credentials of the right account nothing of it can be asked."""
    checks = [*check_identity(settings)]
    if not any(check.level == "FAIL" for check in checks):
        checks += [check_zones(settings), *check_once(settings), *check_quotas(settings)]
    return [*checks, *check_parameters(settings), check_disk(), *check_python()]


def check_identity(settings: Settings) -> Iterator[Check]:
    for name, guard in (
        ("endpoint", lambda: guards.check_endpoints() or "AWS's own"),
        ("account", lambda: f"{guards.check_identity(settings)}, as expected"),
    ):
        try:
            yield Check(name, "OK", guard())
        except UserError as error:
            text, _, remedy = str(error).partition(": ")
            yield Check(name, "FAIL", text, remedy)
            return


def check_zones(settings: Settings) -> Check:
    found = client("ec2").describe_availability_zones(Filters=[{"Name": "state", "Values": ["available"]}])
    number, region = len(found["AvailabilityZones"]), settings.parameters["region"]
    if number >= ZONES:
        return Check("region", "OK", f"{region}, {number} zones")
    return Check("region", "FAIL", f"{region} has {number} zones for you", f"choose a region with {ZONES}")


def check_once(settings: Settings) -> Iterator[Check]:
    """What an account has once is made by the stack `account`, unless it is there already."""
    there = {role["RoleName"] for role in pages_of("iam", "list_roles", "Roles")} & DMS_ROLES
    providers = client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]
    there |= {provider["Arn"] for provider in providers if provider["Arn"].endswith(GITHUB)}
    has_stack = "account" in deploy.stacks_of(settings)
    ours = has_stack and deploy.describe(deploy.name_of(settings, "account"))
    if ours or bool(there) != has_stack:
        yield Check("once", "OK", "DMS's roles and GitHub's provider " + ("are there" if there else "will be made"))
        return
    file = f"cloudformation/environments/{settings.environment}.yaml"
    if has_stack:
        remedy = f"take `account` out of the stacks in {file}, and give the provider's ARN as github_provider_arn"
        yield Check("once", "FAIL", f"the account has {', '.join(sorted(there))} already", remedy)
    else:
        yield Check("once", "FAIL", "the account has no role for DMS", f"add `account` to the stacks in {file}")


def check_quotas(settings: Settings) -> Iterator[Check]:
    deployed = bool(deploy.describe(deploy.name_of(settings, "network")))
    for quota in QUOTAS:
        yield check_quota(quota, 0 if deployed else quota.adds(settings.parameters))


def check_quota(quota: Quota, adds: int) -> Check:
    try:
        found = client("service-quotas").get_service_quota(ServiceCode=quota.service, QuotaCode=quota.code)
    except ClientError as error:
        page = f"https://console.aws.amazon.com/servicequotas/home/services/{quota.service}/quotas/{quota.code}"
        text = f"{quota.what}: not known ({error.response['Error']['Code']}), {adds} more are needed"
        return Check("quota", "WARN", text, f"look at {page}")
    limit, needed = found["Quota"]["Value"], quota.used() + adds
    text = f"{quota.what}: {needed:g} of {limit:g}"
    if needed <= limit:
        return Check("quota", "OK", text)
    return Check("quota", "FAIL", text, f"ask for more of {quota.code} of {quota.service} in Service Quotas")


def check_parameters(settings: Settings) -> Iterator[Check]:
    """The values that the environment's file holds as examples."""
    for name in ("alarm_email", "github_repository"):
        value = str(settings.parameters.get(name, ""))
        if "example" in value:
            remedy = f"write yours in cloudformation/environments/{settings.environment}.yaml"
            yield Check("parameter", "WARN", f"{name} is {value}", remedy)
