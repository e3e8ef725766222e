"""The API of DMS: replication instances, subnet groups and tags; with endpoints, tasks and assessments beside it.

https://docs.aws.amazon.com/dms/latest/APIReference/Welcome.html

A replication instance has only this machine to run on: its class, storage, network, zone, maintenance window and key
are kept and described back. Operations that are not here answer 501.
"""

import copy

from botocore.exceptions import ClientError
from localstack.aws.api import CommonServiceException, RequestContext, handler
from localstack.aws.connect import connect_to
from localstack.services.plugins import ServiceLifecycleHook

from groundwork_aws.dms.assessment_operations import AssessmentOperations
from groundwork_aws.dms.common import (
    already_exists,
    check_identifier,
    filtered,
    invalid,
    make_arn,
    not_found,
    now,
    paged,
    require,
    store_of,
    tag,
    wrong_state,
)
from groundwork_aws.dms.endpoint_operations import EndpointOperations
from groundwork_aws.dms.instance import make_ready
from groundwork_aws.dms.models import DmsStore
from groundwork_aws.dms.task_operations import TaskOperations
from groundwork_aws.identity.roles import role_clients

ENGINE_VERSIONS = ("3.6.1", "3.6.0", "3.5.4", "3.5.3")
SIZES = ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge")
CLASSES = (
    *(f"dms.t3.{size}" for size in ("micro", "small", "medium", "large")),
    *(f"dms.{family}.{size}" for family in ("c6i", "r5", "r6i") for size in SIZES),
)  # fmt: skip
STORAGE_GB = (5, 6144)
# The role without which DMS makes no subnet group: it describes the account's subnets with it.
# https://docs.aws.amazon.com/dms/latest/userguide/security-iam.html#CHAP_Security.APIRole
VPC_ROLE = "dms-vpc-role"
MODIFIABLE = (
    "AllocatedStorage", "ReplicationInstanceClass", "PreferredMaintenanceWindow", "MultiAZ", "EngineVersion",
    "AutoMinorVersionUpgrade", "NetworkType",
)  # fmt: skip


