"""The platform, and one run of the pipeline on it: what the README's first command does."""

import subprocess

import pytest

from groundwork import aws
from groundwork.install import ROOT
from groundwork.settings import settings as read_settings


@pytest.fixture(scope="session")
def settings():
    aws.use_local_endpoint()
    return read_settings()


@pytest.fixture(scope="session")
def demo(settings) -> str:
    """What `make demo` prints. It brings up what is not up, and runs the pipeline."""
    done = subprocess.run(["make", "demo"], cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=1800)
    assert done.returncode == 0, "its progress is on stderr"
    return done.stdout
