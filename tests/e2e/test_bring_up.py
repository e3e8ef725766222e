"""Bringing up a platform of its own: interrupted where it hurts, finished by the next try, a no-op after that."""

import os
import signal
import subprocess
import time

import pytest

from groundwork.local.runtimes import processes
from groundwork.local.services import port_is_open
from tests.isolation import command, groundwork, isolated_environment

NO_OP_SECONDS = 10


@pytest.fixture
def environment(runtime, tmp_path):
    if runtime is not processes:
        pytest.skip("of processes; test_containers.py interrupts containers")
    environment = {**isolated_environment(tmp_path), "SCALE": "0.01", "OLIST_CSV_DIR": ""}
    yield environment
    groundwork(environment, "down")


def kill_when(environment, is_time) -> None:
    """Begin to bring the platform up, and end the command without warning when it is time."""
    process = subprocess.Popen(command("up"), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 180
    while not is_time() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process.poll() is None, process.stdout.read().decode()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def test_up_that_was_killed_is_finished_by_the_next_and_the_one_after_changes_nothing(environment, tmp_path):
    kill_when(environment, lambda: (tmp_path / "source.new").exists())
    kill_when(environment, lambda: port_is_open(int(environment["GROUNDWORK_PORT_INSTANCE_CONTROLLER"])))

    finished = groundwork(environment, "up", timeout=300)
    assert finished.returncode == 0, finished.stderr
    assert groundwork(environment, "status").returncode == 0

    started = time.monotonic()
    again = groundwork(environment, "up")
    assert again.returncode == 0, again.stderr
    assert "stacks are as the templates say" in again.stderr
    assert "already" in again.stderr
    assert time.monotonic() - started < NO_OP_SECONDS

    assert groundwork(environment, "down").returncode == 0
    left = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True)
    assert left.stdout == "", "processes of the platform are left"