class DmsProvider(EndpointOperations, TaskOperations, AssessmentOperations, ServiceLifecycleHook):
    service = "dms"
    version = "2016-01-01"

    # --- replication instances ---

    @handler("CreateReplicationInstance", expand=False)
    def create_replication_instance(self, context: RequestContext, request: dict) -> dict:
        """KerberosAuthenticationSettings and DnsNameServers are refused: nothing would use them."""
        require(request, "ReplicationInstanceIdentifier", "ReplicationInstanceClass")
        store, identifier = store_of(context), request["ReplicationInstanceIdentifier"].lower()
        check_identifier("ReplicationInstanceIdentifier", identifier, 63)
        if any(i["ReplicationInstanceIdentifier"] == identifier for i in store.instances.values()):
            raise already_exists(f"Replication Instance {identifier} already exists.")
        for name in ("KerberosAuthenticationSettings", "DnsNameServers"):
            if request.get(name):
                raise invalid(f"{name} is not supported here")
        check_instance(request)
        arn = make_arn(context, "rep", request.get("ResourceIdentifier"))
        instance = {
            "ReplicationInstanceIdentifier": identifier,
            "ReplicationInstanceArn": arn,
            "ReplicationInstanceStatus": "available",
            "AllocatedStorage": 50,
            "EngineVersion": ENGINE_VERSIONS[0],
            "MultiAZ": False,
            "AutoMinorVersionUpgrade": True,
            "PubliclyAccessible": True,
            "PreferredMaintenanceWindow": "sun:06:00-sun:14:00",
            "AvailabilityZone": f"{context.region}a",
            "NetworkType": "IPV4",
            "PendingModifiedValues": {},
            "InstanceCreateTime": now(),
            "ReplicationInstancePrivateIpAddress": "127.0.0.1",
            "ReplicationInstancePrivateIpAddresses": ["127.0.0.1"],
            **{
                name: request[name]
                for name in ("KmsKeyId", "PubliclyAccessible", "AvailabilityZone")
                if name in request
            },
            **{name: request[name] for name in MODIFIABLE if name in request},
            "VpcSecurityGroups": security_groups(request),
        }
        if request.get("ReplicationSubnetGroupIdentifier"):
            instance["ReplicationSubnetGroup"] = find_group(store, request["ReplicationSubnetGroupIdentifier"])
        store.instances[arn] = instance
        make_ready()
        tag(store, arn, request.get("Tags"))
        return {"ReplicationInstance": {**instance, "ReplicationInstanceStatus": "creating"}}

    @handler("DescribeReplicationInstances", expand=False)
    def describe_replication_instances(self, context: RequestContext, request: dict) -> dict:
        keys = {
            "replication-instance-arn": "ReplicationInstanceArn",
            "replication-instance-id": "ReplicationInstanceIdentifier",
            "replication-instance-class": "ReplicationInstanceClass",
            "engine-version": "EngineVersion",
        }
        instances = filtered(list(store_of(context).instances.values()), request, keys, "Replication Instances")
        return paged(instances, request, "ReplicationInstances")

    @handler("ModifyReplicationInstance", expand=False)
    def modify_replication_instance(self, context: RequestContext, request: dict) -> dict:
        """Every change is applied at once, with or without ApplyImmediately: there is no machine to take down."""
        store = store_of(context)
        instance = find_instance(store, request["ReplicationInstanceArn"])
        check_instance({**instance, **request})
        instance.update({name: request[name] for name in MODIFIABLE if name in request})
        if "ReplicationInstanceIdentifier" in request:
            instance["ReplicationInstanceIdentifier"] = request["ReplicationInstanceIdentifier"].lower()
        if "VpcSecurityGroupIds" in request:
            instance["VpcSecurityGroups"] = security_groups(request)
        return {"ReplicationInstance": copy.deepcopy(instance)}

    @handler("DeleteReplicationInstance", expand=False)
    def delete_replication_instance(self, context: RequestContext, request: dict) -> dict:
        store, arn = store_of(context), request["ReplicationInstanceArn"]
        instance = find_instance(store, arn)
        tasks = [t for t in store.tasks.values() if t.description["ReplicationInstanceArn"] == arn]
        if tasks:
            raise wrong_state(f"Replication instance {arn} has replication tasks: delete them first")
        del store.instances[arn]
        store.tags.pop(arn, None)
        store.connections = {k: c for k, c in store.connections.items() if k[0] != arn}
        return {"ReplicationInstance": {**instance, "ReplicationInstanceStatus": "deleting"}}

    @handler("DescribeOrderableReplicationInstances", expand=False)
    def describe_orderable_replication_instances(self, context: RequestContext, request: dict) -> dict:
        orderable = [
            {
                "EngineVersion": version, "ReplicationInstanceClass": name, "StorageType": "gp2",
                "MinAllocatedStorage": STORAGE_GB[0], "MaxAllocatedStorage": STORAGE_GB[1],
                "DefaultAllocatedStorage": 50, "IncludedAllocatedStorage": 50,
            }
            for version in ENGINE_VERSIONS
            for name in CLASSES
        ]  # fmt: skip
        return paged(orderable, request, "OrderableReplicationInstances")

    # --- subnet groups ---

    @handler("CreateReplicationSubnetGroup", expand=False)
    def create_replication_subnet_group(self, context: RequestContext, request: dict) -> dict:
        require(request, "ReplicationSubnetGroupIdentifier", "ReplicationSubnetGroupDescription", "SubnetIds")
        store, identifier = store_of(context), request["ReplicationSubnetGroupIdentifier"].lower()
        check_identifier("ReplicationSubnetGroupIdentifier", identifier)
        if identifier == "default":
            raise invalid("ReplicationSubnetGroupIdentifier must not be default")
        if identifier in store.subnet_groups:
            raise already_exists(f"The Replication Subnet Group {identifier} already exists.")
        check_vpc_role(context)
        subnets = find_subnets(context, request["SubnetIds"])
        store.subnet_groups[identifier] = {
            "ReplicationSubnetGroupIdentifier": identifier,
            "ReplicationSubnetGroupDescription": request["ReplicationSubnetGroupDescription"],
            "VpcId": subnets[0]["VpcId"],
            "SubnetGroupStatus": "Complete",
            "Subnets": [
                {
                    "SubnetIdentifier": s["SubnetId"],
                    "SubnetAvailabilityZone": {"Name": s["AvailabilityZone"]},
                    "SubnetStatus": "Active",
                }
                for s in subnets
            ],
            "SupportedNetworkTypes": ["IPV4"],
        }
        tag(store, f"arn:aws:dms:{context.region}:{context.account_id}:subgrp:{identifier}", request.get("Tags"))
        return {"ReplicationSubnetGroup": store.subnet_groups[identifier]}

    @handler("DescribeReplicationSubnetGroups", expand=False)
    def describe_replication_subnet_groups(self, context: RequestContext, request: dict) -> dict:
        keys = {"replication-subnet-group-id": "ReplicationSubnetGroupIdentifier"}
        groups = filtered(list(store_of(context).subnet_groups.values()), request, keys, "Replication Subnet Groups")
        return paged(groups, request, "ReplicationSubnetGroups")

    @handler("DeleteReplicationSubnetGroup", expand=False)
    def delete_replication_subnet_group(self, context: RequestContext, request: dict) -> dict:
        store = store_of(context)
        identifier = find_group(store, request["ReplicationSubnetGroupIdentifier"])["ReplicationSubnetGroupIdentifier"]
        for instance in store.instances.values():
            if instance.get("ReplicationSubnetGroup", {}).get("ReplicationSubnetGroupIdentifier") == identifier:
                name = instance["ReplicationInstanceIdentifier"]
                raise wrong_state(f"The Replication Subnet Group {identifier} is used by replication instance {name}")
        del store.subnet_groups[identifier]
        store.tags.pop(f"arn:aws:dms:{context.region}:{context.account_id}:subgrp:{identifier}", None)
        return {}

    # --- tags ---

    @handler("AddTagsToResource", expand=False)
    def add_tags_to_resource(self, context: RequestContext, request: dict) -> dict:
        find_tags(store_of(context), request["ResourceArn"])
        tag(store_of(context), request["ResourceArn"], request["Tags"])
        return {}

    @handler("ListTagsForResource", expand=False)
    def list_tags_for_resource(self, context: RequestContext, request: dict) -> dict:
        arns = request.get("ResourceArnList") or [request["ResourceArn"]]
        found = [(arn, find_tags(store_of(context), arn)) for arn in arns]
        return {"TagList": [{"Key": k, "Value": v, "ResourceArn": arn} for arn, tags in found for k, v in tags.items()]}

    @handler("RemoveTagsFromResource", expand=False)
    def remove_tags_from_resource(self, context: RequestContext, request: dict) -> dict:
        tags = find_tags(store_of(context), request["ResourceArn"])
        for key in request["TagKeys"]:
            tags.pop(key, None)
        return {}


