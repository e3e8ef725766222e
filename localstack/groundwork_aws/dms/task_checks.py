"""What a request about a replication task must fulfil, and the faults where it does not.

https://docs.aws.amazon.com/dms/latest/APIReference/API_StartReplicationTask.html
"""

from datetime import datetime

from localstack.aws.api import CommonServiceException

from groundwork_aws.dms import mappings, settings
from groundwork_aws.dms.checkpoint import as_lsn
from groundwork_aws.dms.common import invalid, not_found, wrong_state
from groundwork_aws.dms.endpoint_operations import find_endpoint
from groundwork_aws.dms.models import DmsStore, Task

IDLE = ("ready", "stopped", "failed")
UNTESTED = (
    "Test connection for replication instance and endpoint should be successful for starting the replication task"
)
START_TYPES = ("start-replication", "resume-processing", "reload-target")
POSITIONS = ("CdcStartTime", "CdcStartPosition", "CdcStopPosition")
MOST_TABLES_TO_RELOAD = 10


def combination(message: str) -> CommonServiceException:
    return CommonServiceException("InvalidParameterCombinationException", message)


def find_task(store: DmsStore, arn: str) -> Task:
    if arn not in store.tasks:
        raise not_found(f"Replication Task {arn} not found.")
    return store.tasks[arn]


def check_idle(task: Task, what: str) -> None:
    if task.description["Status"] not in IDLE:
        name, status = task.description["ReplicationTaskArn"], task.description["Status"]
        raise wrong_state(f"Replication Task {name} cannot be {what}: it is currently {status}")


def check_parts(store: DmsStore, request: dict) -> None:
    if request["ReplicationInstanceArn"] not in store.instances:
        raise not_found(f"Replication instance {request['ReplicationInstanceArn']} not found.")
    for kind in ("source", "target"):
        arn = request[f"{kind.capitalize()}EndpointArn"]
        found = find_endpoint(store, arn).description["EndpointType"]
        if found != kind:
            raise invalid(f"{arn} is a {found} endpoint, not a {kind} endpoint")


def check_migration_type(request: dict) -> None:
    if request["MigrationType"] not in ("full-load", "cdc", "full-load-and-cdc"):
        raise invalid(f"MigrationType must be full-load, cdc or full-load-and-cdc, not {request['MigrationType']!r}")
    check_positions(request["MigrationType"], request)


def check_positions(migration_type: str, request: dict) -> None:
    """Where a task begins and ends to capture changes.

    https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Task.CDC.html#CHAP_Task.CDC.StartPoint: PostgreSQL as a source
    has no start by time.
    """
    if request.get("CdcStartTime") and request.get("CdcStartPosition"):
        raise combination("CdcStartTime and CdcStartPosition cannot be given together")
    for name in POSITIONS:
        if request.get(name) and migration_type == "full-load":
            raise invalid(f"{name} is only for tasks that capture changes, not for full-load")
    if request.get("CdcStartTime"):
        raise invalid("CdcStartTime is not supported for PostgreSQL: give a CdcStartPosition")
    try:
        if request.get("CdcStartPosition"):
            as_lsn(request["CdcStartPosition"])
        if request.get("CdcStopPosition"):
            kind, _, moment = request["CdcStopPosition"].partition(":")
            if kind not in ("server_time", "commit_time"):
                raise ValueError
            datetime.fromisoformat(moment)
    except (ValueError, IndexError):
        raise invalid(
            "CdcStartPosition is an LSN (4AF/B00000D0) or a RecoveryCheckpoint; CdcStopPosition is "
            "server_time:2026-02-09T12:12:12 or commit_time:2026-02-09T12:12:12"
        ) from None


def check_capture(migration_type: str, source: dict, target: dict) -> None:
    """What the endpoints ask for and change capture does not do."""
    if migration_type == "full-load":
        return
    if source["SlotName"] and migration_type != "cdc":
        raise invalid("SlotName is for cdc tasks only: one that loads, too, makes its own replication slot")
    if target["PreserveTransactions"] or target["CdcPath"]:
        raise invalid("PreserveTransactions and CdcPath are not supported here: they write CSV files")


def check_mappings(document: str, migration_type: str) -> None:
    try:
        rules = mappings.parse(document)
    except mappings.MappingError as error:
        raise invalid(f"Invalid Table Mappings document. {error}") from None
    if migration_type == "full-load":
        return
    for rule in rules.selections:
        if rule.table_type != "table":
            raise invalid(f"Invalid Table Mappings document. rule {rule.rule_id}: views are for full-load tasks only")


def merged_settings(document: str | None, base: dict = settings.DEFAULTS) -> dict:
    try:
        return settings.merged(document, base)
    except settings.SettingsError as error:
        raise invalid(f"Invalid Task Settings JSON. {error}") from None


def check_start(task: Task, request: dict, slot: str | None) -> None:
    """``slot`` is the source endpoint's SlotName."""
    how = request["StartReplicationTaskType"]
    if how not in START_TYPES:
        raise invalid(f"StartReplicationTaskType must be one of {', '.join(START_TYPES)}, not {how!r}")
    check_positions(task.description["MigrationType"], request)
    first = task.run == 0
    from_position = task.description["MigrationType"] == "cdc" and request.get("CdcStartPosition")
    if first != (how == "start-replication") and not (from_position and how == "start-replication"):
        when = "for the first time" if how == "start-replication" else "again, after a first start-replication"
        name = how.upper().replace("-", "_")
        raise combination(f"Start Type : {name}, valid only for tasks running {when}")
    if first and request.get("CdcStartPosition") and not slot:
        raise combination("CdcStartPosition needs a SlotName in the source endpoint, or a task that has run before")
    if slot and how != "resume-processing" and not request.get("CdcStartPosition"):
        raise combination(f"The source endpoint's SlotName {slot} needs a CdcStartPosition to start from")


def check_tested(store: DmsStore, task: Task) -> None:
    instance = task.description["ReplicationInstanceArn"]
    for endpoint in (task.description["SourceEndpointArn"], task.description["TargetEndpointArn"]):
        if store.connections.get((instance, endpoint), {}).get("Status") != "successful":
            raise wrong_state(f"{UNTESTED}: {endpoint}")


def check_reload(task: Task, request: dict) -> list[tuple[str, str]]:
    """The tables that ReloadTables names."""
    arn, wanted = request["ReplicationTaskArn"], request.get("TablesToReload") or []
    tables = [(table["SchemaName"], table["TableName"]) for table in wanted]
    if request.get("ReloadOption", "data-reload") != "data-reload":
        raise invalid("ReloadOption validate-only is not supported here: validation is not done")
    if task.description["MigrationType"] != "full-load-and-cdc":
        raise wrong_state(f"Replication Task {arn} does not load tables and capture changes: reload-target loads again")
    if task.description["Status"] != "running":
        raise wrong_state(f"Replication Task {arn} is {task.description['Status']}: tables are reloaded while it runs")
    if not 0 < len(tables) <= MOST_TABLES_TO_RELOAD or len(set(tables)) < len(tables):
        raise wrong_state(f"From 1 to {MOST_TABLES_TO_RELOAD} tables can be reloaded at once, each of them once")
    for table in tables:
        if table not in task.tables:
            raise wrong_state(f"The table {'.'.join(table)} is not part of the replication task {arn}")
    return tables
