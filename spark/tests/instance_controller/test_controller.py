"""The controller as a process: who may ask, and what becomes of steps when it ends."""

import json
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from groundwork.local import services
from groundwork.local.spark import SparkCluster

AWS = services.aws_environment(services.free_port())  # nobody listens there: these steps have no LogUri
TOKEN = "a token"


@pytest.fixture
def cluster(tmp_path):
    ports = [services.free_port() for _ in range(4)]
    return SparkCluster(tmp_path, AWS, TOKEN, *ports)


@pytest.fixture
def running(cluster, tmp_path):
    with services.running(cluster.instance_controller(), tmp_path / "controller.log"):
        yield cluster


def call(cluster, method: str, step: str, body: dict | None = None, token: str = TOKEN) -> dict:
    request = urllib.request.Request(
        f"{cluster.controller_url}/clusters/j-1/steps/{step}",
        None if body is None else json.dumps(body).encode(),
        {"Authorization": f"Bearer {token}"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def eventually(condition) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def is_alive(process: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    answer = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True).stdout
    return bool(answer.strip()) and not answer.startswith("Z")


def start_sleeper(cluster, tmp_path: Path) -> int:
    """Start a step that leaves a process in the background and give that one's id."""
    file = tmp_path / "sleeper"
    call(
        cluster, "PUT", "s-1", {"args": ["bash", "-c", f"sleep 600 & echo $! > {file}.new; mv {file}.new {file}; wait"]}
    )
    eventually(file.exists)
    return int(file.read_text())


def test_only_the_token_lets_in(running):
    for token in ("", "another"):
        with pytest.raises(urllib.error.HTTPError, match="401"):
            call(running, "PUT", "s-1", {"args": ["true"]}, token)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        call(running, "GET", "s-1")


def test_a_step_does_not_see_the_token_and_is_not_started_twice(running, tmp_path):
    for _ in range(2):
        call(running, "PUT", "s-1", {"args": ["bash", "-c", f"env; echo once >> {tmp_path}/starts"]})
    eventually(lambda: call(running, "GET", "s-1")["state"] == "COMPLETED")
    assert (tmp_path / "starts").read_text() == "once\n"
    environment = (tmp_path / "steps/j-1/s-1/stdout").read_text()
    assert "AWS_ENDPOINT_URL=" in environment and TOKEN not in environment


def test_a_malformed_request_is_refused_with_what_is_wrong(running):
    with pytest.raises(urllib.error.HTTPError, match="400") as caught:
        call(running, "PUT", "s-1", {"arguments": ["true"]})
    assert "arguments" in caught.value.read().decode()


def test_what_a_step_leaves_in_the_background_ends_with_it(running, tmp_path):
    call(running, "PUT", "s-1", {"args": ["bash", "-c", f"sleep 600 & echo $! > {tmp_path}/left"]})
    eventually(lambda: call(running, "GET", "s-1")["state"] == "COMPLETED")
    eventually(lambda: not is_alive(int((tmp_path / "left").read_text())))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_steps_end_with_the_controller_and_the_next_one_knows(cluster, tmp_path, how):
    with services.running(cluster.instance_controller(), tmp_path / "first.log"):
        sleeper = start_sleeper(cluster, tmp_path)
        assert is_alive(sleeper)
        controller = int(subprocess.run(
            ["pgrep", "-f", f"instance_controller.*--state {tmp_path}/steps"], capture_output=True, text=True
        ).stdout)  # fmt: skip
        subprocess.run(["kill", f"-{how.value}", str(controller)], check=True)
        eventually(lambda: not is_alive(sleeper))
        eventually(lambda: not is_alive(controller))
    with services.running(cluster.instance_controller(), tmp_path / "second.log"):
        step = call(cluster, "GET", "s-1")
    assert step["state"] == "FAILED"
    said = {signal.SIGTERM: "killed by signal 9", signal.SIGKILL: "The instance controller ended while the step ran"}
    assert said[how] in step["failure"]["Message"]
