"""A cluster and its steps: their states, and what follows from what.

Nothing here talks to anybody: ``runner`` brings in what the instance controller reports and carries out what is decided
here. https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-overview.html#emr-overview-cluster-lifecycle
"""

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

CLUSTER_MOVES = {
    "STARTING": {"BOOTSTRAPPING", "TERMINATING"},
    "BOOTSTRAPPING": {"RUNNING", "WAITING", "TERMINATING"},
    "RUNNING": {"WAITING", "TERMINATING"},
    "WAITING": {"RUNNING", "TERMINATING"},
    "TERMINATING": {"TERMINATED", "TERMINATED_WITH_ERRORS"},
    "TERMINATED": set(),
    "TERMINATED_WITH_ERRORS": set(),
}
STEP_MOVES = {
    "PENDING": {"RUNNING", "CANCELLED"},
    "RUNNING": {"COMPLETED", "FAILED", "CANCEL_PENDING", "CANCELLED"},
    "CANCEL_PENDING": {"COMPLETED", "FAILED", "CANCELLED"},
    "COMPLETED": set(),
    "FAILED": set(),
    "CANCELLED": set(),
}
TAKES_STEPS = {"STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"}
ENDED = {"TERMINATED", "TERMINATED_WITH_ERRORS"}
ENDS_CLUSTER = {"TERMINATE_CLUSTER", "TERMINATE_JOB_FLOW"}
# What a cluster ends as, by why it ends; by a fault it is TERMINATED_WITH_ERRORS.
ENDS_WELL = {"ALL_STEPS_COMPLETED", "USER_REQUEST"}


@dataclass
class Step:
    """``config`` is the StepConfig as it was submitted; ``failure`` FailureDetails as the API shows them."""

    id: str
    config: dict
    state: str = "PENDING"
    failure: dict | None = None
    timeline: dict[str, datetime] = field(default_factory=lambda: {"CreationDateTime": datetime.now(UTC)})
    cancel_option: str = "SEND_INTERRUPT"

    @property
    def is_running(self) -> bool:
        return self.state in ("RUNNING", "CANCEL_PENDING")

    @property
    def has_ended(self) -> bool:
        return not STEP_MOVES[self.state]

    def move(self, state: str) -> None:
        if state not in STEP_MOVES[self.state]:
            raise ValueError(f"a step does not go from {self.state} to {state}")
        self.state = state
        if state == "RUNNING":
            self.timeline["StartDateTime"] = datetime.now(UTC)
        elif self.has_ended:
            self.timeline["EndDateTime"] = datetime.now(UTC)


@dataclass
class Cluster:
    """``request`` is RunJobFlow's. Whoever reads or changes anything holds ``changed``, and notifies it of a change."""

    id: str
    arn: str
    request: dict
    keep_alive: bool
    termination_protected: bool
    concurrency: int
    tags: dict[str, str]
    idle_timeout: int | None = None
    managed_scaling: dict | None = None
    applications: dict[str, str] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    state: str = "STARTING"
    reason: dict[str, str] = field(default_factory=dict)
    timeline: dict[str, datetime] = field(default_factory=lambda: {"CreationDateTime": datetime.now(UTC)})
    idle_since: float = field(default_factory=time.monotonic)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def move(self, state: str) -> None:
        if state not in CLUSTER_MOVES[self.state]:
            raise ValueError(f"a cluster does not go from {self.state} to {state}")
        self.state = state
        if state in ("RUNNING", "WAITING"):
            self.timeline.setdefault("ReadyDateTime", datetime.now(UTC))
        if state == "WAITING":
            self.idle_since = time.monotonic()
        if state in ENDED:
            self.timeline["EndDateTime"] = datetime.now(UTC)

    def running(self) -> list[Step]:
        return [step for step in self.steps if step.is_running]

    def pending(self) -> list[Step]:
        return [step for step in self.steps if step.state == "PENDING"]

    def startable(self) -> list[Step]:
        """The steps that may start now: in the order of their submission, as many as run side by side."""
        free = self.concurrency - len(self.running())
        return self.pending()[: max(free, 0)] if self.state in ("RUNNING", "WAITING") else []

    def fail(self, step: Step, failure: dict) -> None:
        """Record a step's failure and do what its ActionOnFailure asks for."""
        step.failure = failure
        step.move("FAILED")
        action = step.config["ActionOnFailure"]
        if self.concurrency > 1 or action == "CONTINUE":
            return
        for other in self.pending():
            other.move("CANCELLED")
        # Termination protection turns TERMINATE_CLUSTER into CANCEL_AND_WAIT.
        if action in ENDS_CLUSTER and not self.termination_protected:
            self.terminate("STEP_FAILURE", "Shut down as step failed")

    def terminate(self, code: str, message: str) -> None:
        if self.state in TAKES_STEPS:
            self.reason = {"Code": code, "Message": message}
            self.move("TERMINATING")

    def settle(self, now: float) -> None:
        """Go where the steps and the time (of ``time.monotonic``) lead."""
        if self.state not in ("BOOTSTRAPPING", "RUNNING", "WAITING"):
            return
        if self.running() or self.pending():
            if self.state != "RUNNING":
                self.move("RUNNING")
        elif not self.keep_alive:
            failed = any(step.state == "FAILED" for step in self.steps)
            self.terminate("ALL_STEPS_COMPLETED", "Steps completed with errors" if failed else "Steps completed")
        elif self.state != "WAITING":
            self.move("WAITING")
        elif self.idle_timeout is not None and now - self.idle_since >= self.idle_timeout:
            self.terminate("ALL_STEPS_COMPLETED", f"Auto-terminated after {self.idle_timeout} seconds without steps")

    def end(self) -> None:
        """The last move, once nothing of it runs any more."""
        for step in self.steps:
            if not step.has_ended:
                step.move("CANCELLED")
        self.move("TERMINATED" if self.reason["Code"] in ENDS_WELL else "TERMINATED_WITH_ERRORS")
