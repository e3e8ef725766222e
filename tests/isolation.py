"""A platform of its own for a test: another state folder with the same installation, and ports nobody else uses."""

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

from groundwork.install import STATE
from groundwork.services import free_port
from groundwork.settings import Ports


def isolated_environment(folder: Path) -> dict[str, str]:
    for installed in ("venvs", "java", "jars", "postgres"):
        (folder / installed).symlink_to(STATE / installed)
    ports = {f"GROUNDWORK_PORT_{field.name.upper()}": str(free_port()) for field in fields(Ports)}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**kept, **ports, "GROUNDWORK_STATE_DIR": str(folder)}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "groundwork.cli", *arguments]


def groundwork(environment: dict[str, str], *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess:
    return subprocess.run(command(*arguments), env=environment, capture_output=True, text=True, timeout=timeout)
