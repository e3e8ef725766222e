"""A real Spark cluster with its instance controller, and a hand to run EMR clusters and steps on it."""

import gzip
import time
from contextlib import ExitStack

import pytest

from groundwork.local import services
from groundwork.local.spark import SparkCluster

RELEASE = "emr-spark-8.1.0"
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "INTERRUPTED")


@pytest.fixture(scope="session")
def spark_cluster(state, endpoint_url, controller_port, controller_token):
    aws, free = services.aws_environment(int(endpoint_url.rpartition(":")[2])), services.free_port
    cluster = SparkCluster(state / "spark", aws, controller_token, free(), free(), free(), controller_port, free())
    cluster.configure()
    with ExitStack() as stack:
        for service in cluster.services():
            stack.enter_context(services.running(service, state / f"{service.name}.log"))
        yield cluster


@pytest.fixture
def emr(aws, spark_cluster):
    return aws("emr")


@pytest.fixture
def clusters(aws, emr, bucket):
    """Clusters whose logs go to the test's bucket; those that still live at its end are terminated."""
    made = Clusters(emr, aws("s3"), bucket)
    yield made
    if made.ids:
        emr.set_termination_protection(JobFlowIds=made.ids, TerminationProtected=False)
        emr.terminate_job_flows(JobFlowIds=made.ids)


class Clusters:
    def __init__(self, emr, s3, bucket: str):
        self.emr, self.s3, self.bucket, self.ids = emr, s3, bucket, []

    def run(self, *steps: dict, keep_alive: bool = True, **parameters) -> str:
        instances = {"KeepJobFlowAliveWhenNoSteps": keep_alive, **parameters.pop("Instances", {})}
        request = {"Name": "test", "ReleaseLabel": RELEASE, "LogUri": f"s3://{self.bucket}/logs/", **parameters}
        self.ids.append(self.emr.run_job_flow(Instances=instances, Steps=list(steps), **request)["JobFlowId"])
        return self.ids[-1]

    @staticmethod
    def step(*arguments: str, action: str = "CONTINUE", name: str = "step") -> dict:
        """A step that runs a command."""
        jar = {"Jar": "command-runner.jar", "Args": list(arguments)}
        return {"Name": name, "ActionOnFailure": action, "HadoopJarStep": jar}

    def describe(self, cluster: str) -> dict:
        return self.emr.describe_cluster(ClusterId=cluster)["Cluster"]

    def state(self, cluster: str) -> str:
        return self.describe(cluster)["Status"]["State"]

    def states(self, cluster: str) -> list[str]:
        """The states of its steps in the order of their submission."""
        return [step["Status"]["State"] for step in self.emr.list_steps(ClusterId=cluster)["Steps"]][::-1]

    def ended_steps(self, cluster: str) -> list[dict]:
        """Its steps in the order of their submission, when all have ended."""
        self.until(lambda: set(self.states(cluster)) <= set(ENDED))
        return self.emr.list_steps(ClusterId=cluster)["Steps"][::-1]

    def reaches(self, cluster: str, *states: str) -> dict:
        """Its description once it is in one of these states."""
        self.until(lambda: self.state(cluster) in states)
        return self.describe(cluster)

    def log(self, cluster: str, step: dict, name: str) -> str:
        key = f"logs/{cluster}/steps/{step['Id']}/{name}.gz"
        return gzip.decompress(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()).decode()

    @staticmethod
    def until(condition, seconds: float = 280) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not come about"
            time.sleep(0.1)
