"""What a crawler's definition may say, checked as CreateCrawler and UpdateCrawler check it.

The texts of the errors are AWS's where they are known from its logs, else ours.
"""

import json
import re

from botocore.exceptions import ClientError
from localstack.aws.api import RequestContext
from localstack.aws.connect import connect_to

from groundwork_aws.glue.api import invalid, not_found, one_of, refused, required
from groundwork_aws.glue.listing import glob_to_regex

DEFAULTS = {
    "SchemaChangePolicy": {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "DEPRECATE_IN_DATABASE"},
    "RecrawlPolicy": {"RecrawlBehavior": "CRAWL_EVERYTHING"},
    "LineageConfiguration": {"CrawlerLineageSettings": "DISABLE"},
    "Classifiers": [],
}
# what Configuration may hold, and the values that are honoured
CONFIGURATION = {
    "Version": (1, 1.0),
    "CreatePartitionIndex": (True, False),
    "CrawlerOutput": {
        "Tables": {"AddOrUpdateBehavior": ("MergeNewColumns",)},
        "Partitions": {"AddOrUpdateBehavior": ("InheritFromTable",)},
    },
    "Grouping": {"TableGroupingPolicy": ("CombineCompatibleSchemas",), "TableLevelConfiguration": range(1, 101)},
}
CANNOT_ASSUME = "Service is unable to assume provided role. Please verify role's TrustPolicy."


def with_defaults(definition: dict) -> dict:
    """The definition with what it leaves out, also where it gives only a part of the schema change policy."""
    policy = DEFAULTS["SchemaChangePolicy"] | definition.get("SchemaChangePolicy", {})
    return {**DEFAULTS, **definition, "SchemaChangePolicy": policy}


def check_definition(definition: dict) -> None:
    """Raise InvalidInputException, or EntityNotFoundException for a classifier, which cannot exist here."""
    required(definition, "Name", "Role", "DatabaseName", "Targets")
    if len(definition["Name"]) > 255:
        raise invalid(f"Name must have at most 255 characters, not {len(definition['Name'])}")
    for classifier in definition["Classifiers"]:
        raise not_found(f"Classifier {classifier} not found: custom classifiers are not supported by this Glue")
    if definition["LineageConfiguration"].get("CrawlerLineageSettings", "DISABLE") != "DISABLE":
        raise invalid("CrawlerLineageSettings ENABLE is not supported by this Glue: leave it out")
    check_policies(definition["SchemaChangePolicy"], definition["RecrawlPolicy"])
    check_targets(definition["Targets"])
    check_configuration(definition.get("Configuration"))


def check_policies(change: dict, recrawl: dict) -> None:
    one_of(change, "UpdateBehavior", ("LOG", "UPDATE_IN_DATABASE"))
    one_of(change, "DeleteBehavior", ("LOG", "DELETE_FROM_DATABASE", "DEPRECATE_IN_DATABASE"))
    one_of(recrawl, "RecrawlBehavior", ("CRAWL_EVERYTHING", "CRAWL_NEW_FOLDERS_ONLY", "CRAWL_EVENT_MODE"))
    behaviour = recrawl.get("RecrawlBehavior")
    if behaviour == "CRAWL_EVENT_MODE":
        raise invalid("CRAWL_EVENT_MODE is not supported by this Glue")
    if behaviour == "CRAWL_NEW_FOLDERS_ONLY" and set(change.values()) != {"LOG"}:
        raise invalid(
            'The SchemaChangePolicy for "Crawl new folders only" Amazon S3 target can have only LOG '
            "DeleteBehavior value and LOG UpdateBehavior value."
        )


def check_targets(targets: dict) -> None:
    given = {kind: entries for kind, entries in targets.items() if entries}
    refused(given, *(given.keys() - {"S3Targets", "DeltaTargets"}))
    if not given:
        raise invalid("The crawler has no target: Targets needs S3Targets or DeltaTargets")
    for target in given.get("S3Targets", []):
        required(target, "Path")
        check_path(target["Path"])
        refused(target, "ConnectionName", "EventQueueArn", "DlqEventQueueArn")
        if not 1 <= target.get("SampleSize", 1) <= 249:
            raise invalid(f"SampleSize must be between 1 and 249, not {target['SampleSize']}")
        for exclusion in target.get("Exclusions", []):
            try:
                re.compile(glob_to_regex(exclusion))
            except (ValueError, re.error) as error:
                raise invalid(f"Exclusions: {error}") from None
    for target in given.get("DeltaTargets", []):
        check_delta_target(target)


def check_delta_target(target: dict) -> None:
    refused(target, "ConnectionName")
    required(target, "DeltaTables")
    for path in target["DeltaTables"]:
        check_path(path)
    native, manifest = target.get("CreateNativeDeltaTable"), target.get("WriteManifest")
    if native and manifest:
        raise invalid("CreateNativeDeltaTable and WriteManifest exclude each other: a native table has no manifest")
    if not native:
        raise invalid("Symlink manifests are not supported by this Glue: set CreateNativeDeltaTable to true")


def check_path(path: str) -> None:
    if not re.fullmatch(r"s3://[^/]+(/.*)?", path):
        raise invalid(f"The path '{path}' is not s3://bucket/folder")


def check_configuration(text: str | None) -> None:
    if not text:
        return
    try:
        configuration = json.loads(text)
    except ValueError as error:
        raise invalid(f"Configuration is not JSON: {error}") from None
    if not isinstance(configuration, dict) or "Version" not in configuration:
        raise invalid('Configuration must be a JSON object with "Version": 1.0')
    check_part(configuration, CONFIGURATION, "Configuration")


def check_part(part, allowed, where: str) -> None:
    """A dict of what may be in it, or the values it may have."""
    if not isinstance(allowed, dict):
        if part not in allowed:
            raise invalid(f"{where} cannot be {json.dumps(part)} in this Glue")
        return
    if not isinstance(part, dict):
        raise invalid(f"{where} must be an object")
    for name, value in part.items():
        if name not in allowed:
            raise invalid(f"{where}.{name} is not supported by this Glue")
        check_part(value, allowed[name], f"{where}.{name}")


# --- the role ---------------------------------------------------------------------------------------------------------


def short_role(role: str) -> str:
    """GetCrawler answers the role's path and name, however it was given."""
    return role.partition(":role/")[2] or role


def check_role(context: RequestContext, role: str) -> None:
    """The role exists and trusts Glue. Raises InvalidInputException."""
    iam = connect_to(aws_access_key_id=context.account_id, region_name=context.region).iam
    try:
        found = iam.get_role(RoleName=role.rpartition("/")[2])["Role"]
    except ClientError:
        raise invalid(f"{CANNOT_ASSUME} (there is no role {role})") from None
    if not trusts_glue(found["AssumeRolePolicyDocument"]):
        raise invalid(f"{CANNOT_ASSUME} ({role} does not trust glue.amazonaws.com)")


def trusts_glue(policy: dict) -> bool:
    statements = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
    for statement in statements:
        principal = statement.get("Principal", {})
        services = principal if isinstance(principal, str) else principal.get("Service", principal.get("AWS", []))
        if statement["Effect"] == "Allow" and {"glue.amazonaws.com", "*"} & set(as_list(services)):
            return True
    return False


def as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
