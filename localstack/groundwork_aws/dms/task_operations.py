"""Replication tasks: the API, and what it takes for a task to be started, changed and followed.

https://docs.aws.amazon.com/dms/latest/APIReference/API_StartReplicationTask.html
https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.html

Full loads are carried out; the migration types ``cdc`` and ``full-load-and-cdc`` are refused. ``TaskData`` is kept and
described back. A task that could not load one of its tables ends in ``failed``, whatever the others did.
"""

import threading

from localstack.aws.api import CommonServiceException, RequestContext, handler

from groundwork_aws import settings as plugin_settings
from groundwork_aws.dms import endpoints, mappings, settings
from groundwork_aws.dms.common import (
    already_exists,
    check_identifier,
    filtered,
    invalid,
    make_arn,
    not_found,
    now,
    paged,
    require,
    store_of,
    tag,
    wrong_state,
)
from groundwork_aws.dms.endpoint_operations import (
    ConnectionFailed,
    find_endpoint,
    process_credentials,
    resolved_source,
)
from groundwork_aws.dms.instance import Replication
from groundwork_aws.dms.models import DmsStore, Task
from groundwork_aws.dms.task_states import begin, described, end, fail, table_changed, write_log

IDLE = ("ready", "stopped", "failed")
UNTESTED = (
    "Test connection for replication instance and endpoint should be successful for starting the replication task"
)
START_TYPES = ("start-replication", "resume-processing", "reload-target")


