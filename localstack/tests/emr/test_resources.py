"""EMR's CloudFormation types."""

import json

CLUSTER = {
    "Name": "from a template",
    "ReleaseLabel": "emr-spark-8.1.0",
    "ServiceRole": "EMR_DefaultRole",
    "JobFlowRole": "EMR_EC2_DefaultRole",
    "Applications": [{"Name": "Spark"}],
    "Configurations": [
        {"Classification": "delta-defaults", "ConfigurationProperties": {"delta.enabled": "true"}},
    ],
    "AutoTerminationPolicy": {"IdleTimeout": 3600},
    "Instances": {
        "MasterInstanceGroup": {"InstanceCount": 1, "InstanceType": "m5.xlarge"},
        "CoreInstanceGroup": {"InstanceCount": 2, "InstanceType": "m5.xlarge"},
        "KeepJobFlowAliveWhenNoSteps": True,
    },
}
STEP = {
    "Name": "hello",
    "ActionOnFailure": "CONTINUE",
    "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["true"]},
    "JobFlowId": {"Ref": "Cluster"},
}


def create_stack(aws, name: str, resources: dict) -> str:
    template = {"Resources": {n: {"Type": t, "Properties": p} for n, (t, p) in resources.items()}}
    client = aws("cloudformation")
    client.create_stack(StackName=name, TemplateBody=json.dumps(template), OnFailure="DO_NOTHING")
    while (status := client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]) == "CREATE_IN_PROGRESS":
        pass
    return status


def test_a_stack_makes_a_cluster_with_a_step_and_ends_it(aws, emr, clusters, unique):
    security = {"Name": unique, "SecurityConfiguration": {"EncryptionConfiguration": {}}}
    status = create_stack(
        aws,
        unique,
        {
            "Security": ("AWS::EMR::SecurityConfiguration", security),
            "Cluster": ("AWS::EMR::Cluster", {**CLUSTER, "SecurityConfiguration": {"Ref": "Security"}}),
            "Step": ("AWS::EMR::Step", STEP),
        },
    )
    cloudformation = aws("cloudformation")
    events = cloudformation.describe_stack_events(StackName=unique)["StackEvents"]
    assert status == "CREATE_COMPLETE", [e.get("ResourceStatusReason") for e in events]
    resources = cloudformation.describe_stack_resources(StackName=unique)["StackResources"]
    ids = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in resources}
    assert [step["Id"] for step in clusters.ended_steps(ids["Cluster"])] == [ids["Step"]]
    described = clusters.describe(ids["Cluster"])
    assert described["SecurityConfiguration"] == ids["Security"] == unique
    assert described["Configurations"][0]["Properties"] == {"delta.enabled": "true"}
    cloudformation.delete_stack(StackName=unique)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=unique, WaiterConfig={"Delay": 1})
    assert clusters.state(ids["Cluster"]) == "TERMINATED"


def test_a_stack_with_another_release_fails_with_the_reason(aws, emr, unique):
    status = create_stack(aws, unique, {"Cluster": ("AWS::EMR::Cluster", {**CLUSTER, "ReleaseLabel": "emr-6.9.0"})})
    events = aws("cloudformation").describe_stack_events(StackName=unique)["StackEvents"]
    assert "FAILED" in status
    assert "emr-spark-8.1.0" in " ".join(e.get("ResourceStatusReason", "") for e in events)
