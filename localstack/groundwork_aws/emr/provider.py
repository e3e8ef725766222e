"""The EMR API: clusters whose steps really run, on the Spark cluster beside the instance controller.

Every cluster runs on the one Spark cluster of the platform: its instances, roles, subnets and scaling policy are kept
and described back, and change nothing. https://docs.aws.amazon.com/emr/latest/APIReference/Welcome.html
"""

import secrets
import string
import time
from datetime import UTC, datetime

from localstack.aws.api import RequestContext, handler
from localstack.services.plugins import ServiceLifecycleHook

from groundwork_aws import settings
from groundwork_aws.emr import release, validation
from groundwork_aws.emr.cluster import ENDED, TAKES_STEPS, Cluster, Step
from groundwork_aws.emr.controller import InstanceController, Unreachable
from groundwork_aws.emr.models import EmrStore, emr_stores
from groundwork_aws.emr.runner import SIGNALS, Runner
from groundwork_aws.emr.shapes import describe_cluster, describe_step, summarise_cluster
from groundwork_aws.emr.validation import invalid, invalid_request

PAGE = 50
ALPHABET = string.ascii_uppercase + string.digits


class EmrProvider(ServiceLifecycleHook):
    service = "emr"
    version = "2009-03-31"

    def __init__(self):
        read = settings.read()
        self.controller = InstanceController(read.instance_controller_url, read.instance_controller_token)

    def on_after_state_load(self) -> None:
        """The steps went on meanwhile, beside the controller: the clusters are taken up where they are."""
        for _, _, store in emr_stores.iter_stores():
            for cluster in store.clusters.values():
                cluster.idle_since = time.monotonic()
                if cluster.state not in ENDED:
                    self.start(cluster)

    def start(self, cluster: Cluster) -> None:
        Runner(cluster, self.controller).start()

    # --- clusters ---

    @handler("RunJobFlow", expand=False)
    def run_job_flow(self, context: RequestContext, request: dict) -> dict:
        """Parameters that describe machines are recorded only; those of ``validation.NOT_HONOURED`` are refused."""
        validation.check_run_job_flow(request)
        store = store_of(context)
        if request.get("SecurityConfiguration"):
            find_security_configuration(store, request["SecurityConfiguration"])
        self.check_release(request)
        cluster = new_cluster(context, request)
        add_steps(cluster, request.get("Steps", []))
        store.clusters[cluster.id] = cluster
        self.start(cluster)
        return {"JobFlowId": cluster.id, "ClusterArn": cluster.arn}

    def check_release(self, request: dict) -> None:
        try:
            release.check(request, self.controller.health())
        except Unreachable:
            return  # the cluster's start says so, where a cluster that does not start says it
        except release.Refused as error:
            raise invalid(str(error)) from error

    @handler("DescribeCluster", expand=False)
    def describe_cluster(self, context: RequestContext, request: dict) -> dict:
        cluster = find_cluster(store_of(context), request["ClusterId"])
        with cluster.changed:
            return {"Cluster": describe_cluster(cluster)}

    @handler("ListClusters", expand=False)
    def list_clusters(self, context: RequestContext, request: dict) -> dict:
        states = request.get("ClusterStates")
        earliest, latest = request.get("CreatedAfter"), request.get("CreatedBefore")
        clusters = [
            cluster
            for cluster in reversed(store_of(context).clusters.values())
            if (not states or cluster.state in states)
            and (not earliest or cluster.timeline["CreationDateTime"] >= aware(earliest))
            and (not latest or cluster.timeline["CreationDateTime"] <= aware(latest))
        ]
        page, marker = paged(clusters, request.get("Marker"))
        return {"Clusters": [summarise_cluster(cluster) for cluster in page], **marker}

    @handler("TerminateJobFlows", expand=False)
    def terminate_job_flows(self, context: RequestContext, request: dict) -> dict:
        clusters = find_clusters(store_of(context), request["JobFlowIds"])
        if any(cluster.termination_protected and cluster.state in TAKES_STEPS for cluster in clusters):
            raise invalid("Could not shut down one or more job flows since they are termination protected.")
        for cluster in clusters:
            with cluster.changed:
                cluster.terminate("USER_REQUEST", "Terminated by user request")
                cluster.changed.notify_all()
        return {}

    @handler("SetTerminationProtection", expand=False)
    def set_termination_protection(self, context: RequestContext, request: dict) -> dict:
        for cluster in find_clusters(store_of(context), request["JobFlowIds"]):
            cluster.termination_protected = request["TerminationProtected"]
        return {}

    @handler("SetKeepJobFlowAliveWhenNoSteps", expand=False)
    def set_keep_job_flow_alive_when_no_steps(self, context: RequestContext, request: dict) -> dict:
        for cluster in find_clusters(store_of(context), request["JobFlowIds"]):
            with cluster.changed:
                cluster.keep_alive = request["KeepJobFlowAliveWhenNoSteps"]
                cluster.changed.notify_all()
        return {}

    @handler("ModifyCluster", expand=False)
    def modify_cluster(self, context: RequestContext, request: dict) -> dict:
        cluster = find_living_cluster(store_of(context), request["ClusterId"])
        level = request.get("StepConcurrencyLevel", cluster.concurrency)
        validation.check_concurrency(level)
        with cluster.changed:
            cluster.concurrency = level
            cluster.changed.notify_all()
        return {"StepConcurrencyLevel": level}

    # --- steps ---

    @handler("AddJobFlowSteps", expand=False)
    def add_job_flow_steps(self, context: RequestContext, request: dict) -> dict:
        if request.get("ExecutionRoleArn"):
            raise invalid("ExecutionRoleArn: steps run without a role of their own here; leave it out.")
        cluster = find_cluster(store_of(context), request["JobFlowId"])
        with cluster.changed:
            steps = add_steps(cluster, request["Steps"])
            cluster.changed.notify_all()
        return {"StepIds": [step.id for step in steps]}

    @handler("DescribeStep", expand=False)
    def describe_step(self, context: RequestContext, request: dict) -> dict:
        cluster = find_cluster(store_of(context), request["ClusterId"])
        with cluster.changed:
            return {"Step": describe_step(cluster, find_step(cluster, request["StepId"]))}

    @handler("ListSteps", expand=False)
    def list_steps(self, context: RequestContext, request: dict) -> dict:
        cluster = find_cluster(store_of(context), request["ClusterId"])
        ids, states = request.get("StepIds"), request.get("StepStates")
        if ids and len(ids) > validation.MOST_IDS:
            raise invalid_request(f"StepIds must not name more than {validation.MOST_IDS} steps.")
        with cluster.changed:
            steps = [find_step(cluster, id) for id in ids] if ids else list(cluster.steps)
            if states:
                steps = [step for step in steps if step.state in states]
            if not ids and not states:
                steps.reverse()
            page, marker = paged(steps, request.get("Marker"))
            return {"Steps": [describe_step(cluster, step) for step in page], **marker}

    @handler("CancelSteps", expand=False)
    def cancel_steps(self, context: RequestContext, request: dict) -> dict:
        option = request.get("StepCancellationOption", "SEND_INTERRUPT")
        if option not in SIGNALS:
            raise invalid_request(f"StepCancellationOption must be one of {', '.join(SIGNALS)}.")
        cluster = find_cluster(store_of(context), request["ClusterId"])
        with cluster.changed:
            steps = [find_step(cluster, id) for id in request["StepIds"]]
            answers = [cancel_step(step, option) for step in steps]
            cluster.changed.notify_all()
        return {"CancelStepsInfoList": answers}

    # --- policies and tags ---

    @handler("PutManagedScalingPolicy", expand=False)
    def put_managed_scaling_policy(self, context: RequestContext, request: dict) -> dict:
        """Recorded only: the platform's Spark cluster has the workers it was started with."""
        validation.check_managed_scaling(request["ManagedScalingPolicy"])
        find_living_cluster(store_of(context), request["ClusterId"]).managed_scaling = request["ManagedScalingPolicy"]
        return {}

    @handler("GetManagedScalingPolicy", expand=False)
    def get_managed_scaling_policy(self, context: RequestContext, request: dict) -> dict:
        policy = find_cluster(store_of(context), request["ClusterId"]).managed_scaling
        return {"ManagedScalingPolicy": policy} if policy else {}

    @handler("RemoveManagedScalingPolicy", expand=False)
    def remove_managed_scaling_policy(self, context: RequestContext, request: dict) -> dict:
        find_living_cluster(store_of(context), request["ClusterId"]).managed_scaling = None
        return {}

    @handler("PutAutoTerminationPolicy", expand=False)
    def put_auto_termination_policy(self, context: RequestContext, request: dict) -> dict:
        seconds = validation.check_idle_timeout(request.get("AutoTerminationPolicy", {}))
        set_idle_timeout(find_living_cluster(store_of(context), request["ClusterId"]), seconds)
        return {}

    @handler("GetAutoTerminationPolicy", expand=False)
    def get_auto_termination_policy(self, context: RequestContext, request: dict) -> dict:
        seconds = find_cluster(store_of(context), request["ClusterId"]).idle_timeout
        return {} if seconds is None else {"AutoTerminationPolicy": {"IdleTimeout": seconds}}

    @handler("RemoveAutoTerminationPolicy", expand=False)
    def remove_auto_termination_policy(self, context: RequestContext, request: dict) -> dict:
        set_idle_timeout(find_living_cluster(store_of(context), request["ClusterId"]), None)
        return {}

    @handler("AddTags", expand=False)
    def add_tags(self, context: RequestContext, request: dict) -> dict:
        cluster = find_cluster(store_of(context), request["ResourceId"])
        with cluster.changed:
            cluster.tags.update(tags_of(request["Tags"]))
        return {}

    @handler("RemoveTags", expand=False)
    def remove_tags(self, context: RequestContext, request: dict) -> dict:
        cluster = find_cluster(store_of(context), request["ResourceId"])
        with cluster.changed:
            for key in request["TagKeys"]:
                cluster.tags.pop(key, None)
        return {}

    # --- security configurations ---

    @handler("CreateSecurityConfiguration", expand=False)
    def create_security_configuration(self, context: RequestContext, request: dict) -> dict:
        """Recorded only: what it would encrypt stays on this machine."""
        configurations, name = store_of(context).security_configurations, request["Name"]
        if name in configurations:
            raise invalid_request(f"Security configuration with name '{name}' already exists.")
        validation.check_security_configuration(request["SecurityConfiguration"])
        configurations[name] = {
            "Name": name,
            "SecurityConfiguration": request["SecurityConfiguration"],
            "CreationDateTime": datetime.now(UTC),
        }
        return {"Name": name, "CreationDateTime": configurations[name]["CreationDateTime"]}

    @handler("DescribeSecurityConfiguration", expand=False)
    def describe_security_configuration(self, context: RequestContext, request: dict) -> dict:
        return find_security_configuration(store_of(context), request["Name"])

    @handler("ListSecurityConfigurations", expand=False)
    def list_security_configurations(self, context: RequestContext, request: dict) -> dict:
        configurations = list(store_of(context).security_configurations.values())
        page, marker = paged(configurations, request.get("Marker"))
        return {
            "SecurityConfigurations": [{"Name": c["Name"], "CreationDateTime": c["CreationDateTime"]} for c in page],
            **marker,
        }

    @handler("DeleteSecurityConfiguration", expand=False)
    def delete_security_configuration(self, context: RequestContext, request: dict) -> dict:
        find_security_configuration(store_of(context), request["Name"])
        del store_of(context).security_configurations[request["Name"]]
        return {}


