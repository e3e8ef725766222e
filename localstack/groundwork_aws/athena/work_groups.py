"""Workgroups: where results go, what a query may scan, and whether the client has a say in it.

Recorded and described back without effect here: PublishCloudWatchMetricsEnabled, RequesterPaysEnabled, ExecutionRole.
https://docs.aws.amazon.com/athena/latest/APIReference/API_WorkGroupConfiguration.html
"""

import re
from datetime import UTC, datetime

from localstack.aws.api import RequestContext, handler

from groundwork_aws.athena.models import AthenaStore
from groundwork_aws.athena.requests import (
    PRIMARY,
    InvalidRequestException,
    arn,
    find_work_group,
    page,
    required,
    store_of,
)

ENGINE = "Athena engine version 3"
SELECTABLE = ("AUTO", ENGINE)
MINIMUM_CUTOFF = 10_000_000
RECORDED = {"PublishCloudWatchMetricsEnabled", "RequesterPaysEnabled", "ExecutionRole", "AdditionalConfiguration"}
HONOURED = {"ResultConfiguration", "EnforceWorkGroupConfiguration", "BytesScannedCutoffPerQuery", "EngineVersion"}
DEFAULTS = {
    "EnforceWorkGroupConfiguration": True,
    "PublishCloudWatchMetricsEnabled": False,
    "RequesterPaysEnabled": False,
}


class WorkGroups:
    @handler("CreateWorkGroup", expand=False)
    def create_work_group(self, context: RequestContext, request: dict) -> dict:
        required(request, "Name")
        store, name = store_of(context), request["Name"]
        if not re.fullmatch(r"[a-zA-Z0-9._-]{1,128}", name):
            raise InvalidRequestException(f"Invalid WorkGroup name {name}")
        if name in store.work_groups:
            raise InvalidRequestException("WorkGroup is already created")
        configuration = {**DEFAULTS, **(request.get("Configuration") or {})}
        store.work_groups[name] = work_group(name, checked(configuration), request.get("Description"))
        store.tags.tag_resource(arn(context, "workgroup", name), request.get("Tags") or [])
        return {}

    @handler("GetWorkGroup", expand=False)
    def get_work_group(self, context: RequestContext, request: dict) -> dict:
        required(request, "WorkGroup")
        return {"WorkGroup": find_work_group(store_of(context), request["WorkGroup"])}

    @handler("ListWorkGroups", expand=False)
    def list_work_groups(self, context: RequestContext, request: dict) -> dict:
        groups = sorted(store_of(context).work_groups.values(), key=lambda g: g["Name"])
        shown, more = page([summary(g) for g in groups], request)
        return {"WorkGroups": shown, **more}

    @handler("UpdateWorkGroup", expand=False)
    def update_work_group(self, context: RequestContext, request: dict) -> dict:
        required(request, "WorkGroup")
        group = find_work_group(store_of(context), request["WorkGroup"])
        if request.get("State") not in (None, "ENABLED", "DISABLED"):
            raise InvalidRequestException(f"Invalid WorkGroup state {request['State']}")
        configuration = updated(group["Configuration"], request.get("ConfigurationUpdates") or {})
        group["Configuration"] = checked(configuration)
        group.update({k: request[k] for k in ("State", "Description") if k in request})
        return {}

    @handler("DeleteWorkGroup", expand=False)
    def delete_work_group(self, context: RequestContext, request: dict) -> dict:
        required(request, "WorkGroup")
        store, name = store_of(context), request["WorkGroup"]
        find_work_group(store, name)
        if name == PRIMARY:
            raise InvalidRequestException("The primary WorkGroup cannot be deleted")
        if contents(store, name) and not request.get("RecursiveDeleteOption"):
            raise InvalidRequestException(f"WorkGroup {name} is not empty")
        for queries in (store.named_queries, store.prepared_statements, store.executions):
            for key in [k for k, query in queries.items() if group_of(query) == name]:
                del queries[key]
        store.tags.del_resource(arn(context, "workgroup", name))
        del store.work_groups[name]
        return {}

    @handler("ListEngineVersions", expand=False)
    def list_engine_versions(self, context: RequestContext, request: dict) -> dict:
        versions = [{"SelectedEngineVersion": name, "EffectiveEngineVersion": ENGINE} for name in SELECTABLE]
        shown, more = page(versions, request, default=10)
        return {"EngineVersions": shown, **more}

    # --- tags ---

    @handler("TagResource", expand=False)
    def tag_resource(self, context: RequestContext, request: dict) -> dict:
        self.check_arn(context, request)
        store_of(context).tags.tag_resource(request["ResourceARN"], request["Tags"])
        return {}

    @handler("UntagResource", expand=False)
    def untag_resource(self, context: RequestContext, request: dict) -> dict:
        self.check_arn(context, request)
        store_of(context).tags.untag_resource(request["ResourceARN"], request["TagKeys"])
        return {}

    @handler("ListTagsForResource", expand=False)
    def list_tags_for_resource(self, context: RequestContext, request: dict) -> dict:
        self.check_arn(context, request)
        tags = store_of(context).tags.list_tags_for_resource(request["ResourceARN"])["Tags"]
        shown, more = page(tags, request, default=75)
        return {"Tags": shown, **more}

    def check_arn(self, context: RequestContext, request: dict) -> None:
        required(request, "ResourceARN")
        name = request["ResourceARN"].rpartition("workgroup/")[2]
        if request["ResourceARN"] != arn(context, "workgroup", name):
            raise InvalidRequestException(f"Invalid resource ARN {request['ResourceARN']}")
        find_work_group(store_of(context), name)


