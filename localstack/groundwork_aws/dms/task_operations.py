"""Replication tasks: the API, and what it takes for a task to be started, changed and followed.

https://docs.aws.amazon.com/dms/latest/APIReference/API_StartReplicationTask.html
https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.html

``TaskData`` is kept and described back. A full load that could not load one of its tables ends in ``failed``, whatever
the others did; a task that captures changes goes on without the table, whose state says so.
"""

import logging
import threading
from pathlib import Path

import psycopg
from localstack.aws.api import RequestContext, handler

from groundwork_aws import settings as plugin_settings
from groundwork_aws.dms import endpoints
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
from groundwork_aws.dms.endpoint_operations import ConnectionFailed, process_credentials, resolved_source
from groundwork_aws.dms.instance import Replication
from groundwork_aws.dms.models import DmsStore, Task
from groundwork_aws.dms.postgres import Source
from groundwork_aws.dms.slot import remove_from
from groundwork_aws.dms.task_checks import (
    check_capture,
    check_idle,
    check_mappings,
    check_migration_type,
    check_parts,
    check_positions,
    check_reload,
    check_start,
    check_tested,
    find_task,
    merged_settings,
)
from groundwork_aws.dms.task_states import (
    begin,
    changed,
    described,
    end,
    fail,
    moved,
    table_changed,
    write_latency,
    write_log,
)

