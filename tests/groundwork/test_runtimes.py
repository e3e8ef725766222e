"""Which runtime is taken, and what is said where none can be."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from groundwork.local import doctor, runtimes
from groundwork.local.runtimes import containers, processes
from groundwork.local.services import Service
from groundwork.settings import UserError
from groundwork.settings import settings as read_settings
from tests.isolation import groundwork, isolated_environment


@pytest.fixture
def environment(tmp_path):
    return isolated_environment(tmp_path, runtime=containers.NAME)


@pytest.fixture
def no_docker(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def nothing_up(monkeypatch, tmp_path):
    """No platform of this machine's user is seen: one of another name, with ports of its own."""
    for name, value in isolated_environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("RUNTIME")
    read_settings.cache_clear()
    yield read_settings()
    read_settings.cache_clear()


@pytest.mark.parametrize("arguments", [["up"], ["status"], ["down"], ["logs", "localstack"]], ids=lambda a: a[0])
def test_no_docker_command_is_said_with_what_does_without(environment, tmp_path, arguments):
    done = groundwork({**environment, "PATH": str(tmp_path)}, *arguments)
    assert done.returncode == 1
    assert "there is no docker command" in done.stderr
    assert "RUNTIME=processes" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not shutil.which("docker"), reason="there is no docker command")
def test_an_engine_that_does_not_answer_is_said(environment, tmp_path):
    done = groundwork({**environment, "DOCKER_HOST": f"unix://{tmp_path}/nobody.sock"}, "up")
    assert done.returncode == 1
    assert "no Docker engine answers" in done.stderr
    assert "RUNTIME=processes" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0 or bool(containers.engine_problem()), reason="needs root and an engine")
def test_a_user_without_permission_is_told_of_the_group(environment, tmp_path):
    """The real command and the real socket, as a user who may not open it."""
    command = Path(tmp_path) / "docker"
    command.write_text(f'#!/bin/sh\nexec setpriv --reuid=65534 --clear-groups {shutil.which("docker")} "$@"\n')
    command.chmod(0o755)
    done = groundwork({**environment, "PATH": f"{tmp_path}:{os.environ['PATH']}"}, "up")
    assert done.returncode == 1
    assert "group docker" in done.stderr
    assert "RUNTIME=processes" in done.stderr


def test_an_engine_with_too_little_memory_is_refused_with_what_is_needed():
    check = doctor.check_engine_memory(1.9)
    assert check.level == "FAIL"
    assert f"1.9 GiB, {doctor.NEEDED_ENGINE_MEMORY_GIB} are needed" in check.text
    assert "RUNTIME=processes" in check.remedy
    assert doctor.check_engine_memory(doctor.NEEDED_ENGINE_MEMORY_GIB).level == "OK"


def test_a_runtime_that_is_none_is_named(environment):
    done = groundwork({**environment, "RUNTIME": "podman"}, "up")
    assert done.returncode == 1
    assert "RUNTIME=podman" in done.stderr
    assert "processes, docker" in done.stderr


def test_the_demo_takes_processes(nothing_up):
    assert runtimes.to_start(nothing_up, prefer_containers=False)[0] is processes


def test_up_without_an_engine_takes_processes_and_says_why(nothing_up, no_docker):
    runtime, reason = runtimes.to_start(nothing_up, prefer_containers=True)
    assert runtime is processes
    assert "no docker command" in reason


@pytest.mark.skipif(bool(containers.engine_problem()), reason="no Docker engine answers")
def test_up_with_an_engine_takes_containers_and_says_how_to_do_without(nothing_up):
    runtime, reason = runtimes.to_start(nothing_up, prefer_containers=True)
    assert runtime is containers
    assert "RUNTIME=processes" in reason


def test_what_is_up_is_used_and_another_runtime_beside_it_is_refused(nothing_up, monkeypatch):
    monkeypatch.setattr(processes, "is_running", lambda _: True)
    assert runtimes.to_start(nothing_up, prefer_containers=True)[0] is processes
    assert runtimes.current(nothing_up) is processes
    monkeypatch.setenv("RUNTIME", containers.NAME)
    with pytest.raises(UserError, match="make local-down RUNTIME=processes"):
        runtimes.to_start(nothing_up, prefer_containers=True)


def test_what_a_killed_service_has_left_ends_before_it_is_started_again(nothing_up, tmp_path):
    settings = replace(nothing_up, state=tmp_path)
    born = tmp_path / "born"
    born.touch()
    service = Service("shop", ["sh", "-c", f"sleep 1000 & echo $$ $! >> {born}; wait"], port=0)
    processes.write_configuration(settings, [service])
    processes.start_supervisor(settings)
    try:
        processes.start(settings, service)
        parent, child = families(born, 1)[0]
        wait_until(lambda: processes.supervised_processes(settings)["shop"]["statename"] == "RUNNING")
        os.kill(parent, signal.SIGKILL)
        _, next_child = families(born, 2)[1]
        wait_until(lambda: not lives(child))
        assert lives(next_child)
        assert f"ended what shop (process {parent}) has left" in (settings.logs / "reaper.log").read_text()
    finally:
        processes.down(settings)
    assert not lives(next_child)


def families(born: Path, count: int) -> list[list[int]]:
    """Parent and child of each start so far, once there are so many."""
    wait_until(lambda: len(born.read_text().splitlines()) >= count)
    return [[int(process) for process in line.split()] for line in born.read_text().splitlines()]


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline, "not so after a minute"
        time.sleep(0.05)


def lives(process: int) -> bool:
    """A zombie, which nobody has waited for yet, does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True).stdout
    return bool(state) and not state.startswith("Z")
