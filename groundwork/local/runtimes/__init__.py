"""The ways to run the platform's services on this machine. Everything above them is the same.

Each is a module with ``NAME``, ``is_running``, ``up``, ``down``, ``reset``,
``status``, ``log_command`` and ``ports``.
"""

import os
from types import ModuleType

from groundwork.local.runtimes import containers, processes
from groundwork.settings import Settings, UserError

RUNTIMES = {runtime.NAME: runtime for runtime in (processes, containers)}


def current(settings: Settings) -> ModuleType:
    """The runtime that RUNTIME names, else the one that is up, else processes."""
    return named() or running(settings) or processes


def to_start(settings: Settings, prefer_containers: bool) -> tuple[ModuleType, str]:
    """The runtime to bring up, and why. Raises UserError where RUNTIME asks for one while the other is up."""
    asked, up = named(), running(settings)
    if asked and up and asked is not up:
        raise UserError(
            f"the platform is up on RUNTIME={up.NAME}, and RUNTIME={asked.NAME} asks for another beside it: "
            f"`make local-down RUNTIME={up.NAME}` first"
        )
    if asked:
        return asked, "RUNTIME says so"
    if up:
        return up, "the platform is up on it already"
    if not prefer_containers:
        return processes, f"the quickest way to a result; RUNTIME={containers.NAME} takes containers"
    if problem := containers.engine_problem():
        return processes, f"{problem.text}; with an engine it would be containers"
    return containers, f"a Docker engine answers; RUNTIME={processes.NAME} does without"


def named() -> ModuleType | None:
    name = os.environ.get("RUNTIME")
    if name and name not in RUNTIMES:
        raise UserError(f"there is no RUNTIME={name}: give one of {', '.join(RUNTIMES)}")
    return RUNTIMES[name] if name else None


def running(settings: Settings) -> ModuleType | None:
    return next((runtime for runtime in RUNTIMES.values() if runtime.is_running(settings)), None)