class TaskOperations:
    def __init__(self) -> None:
        self.replications: dict[str, Replication] = {}
        self.lock = threading.RLock()

    @handler("CreateReplicationTask", expand=False)
    def create_replication_task(self, context: RequestContext, request: dict) -> dict:
        require(
            request, "ReplicationTaskIdentifier", "SourceEndpointArn", "TargetEndpointArn", "ReplicationInstanceArn",
            "MigrationType", "TableMappings",
        )  # fmt: skip
        store, identifier = store_of(context), request["ReplicationTaskIdentifier"].lower()
        check_identifier("ReplicationTaskIdentifier", identifier)
        if any(t.description["ReplicationTaskIdentifier"] == identifier for t in store.tasks.values()):
            raise already_exists(f"Replication task {identifier} already exists.")
        check_parts(store, request)
        check_migration_type(request)
        check_mappings(request["TableMappings"])
        arn = make_arn(context, "task", request.get("ResourceIdentifier"))
        task = Task(
            {
                "ReplicationTaskIdentifier": identifier,
                "ReplicationTaskArn": arn,
                **{name: request[name] for name in (
                    "SourceEndpointArn", "TargetEndpointArn", "ReplicationInstanceArn", "MigrationType",
                    "TableMappings",
                )},
                **({"TaskData": request["TaskData"]} if request.get("TaskData") else {}),
                "Status": "ready",
                "ReplicationTaskCreationDate": now(),
            },
            merged_settings(request.get("ReplicationTaskSettings")),
        )  # fmt: skip
        store.tasks[arn] = task
        tag(store, arn, request.get("Tags"))
        return {"ReplicationTask": {**described(store, task), "Status": "creating"}}

    @handler("DescribeReplicationTasks", expand=False)
    def describe_replication_tasks(self, context: RequestContext, request: dict) -> dict:
        store = store_of(context)
        with self.lock:
            tasks = [described(store, task) for task in store.tasks.values()]
        keys = {
            "replication-task-arn": "ReplicationTaskArn",
            "replication-task-id": "ReplicationTaskIdentifier",
            "migration-type": "MigrationType",
            "replication-instance-arn": "ReplicationInstanceArn",
        }
        by_endpoint = [f for f in request.get("Filters") or [] if f["Name"] == "endpoint-arn"]
        for one in by_endpoint:
            tasks = [t for t in tasks if {t["SourceEndpointArn"], t["TargetEndpointArn"]} & set(one["Values"])]
        others = [f for f in request.get("Filters") or [] if f not in by_endpoint]
        tasks = filtered(tasks, {"Filters": others}, keys, "Tasks")
        if by_endpoint and not tasks:
            raise not_found("No Tasks found matching provided filters")
        if request.get("WithoutSettings"):
            for task in tasks:
                del task["ReplicationTaskSettings"], task["TableMappings"]
        return paged(tasks, request, "ReplicationTasks")

    @handler("ModifyReplicationTask", expand=False)
    def modify_replication_task(self, context: RequestContext, request: dict) -> dict:
        store = store_of(context)
        with self.lock:
            task = find_task(store, request["ReplicationTaskArn"])
            check_idle(task, "modified")
            if request.get("MigrationType", task.description["MigrationType"]) != task.description["MigrationType"]:
                raise invalid("MigrationType cannot be changed: make a new replication task")
            for name in ("CdcStartTime", "CdcStartPosition", "CdcStopPosition"):
                if request.get(name):
                    raise invalid(f"{name} is not supported here: only full loads are")
            if request.get("TableMappings"):
                check_mappings(request["TableMappings"])
            if request.get("ReplicationTaskSettings"):
                task.settings = merged_settings(request["ReplicationTaskSettings"], task.settings)
            if request.get("ReplicationTaskIdentifier"):
                check_identifier("ReplicationTaskIdentifier", request["ReplicationTaskIdentifier"])
                task.description["ReplicationTaskIdentifier"] = request["ReplicationTaskIdentifier"].lower()
            task.description |= {name: request[name] for name in ("TableMappings", "TaskData") if request.get(name)}
            return {"ReplicationTask": {**described(store, task), "Status": "modifying"}}

    @handler("DeleteReplicationTask", expand=False)
    def delete_replication_task(self, context: RequestContext, request: dict) -> dict:
        store = store_of(context)
        with self.lock:
            task = find_task(store, request["ReplicationTaskArn"])
            check_idle(task, "deleted")
            answer = described(store, task)
            del store.tasks[request["ReplicationTaskArn"]]
            store.tags.pop(request["ReplicationTaskArn"], None)
        return {"ReplicationTask": {**answer, "Status": "deleting"}}

    @handler("StartReplicationTask", expand=False)
    def start_replication_task(self, context: RequestContext, request: dict) -> dict:
        """CdcStartTime, CdcStartPosition and CdcStopPosition are refused: they belong to ongoing changes."""
        require(request, "ReplicationTaskArn", "StartReplicationTaskType")
        store, arn, how = store_of(context), request["ReplicationTaskArn"], request["StartReplicationTaskType"]
        with self.lock:
            task = find_task(store, arn)
            check_idle(task, "started")
            check_start(task, request)
            check_tested(store, task)
            resume = how == "resume-processing"
            begin(task, keep_completed=resume)
            answer = described(store, task)
            try:
                work = work_of(context, store, task)
            except ConnectionFailed as error:
                fail(task, str(error))
                return {"ReplicationTask": answer}
            log = plugin_settings.read().state_dir / "dms" / f"{arn.rpartition(':')[2]}.log"
            self.replications[arn] = Replication(work, log, lambda event: self._happened(context, task, event))
        return {"ReplicationTask": answer}

    @handler("StopReplicationTask", expand=False)
    def stop_replication_task(self, context: RequestContext, request: dict) -> dict:
        store, arn = store_of(context), request["ReplicationTaskArn"]
        with self.lock:
            task = find_task(store, arn)
            if task.description["Status"] not in ("starting", "running"):
                raise wrong_state(f"Replication Task {arn} is {task.description['Status']}: it cannot be stopped")
            task.description["Status"] = "stopping"
            self.replications[arn].stop()
            return {"ReplicationTask": described(store, task)}

    @handler("DescribeTableStatistics", expand=False)
    def describe_table_statistics(self, context: RequestContext, request: dict) -> dict:
        task = find_task(store_of(context), request["ReplicationTaskArn"])
        with self.lock:
            tables = [dict(table) for table in task.tables.values()]
        keys = {"schema-name": "SchemaName", "table-name": "TableName", "table-state": "TableState"}
        for one in request.get("Filters") or []:
            if one["Name"] not in keys:
                raise invalid(f"The filter {one['Name']} is not one of {', '.join(keys)}")
            tables = [table for table in tables if table[keys[one["Name"]]] in one["Values"]]
        page = paged(tables, request, "TableStatistics", most=500)
        return {"ReplicationTaskArn": request["ReplicationTaskArn"], **page}

    def _happened(self, context: RequestContext, task: Task, event: dict) -> None:
        """Take over what the replication process tells."""
        if "log" in event:
            if task.settings["Logging"]["EnableLogging"]:
                write_log(context, store_of(context), task, event)
            return
        with self.lock:
            if task.description["Status"] == "starting":
                task.description["Status"] = "running"
            if "table" in event:
                table_changed(task, event)
            elif event["end"] == "failed":
                fail(task, event["message"])
            else:
                finished = event["end"] == "finished"
                end(task, "stopped", f"Stop Reason {'FULL_LOAD_ONLY_FINISHED' if finished else 'NORMAL'}")
            if "end" in event:
                self.replications.pop(task.description["ReplicationTaskArn"], None)


