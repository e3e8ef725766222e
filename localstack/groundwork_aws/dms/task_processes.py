"""The processes of replication tasks, as the API sees them: what each is given, what it tells, and when it is lost.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TaskSettings.ErrorHandling.html
"""

import logging
import threading
from pathlib import Path
from threading import Thread, Timer

from localstack.aws.api import RequestContext
from localstack.runtime.events import infra_ready

from groundwork_aws import settings as plugin_settings
from groundwork_aws.dms import endpoints
from groundwork_aws.dms.common import store_of
from groundwork_aws.dms.endpoint_operations import ConnectionFailed, process_credentials, resolved_source
from groundwork_aws.dms.instance import Replication
from groundwork_aws.dms.models import DmsStore, Task, dms_stores
from groundwork_aws.dms.slot import slot_of
from groundwork_aws.dms.task_checks import IDLE
from groundwork_aws.dms.task_states import changed, end, fail, moved, table_changed, write_latency, write_log

LOG = logging.getLogger(__name__)
MOST_CRASHES = 9


class TaskProcesses:
    def __init__(self) -> None:
        self.replications: dict[str, Replication] = {}
        self.lock = threading.RLock()

    def _launch(self, context: RequestContext, task: Task, fresh: bool) -> None:
        """Start the task's process, or fail the task."""
        try:
            work = work_of(context, store_of(context), task, fresh)
        except ConnectionFailed as error:
            fail(task, str(error))
            return
        arn, log = task.description["ReplicationTaskArn"], state_file(task, ".log")
        self.replications[arn] = Replication(work, log, lambda event: self._happened(context, task, event))

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
                task.crashes = 0 if event.get("changes") else task.crashes
            if "end" in event:
                self.replications.pop(task.description["ReplicationTaskArn"], None)
                if event.get("crashed") and self._recovers(context, task, event["message"]):
                    return
                if event["end"] == "failed":
                    fail(task, event["message"])
                else:
                    end(task, "stopped", f"Stop Reason {event['reason']}")

    # --- processes that are lost ---

    def on_after_state_load(self) -> None:
        """LocalStack was started anew, without the processes: change capture goes on from its checkpoint."""
        for account, region, store in dms_stores.iter_stores():
            for task in store.tasks.values():
                if task.description["Status"] not in IDLE:
                    context = RequestContext(None)
                    context.account_id, context.region = account, region
                    Thread(target=self._take_up, args=(context, task), daemon=True).start()

    def _take_up(self, context: RequestContext, task: Task) -> None:
        infra_ready.wait()  # by then the other services have their state, too
        with self.lock:
            if task.description["Status"] == "stopping":
                end(task, "stopped", "Stop Reason NORMAL")
            elif task.description["MigrationType"] == "full-load":
                fail(task, "LocalStack was restarted while the task ran: resume it.")
            else:
                self._launch(context, task, fresh=False)

    def _recovers(self, context: RequestContext, task: Task, message: str) -> bool:
        """Have a process that captured changes and was killed started again, later each time it makes no progress."""
        behavior, status = task.settings["ErrorBehavior"], task.description["Status"]
        limit = MOST_CRASHES if behavior["RecoverableErrorCount"] < 0 else behavior["RecoverableErrorCount"]
        if task.description["MigrationType"] == "full-load" or status == "stopping" or task.crashes >= limit:
            return False
        pause = min(behavior["RecoverableErrorInterval"] * 2**task.crashes, behavior["RecoverableErrorThrottlingMax"])
        task.crashes += 1
        LOG.warning("%s. It is started again in %d s", message, pause)
        run = task.run

        def again() -> None:
            with self.lock:
                if task.run == run and task.description["Status"] in ("starting", "running"):
                    self._launch(context, task, fresh=False)

        timer = Timer(pause, again)
        timer.daemon = True
        timer.start()
        return True


def state_file(task: Task, suffix: str) -> Path:
    name = task.description["ReplicationTaskArn"].rpartition(":")[2]
    return plugin_settings.read().state_dir / "dms" / f"{name}{suffix}"


def slot_name(task: Task) -> str:
    return slot_of(task.description["ReplicationTaskArn"].rpartition(":")[2])


def users_slot(store: DmsStore, task: Task) -> str | None:
    """The slot that the source endpoint names. Only a task that loads nothing reads it."""
    source = store.endpoints[task.description["SourceEndpointArn"]]
    return source.settings["SlotName"] if task.description["MigrationType"] == "cdc" else None


def checkpoints_of_lost_tasks() -> list[str]:
    """The checkpoints that are here and whose slot no task has, in whatever account and region."""
    slots = {slot_name(task) for _, _, store in dms_stores.iter_stores() for task in list(store.tasks.values())}
    found = sorted((plugin_settings.read().state_dir / "dms").glob("*.json"))
    return [str(path) for path in found if slot_of(path.stem) not in slots]


def work_of(context: RequestContext, store: DmsStore, task: Task, fresh: bool) -> dict:
    """The task as the replication process takes it. Raises ConnectionFailed when the secret does not resolve."""
    source = store.endpoints[task.description["SourceEndpointArn"]]
    target = store.endpoints[task.description["TargetEndpointArn"]].settings
    return {
        "type": task.description["MigrationType"],
        "fresh": fresh,
        "slot": users_slot(store, task) or slot_name(task),
        "users_slot": users_slot(store, task) is not None,
        "run": task.run,
        "checkpoint": str(state_file(task, ".json")),
        "orphans": checkpoints_of_lost_tasks(),
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
