"""Bringing up a platform of its own: interrupted where it hurts, finished by the next try, a no-op after that."""

import os
import resource
import signal
import subprocess
import time

import pytest

from groundwork.local.runtimes import processes
from groundwork.local.services import port_is_open
from tests.isolation import command, groundwork, isolated_environment

NO_OP_SECONDS = 10  # of the processor, which waits for nobody else's work


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
    deadline = time.monotonic() + 600
    while not is_time() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process.poll() is None, process.stdout.read().decode()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def test_up_that_was_killed_is_finished_by_the_next_and_the_one_after_changes_nothing(environment, tmp_path):
    kill_when(environment, lambda: (tmp_path / "source.new").exists())
    kill_when(environment, lambda: port_is_open(int(environment["GROUNDWORK_PORT_INSTANCE_CONTROLLER"])))

    finished = groundwork(environment, "up", timeout=1200)
    assert finished.returncode == 0, finished.stderr
    assert groundwork(environment, "status").returncode == 0

    before = processor_seconds()
    again = groundwork(environment, "up")
    assert again.returncode == 0, again.stderr
    assert "stacks are as the templates say" in again.stderr
    assert "already" in again.stderr
    assert processor_seconds() - before < NO_OP_SECONDS

    assert groundwork(environment, "down").returncode == 0
    deadline = time.monotonic() + 60
    while left := subprocess.run(["pgrep", "-af", str(tmp_path)], capture_output=True, text=True).stdout:
        assert time.monotonic() < deadline, f"processes of the platform are left:\n{left}"
        time.sleep(0.1)


def processor_seconds() -> float:
    """That the commands have taken, without what they have left running."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
