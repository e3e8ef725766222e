"""Steps: order, endings, failures and their reasons, cancellation, logs."""

import pytest
from botocore.exceptions import ClientError


def test_EMR_C_01_a_command_runner_step_runs_its_arguments_unsplit_and_logs_to_s3(clusters):
    cluster = clusters.run(clusters.step("bash", "-c", 'echo "$1"; echo quiet >&2', "bash", "a  b; c"))
    (step,) = clusters.ended_steps(cluster)
    assert step["Status"]["State"] == "COMPLETED", step
    assert clusters.log(cluster, step, "stdout") == "a  b; c\n"
    assert clusters.log(cluster, step, "stderr") == "quiet\n"
    assert clusters.log(cluster, step, "syslog") == ""
    assert "Step COMPLETED" in clusters.log(cluster, step, "controller")


def test_EMR_C_01_a_command_that_is_not_there_fails_the_step_with_its_name(clusters):
    cluster = clusters.run(clusters.step("hive-script", "--run"))
    (step,) = clusters.ended_steps(cluster)
    assert 'Cannot run program "hive-script"' in step["Status"]["FailureDetails"]["Message"]


def test_EMR_C_02_script_runner_runs_a_script_from_s3(aws, bucket, clusters):
    aws("s3").put_object(Bucket=bucket, Key="greet.sh", Body=b'echo "hello $1"')
    jar = "s3://us-east-1.elasticmapreduce/libs/script-runner/script-runner.jar"
    present, absent = (
        {"Name": "s", "ActionOnFailure": "CONTINUE", "HadoopJarStep": {"Jar": jar, "Args": [uri, "you"]}}
        for uri in (f"s3://{bucket}/greet.sh", f"s3://{bucket}/none.sh")
    )
    cluster = clusters.run(present, absent)
    greeting, missing = clusters.ended_steps(cluster)
    assert clusters.log(cluster, greeting, "stdout") == "hello you\n"
    assert f"s3://{bucket}/none.sh" in missing["Status"]["FailureDetails"]["Message"]


def test_a_jar_that_does_not_run_here_is_refused(emr, clusters):
    cluster = clusters.run()
    step = {"Name": "jar", "HadoopJarStep": {"Jar": "s3://b/mine.jar", "Args": ["a"]}}
    with pytest.raises(ClientError, match="mine.jar"):
        emr.add_job_flow_steps(JobFlowId=cluster, Steps=[step])


def test_EMR_R_11_without_a_log_uri_a_failure_names_no_log_file(emr, clusters):
    cluster = emr.run_job_flow(
        Name="no logs",
        ReleaseLabel="emr-spark-8.1.0",
        Instances={"KeepJobFlowAliveWhenNoSteps": False},
        Steps=[clusters.step("false")],
    )["JobFlowId"]
    (step,) = clusters.ended_steps(cluster)
    assert set(step["Status"]["FailureDetails"]) == {"Reason", "Message"}
    assert "LogUri" not in step


def test_a_log_bucket_that_is_missing_does_not_fail_a_step(clusters, unique):
    cluster = clusters.run(clusters.step("true"), LogUri=f"s3://{unique}-missing/logs")
    (step,) = clusters.ended_steps(cluster)
    assert step["Status"]["State"] == "COMPLETED"


def test_EMR_S_01_steps_run_in_the_order_of_their_submission(emr, tmp_path, clusters):
    log = tmp_path / "order"
    steps = [clusters.step("bash", "-c", f"echo {n} >> {log}", name=str(n)) for n in range(4)]
    cluster = clusters.run(*steps[:2])
    ids = emr.add_job_flow_steps(JobFlowId=cluster, Steps=steps[2:])["StepIds"]
    ended = clusters.ended_steps(cluster)
    assert log.read_text().split() == ["0", "1", "2", "3"]
    assert [step["Id"] for step in ended[2:]] == ids


def test_EMR_S_01_a_cluster_that_has_ended_takes_no_steps(emr, clusters):
    cluster = clusters.run(keep_alive=False)
    clusters.reaches(cluster, "TERMINATED")
    with pytest.raises(ClientError, match="terminated"):
        emr.add_job_flow_steps(JobFlowId=cluster, Steps=[clusters.step("true")])


@pytest.mark.parametrize(
    "action, states, cluster_state",
    [
        ("CONTINUE", ["FAILED", "COMPLETED"], "WAITING"),
        ("CANCEL_AND_WAIT", ["FAILED", "CANCELLED"], "WAITING"),
        ("TERMINATE_CLUSTER", ["FAILED", "CANCELLED"], "TERMINATED_WITH_ERRORS"),
        ("TERMINATE_JOB_FLOW", ["FAILED", "CANCELLED"], "TERMINATED_WITH_ERRORS"),
    ],
)
def test_EMR_S_03_F8_action_on_failure(clusters, action, states, cluster_state):
    cluster = clusters.run(clusters.step("false", action=action), clusters.step("true"))
    assert [step["Status"]["State"] for step in clusters.ended_steps(cluster)] == states
    status = clusters.reaches(cluster, cluster_state)["Status"]
    assert status["StateChangeReason"].get("Code") == (None if cluster_state == "WAITING" else "STEP_FAILURE")


@pytest.mark.guess
def test_EMR_S_03_without_an_action_on_failure_a_failing_step_ends_the_cluster(clusters):
    step = {name: value for name, value in clusters.step("false").items() if name != "ActionOnFailure"}
    cluster = clusters.run(step)
    assert clusters.reaches(cluster, "TERMINATED_WITH_ERRORS")["Status"]["StateChangeReason"]["Code"] == "STEP_FAILURE"


