"""The standalone cluster as the platform runs it: what its parts do when one of them dies."""

import json
import os
import signal
import subprocess
import time
import urllib.request
from contextlib import ExitStack
from dataclasses import replace

import pytest

from groundwork.local import services
from groundwork.local.spark import SparkCluster, spark_home

# Two stages, and between them a moment for the test. A master that does not know the application has its executors
# ended a moment after it heard of their worker: the second stage is still at work then.
APPLICATION = """
import pathlib, sys, time
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
def count(seconds):
    return spark.sparkContext.parallelize(range(4), 2).map(lambda _: time.sleep(seconds)).count()
print(count(0), flush=True)
until = pathlib.Path(sys.argv[1])
while not until.exists():
    time.sleep(0.1)
print(count(1.5), flush=True)
"""


@pytest.fixture
def cluster(tmp_path):
    ports = [services.free_port() for _ in range(5)]
    cluster = SparkCluster(tmp_path, services.aws_environment(services.free_port()), "a token", *ports)
    cluster.configure()
    return cluster


def test_an_application_goes_on_when_its_master_was_killed_and_came_back(cluster, tmp_path):
    (tmp_path / "application.py").write_text(APPLICATION)
    master, worker, told = cluster.master(), cluster.worker(), tmp_path / "told"
    submit = [spark_home() / "bin" / "spark-submit", "application.py", told]
    environment = {**os.environ, **worker.environment, "GROUNDWORK_STDERR_LEVEL": "warn"}
    with ExitStack() as ending:
        with services.running(replace(master, stop_signal=signal.SIGKILL), tmp_path / "first.log"):
            ending.enter_context(services.running(worker, tmp_path / "worker.log"))
            application = subprocess.Popen(submit, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)
            ending.callback(application.kill)
            assert application.stdout.readline() == "4\n"
        ending.enter_context(services.running(master, tmp_path / "second.log"))
        until_alive(cluster)
        told.touch()
        assert application.communicate(timeout=60)[0] == "4\n"
        assert application.returncode == 0


def until_alive(cluster) -> None:
    """Wait until the master has heard from all whom it knew, or given them up, and from the worker."""
    deadline = time.monotonic() + 60
    while True:
        state = json.load(urllib.request.urlopen(f"{cluster.master_page}/json/"))
        if (state["status"], state["aliveworkers"]) == ("ALIVE", 1):
            return
        assert time.monotonic() < deadline, state
        time.sleep(0.2)
