"""Clusters: what RunJobFlow takes and refuses, how they live and end."""

import re

import pytest
from botocore.exceptions import ClientError

RELEASE = "emr-spark-8.1.0"
ALIVE = ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"]


def refusal(call, **request) -> tuple[str, str]:
    """Code and message of the error that a request gets."""
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def refused_cluster(emr, **parameters) -> str:
    request = {"Name": "test", "ReleaseLabel": RELEASE, "Instances": {}, **parameters}
    before = len(emr.list_clusters()["Clusters"])
    code, message = refusal(emr.run_job_flow, **request)
    assert code == "ValidationException", message
    assert len(emr.list_clusters()["Clusters"]) == before
    return message


def test_EMR_R_01_a_cluster_has_an_id_and_an_arn(emr, clusters):
    cluster = clusters.run()
    assert re.fullmatch(r"j-[A-Z0-9]+", cluster)
    arn = f"arn:aws:elasticmapreduce:us-east-1:000000000000:cluster/{cluster}"
    assert clusters.describe(cluster)["ClusterArn"] == arn
    assert cluster in [c["Id"] for c in emr.list_clusters(ClusterStates=ALIVE)["Clusters"]]


def test_EMR_R_02_another_release_label_is_refused_with_the_one_that_runs(emr):
    message = refused_cluster(emr, ReleaseLabel="emr-7.13.0")
    assert "emr-7.13.0" in message and RELEASE in message


def test_EMR_R_03_applications_are_case_insensitive_and_have_the_installed_versions(clusters):
    cluster = clusters.run(Applications=[{"Name": "sPARK"}, {"Name": "delta"}])
    applications = {a["Name"]: a["Version"] for a in clusters.reaches(cluster, "WAITING")["Applications"]}
    assert applications == {"Spark": "4.1.1", "Delta": "4.2.0"}


def test_EMR_R_03_an_application_that_does_not_run_here_is_refused(emr):
    assert "Trino" in refused_cluster(emr, Applications=[{"Name": "Spark"}, {"Name": "Trino"}])


def test_EMR_R_04_spark_env_exports_reach_the_steps(clusters):
    export = {"Classification": "export", "Properties": {"COLOUR": "blue"}}
    configuration = {"Classification": "spark-env", "Properties": {}, "Configurations": [export]}
    cluster = clusters.run(clusters.step("bash", "-c", "echo $COLOUR"), Configurations=[configuration])
    (step,) = clusters.ended_steps(cluster)
    assert clusters.log(cluster, step, "stdout") == "blue\n"


@pytest.mark.parametrize(
    "configuration",
    [
        {"Classification": "hive-site", "Properties": {"a": "b"}},
        {"Classification": "delta-defaults", "Properties": {"delta.enabled": "false"}},
        {"Classification": "spark-env", "Properties": {"a": "b"}},
    ],
    ids=lambda c: c["Classification"],
)
@pytest.mark.guess
def test_EMR_R_04_a_classification_that_would_be_ignored_is_refused(emr, configuration):
    assert configuration["Classification"] in refused_cluster(emr, Configurations=[configuration])


@pytest.mark.guess
def test_a_parameter_that_would_be_ignored_is_refused(emr):
    bootstrap = {"Name": "b", "ScriptBootstrapAction": {"Path": "s3://b/script.sh"}}
    assert "BootstrapActions" in refused_cluster(emr, BootstrapActions=[bootstrap])


def test_EMR_R_06_without_keep_alive_a_cluster_ends_after_its_last_step(clusters):
    cluster = clusters.run(clusters.step("true"), keep_alive=False)
    assert clusters.describe(cluster)["AutoTerminate"] is True
    status = clusters.reaches(cluster, "TERMINATED")["Status"]
    assert status["StateChangeReason"]["Code"] == "ALL_STEPS_COMPLETED"
    assert set(status["Timeline"]) == {"CreationDateTime", "ReadyDateTime", "EndDateTime"}


def test_EMR_R_06_with_keep_alive_a_cluster_waits_until_that_is_taken_away(emr, clusters):
    cluster = clusters.run(clusters.step("true"))
    assert clusters.reaches(cluster, "WAITING")["AutoTerminate"] is False
    emr.set_keep_job_flow_alive_when_no_steps(JobFlowIds=[cluster], KeepJobFlowAliveWhenNoSteps=False)
    clusters.reaches(cluster, "TERMINATED")


