"""The platform, and one run of the pipeline on it: what the README's first command does, on either runtime."""

import os
import subprocess

import pytest

from groundwork import aws
from groundwork.install import ROOT
from groundwork.local import runtimes
from groundwork.local.runtimes import containers
from groundwork.settings import settings as read_settings


@pytest.fixture(scope="session")
def settings():
    aws.connect()
    return read_settings()


@pytest.fixture(scope="session", autouse=True)
def runtime(settings):
    """The runtime of this session, the same for every command that a test calls."""
    chosen, reason = runtimes.to_start(settings, prefer_containers=True)
    print(f"runtime: {chosen.NAME} ({reason})")
    os.environ["RUNTIME"] = chosen.NAME
    return chosen


@pytest.fixture
def engine(runtime):
    """Containers are tried in the session that runs on them: there an engine answers."""
    if runtime is not containers:
        pytest.skip("of containers")


@pytest.fixture(scope="session")
def demo(runtime) -> str:
    """What `make demo` prints. It brings up what is not up, and runs the pipeline."""
    done = subprocess.run(["make", "demo"], cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=1800)
    assert done.returncode == 0, "its progress is on stderr"
    return done.stdout
