"""Clusters and steps in the shapes in which the API shows them."""

from groundwork_aws.emr.cluster import Cluster, Step

# What DescribeCluster gives back as RunJobFlow got it.
ECHOED = (
    "Name", "LogUri", "ReleaseLabel", "VisibleToAllUsers", "ServiceRole", "Configurations", "SecurityConfiguration",
    "AutoScalingRole", "ScaleDownBehavior", "EbsRootVolumeSize", "EbsRootVolumeIops", "EbsRootVolumeThroughput",
    "OSReleaseLabel", "ExtendedSupport",
)  # fmt: skip
INSTANCE_ATTRIBUTES = (
    "Ec2KeyName", "Ec2SubnetId", "EmrManagedMasterSecurityGroup", "EmrManagedSlaveSecurityGroup",
    "ServiceAccessSecurityGroup", "AdditionalMasterSecurityGroups", "AdditionalSlaveSecurityGroups",
)  # fmt: skip


def describe_cluster(cluster: Cluster) -> dict:
    request = cluster.request
    instances = request["Instances"]
    return {
        "VisibleToAllUsers": True,
        **chosen(request, ECHOED),
        "Id": cluster.id,
        "ClusterArn": cluster.arn,
        "Status": cluster_status(cluster),
        "Ec2InstanceAttributes": {
            **chosen(instances, INSTANCE_ATTRIBUTES),
            "IamInstanceProfile": request.get("JobFlowRole"),
            "RequestedEc2SubnetIds": instances.get("Ec2SubnetIds", []),
        },
        "InstanceCollectionType": "INSTANCE_FLEET" if "InstanceFleets" in instances else "INSTANCE_GROUP",
        "AutoTerminate": not cluster.keep_alive,
        "TerminationProtected": cluster.termination_protected,
        "UnhealthyNodeReplacement": instances.get("UnhealthyNodeReplacement", False),
        "Applications": [{"Name": name, "Version": version} for name, version in cluster.applications.items()],
        "Tags": [{"Key": key, "Value": value} for key, value in cluster.tags.items()],
        "NormalizedInstanceHours": 0,
        "MasterPublicDnsName": "localhost",
        "StepConcurrencyLevel": cluster.concurrency,
    }


def summarise_cluster(cluster: Cluster) -> dict:
    return {
        "Id": cluster.id,
        "Name": cluster.request["Name"],
        "Status": cluster_status(cluster),
        "NormalizedInstanceHours": 0,
        "ClusterArn": cluster.arn,
    }


def cluster_status(cluster: Cluster) -> dict:
    return {"State": cluster.state, "StateChangeReason": dict(cluster.reason), "Timeline": dict(cluster.timeline)}


def describe_step(cluster: Cluster, step: Step) -> dict:
    hadoop = step.config["HadoopJarStep"]
    status = {"State": step.state, "StateChangeReason": {}, "Timeline": dict(step.timeline)}
    shape = {
        "Id": step.id,
        "Name": step.config["Name"],
        "Config": {"Jar": hadoop["Jar"], "Properties": {}, "Args": hadoop.get("Args", [])},
        "ActionOnFailure": step.config["ActionOnFailure"],
        "Status": {**status, "FailureDetails": step.failure} if step.failure else status,
    }
    return {**shape, "LogUri": cluster.request["LogUri"]} if cluster.request.get("LogUri") else shape


def chosen(values: dict, names: tuple[str, ...]) -> dict:
    return {name: values[name] for name in names if name in values}
