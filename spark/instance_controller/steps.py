"""The steps of this node: started as processes, watched, cancelled, and remembered across the controller's restarts.

A step's folder holds its ``controller``, ``syslog``, ``stderr`` and ``stdout`` and its ``step.json``, which is what
the API answers: ``state`` is RUNNING, COMPLETED, FAILED or CANCELLED, times are seconds since the epoch.
"""

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from instance_controller import failure, logs

PROCESS = Path(__file__).with_name("process.py")
TAIL = 256 * 1024  # bytes of a log's end, where the exception is
LOST = "The instance controller ended while the step ran, and with it the step's process."


@dataclass
class Request:
    """What to run: ``script`` is an S3 URI to be fetched and run by bash in place of a command of ``args``."""

    args: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    log_uri: str | None = None
    script: str | None = None


@dataclass
class Step:
    cluster: str
    id: str
    state: str = "RUNNING"
    started: float = field(default_factory=time.time)
    ended: float | None = None
    exit_code: int | None = None
    failure: dict[str, str] | None = None


class Steps:
    """All steps under one folder. Every method may be called from any thread."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._lock = threading.Lock()
        self._steps: dict[tuple[str, str], Step] = {}
        self._processes: dict[tuple[str, str], subprocess.Popen] = {}
        self._cancelled: set[tuple[str, str]] = set()
        self._watchers: list[threading.Thread] = []
        self._recall()

    def _recall(self) -> None:
        """Read what an earlier controller left; what it left running has died with it."""
        for file in self.folder.glob("*/*/step.json"):
            step = Step(**json.loads(file.read_text()))
            self._steps[step.cluster, step.id] = step
            if step.state == "RUNNING":
                step.state, step.ended, step.failure = (
                    "FAILED",
                    time.time(),
                    {"Reason": failure.UNKNOWN, "Message": LOST},
                )
                self._save(step)

    def submit(self, cluster: str, id: str, request: Request) -> Step:
        """Start a step. Asked again for the same one it answers how that is doing, so a caller may repeat itself."""
        with self._lock:
            known = self._steps.get((cluster, id))
            if known:
                return known
            step = self._steps[cluster, id] = Step(cluster, id)
            self.step_folder(step).mkdir(parents=True, exist_ok=True)
            for name in logs.NAMES:
                (self.step_folder(step) / name).touch()
            self._save(step)
            watcher = threading.Thread(target=self._run, args=(step, request), name=f"step {id}")
            self._watchers = [w for w in self._watchers if w.is_alive()] + [watcher]
            watcher.start()
        return step

    def get(self, cluster: str, id: str) -> Step | None:
        return self._steps.get((cluster, id))

    def step_folder(self, step: Step) -> Path:
        return self.folder / step.cluster / step.id

    def cancel(self, step: Step, signal_name: str) -> None:
        """Send the signal to a running step, which then ends as CANCELLED."""
        key = (step.cluster, step.id)
        with self._lock:
            if step.state != "RUNNING":
                return
            self._cancelled.add(key)
            process = self._processes.get(key)
            if process:
                self._signal(process, signal_name)

    def end_all(self) -> None:
        """Kill what runs and wait until it is recorded."""
        with self._lock:
            for process in self._processes.values():
                self._signal(process, "SIGKILL")
            watchers = list(self._watchers)
        for watcher in watchers:
            watcher.join(timeout=5)

    # --- one step's life, in a thread of its own ---

    def _run(self, step: Step, request: Request) -> None:
        self._log(step, f"startExec {json.dumps(request.args)}")
        try:
            command = self._command(step, request)
        except (BotoCoreError, ClientError) as error:
            (self.step_folder(step) / "stderr").write_text(f"{request.script}: {error}\n")
            exit_code = 1
        else:
            exit_code = self._execute(step, request, command)
        self._log(step, f"waitProcessCompletion ended with exit code {exit_code}")
        ending = self._ending(step, exit_code)
        self._log(step, f"Step {ending['state']} {json.dumps(ending['failure'] or {})}")
        if request.log_uri:
            self._upload(step, request.log_uri)
        with self._lock:
            step.exit_code, step.ended = exit_code, time.time()
            step.failure, step.state = ending["failure"], ending["state"]
            self._save(step)

    def _command(self, step: Step, request: Request) -> list[str]:
        if not request.script:
            return request.args
        target = self.step_folder(step) / "script"
        bucket, _, key = request.script.removeprefix("s3://").partition("/")
        boto3.client("s3").download_file(bucket, key, str(target))
        return ["bash", str(target), *request.args]

    def _execute(self, step: Step, request: Request, command: list[str]) -> int:
        folder, key = self.step_folder(step), (step.cluster, step.id)
        tools = [Path(os.environ["SPARK_HOME"]) / "bin", Path(sys.executable).parent]
        environment = {
            **os.environ,
            "PATH": os.pathsep.join([*map(str, tools), os.environ["PATH"]]),
            "GROUNDWORK_STEP_SYSLOG": str(folder / "syslog"),
            **request.environment,
        }
        environment.pop("GROUNDWORK_INSTANCE_CONTROLLER_TOKEN")
        with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-I", PROCESS, *command], cwd=folder, env=environment,
                stdin=subprocess.PIPE, stdout=stdout, stderr=stderr, text=True, start_new_session=True,
            )  # fmt: skip
        with self._lock:
            self._processes[key] = process
            if key in self._cancelled:  # while its script was fetched
                self._signal(process, "SIGKILL")
        exit_code = process.wait()
        with self._lock:
            del self._processes[key]
            process.stdin.close()
        return exit_code if exit_code >= 0 else 128 - exit_code

    def _ending(self, step: Step, exit_code: int) -> dict:
        if (step.cluster, step.id) in self._cancelled:
            return {"state": "CANCELLED", "failure": None}
        if exit_code == 0:
            return {"state": "COMPLETED", "failure": None}
        outputs = {name: tail(self.step_folder(step) / name) for name in ("stderr", "stdout")}
        return {"state": "FAILED", "failure": failure.explain(exit_code, outputs)}

    def _upload(self, step: Step, log_uri: str) -> None:
        # A step that did its work does not fail for want of a place for its logs.
        try:
            logs.upload(self.step_folder(step), log_uri, step.cluster, step.id)
        except (BotoCoreError, ClientError) as error:
            self._log(step, f"the logs could not be put to {log_uri}: {error}")
            print(
                f"{step.cluster} {step.id}: the logs could not be put to {log_uri}: {error}",
                file=sys.stderr,
                flush=True,
            )

    def _signal(self, process: subprocess.Popen, name: str) -> None:
        try:
            process.stdin.write(name + "\n")
            process.stdin.flush()
        except (BrokenPipeError, ValueError):  # it has just ended by itself
            pass

    def _log(self, step: Step, text: str) -> None:
        with (self.step_folder(step) / "controller").open("a") as file:
            file.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ} INFO {text}\n")

    def _save(self, step: Step) -> None:
        file = self.step_folder(step) / "step.json"
        unfinished = file.with_suffix(".new")
        unfinished.write_text(json.dumps(asdict(step)))
        unfinished.replace(file)


def tail(file: Path) -> str:
    with file.open("rb") as content:
        content.seek(max(0, content.seek(0, os.SEEK_END) - TAIL))
        return content.read().decode(errors="replace")
