"""The containers runtime where something goes wrong, on projects of its own beside the platform."""

import os
import signal
import socket
import subprocess
import time
import uuid
from pathlib import Path

import pytest

from groundwork.install import ROOT
from groundwork.local.runtimes import containers
from tests.isolation import command, groundwork, isolated_environment

COMPOSE = Path(__file__).parent / "compose"
pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture
def project(tmp_path):
    """What makes a Compose project of this test's own, and removes it."""

    def environment(*files: Path) -> dict[str, str]:
        chosen.update(COMPOSE_FILE=":".join(map(str, files)))
        return chosen

    chosen = {
        **isolated_environment(tmp_path, runtime=containers.NAME),
        "TOKEN": uuid.uuid4().hex,
        "OLIST_CSV_DIR": "",
        "SCALE": "0.01",
    }
    yield environment
    if "COMPOSE_FILE" in chosen:
        subprocess.run(["docker", "compose", "down", "--volumes", "--timeout", "1"], cwd=ROOT, env=chosen, check=True)


def ids(environment: dict[str, str]) -> set[str]:
    return set(compose(environment, "ps", "--all", "--quiet").split())


def compose(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        ["docker", "compose", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def interrupt(environment: dict[str, str], arguments: list[str], is_time) -> None:
    """Begin with a command and interrupt it, as Ctrl-C does with all of its processes, when it is time."""
    process = subprocess.Popen(
        command(*arguments), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    deadline = time.monotonic() + 600
    while not is_time():
        assert process.poll() is None, process.stdout.read().decode()
        assert time.monotonic() < deadline, "it was never time"
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    process.wait(timeout=300)
    process.stdout.close()


def seconds_from_now(seconds: float):
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def test_a_taken_port_stops_up_before_anything_starts(project):
    environment = project(ROOT / "docker-compose.yml")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = groundwork({**environment, "GROUNDWORK_PORT_AIRFLOW": port}, "up")
    assert done.returncode == 1
    assert f"port {port}" in done.stderr
    assert "GROUNDWORK_PORT_AIRFLOW=" in done.stderr
    assert ids(environment) == set()


def test_a_service_that_never_becomes_healthy_is_named_with_its_last_log_lines(project):
    environment = project(ROOT / "docker-compose.yml", COMPOSE / "never_healthy.yml")
    done = groundwork(environment, "up", timeout=1200)
    assert done.returncode == 1
    assert "source does not come up" in done.stderr
    assert "ready to accept connections" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_interrupted_build_is_finished_by_the_next_try(project):
    environment = project(COMPOSE / "slow_build" / "docker-compose.yml")
    interrupt(environment, ["up"], seconds_from_now(6))
    assert ids(environment) == set()
    done = groundwork(environment, "up")
    assert done.returncode == 0, done.stderr
    (container,) = ids(environment)
    token = subprocess.run(["docker", "exec", container, "cat", "/token"], capture_output=True, text=True).stdout
    assert token.strip() == environment["TOKEN"]


def test_up_interrupted_half_way_is_finished_by_the_next_try(project):
    environment = project(COMPOSE / "slow_down" / "docker-compose.yml")
    interrupt(environment, ["up"], lambda: ids(environment))
    done = groundwork(environment, "up")
    assert done.returncode == 0, done.stderr
    assert len(ids(environment)) == 2


def test_up_twice_leaves_what_is_up_alone(project):
    environment = project(COMPOSE / "slow_down" / "docker-compose.yml")
    assert groundwork(environment, "up").returncode == 0
    before = ids(environment)
    assert groundwork(environment, "up").returncode == 0
    assert ids(environment) == before


def test_down_interrupted_half_way_is_finished_by_the_next_try(project):
    environment = project(COMPOSE / "slow_down" / "docker-compose.yml")
    assert groundwork(environment, "up").returncode == 0
    interrupt(environment, ["down"], lambda: len(ids(environment)) < 2)
    assert len(ids(environment)) == 1
    assert groundwork(environment, "down").returncode == 0
    assert ids(environment) == set()
    assert "nothing was running" in groundwork(environment, "down").stderr


def test_down_keeps_the_data_and_reset_removes_it(project):
    environment = project(COMPOSE / "slow_down" / "docker-compose.yml")

    def up_with(what: str) -> str:
        assert groundwork(environment, "up").returncode == 0
        return compose(environment, "exec", "-T", "one", "sh", "-c", what).strip()

    up_with("echo kept > /data/file")
    assert groundwork(environment, "down").returncode == 0
    assert up_with("cat /data/file") == "kept"
    assert groundwork(environment, "reset").returncode == 0
    assert up_with("ls /data") == ""


def test_building_again_makes_no_other_images(settings):
    """With new code in all of them, four times: images built at a time were seen to alternate between two builds."""
    fresh = ROOT / "contracts" / f"{uuid.uuid4().hex}.txt"
    fresh.touch()
    try:
        built = {image_ids(settings) for _ in range(4)}
    finally:
        fresh.unlink()
        containers.build(settings, say=print)
    assert len(built) == 1


def image_ids(settings) -> tuple[str, ...]:
    containers.build(settings, say=print)
    return tuple(containers.docker(["image", "inspect", "--format", "{{.Id}}", n]) for n in containers.images(settings))
