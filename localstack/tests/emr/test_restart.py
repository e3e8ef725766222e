"""LocalStack restarts while a step runs."""

import boto3

from groundwork.local import services


def test_a_step_and_its_cluster_survive_a_restart_of_localstack(spark_cluster, warehouse_server, clusters, tmp_path):
    """The controller is the truth about processes; the new LocalStack takes up the cluster where it was."""
    service = services.localstack(
        services.free_port(), tmp_path, warehouse_server.dsn(), spark_cluster.controller_url, spark_cluster.token,
        keeps_state=True,
    )  # fmt: skip
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=services.REGION)
    emr = session.client("emr", endpoint_url=f"http://127.0.0.1:{service.port}")
    waiting = clusters.step("bash", "-c", f"until test -e {tmp_path}/go; do sleep 0.1; done; echo gone")
    with services.running(service, tmp_path / "first.log"):
        cluster = emr.run_job_flow(
            Name="survivor",
            ReleaseLabel="emr-spark-8.1.0",
            Instances={"KeepJobFlowAliveWhenNoSteps": False},
            Steps=[waiting, clusters.step("true")],
        )["JobFlowId"]
        clusters.until(lambda: emr.list_steps(ClusterId=cluster, StepStates=["RUNNING"])["Steps"])
    with services.running(service, tmp_path / "second.log"):
        states = [step["Status"]["State"] for step in emr.list_steps(ClusterId=cluster)["Steps"]]
        assert states == ["PENDING", "RUNNING"]
        (tmp_path / "go").touch()
        emr.get_waiter("cluster_terminated").wait(ClusterId=cluster, WaiterConfig={"Delay": 1, "MaxAttempts": 240})
        states = [step["Status"]["State"] for step in emr.list_steps(ClusterId=cluster)["Steps"]]
        assert states == ["COMPLETED", "COMPLETED"]
