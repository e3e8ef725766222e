"""EMR's CloudFormation types."""

import json

from groundwork_aws.cloudformation.resource import Refused, Resource, plugin
from groundwork_aws.emr.cluster import ENDED

GROUPS = {"MasterInstanceGroup": "MASTER", "CoreInstanceGroup": "CORE"}
FLEETS = {"MasterInstanceFleet": "MASTER", "CoreInstanceFleet": "CORE"}


class Cluster(Resource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-emr-cluster.html"""

    TYPE = "AWS::EMR::Cluster"
    SERVICE = "emr"
    HONOURED = frozenset(
        {"Applications", "AutoTerminationPolicy", "Configurations", "Instances", "LogUri", "Name", "ReleaseLabel",
         "SecurityConfiguration", "StepConcurrencyLevel", "Steps", "Tags"}
    )  # fmt: skip
    RECORDED = frozenset(
        {"AutoScalingRole", "EbsRootVolumeIops", "EbsRootVolumeSize", "EbsRootVolumeThroughput", "JobFlowRole",
         "ManagedScalingPolicy", "OSReleaseLabel", "ScaleDownBehavior", "ServiceRole", "VisibleToAllUsers"}
    )  # fmt: skip

    def create_resource(self, client, model, request):
        job_flow = {name: value for name, value in model.items() if name not in self.read_only_names()}
        job_flow["Instances"] = instances(model["Instances"])
        if "Configurations" in job_flow:
            job_flow["Configurations"] = configurations(job_flow["Configurations"])
        if "Steps" in job_flow:
            job_flow["Steps"] = [step_config(step) for step in job_flow["Steps"]]
        return {"Id": client.run_job_flow(**job_flow)["JobFlowId"]}

    def is_ready(self, client, model):
        cluster = client.describe_cluster(ClusterId=model["Id"])["Cluster"]
        status = cluster["Status"]
        if status["State"] == "TERMINATED_WITH_ERRORS":
            raise Refused(f"{model['Id']} is {status['State']}: {status['StateChangeReason'].get('Message')}")
        model["MasterPublicDNS"] = cluster["MasterPublicDnsName"]
        return status["State"] in ("RUNNING", "WAITING", "TERMINATED")

    def update_resource(self, client, model, previous, request):
        id = model["Id"]
        if model.get("StepConcurrencyLevel", 1) != previous.get("StepConcurrencyLevel", 1):
            client.modify_cluster(ClusterId=id, StepConcurrencyLevel=model.get("StepConcurrencyLevel", 1))
        if model.get("AutoTerminationPolicy") != previous.get("AutoTerminationPolicy"):
            update_auto_termination(client, id, model.get("AutoTerminationPolicy"))
        self.check_unchanged(model, previous)
        return {}

    def check_unchanged(self, model: dict, previous: dict) -> None:
        changeable = {"StepConcurrencyLevel", "AutoTerminationPolicy", *self.read_only_names()}
        changed = sorted(n for n in {*model, *previous} - changeable if model.get(n) != previous.get(n))
        if changed:
            raise Refused(f"{self.TYPE}: {', '.join(changed)} cannot be changed here: delete the stack first")

    def delete_resource(self, client, model):
        client.terminate_job_flows(JobFlowIds=[model["Id"]])

    def is_gone(self, client, model):
        return client.describe_cluster(ClusterId=model["Id"])["Cluster"]["Status"]["State"] in ENDED


class Step(Resource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-emr-step.html"""

    TYPE = "AWS::EMR::Step"
    SERVICE = "emr"
    HONOURED = frozenset({"ActionOnFailure", "HadoopJarStep", "JobFlowId", "Name"})

    def create_resource(self, client, model, request):
        answer = client.add_job_flow_steps(JobFlowId=model["JobFlowId"], Steps=[step_config(model)])
        return {"Id": answer["StepIds"][0]}

    def delete_resource(self, client, model):
        """A step that has run stays where it is; one that has not is cancelled."""
        client.cancel_steps(ClusterId=model["JobFlowId"], StepIds=[model["Id"]])


class SecurityConfiguration(Resource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-emr-securityconfiguration.html"""

    TYPE = "AWS::EMR::SecurityConfiguration"
    SERVICE = "emr"
    RECORDED = frozenset({"Name", "SecurityConfiguration"})

    def create_resource(self, client, model, request):
        name = model.get("Name") or f"{request.stack_name}-{request.logical_resource_id}"
        content = model["SecurityConfiguration"]
        text = content if isinstance(content, str) else json.dumps(content)
        client.create_security_configuration(Name=name, SecurityConfiguration=text)
        return {"Name": name}

    def delete_resource(self, client, model):
        client.delete_security_configuration(Name=model["Name"])


# --- from CloudFormation's shapes to the API's ---


def instances(config: dict) -> dict:
    """CloudFormation has a property for each group, the API a list of groups."""
    groups = [{**config[name], "InstanceRole": role} for name, role in GROUPS.items() if name in config]
    groups += [{**group, "InstanceRole": "TASK"} for group in config.get("TaskInstanceGroups", [])]
    fleets = [{**config[name], "InstanceFleetType": kind} for name, kind in FLEETS.items() if name in config]
    fleets += [{**fleet, "InstanceFleetType": "TASK"} for fleet in config.get("TaskInstanceFleets", [])]
    machines = {"InstanceGroups": groups, "InstanceFleets": fleets}
    own = {*GROUPS, *FLEETS, "TaskInstanceGroups", "TaskInstanceFleets"}
    return {n: v for n, v in config.items() if n not in own} | {n: v for n, v in machines.items() if v}


def configurations(items: list[dict]) -> list[dict]:
    """CloudFormation says ``ConfigurationProperties`` where the API says ``Properties``."""
    return [
        {
            "Classification": item["Classification"],
            "Properties": item.get("ConfigurationProperties", {}),
            "Configurations": configurations(item.get("Configurations", [])),
        }
        for item in items
    ]


def step_config(step: dict) -> dict:
    hadoop = dict(step["HadoopJarStep"])
    if "StepProperties" in hadoop:
        hadoop["Properties"] = hadoop.pop("StepProperties")
    action = {"ActionOnFailure": step["ActionOnFailure"]} if "ActionOnFailure" in step else {}
    return {"Name": step["Name"], "HadoopJarStep": hadoop, **action}


def update_auto_termination(client, cluster: str, policy: dict | None) -> None:
    if policy is None:
        client.remove_auto_termination_policy(ClusterId=cluster)
    else:
        client.put_auto_termination_policy(ClusterId=cluster, AutoTerminationPolicy=policy)


ClusterPlugin = plugin(Cluster)
StepPlugin = plugin(Step)
SecurityConfigurationPlugin = plugin(SecurityConfiguration)
