"""What runs stays up, loses a worker while a step of EMR runs, and takes in another."""

import gzip
import json
import os
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from groundwork.aws import client, variable
from groundwork.local.runtimes import containers, processes
from tests.isolation import command

SCRIPT = Path(__file__).parent / "steps" / "slow_tasks.py"


@pytest.fixture
def all_workers_again(runtime):
    yield
    subprocess.run(command("up"), check=True, capture_output=True)


@pytest.fixture
def job_flow(demo):
    """A cluster whose step runs SCRIPT."""
    bucket = variable("artifacts_bucket")
    client("s3").upload_file(str(SCRIPT), bucket, "tests/slow_tasks.py")
    arguments = ["spark-submit", "--deploy-mode", "client", f"s3://{bucket}/tests/slow_tasks.py"]
    flow = client("emr").run_job_flow(
        Name="loses a worker",
        ReleaseLabel=variable("emr_release_label"),
        Applications=[{"Name": "Spark"}],
        LogUri=f"s3://{variable('logs_bucket')}/emr/",
        ServiceRole=variable("emr_service_role"),
        JobFlowRole=variable("emr_instance_profile"),
        Instances={
            "InstanceGroups": [{"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1}],
            "Ec2SubnetId": variable("emr_subnet_id"),
            "KeepJobFlowAliveWhenNoSteps": False,
        },
        Steps=[
            {
                "Name": "slow tasks",
                "ActionOnFailure": "TERMINATE_CLUSTER",
                "HadoopJarStep": {"Jar": "command-runner.jar", "Args": arguments},
            }
        ],
    )["JobFlowId"]
    yield flow
    client("emr").terminate_job_flows(JobFlowIds=[flow])


def test_a_worker_killed_in_the_middle_of_a_step_costs_a_retry_of_its_tasks(
    job_flow, settings, runtime, all_workers_again
):
    wait_until(lambda: executors_at_work(settings) == master(settings)["aliveworkers"])
    time.sleep(3)  # from here on, each of them has a task at any moment
    kill_a_worker(settings, runtime)
    client("emr").get_waiter("step_complete").wait(
        ClusterId=job_flow, StepId=step_of(job_flow)["Id"], WaiterConfig={"Delay": 2, "MaxAttempts": 450}
    )
    attempts = json.loads(output_of(job_flow).splitlines()[-1])
    assert len(attempts) == 80
    assert 1 <= max(attempts) <= 3, "some tasks ran again, none was given up"


def test_up_again_leaves_every_service_alone(demo, settings, runtime):
    before = running(settings, runtime)
    assert len(before) >= 11
    assert subprocess.run(command("up")).returncode == 0
    assert running(settings, runtime) == before


def test_the_cluster_has_as_many_workers_as_are_asked_for(demo, settings, runtime):
    before = sum("spark-worker" in name for name in running(settings, runtime))
    wait_until(lambda: master(settings)["aliveworkers"] == before)  # one that was killed is back, and known
    more = subprocess.run(command("up"), env={**os.environ, "WORKERS": str(before + 1)}, capture_output=True, text=True)
    assert more.returncode == 0, more.stderr
    wait_until(lambda: master(settings)["aliveworkers"] == before + 1)
    assert subprocess.run(command("up")).returncode == 0
    wait_until(lambda: master(settings)["aliveworkers"] == before)


def master(settings) -> dict:
    return asked(f"http://127.0.0.1:{settings.ports.spark_master_ui}/json/")


def executors_at_work(settings) -> int:
    """How many executors the application's job has, as its event log tells the history server."""
    applications = f"http://127.0.0.1:{settings.ports.spark_history}/api/v1/applications"
    for application in asked(f"{applications}?status=running"):
        if application["name"] == "slow tasks" and asked(f"{applications}/{application['id']}/jobs"):
            found = asked(f"{applications}/{application['id']}/executors")
            return sum(executor["isActive"] and executor["id"] != "driver" for executor in found)
    return 0


def asked(url: str):
    with urllib.request.urlopen(url) as answer:
        return json.load(answer)


def running(settings, runtime) -> dict[str, str]:
    """The container or the process of each service."""
    if runtime is containers:
        return {c.name: c.id for c in containers.containers(settings) if c.state == "running"}
    return {name: info["pid"] for name, info in processes.supervised_processes(settings).items()}


def kill_a_worker(settings, runtime) -> None:
    if runtime is containers:
        worker = next(c for c in containers.containers(settings) if c.service == "spark-worker")
        containers.docker(["kill", worker.id])
    else:
        os.kill(processes.supervised_processes(settings)["spark-worker"]["pid"], signal.SIGKILL)


def step_of(job_flow: str) -> dict:
    return client("emr").list_steps(ClusterId=job_flow)["Steps"][0]


def output_of(job_flow: str) -> str:
    key = f"emr/{job_flow}/steps/{step_of(job_flow)['Id']}/stdout.gz"
    wait_until(lambda: client("s3").list_objects_v2(Bucket=variable("logs_bucket"), Prefix=key)["KeyCount"])
    body = client("s3").get_object(Bucket=variable("logs_bucket"), Key=key)["Body"].read()
    return gzip.decompress(body).decode().strip()


def wait_until(is_so, timeout: float = 600) -> None:
    deadline = time.monotonic() + timeout
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.5)
