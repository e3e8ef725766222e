"""The replication instance: starts the process that carries out a task, and follows what it tells.

Engines import nothing of LocalStack: the process is a plain Python program with the task on its standard input.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path


class Replication:
    """A running task. ``on_event`` gets each event of the process; the last one always has ``end``."""

    def __init__(self, task: dict, log: Path, on_event: Callable[[dict], None]):
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log, self.on_event = log, on_event
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "groundwork_aws.dms.replication"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True,
            )  # fmt: skip
        self._tell(json.dumps(task))
        threading.Thread(target=self._follow, daemon=True, name=f"dms-{self.process.pid}").start()

    def stop(self) -> None:
        """Ask the process to end after the rows at hand."""
        self._tell("stop")

    def _tell(self, line: str) -> None:
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended: _follow says how

    def _follow(self) -> None:
        ended = False
        for line in self.process.stdout:
            event = json.loads(line)
            ended = ended or "end" in event
            self.on_event(event)
        code = self.process.wait()
        self.process.stdin.close()
        if not ended:
            last = self.log.read_text(errors="replace").strip().splitlines()[-1:]
            reason = f": {last[0]}" if last else ""
            self.on_event({"end": "failed", "message": f"The replication process ended with code {code}{reason}"})