def test_EMR_S_03_another_action_on_failure_is_refused(emr, clusters):
    cluster = clusters.run()
    with pytest.raises(ClientError, match="SHRUG"):
        emr.add_job_flow_steps(JobFlowId=cluster, Steps=[clusters.step("true", action="SHRUG")])


def test_EMR_S_04_F8_a_failed_step_says_why_and_where_to_read_it(aws, bucket, clusters):
    cluster = clusters.run(clusters.step("bash", "-c", "echo the disk is full >&2; exit 3"))
    (step,) = clusters.ended_steps(cluster)
    log_file = f"s3://{bucket}/logs/{cluster}/steps/{step['Id']}/stderr.gz"
    assert step["Status"]["FailureDetails"] == {
        "Reason": "Unknown Error",
        "Message": "The process ended with exit code 3; the last line of its stderr: the disk is full",
        "LogFile": log_file,
    }
    assert step["Status"]["StateChangeReason"] == {}
    aws("s3").head_object(Bucket=bucket, Key=log_file.removeprefix(f"s3://{bucket}/"))


def test_EMR_S_04_F8_a_step_whose_process_is_killed_says_by_which_signal(clusters):
    cluster = clusters.run(clusters.step("bash", "-c", "kill -9 $$"))
    (step,) = clusters.ended_steps(cluster)
    assert "killed by signal 9 (SIGKILL)" in step["Status"]["FailureDetails"]["Message"]


def test_EMR_S_05_cancelling_interrupts_a_running_step_and_drops_a_pending_one(emr, clusters, tmp_path):
    ready = tmp_path / "ready"
    script = f"trap 'echo interrupted; exit 0' INT; touch {ready}; while true; do sleep 0.1; done"
    cluster = clusters.run(clusters.step("bash", "-c", script), clusters.step("true"), clusters.step("true"))
    clusters.until(lambda: clusters.states(cluster)[0] == "RUNNING" and ready.exists())
    first, second, third = emr.list_steps(ClusterId=cluster)["Steps"][::-1]
    answers = emr.cancel_steps(ClusterId=cluster, StepIds=[first["Id"], second["Id"]])["CancelStepsInfoList"]
    assert [answer["Status"] for answer in answers] == ["SUBMITTED", "SUBMITTED"]
    assert [step["Status"]["State"] for step in clusters.ended_steps(cluster)] == [
        "CANCELLED",
        "CANCELLED",
        "COMPLETED",
    ]
    assert clusters.log(cluster, first, "stdout") == "interrupted\n"
    (answer,) = emr.cancel_steps(ClusterId=cluster, StepIds=[third["Id"]])["CancelStepsInfoList"]
    assert (answer["Status"], "COMPLETED" in answer["Reason"]) == ("FAILED", True)


def test_EMR_S_05_a_step_that_ignores_interrupts_is_ended_by_terminate_process(emr, clusters):
    cluster = clusters.run(clusters.step("bash", "-c", "trap '' INT; sleep 600"))
    clusters.until(lambda: clusters.states(cluster) == ["RUNNING"])
    (step,) = emr.list_steps(ClusterId=cluster)["Steps"]
    emr.cancel_steps(ClusterId=cluster, StepIds=[step["Id"]], StepCancellationOption="TERMINATE_PROCESS")
    assert [step["Status"]["State"] for step in clusters.ended_steps(cluster)] == ["CANCELLED"]


def test_EMR_S_07_and_AF_EMR_1_steps_are_listed_newest_first_or_as_asked_for(emr, clusters):
    cluster = clusters.run(*(clusters.step("true", name=str(n)) for n in range(3)))
    clusters.ended_steps(cluster)
    newest_first = emr.list_steps(ClusterId=cluster)["Steps"]
    assert [step["Name"] for step in newest_first] == ["2", "1", "0"]
    some = [newest_first[2]["Id"], newest_first[0]["Id"]]
    assert [step["Id"] for step in emr.list_steps(ClusterId=cluster, StepIds=some)["Steps"]] == some
    completed = emr.list_steps(ClusterId=cluster, StepStates=["COMPLETED"])["Steps"]
    assert [step["Name"] for step in completed] == ["0", "1", "2"]
    assert emr.list_steps(ClusterId=cluster, StepStates=["FAILED"])["Steps"] == []


def test_EMR_S_08_a_step_is_described_as_it_was_submitted(emr, bucket, clusters):
    cluster = clusters.run(clusters.step("echo", "a", action="CANCEL_AND_WAIT", name="greet"))
    (summary,) = clusters.ended_steps(cluster)
    step = emr.describe_step(ClusterId=cluster, StepId=summary["Id"])["Step"]
    assert step["Config"] == {"Jar": "command-runner.jar", "Properties": {}, "Args": ["echo", "a"]}
    assert (step["Name"], step["ActionOnFailure"]) == ("greet", "CANCEL_AND_WAIT")
    assert set(step["Status"]["Timeline"]) == {"CreationDateTime", "StartDateTime", "EndDateTime"}
    assert step["LogUri"] == f"s3://{bucket}/logs/"


@pytest.mark.guess
def test_EMR_S_09_an_unknown_step_is_an_invalid_request(emr, clusters):
    cluster = clusters.run()
    with pytest.raises(ClientError, match="Step id 's-NONE' is not valid"):
        emr.describe_step(ClusterId=cluster, StepId="s-NONE")
