"""The engine on its own: what takes too long, or too much breaking, to try through the API."""

import http.server
import json
import threading

import pytest
from groundwork_aws.emr import runner
from groundwork_aws.emr.cluster import Cluster, Step
from groundwork_aws.emr.controller import InstanceController
from groundwork_aws.emr.runner import Runner

from groundwork.local import services

HEALTH = {"release_label": "emr-spark-8.1.0", "applications": {"Spark": "4.1.1"}, "spark_workers": 1}


def new_cluster(*steps: Step, **settings) -> Cluster:
    request = {"Name": "test", "ReleaseLabel": "emr-spark-8.1.0", "Instances": {}}
    defaults = {"keep_alive": True, "termination_protected": False, "concurrency": 1, "tags": {}}
    return Cluster("j-1", "arn", request, **{**defaults, **settings}, steps=list(steps))


def new_step() -> Step:
    jar = {"Jar": "command-runner.jar", "Args": ["true"]}
    return Step("s-1", {"Name": "s", "ActionOnFailure": "CONTINUE", "HadoopJarStep": jar})


def run(cluster: Cluster, controller: InstanceController) -> None:
    Runner(cluster, controller).run()


def test_EMR_R_08_a_cluster_without_steps_ends_when_its_idle_timeout_is_over():
    cluster = new_cluster(idle_timeout=60)
    cluster.move("BOOTSTRAPPING")
    cluster.settle(cluster.idle_since)
    assert cluster.state == "WAITING"
    cluster.settle(cluster.idle_since + 59.9)
    assert cluster.state == "WAITING"
    cluster.settle(cluster.idle_since + 60)
    assert cluster.state == "TERMINATING"


def test_EMR_R_08_a_step_starts_the_idle_time_anew():
    cluster = new_cluster(idle_timeout=60)
    cluster.move("BOOTSTRAPPING")
    cluster.settle(cluster.idle_since)
    cluster.steps.append(new_step())
    cluster.settle(cluster.idle_since + 1000)
    assert cluster.state == "RUNNING"
    cluster.idle_since = 0
    cluster.steps[0].move("CANCELLED")
    cluster.settle(1000)
    assert cluster.state == "WAITING" and cluster.idle_since > 0


@pytest.mark.guess
def test_EMR_S_03_cancel_and_wait_ends_a_cluster_that_is_not_kept_alive():
    cluster = new_cluster(new_step(), new_step(), keep_alive=False)
    cluster.move("BOOTSTRAPPING")
    failing, pending = cluster.steps
    failing.config["ActionOnFailure"] = "CANCEL_AND_WAIT"
    failing.move("RUNNING")
    cluster.fail(failing, {})
    cluster.settle(0)
    assert (pending.state, cluster.state) == ("CANCELLED", "TERMINATING")
    assert cluster.reason == {"Code": "ALL_STEPS_COMPLETED", "Message": "Steps completed with errors"}


def test_EMR_R_10_with_concurrency_a_failing_step_touches_nothing_else():
    cluster = new_cluster(new_step(), new_step(), concurrency=2)
    cluster.move("BOOTSTRAPPING")
    failing, pending = cluster.steps
    failing.config["ActionOnFailure"] = "TERMINATE_CLUSTER"
    failing.move("RUNNING")
    cluster.fail(failing, {})
    cluster.settle(0)
    assert (pending.state, cluster.state) == ("PENDING", "RUNNING")


def test_a_move_that_no_cluster_or_step_makes_is_an_error():
    with pytest.raises(ValueError, match="from STARTING to RUNNING"):
        new_cluster().move("RUNNING")
    with pytest.raises(ValueError, match="from PENDING to COMPLETED"):
        new_step().move("COMPLETED")


def test_a_cluster_whose_controller_does_not_answer_ends_with_errors_and_the_reason(monkeypatch):
    monkeypatch.setattr(runner, "PROVISIONING_PATIENCE", 0.5)
    cluster = new_cluster(new_step())
    run(cluster, InstanceController(f"http://127.0.0.1:{services.free_port()}", "token"))
    assert (cluster.state, cluster.reason["Code"]) == ("TERMINATED_WITH_ERRORS", "INSTANCE_FAILURE")
    assert "Connection refused. Is the Spark cluster up?" in cluster.reason["Message"]
    assert cluster.steps[0].state == "CANCELLED"


def test_a_cluster_without_a_spark_worker_ends_with_errors_and_the_reason(monkeypatch, controller):
    monkeypatch.setattr(runner, "PROVISIONING_PATIENCE", 0.5)
    cluster = new_cluster()
    run(cluster, controller({**HEALTH, "spark_workers": 0}))
    assert cluster.state == "TERMINATED_WITH_ERRORS"
    assert "No Spark worker" in cluster.reason["Message"]


def test_a_cluster_of_another_release_than_the_controllers_ends_with_errors(controller):
    cluster = new_cluster()
    run(cluster, controller({**HEALTH, "release_label": "emr-spark-9.0.0"}))
    assert (cluster.state, cluster.reason["Code"]) == ("TERMINATED_WITH_ERRORS", "VALIDATION_ERROR")
    assert "emr-spark-9.0.0" in cluster.reason["Message"]


def test_a_cluster_whose_controller_is_lost_while_a_step_runs_ends_with_errors(monkeypatch, controller):
    monkeypatch.setattr(runner, "PATIENCE", 0.5)
    cluster = new_cluster(new_step())
    # This one says that it is well and answers nothing else.
    run(cluster, controller(HEALTH))
    assert (cluster.state, cluster.reason["Code"]) == ("TERMINATED_WITH_ERRORS", "INSTANCE_FAILURE")
    assert cluster.steps[0].state == "CANCELLED"


@pytest.fixture
def controller():
    """A controller that only ever tells this health."""
    servers = []

    def start(health: dict) -> InstanceController:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(health).encode())

            def log_message(self, *_):
                pass

        servers.append(http.server.HTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return InstanceController(f"http://127.0.0.1:{servers[-1].server_port}", "token")

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
