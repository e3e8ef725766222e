"""Lives a cluster: provisions it, starts its steps, watches them, and ends it. One thread per cluster."""

import logging
import threading
import time

from groundwork_aws.emr import release
from groundwork_aws.emr.cluster import Cluster, Step
from groundwork_aws.emr.controller import InstanceController, Unreachable

LOG = logging.getLogger(__name__)
POLL = 0.25  # seconds, while something is under way
IDLE_POLL = 1.0  # seconds, while the cluster waits for steps
PATIENCE = 20.0  # seconds without an answer after which the instance counts as lost: supervisors restart in less
PROVISIONING_PATIENCE = 30.0  # a controller or a worker that has died is back by then
ENDING_PATIENCE = 30.0  # seconds that a killed step may take to upload its logs
SIGNALS = {"SEND_INTERRUPT": "SIGINT", "TERMINATE_PROCESS": "SIGKILL"}
SCRIPT_RUNNER = "script-runner.jar"
# The report on a step that the controller should know and does not.
LOST = {
    "state": "FAILED",
    "failure": {
        "Reason": "Unknown Error",
        "Message": "The instance controller has lost the step: its state folder was removed.",
    },
}


class Runner:
    def __init__(self, cluster: Cluster, controller: InstanceController):
        self.cluster, self.controller = cluster, controller
        self._submitted: set[str] = set()
        self._cancelled: set[str] = set()

    def start(self) -> None:
        threading.Thread(target=self.run, name=f"emr {self.cluster.id}", daemon=True).start()

    def run(self) -> None:
        try:
            # A cluster from before a restart of LocalStack goes on where it was.
            if self.cluster.state != "STARTING" or self.provision():
                self.work()
        except Exception as error:
            LOG.exception("cluster %s", self.cluster.id)
            self.terminate("INTERNAL_ERROR", f"{type(error).__name__}: {error}")
        finally:
            self.end()

    def terminate(self, code: str, message: str) -> None:
        with self.cluster.changed:
            self.cluster.terminate(code, message)
            self.cluster.changed.notify_all()

    def provision(self) -> bool:
        """Wait for the controller and a Spark worker; False when they do not come or are of another release."""
        deadline = time.monotonic() + PROVISIONING_PATIENCE
        while True:
            try:
                health = self.controller.health()
                if health["spark_workers"]:
                    break
                problem = f"No Spark worker has registered with the master beside {self.controller.url}."
            except Unreachable as error:
                problem = str(error)
            if time.monotonic() > deadline or self.cluster.state == "TERMINATING":
                self.terminate("INSTANCE_FAILURE", problem)
                return False
            time.sleep(POLL)
        with self.cluster.changed:
            try:
                release.check(self.cluster.request, health)
            except release.Refused as error:
                self.cluster.terminate("VALIDATION_ERROR", str(error))
            if self.cluster.state == "TERMINATING":
                return False
            self.cluster.applications = release.applications(self.cluster.request, health)
            self.cluster.move("BOOTSTRAPPING")
        return True

    def work(self) -> None:
        """Until the cluster is to end. Calls to the controller are made without the lock, so the API stays quick."""
        cluster, heard = self.cluster, time.monotonic()
        while True:
            with cluster.changed:
                cluster.settle(time.monotonic())
                if cluster.state == "TERMINATING":
                    return
                for step in cluster.startable():
                    step.move("RUNNING")
                running = cluster.running()
            try:
                self.attend(running)
                heard = time.monotonic()
            except Unreachable as error:
                if time.monotonic() - heard > PATIENCE:
                    self.terminate("INSTANCE_FAILURE", str(error))
                    return
            with cluster.changed:
                cluster.settle(time.monotonic())
                if cluster.state != "TERMINATING" and not cluster.startable():
                    cluster.changed.wait(POLL if cluster.running() else IDLE_POLL)

    def attend(self, steps: list[Step]) -> None:
        """Start what is not started, pass on cancellations, and take in what has ended. Raises Unreachable."""
        for step in steps:
            report = self.ask(step)
            if report["state"] != "RUNNING":
                self.take_in(step, report)
            elif step.state == "CANCEL_PENDING" and step.id not in self._cancelled:
                self.controller.cancel(self.cluster.id, step.id, SIGNALS[step.cancel_option])
                self._cancelled.add(step.id)

    def ask(self, step: Step) -> dict:
        if step.id in self._submitted:
            return self.controller.step(self.cluster.id, step.id) or LOST
        report = self.controller.submit(self.cluster.id, step.id, self.command(step))
        self._submitted.add(step.id)
        return report

    def take_in(self, step: Step, report: dict) -> None:
        with self.cluster.changed:
            if report["state"] == "FAILED":
                self.cluster.fail(step, failure_details(self.log_uri(step), report["failure"]))
            else:
                step.move(report["state"])
            self.cluster.changed.notify_all()

    def command(self, step: Step) -> dict:
        """What the controller runs for a step."""
        jar, arguments = step.config["HadoopJarStep"]["Jar"], list(step.config["HadoopJarStep"].get("Args", []))
        configurations = self.cluster.request.get("Configurations", [])
        request = {"environment": release.environment(configurations), "log_uri": self.cluster.request.get("LogUri")}
        if jar.endswith(SCRIPT_RUNNER):
            return {**request, "script": arguments[0], "args": arguments[1:]}
        if arguments[0] == "spark-submit":
            arguments[1:1] = release.spark_arguments(configurations)
        return {**request, "args": arguments}

    def log_uri(self, step: Step) -> str | None:
        base = self.cluster.request.get("LogUri")
        return f"{base.rstrip('/')}/{self.cluster.id}/steps/{step.id}/" if base else None

    def end(self) -> None:
        """Kill what runs, wait until its logs are up, and close the cluster."""
        deadline = time.monotonic() + ENDING_PATIENCE
        try:
            for step in self.cluster.running():
                self.controller.cancel(self.cluster.id, step.id, "SIGKILL")
            while any(self.still_runs(step) for step in self.cluster.running()) and time.monotonic() < deadline:
                time.sleep(POLL)
        except Unreachable as error:
            LOG.warning("cluster %s ends without its controller: %s", self.cluster.id, error)
        with self.cluster.changed:
            self.cluster.end()
            self.cluster.changed.notify_all()

    def still_runs(self, step: Step) -> bool:
        report = self.controller.step(self.cluster.id, step.id)
        return report is not None and report["state"] == "RUNNING"


def failure_details(log_uri: str | None, failure: dict) -> dict:
    details = {"Reason": failure["Reason"], "Message": failure["Message"]}
    has_log = log_uri and "Log" in failure  # one that was lost with its controller has none
    return {**details, "LogFile": f"{log_uri}{failure['Log']}.gz"} if has_log else details