LOG = logging.getLogger(__name__)
# Named like the start of the API's parameters, and kept in the task's description.
POSITIONS = ("CdcStartPosition", "CdcStopPosition")


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
        capture = (store.endpoints[request[f"{kind}EndpointArn"]].settings for kind in ("Source", "Target"))
        check_capture(request["MigrationType"], *capture)
        arn = make_arn(context, "task", request.get("ResourceIdentifier"))
        task = Task(
            {
                "ReplicationTaskIdentifier": identifier,
                "ReplicationTaskArn": arn,
                **{name: request[name] for name in (
                    "SourceEndpointArn", "TargetEndpointArn", "ReplicationInstanceArn", "MigrationType",
                    "TableMappings",
                )},
                **{name: request[name] for name in ("TaskData", *POSITIONS) if request.get(name)},
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
            check_positions(task.description["MigrationType"], request)
            if request.get("TableMappings"):
                check_mappings(request["TableMappings"])
            if request.get("ReplicationTaskSettings"):
                task.settings = merged_settings(request["ReplicationTaskSettings"], task.settings)
            if request.get("ReplicationTaskIdentifier"):
                check_identifier("ReplicationTaskIdentifier", request["ReplicationTaskIdentifier"])
                task.description["ReplicationTaskIdentifier"] = request["ReplicationTaskIdentifier"].lower()
            changeable = ("TableMappings", "TaskData", *POSITIONS)
            task.description |= {name: request[name] for name in changeable if request.get(name)}
            return {"ReplicationTask": {**described(store, task), "Status": "modifying"}}

    @handler("DeleteReplicationTask", expand=False)
    def delete_replication_task(self, context: RequestContext, request: dict) -> dict:
        store = store_of(context)
        with self.lock:
            task = find_task(store, request["ReplicationTaskArn"])
            check_idle(task, "deleted")
            answer = described(store, task)
            self._clean_up(context, store, task)
            del store.tasks[request["ReplicationTaskArn"]]
            store.tags.pop(request["ReplicationTaskArn"], None)
        return {"ReplicationTask": {**answer, "Status": "deleting"}}

    @handler("StartReplicationTask", expand=False)
    def start_replication_task(self, context: RequestContext, request: dict) -> dict:
        require(request, "ReplicationTaskArn", "StartReplicationTaskType")
        store, arn, how = store_of(context), request["ReplicationTaskArn"], request["StartReplicationTaskType"]
        with self.lock:
            task = find_task(store, arn)
            check_idle(task, "started")
            positions = {name: task.description.get(name) for name in POSITIONS}
            positions |= {name: request[name] for name in POSITIONS if request.get(name)}
            check_start(task, {**positions, **request})
            check_tested(store, task)
            resume = how == "resume-processing" or (task.run > 0 and how == "start-replication")
            begin(task, keep_completed=resume)
            task.description |= {name: value for name, value in positions.items() if value}
            answer = described(store, task)
            try:
                work = work_of(context, store, task, fresh=not resume)
            except ConnectionFailed as error:
                fail(task, str(error))
                return {"ReplicationTask": answer}
            self.replications[arn] = Replication(
                work, state_file(task, ".log"), lambda event: self._happened(context, task, event)
            )
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

    @handler("ReloadTables", expand=False)
    def reload_tables(self, context: RequestContext, request: dict) -> dict:
        """Only for a task that loads and captures changes, as only that one knows what is newer than the load."""
        store, arn = store_of(context), request["ReplicationTaskArn"]
        with self.lock:
            task = find_task(store, arn)
            tables = check_reload(task, request)
            for table in tables:
                task.tables[table] |= {"TableState": "Table is being reloaded", "FullLoadReloaded": True}
            self.replications[arn].reload(tables)
        return {"ReplicationTaskArn": arn}

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
        if "latency" in event:
            write_latency(context, store_of(context), task, event["latency"])
            return
        with self.lock:
            if task.description["Status"] == "starting":
                task.description["Status"] = "running"
            if "table" in event:
                table_changed(task, event)
            if "position" in event:
                moved(task, event["position"])
                changed(task, event.get("changes", []))
            if "end" in event:
                if event["end"] == "failed":
                    fail(task, event["message"])
                else:
                    end(task, "stopped", f"Stop Reason {event['reason']}")
                self.replications.pop(task.description["ReplicationTaskArn"], None)

    def _clean_up(self, context: RequestContext, store: DmsStore, task: Task) -> None:
        """Take away what the task made at its source. Where that fails, FailTaskWhenCleanTaskResourceFailed decides."""
        if task.description["MigrationType"] == "full-load" or not task.run:
            return
        endpoint = store.endpoints[task.description["SourceEndpointArn"]]
        heartbeat = endpoints.heartbeat_of(endpoint.settings)
        try:
            source = Source(**resolved_source(context, endpoint))
            remove_from(source, slot_name(task), heartbeat and heartbeat["schema"])
        except (ConnectionFailed, psycopg.Error) as error:
            if task.settings["FailTaskWhenCleanTaskResourceFailed"]:
                raise wrong_state(f"The task's resources at the source could not be removed: {error}") from None
            LOG.warning("the slot %s stays at the source and keeps its WAL: %s", slot_name(task), error)
        state_file(task, ".json").unlink(missing_ok=True)


# --- what the replication process is given ----------------------------------------------------------------------------


def state_file(task: Task, suffix: str) -> Path:
    name = task.description["ReplicationTaskArn"].rpartition(":")[2]
    return plugin_settings.read().state_dir / "dms" / f"{name}{suffix}"


def slot_name(task: Task) -> str:
    """Of lower-case letters, digits and underscores, as PostgreSQL asks for."""
    return "awsdms_" + task.description["ReplicationTaskArn"].rpartition(":")[2].lower().replace("-", "_")


def work_of(context: RequestContext, store: DmsStore, task: Task, fresh: bool) -> dict:
    """The task as the replication process takes it. Raises ConnectionFailed when the secret does not resolve."""
    source = store.endpoints[task.description["SourceEndpointArn"]]
    target = store.endpoints[task.description["TargetEndpointArn"]].settings
    return {
        "type": task.description["MigrationType"],
        "fresh": fresh,
        "slot": slot_name(task),
        "checkpoint": str(state_file(task, ".json")),
        "start_position": task.description.get("CdcStartPosition"),
        "stop_position": task.description.get("CdcStopPosition"),
        "changes": endpoints.changes_of(target),
        "heartbeat": endpoints.heartbeat_of(source.settings),
        "source": resolved_source(context, source),
        "target": endpoints.target_of(target),
        "layout": endpoints.layout_of(target, task.started.isoformat()),
        "format": endpoints.format_of(target),
        "mappings": task.description["TableMappings"],
        "settings": task.settings,
        "done": [list(key) for key in task.tables],
        "aws": process_credentials(context, target["ServiceAccessRoleArn"]),
    }
