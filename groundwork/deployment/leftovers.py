"""What an account still holds of an environment, asked of every service that its stacks use, by name and by tag.

Names begin with ``groundwork-<environment>``; what has no name of its own has its stack's as a tag.
"""

from collections.abc import Callable, Iterator

from botocore.exceptions import ClientError

from groundwork.aws import client
from groundwork.settings import Settings

TAGS = "resourcegroupstaggingapi"
ALIVE = ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING", "TERMINATING"]


def prefix_of(settings: Settings) -> str:
    return f"groundwork-{settings.environment}-"


def leftovers(settings: Settings) -> list[str]:
    """A line for each thing that is there; a key that waits for its deletion is not."""
    return [f"{kind} {name}" for kind, names in FOUND.items() for name in sorted(names(settings))]


def named(service: str, operation: str, key: str, field: str | None) -> Callable[[Settings], list[str]]:
    """What an operation lists, where its name is the environment's or begins with it."""

    def names(settings: Settings) -> list[str]:
        found = [each[field] if field else each for each in pages_of(service, operation, key)]
        own = prefix_of(settings)
        return [name for name in found if f"{name}-".startswith(own)]

    return names


def vpcs_of(settings: Settings) -> list[str]:
    return [vpc["VpcId"] for vpc in pages_of("ec2", "describe_vpcs", "Vpcs", Filters=by_name(settings))]


def addresses_of(settings: Settings) -> list[str]:
    return [a["AllocationId"] for a in pages_of("ec2", "describe_addresses", "Addresses", Filters=by_name(settings))]


def by_name(settings: Settings) -> list[dict]:
    """What has an id for a name has its stack's name as a tag."""
    return [{"Name": "tag:Name", "Values": [f"{prefix_of(settings)}*"]}]


def gateways_of(settings: Settings) -> list[str]:
    found = within_vpcs(settings, "describe_nat_gateways", "NatGateways")
    return [gateway["NatGatewayId"] for gateway in found if gateway["State"] != "deleted"]


def endpoints_of(settings: Settings) -> list[str]:
    found = within_vpcs(settings, "describe_vpc_endpoints", "VpcEndpoints")
    return [endpoint["VpcEndpointId"] for endpoint in found]


def within_vpcs(settings: Settings, operation: str, key: str) -> list[dict]:
    vpcs = vpcs_of(settings)
    return [found for found in pages_of("ec2", operation, key) if found["VpcId"] in vpcs]


def tags_of(settings: Settings) -> dict[str, str]:
    """The tags of ``cloudformation/config/config.yaml``."""
    return {"project": "groundwork", "environment": settings.environment}


def pages_of(service: str, operation: str, key: str, **request) -> Iterator:
    aws = client(service)
    if not aws.can_paginate(operation):
        return iter(getattr(aws, operation)(**request).get(key, []))
    return (each for page in aws.get_paginator(operation).paginate(**request) for each in page.get(key, []))


def clusters_of(settings: Settings) -> list[str]:
    found = client("emr").get_paginator("list_clusters").paginate(ClusterStates=ALIVE)
    return [c["Id"] for page in found for c in page["Clusters"] if c["Name"].startswith(prefix_of(settings))]


def tasks_of(settings: Settings) -> list[dict]:
    found = pages_of("dms", "describe_replication_tasks", "ReplicationTasks")
    return [task for task in found if task["ReplicationTaskIdentifier"].startswith(prefix_of(settings))]


def keys_of(settings: Settings) -> list[str]:
    """The keys of the storage stack, by their description, that are not waiting for their deletion yet."""
    kms = client("kms")
    described = (kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in pages_of("kms", "list_keys", "Keys"))
    own = f"{prefix_of(settings)}storage "
    return [k["KeyId"] for k in described if k["Description"].startswith(own) and k["KeyState"] != "PendingDeletion"]


def log_groups_of(settings: Settings) -> list[str]:
    """Those of the stacks, and those that services make for what the stacks made."""
    own = prefix_of(settings).removesuffix("-")
    prefixes = [
        f"/groundwork/{settings.environment}/",
        f"/aws/rds/instance/{own}/",
        f"/aws/redshift/{own}/",
        f"airflow-{own}-",
        f"dms-tasks-{own}",
    ]
    return [
        group["logGroupName"]
        for prefix in prefixes
        for group in pages_of("logs", "describe_log_groups", "logGroups", logGroupNamePrefix=prefix)
    ]


def parameters_of(settings: Settings) -> list[str]:
    path = f"/groundwork/{settings.environment}/"
    return [p["Name"] for p in pages_of("ssm", "get_parameters_by_path", "Parameters", Path=path, Recursive=True)]


def snapshots_of(settings: Settings) -> list[str]:
    """They have the database's tags. A change that replaces the database leaves one (``UpdateReplacePolicy``)."""
    tags = [{"Key": name, "Values": [value]} for name, value in tags_of(settings).items()]
    request = {"ResourceTypeFilters": ["rds:snapshot"], "TagFilters": tags}
    return [m["ResourceARN"] for m in pages_of(TAGS, "get_resources", "ResourceTagMappingList", **request)]


def budgets_of(settings: Settings) -> list[str]:
    account = client("sts").get_caller_identity()["Account"]
    name = prefix_of(settings).removesuffix("-")
    try:
        client("budgets").describe_budget(AccountId=account, BudgetName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NotFoundException":
            raise
        return []
    return [name]


FOUND: dict[str, Callable[[Settings], list[str]]] = {
    "EMR cluster": clusters_of,
    "replication task": lambda settings: [t["ReplicationTaskIdentifier"] for t in tasks_of(settings)],
    "replication instance": named(
        "dms", "describe_replication_instances", "ReplicationInstances", "ReplicationInstanceIdentifier"
    ),
    "database": named("rds", "describe_db_instances", "DBInstances", "DBInstanceIdentifier"),
    "database snapshot": snapshots_of,
    "Airflow environment": named("mwaa", "list_environments", "Environments", None),
    "Redshift workgroup": named("redshift-serverless", "list_workgroups", "workgroups", "workgroupName"),
    "Redshift namespace": named("redshift-serverless", "list_namespaces", "namespaces", "namespaceName"),
    "crawler": named("glue", "get_crawlers", "Crawlers", "Name"),
    "Athena workgroup": named("athena", "list_work_groups", "WorkGroups", "Name"),
    "NAT gateway": gateways_of,
    "VPC endpoint": endpoints_of,
    "VPC": vpcs_of,
    "address": addresses_of,
    "bucket": named("s3", "list_buckets", "Buckets", "Name"),
    "key": keys_of,
    "secret": named("secretsmanager", "list_secrets", "SecretList", "Name"),
    "log group": log_groups_of,
    "alarm": named("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    "rule": named("events", "list_rules", "Rules", "Name"),
    "budget": budgets_of,
    "role": named("iam", "list_roles", "Roles", "RoleName"),
    "parameter": parameters_of,
}