def test_EMR_R_07_a_protected_cluster_is_not_terminated_by_request_or_by_a_failing_step(emr, clusters):
    steps = [clusters.step("false", action="TERMINATE_CLUSTER"), clusters.step("true")]
    cluster = clusters.run(*steps, Instances={"TerminationProtected": True})
    code, message = refusal(emr.terminate_job_flows, JobFlowIds=[cluster])
    assert (code, "termination protected" in message) == ("ValidationException", True)
    clusters.reaches(cluster, "WAITING")
    assert clusters.states(cluster) == ["FAILED", "CANCELLED"]
    emr.set_termination_protection(JobFlowIds=[cluster], TerminationProtected=False)
    emr.terminate_job_flows(JobFlowIds=[cluster])
    clusters.reaches(cluster, "TERMINATED")


def test_EMR_R_07_a_protected_cluster_ends_by_itself_when_its_steps_are_done(clusters):
    cluster = clusters.run(clusters.step("true"), keep_alive=False, Instances={"TerminationProtected": True})
    clusters.reaches(cluster, "TERMINATED")


def test_EMR_R_08_an_idle_timeout_is_an_hour_unless_said_and_60_to_604800_seconds(emr, clusters):
    cluster = clusters.run(AutoTerminationPolicy={})
    assert emr.get_auto_termination_policy(ClusterId=cluster)["AutoTerminationPolicy"] == {"IdleTimeout": 3600}
    emr.put_auto_termination_policy(ClusterId=cluster, AutoTerminationPolicy={"IdleTimeout": 60})
    assert emr.get_auto_termination_policy(ClusterId=cluster)["AutoTerminationPolicy"] == {"IdleTimeout": 60}
    emr.remove_auto_termination_policy(ClusterId=cluster)
    assert "AutoTerminationPolicy" not in emr.get_auto_termination_policy(ClusterId=cluster)
    for seconds in (59, 604801):
        assert "IdleTimeout" in refused_cluster(emr, AutoTerminationPolicy={"IdleTimeout": seconds})


def test_EMR_R_09_a_managed_scaling_policy_is_kept_and_needs_its_limits(emr, clusters):
    policy = {"ComputeLimits": {"UnitType": "Instances", "MinimumCapacityUnits": 1, "MaximumCapacityUnits": 3}}
    cluster = clusters.run(ManagedScalingPolicy=policy)
    assert emr.get_managed_scaling_policy(ClusterId=cluster)["ManagedScalingPolicy"] == policy
    emr.remove_managed_scaling_policy(ClusterId=cluster)
    assert "ManagedScalingPolicy" not in emr.get_managed_scaling_policy(ClusterId=cluster)
    backwards = {"UnitType": "Instances", "MinimumCapacityUnits": 3, "MaximumCapacityUnits": 1}
    assert "MinimumCapacityUnits" in refused_cluster(emr, ManagedScalingPolicy={"ComputeLimits": backwards})


def test_EMR_R_10_steps_run_side_by_side_up_to_the_concurrency_level(tmp_path, clusters):
    # Each waits for the other's file: they only end when both run at once.
    def meeting(mine: str, other: str) -> dict:
        script = f"touch {tmp_path}/{mine}; while ! test -e {tmp_path}/{other}; do sleep 0.05; done"
        return clusters.step("bash", "-c", script)

    cluster = clusters.run(meeting("a", "b"), meeting("b", "a"), StepConcurrencyLevel=2)
    assert [step["Status"]["State"] for step in clusters.ended_steps(cluster)] == ["COMPLETED", "COMPLETED"]


def test_EMR_R_10_concurrency_refuses_an_action_on_failure_other_than_continue(emr, clusters):
    cluster = clusters.run()
    assert emr.modify_cluster(ClusterId=cluster, StepConcurrencyLevel=2)["StepConcurrencyLevel"] == 2
    assert clusters.describe(cluster)["StepConcurrencyLevel"] == 2
    step = clusters.step("true", action="CANCEL_AND_WAIT")
    assert "CANCEL_AND_WAIT" in refusal(emr.add_job_flow_steps, JobFlowId=cluster, Steps=[step])[1]
    assert clusters.states(cluster) == []
    assert "StepConcurrencyLevel" in refused_cluster(emr, StepConcurrencyLevel=257)