# --- finding and making ---


def store_of(context: RequestContext) -> EmrStore:
    return emr_stores[context.account_id][context.region]


def find_cluster(store: EmrStore, id: str) -> Cluster:
    if id not in store.clusters:
        raise invalid_request(f"Cluster id '{id}' is not valid.")
    return store.clusters[id]


def find_clusters(store: EmrStore, ids: list[str]) -> list[Cluster]:
    if not 1 <= len(ids) <= validation.MOST_IDS:
        raise invalid(f"JobFlowIds must name 1 to {validation.MOST_IDS} job flows.")
    return [find_cluster(store, id) for id in ids]


def find_living_cluster(store: EmrStore, id: str) -> Cluster:
    cluster = find_cluster(store, id)
    if cluster.state not in TAKES_STEPS:
        raise invalid_request(f"Cluster {id} is {cluster.state} and cannot be modified.")
    return cluster


def find_step(cluster: Cluster, id: str) -> Step:
    step = next((step for step in cluster.steps if step.id == id), None)
    if step is None:
        raise invalid_request(f"Step id '{id}' is not valid.")
    return step


def find_security_configuration(store: EmrStore, name: str) -> dict:
    if name not in store.security_configurations:
        raise invalid_request(f"Security configuration with name '{name}' does not exist.")
    return store.security_configurations[name]


