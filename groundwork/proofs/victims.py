"""What may be killed: every service of the runtime in use, and what some of them start, which has no service's name."""

import os
import signal
import subprocess
from dataclasses import dataclass

from groundwork.local import runtimes
from groundwork.local.runtimes import containers, processes
from groundwork.settings import Settings


@dataclass(frozen=True)
class Victim:
    """A service, or with a ``depth`` what it started: at 1 its children, at 2 theirs."""

    name: str
    service: str
    depth: int = 0


STARTED_BY_SERVICES = (
    Victim("replication process", "localstack", 2),
    Victim("driver of a step", "instance-controller", 2),
    Victim("executor of a step", "spark-worker", 1),
    Victim("task of a run", "airflow-scheduler", 2),
    Victim("session of the source", "source", 1),
)


def victims(settings: Settings) -> list[Victim]:
    """Of containers the services only: what runs inside one is not this machine's to kill."""
    if runtimes.current(settings) is containers:
        return [Victim(c.name, c.name) for c in containers.containers(settings) if c.state == "running"]
    services = [Victim(service["name"], service["name"]) for service in processes.status(settings)]
    return [*services, *STARTED_BY_SERVICES]


def kill(settings: Settings, victim: Victim) -> bool:
    """SIGKILL to one process. False where there is none of that kind at this moment."""
    if runtimes.current(settings) is containers:
        return kill_container(settings, victim)
    service = processes.supervised_processes(settings).get(victim.service, {}).get("pid")
    found = descendants(service, victim.depth) if service else []
    try:
        os.kill(found[-1], signal.SIGKILL)
    except (IndexError, ProcessLookupError):
        return False
    return True


def kill_container(settings: Settings, victim: Victim) -> bool:
    found = [c for c in containers.containers(settings) if c.name == victim.service and c.state == "running"]
    for container in found:
        containers.docker(["kill", container.id])
    return bool(found)


def descendants(process: int, depth: int) -> list[int]:
    """The processes that are so many generations below this one, in the order of their ids."""
    listed = subprocess.run(["ps", "-Ao", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = [tuple(map(int, line.split())) for line in listed.splitlines()]
    found = {process}
    for _ in range(depth):
        found = {child for child, parent in parents if parent in found}
    return sorted(found)