def test_EMR_R_12_a_cluster_takes_256_steps_that_have_not_ended_and_strings_of_10240(emr, clusters):
    assert "256" in refused_cluster(emr, Steps=[clusters.step("true")] * 257)
    assert "10240" in refused_cluster(emr, Steps=[clusters.step("x" * 10241)])
    assert "10" in refusal(emr.terminate_job_flows, JobFlowIds=["j-1"] * 11)[1]


@pytest.mark.parametrize("character", "<>$|`")
def test_EMR_R_13_a_name_has_none_of_five_characters(emr, character):
    assert "name" in refused_cluster(emr, Name=f"a{character}b")


def test_EMR_S_06_a_terminated_cluster_cancels_its_steps_and_keeps_their_logs(emr, clusters):
    cluster = clusters.run(clusters.step("bash", "-c", "echo begun; sleep 600"), clusters.step("true"))
    clusters.reaches(cluster, "RUNNING")
    clusters.until(lambda: clusters.states(cluster)[0] == "RUNNING")
    emr.terminate_job_flows(JobFlowIds=[cluster])
    status = clusters.reaches(cluster, "TERMINATED")["Status"]
    assert status["StateChangeReason"]["Code"] == "USER_REQUEST"
    assert clusters.states(cluster) == ["CANCELLED", "CANCELLED"]
    running, _ = clusters.ended_steps(cluster)
    assert "Step CANCELLED" in clusters.log(cluster, running, "controller")
    emr.terminate_job_flows(JobFlowIds=[cluster])  # again: nothing happens, as on AWS


@pytest.mark.guess
def test_EMR_S_09_an_unknown_cluster_is_an_invalid_request(emr):
    for call, request in [
        (emr.describe_cluster, {"ClusterId": "j-NONE"}),
        (emr.list_steps, {"ClusterId": "j-NONE"}),
        (emr.terminate_job_flows, {"JobFlowIds": ["j-NONE"]}),
        (emr.add_job_flow_steps, {"JobFlowId": "j-NONE", "Steps": []}),
    ]:
        assert refusal(call, **request) == ("InvalidRequestException", "Cluster id 'j-NONE' is not valid.")


def test_AF_EMR_2_a_cluster_that_has_ended_is_described_and_listed(emr, clusters):
    cluster = clusters.run(keep_alive=False)
    assert clusters.reaches(cluster, "TERMINATED")["LogUri"].startswith("s3://")
    assert cluster in [c["Id"] for c in emr.list_clusters(ClusterStates=["TERMINATED"])["Clusters"]]


def test_BW_botocore_waits_for_a_cluster_and_its_step(emr, clusters):
    cluster = clusters.run(clusters.step("true"))
    step = emr.list_steps(ClusterId=cluster)["Steps"][0]["Id"]
    quickly = {"Delay": 1, "MaxAttempts": 240}
    emr.get_waiter("cluster_running").wait(ClusterId=cluster, WaiterConfig=quickly)
    emr.get_waiter("step_complete").wait(ClusterId=cluster, StepId=step, WaiterConfig=quickly)
    emr.terminate_job_flows(JobFlowIds=[cluster])
    emr.get_waiter("cluster_terminated").wait(ClusterId=cluster, WaiterConfig=quickly)


def test_tags_are_put_and_taken_away(emr, clusters):
    cluster = clusters.run(Tags=[{"Key": "a", "Value": "1"}])
    emr.add_tags(ResourceId=cluster, Tags=[{"Key": "b", "Value": "2"}])
    emr.remove_tags(ResourceId=cluster, TagKeys=["a"])
    assert clusters.describe(cluster)["Tags"] == [{"Key": "b", "Value": "2"}]


def test_a_security_configuration_is_kept_and_one_that_is_not_there_is_named(emr, clusters, unique):
    text = '{"EncryptionConfiguration": {"EnableInTransitEncryption": false, "EnableAtRestEncryption": false}}'
    emr.create_security_configuration(Name=unique, SecurityConfiguration=text)
    assert emr.describe_security_configuration(Name=unique)["SecurityConfiguration"] == text
    assert unique in [c["Name"] for c in emr.list_security_configurations()["SecurityConfigurations"]]
    cluster = clusters.run(SecurityConfiguration=unique)
    assert clusters.describe(cluster)["SecurityConfiguration"] == unique
    emr.delete_security_configuration(Name=unique)
    code, message = refusal(emr.describe_security_configuration, Name=unique)
    assert (code, unique in message) == ("InvalidRequestException", True)