# --- checks -----------------------------------------------------------------------------------------------------------


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
    if request["MigrationType"] != "full-load":
        raise invalid(f"MigrationType {request['MigrationType']} is not supported here: changes are not captured yet")
    for name in ("CdcStartTime", "CdcStartPosition", "CdcStopPosition"):
        if request.get(name):
            raise invalid(f"{name} is only for tasks that capture changes, not for full-load")


def check_mappings(document: str) -> None:
    try:
        mappings.parse(document)
    except mappings.MappingError as error:
        raise invalid(f"Invalid Table Mappings document. {error}") from None


def merged_settings(document: str | None, base: dict = settings.DEFAULTS) -> dict:
    try:
        return settings.merged(document, base)
    except settings.SettingsError as error:
        raise invalid(f"Invalid Task Settings JSON. {error}") from None


def check_start(task: Task, request: dict) -> None:
    how = request["StartReplicationTaskType"]
    if how not in START_TYPES:
        raise invalid(f"StartReplicationTaskType must be one of {', '.join(START_TYPES)}, not {how!r}")
    for name in ("CdcStartTime", "CdcStartPosition", "CdcStopPosition"):
        if request.get(name):
            raise invalid(f"{name} is only for tasks that capture changes, not for full-load")
    first = task.run == 0
    if first != (how == "start-replication"):
        when = "for the first time" if how == "start-replication" else "again, after a first start-replication"
        name = how.upper().replace("-", "_")
        raise CommonServiceException(
            "InvalidParameterCombinationException", f"Start Type : {name}, valid only for tasks running {when}"
        )


def check_tested(store: DmsStore, task: Task) -> None:
    instance = task.description["ReplicationInstanceArn"]
    for endpoint in (task.description["SourceEndpointArn"], task.description["TargetEndpointArn"]):
        if store.connections.get((instance, endpoint), {}).get("Status") != "successful":
            raise wrong_state(f"{UNTESTED}: {endpoint}")


# --- what the replication process is given ----------------------------------------------------------------------------


def work_of(context: RequestContext, store: DmsStore, task: Task) -> dict:
    """The task as the replication process takes it. Raises ConnectionFailed when the secret does not resolve."""
    target = store.endpoints[task.description["TargetEndpointArn"]].settings
    return {
        "source": resolved_source(context, store.endpoints[task.description["SourceEndpointArn"]]),
        "target": endpoints.target_of(target),
        "layout": endpoints.layout_of(target, task.started.isoformat()),
        "format": endpoints.format_of(target),
        "mappings": task.description["TableMappings"],
        "settings": task.settings,
        "done": [list(key) for key in task.tables],
        "aws": process_credentials(context, target["ServiceAccessRoleArn"]),
    }
