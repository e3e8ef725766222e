"""A platform of its own for a test: another state folder and Compose project, and ports nobody else uses."""

import os
import subprocess
import sys
import uuid
from dataclasses import fields
from pathlib import Path

from groundwork.install import INSTALLED
from groundwork.local.services import free_port
from groundwork.settings import Ports


def isolated_environment(folder: Path, runtime: str = "processes") -> dict[str, str]:
    ports = {f"GROUNDWORK_PORT_{field.name.upper()}": str(free_port()) for field in fields(Ports)}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    project = f"groundwork-test-{uuid.uuid4().hex[:8]}"
    folders = {"GROUNDWORK_STATE_DIR": str(folder), "GROUNDWORK_INSTALL_DIR": str(INSTALLED)}
    return {**kept, **ports, **folders, "COMPOSE_PROJECT_NAME": project, "RUNTIME": runtime}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "groundwork.cli", *arguments]


def groundwork(environment: dict[str, str], *arguments: str, timeout: float = 600) -> subprocess.CompletedProcess:
    return subprocess.run(command(*arguments), env=environment, capture_output=True, text=True, timeout=timeout)