def primary() -> dict:
    """The workgroup that every account has; its settings do not override the client's."""
    return work_group(PRIMARY, checked({**DEFAULTS, "EnforceWorkGroupConfiguration": False}), None)


def work_group(name: str, configuration: dict, description: str | None) -> dict:
    described = {"Description": description} if description is not None else {}
    now = datetime.now(UTC)
    return {"Name": name, "State": "ENABLED", "Configuration": configuration, "CreationTime": now, **described}


def summary(group: dict) -> dict:
    shown = {k: group[k] for k in ("Name", "State", "Description", "CreationTime") if k in group}
    return {**shown, "EngineVersion": group["Configuration"]["EngineVersion"]}


def checked(configuration: dict) -> dict:
    """The configuration with its engine version filled in. Raises InvalidRequestException for what is not honoured."""
    unknown = set(configuration) - HONOURED - RECORDED
    if unknown:
        raise InvalidRequestException(f"{', '.join(sorted(unknown))} is not supported here")
    cutoff = configuration.get("BytesScannedCutoffPerQuery")
    if cutoff is not None and cutoff < MINIMUM_CUTOFF:
        raise InvalidRequestException(f"BytesScannedCutoffPerQuery must be at least {MINIMUM_CUTOFF}")
    check_result_configuration(configuration.get("ResultConfiguration") or {})
    selected = (configuration.get("EngineVersion") or {}).get("SelectedEngineVersion", "AUTO")
    if selected not in SELECTABLE:
        raise InvalidRequestException(f"Invalid engine version {selected}")
    return {**configuration, "EngineVersion": {"SelectedEngineVersion": selected, "EffectiveEngineVersion": ENGINE}}


def check_result_configuration(results: dict) -> None:
    location = results.get("OutputLocation")
    if location is not None and not re.match(r"s3://[^/]+", location):
        raise InvalidRequestException("outputLocation is not a valid S3 path.", "INVALID_INPUT")
    encryption = results.get("EncryptionConfiguration") or {}
    option = encryption.get("EncryptionOption")
    if option not in (None, "SSE_S3", "SSE_KMS"):
        raise InvalidRequestException(f"EncryptionOption {option} is not supported here: use SSE_S3 or SSE_KMS")
    if option == "SSE_KMS" and not encryption.get("KmsKey"):
        raise InvalidRequestException("KmsKey is required for SSE_KMS")


def updated(configuration: dict, updates: dict) -> dict:
    """https://docs.aws.amazon.com/athena/latest/APIReference/API_WorkGroupConfigurationUpdates.html"""
    updates = dict(updates)
    result = dict(configuration)
    if updates.pop("RemoveBytesScannedCutoffPerQuery", False):
        result.pop("BytesScannedCutoffPerQuery", None)
    changes = dict(updates.pop("ResultConfigurationUpdates", None) or {})
    results = dict(result.get("ResultConfiguration") or {})
    for name in ("OutputLocation", "EncryptionConfiguration", "ExpectedBucketOwner", "AclConfiguration"):
        if changes.pop(f"Remove{name}", False):
            results.pop(name, None)
    results.update(changes)
    if results:
        result["ResultConfiguration"] = results
    else:
        result.pop("ResultConfiguration", None)
    return {**result, **updates}


def contents(store: AthenaStore, name: str) -> bool:
    saved = [*store.named_queries.values(), *store.prepared_statements.values()]
    return any(group_of(query) == name for query in saved)


def group_of(query) -> str:
    description = query if isinstance(query, dict) else query.description
    return description.get("WorkGroup") or description.get("WorkGroupName")