def check_instance(request: dict) -> None:
    if request["ReplicationInstanceClass"] not in CLASSES:
        raise invalid(
            f"The replication instance class {request['ReplicationInstanceClass']} is not one of {', '.join(CLASSES)}"
        )
    version = request.get("EngineVersion", ENGINE_VERSIONS[0])
    if version not in ENGINE_VERSIONS:
        raise invalid(f"No replication engine found with version: {version}. There are {', '.join(ENGINE_VERSIONS)}")
    low, high = STORAGE_GB
    if not low <= request.get("AllocatedStorage", 50) <= high:
        raise invalid(f"AllocatedStorage must be from {low} to {high} GB, not {request['AllocatedStorage']}")
    if request.get("MultiAZ") and request.get("AvailabilityZone") and "ReplicationInstanceArn" not in request:
        raise CommonServiceException(
            "InvalidParameterCombinationException", "AvailabilityZone cannot be set when MultiAZ is true"
        )


def security_groups(request: dict) -> list[dict]:
    return [{"VpcSecurityGroupId": g, "Status": "active"} for g in request.get("VpcSecurityGroupIds") or []]


def find_instance(store: DmsStore, arn: str) -> dict:
    if arn not in store.instances:
        raise not_found(f"Replication instance {arn} not found.")
    return store.instances[arn]


def find_group(store: DmsStore, identifier: str) -> dict:
    if identifier.lower() not in store.subnet_groups:
        raise not_found(f"Replication Subnet Group {identifier} not found.")
    return store.subnet_groups[identifier.lower()]


def find_tags(store: DmsStore, arn: str) -> dict[str, str]:
    if arn not in store.tags:
        raise not_found(f"The resource {arn} could not be found.")
    return store.tags[arn]


def find_subnets(context: RequestContext, ids: list[str]) -> list[dict]:
    """The subnets as EC2 knows them; DMS wants two availability zones of one VPC."""
    ec2 = role_clients(f"arn:aws:iam::{context.account_id}:role/{VPC_ROLE}", "dms", context.region).ec2
    try:
        subnets = ec2.describe_subnets(SubnetIds=ids)["Subnets"]
    except ClientError as error:
        raise CommonServiceException("InvalidSubnet", error.response["Error"]["Message"]) from None
    if len({s["VpcId"] for s in subnets}) > 1:
        raise CommonServiceException("InvalidSubnet", "The subnets are not in one VPC.")
    if len({s["AvailabilityZone"] for s in subnets}) < 2:
        raise CommonServiceException(
            "ReplicationSubnetGroupDoesNotCoverEnoughAZs",
            "The replication subnet group does not cover enough availability zones: it needs subnets in at least two.",
        )
    return subnets


def check_vpc_role(context: RequestContext) -> None:
    try:
        connect_to(aws_access_key_id=context.account_id, region_name=context.region).iam.get_role(RoleName=VPC_ROLE)
    except ClientError:
        raise CommonServiceException(
            "AccessDeniedFault",
            f"The IAM Role arn:aws:iam::{context.account_id}:role/{VPC_ROLE} is not configured properly: it is missing",
        ) from None
