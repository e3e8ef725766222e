"""Replication tasks: the API, and what it takes for a task to be started, changed and followed.

https://docs.aws.amazon.com/dms/latest/APIReference/API_StartReplicationTask.html
https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.html

``TaskData`` is kept and described back. A full load that could not load one of its tables ends in ``failed``, whatever
the others did; a task that captures changes goes on without the table, whose state says so.
"""

import logging

import psycopg
from localstack.aws.api import RequestContext, handler

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
from groundwork_aws.dms.endpoint_operations import ConnectionFailed, resolved_source
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
from groundwork_aws.dms.task_processes import TaskProcesses, slot_name, state_file, users_slot
from groundwork_aws.dms.task_states import (
    begin,
    described,
    end,
)

LOG = logging.getLogger(__name__)
# Named like the start of the API's parameters, and kept in the task's description.
POSITIONS = ("CdcStartPosition", "CdcStopPosition")


class TaskOperations(TaskProcesses):
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
        check_mappings(request["TableMappings"], request["MigrationType"])
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
                check_mappings(request["TableMappings"], task.description["MigrationType"])
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
            if how == "resume-processing":
                positions["CdcStartPosition"] = None  # it was that of an earlier start
            positions |= {name: request[name] for name in POSITIONS if request.get(name)}
            check_start(task, {**positions, **request}, users_slot(store, task))
            check_tested(store, task)
            resume = how == "resume-processing" or (task.run > 0 and how == "start-replication")
            begin(task, keep_completed=resume)
            task.description |= {name: value for name, value in positions.items() if value}
            answer = described(store, task)
            self._launch(context, task, fresh=not resume)
        return {"ReplicationTask": answer}

    @handler("StopReplicationTask", expand=False)
    def stop_replication_task(self, context: RequestContext, request: dict) -> dict:
        store, arn = store_of(context), request["ReplicationTaskArn"]
        with self.lock:
            task = find_task(store, arn)
            if task.description["Status"] not in ("starting", "running"):
                raise wrong_state(f"Replication Task {arn} is {task.description['Status']}: it cannot be stopped")
            if arn in self.replications:
                task.description["Status"] = "stopping"
                self.replications[arn].stop()
            else:  # its process was lost, and would have been started again
                end(task, "stopped", "Stop Reason NORMAL")
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
            LOG.warning("the slot %s stays at the source until another task is started: %s", slot_name(task), error)
        else:
            state_file(task, ".json").unlink(missing_ok=True)