def new_cluster(context: RequestContext, request: dict) -> Cluster:
    id = "j-" + random_id(13)
    policy = request.get("AutoTerminationPolicy")
    return Cluster(
        id=id,
        arn=f"arn:aws:elasticmapreduce:{context.region}:{context.account_id}:cluster/{id}",
        request=request,
        keep_alive=request["Instances"].get("KeepJobFlowAliveWhenNoSteps", False),
        termination_protected=request["Instances"].get("TerminationProtected", False),
        concurrency=request.get("StepConcurrencyLevel", 1),
        tags=tags_of(request.get("Tags", [])),
        idle_timeout=None if policy is None else validation.check_idle_timeout(policy),
        managed_scaling=request.get("ManagedScalingPolicy"),
    )


def add_steps(cluster: Cluster, configs: list[dict]) -> list[Step]:
    """All of them or, when one is refused, none."""
    validation.check_takes_steps(cluster, len(configs))
    checked = [validation.checked_step(config, cluster.concurrency) for config in configs]
    steps = [Step("s-" + random_id(13), config) for config in checked]
    cluster.steps.extend(steps)
    return steps


def cancel_step(step: Step, option: str) -> dict:
    if step.state == "PENDING":
        step.move("CANCELLED")
    elif step.state == "RUNNING":
        step.cancel_option = option
        step.move("CANCEL_PENDING")
    else:
        reason = f"Step is in state {step.state}, not PENDING or RUNNING."
        return {"StepId": step.id, "Status": "FAILED", "Reason": reason}
    return {"StepId": step.id, "Status": "SUBMITTED"}


def set_idle_timeout(cluster: Cluster, seconds: int | None) -> None:
    with cluster.changed:
        cluster.idle_timeout = seconds
        cluster.changed.notify_all()


def tags_of(tags: list[dict]) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value", "") for tag in tags}


def random_id(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def paged(items: list, marker: str | None) -> tuple[list, dict]:
    """One page, and the marker of the next, which is the number of items before it."""
    start = int(marker) if marker and marker.isdigit() else 0
    following = start + PAGE
    return items[start:following], {"Marker": str(following)} if following < len(items) else {}
