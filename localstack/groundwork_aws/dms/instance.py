"""The replication instance: keeps a server ready from which each task's process is forked, and follows that process.

Python, DuckDB, Arrow and boto3 take seconds to load on a small machine; the fork server has loaded them once, so that a
task starts in milliseconds. A task's process shares nothing else with LocalStack than a pipe.
"""

import multiprocessing
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import forkserver
from pathlib import Path
from threading import Thread

from groundwork_aws.dms import replication

processes = multiprocessing.get_context("forkserver")
# by name: in LocalStack's own process that module must change nothing
processes.set_forkserver_preload(["groundwork_aws.dms.preloaded", replication.__name__])


def make_ready() -> None:
    """Start the fork server, unless it runs. It ends with this process."""
    forkserver.ensure_running()


class Replication:
    """A running task. ``on_event`` gets each event of the process; the last one always has ``end``."""

    def __init__(self, task: dict, log: Path, on_event: Callable[[dict], None]):
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log, self.on_event = log, on_event
        self.pipe, theirs = processes.Pipe()
        self.process = processes.Process(target=replication.main, args=(theirs, task, str(log)), daemon=True)
        self.process.start()
        theirs.close()
        Thread(target=self._follow, daemon=True, name=f"dms-{self.process.pid}").start()

    def stop(self) -> None:
        """Ask the process to end after the rows at hand."""
        self._ask("stop")

    def reload(self, tables: list[tuple[str, str]]) -> None:
        """Ask the process to load tables again."""
        self._ask({"reload": tables})

    def _ask(self, request) -> None:
        with suppress(BrokenPipeError):  # it has ended: _follow says how
            self.pipe.send(request)

    def _follow(self) -> None:
        try:
            while "end" not in (event := self.pipe.recv()):
                self.on_event(event)
        except EOFError:
            event = self._broken()
        # what an answer to the last event starts must not meet this process any more
        self.process.join()
        self.pipe.close()
        self.on_event(event)

    def _broken(self) -> dict:
        self.process.join()
        last = self.log.read_text(errors="replace").strip().splitlines()[-1:]
        reason = f": {last[0]}" if last else ""
        return {
            "end": "failed",
            "crashed": True,
            "message": f"The replication process ended with code {self.process.exitcode}{reason}",
        }
