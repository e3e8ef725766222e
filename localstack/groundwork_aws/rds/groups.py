"""Subnet groups and parameter groups of RDS.

https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBSubnetGroup.html
https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBParameterGroup.html
"""

from localstack.aws.api import CommonServiceException, RequestContext, handler
from localstack.aws.connect import connect_to

from groundwork_aws.rds.errors import already_exists, in_use, invalid, not_found
from groundwork_aws.rds.models import RdsStore, rds_stores

FAMILIES = {f"postgres{major}" for major in range(13, 19)}


class Groups:
    @handler("CreateDBSubnetGroup", expand=False)
    def create_db_subnet_group(self, context: RequestContext, request: dict) -> dict:
        store, name = store_of(context), request["DBSubnetGroupName"].lower()
        if name in store.subnet_groups:
            raise already_exists("DBSubnetGroup", name)
        group = {
            "DBSubnetGroupName": name,
            "DBSubnetGroupDescription": request["DBSubnetGroupDescription"],
            "SubnetGroupStatus": "Complete",
            "DBSubnetGroupArn": arn(context, "subgrp", name),
            **subnets_of(context, request["SubnetIds"]),
        }
        store.subnet_groups[name] = group
        keep_tags(store, group["DBSubnetGroupArn"], request)
        return {"DBSubnetGroup": group}

    @handler("DescribeDBSubnetGroups", expand=False)
    def describe_db_subnet_groups(self, context: RequestContext, request: dict) -> dict:
        groups, name = store_of(context).subnet_groups, request.get("DBSubnetGroupName")
        return {"DBSubnetGroups": [find_subnet_group(context, name)] if name else list(groups.values())}

    @handler("ModifyDBSubnetGroup", expand=False)
    def modify_db_subnet_group(self, context: RequestContext, request: dict) -> dict:
        group = find_subnet_group(context, request["DBSubnetGroupName"])
        group |= subnets_of(context, request["SubnetIds"])
        if "DBSubnetGroupDescription" in request:
            group["DBSubnetGroupDescription"] = request["DBSubnetGroupDescription"]
        return {"DBSubnetGroup": group}

    @handler("DeleteDBSubnetGroup", expand=False)
    def delete_db_subnet_group(self, context: RequestContext, request: dict) -> dict:
        group, store = find_subnet_group(context, request["DBSubnetGroupName"]), store_of(context)
        for instance in store.instances.values():
            if instance["DBSubnetGroup"] is group:
                raise in_use("DBSubnetGroup", group["DBSubnetGroupName"], instance["DBInstanceIdentifier"])
        del store.subnet_groups[group["DBSubnetGroupName"]]
        store.tags.pop(group["DBSubnetGroupArn"], None)
        return {}

    @handler("CreateDBParameterGroup", expand=False)
    def create_db_parameter_group(self, context: RequestContext, request: dict) -> dict:
        store, name = store_of(context), request["DBParameterGroupName"].lower()
        if name in store.parameter_groups:
            raise already_exists("DBParameterGroup", name)
        if request["DBParameterGroupFamily"] not in FAMILIES:
            raise invalid(f"ParameterGroupFamily {request['DBParameterGroupFamily']} is not supported")
        group = {
            "DBParameterGroupName": name,
            "DBParameterGroupFamily": request["DBParameterGroupFamily"],
            "Description": request["Description"],
            "DBParameterGroupArn": arn(context, "pg", name),
            "Parameters": {},
        }
        store.parameter_groups[name] = group
        keep_tags(store, group["DBParameterGroupArn"], request)
        return {"DBParameterGroup": group}

    @handler("DescribeDBParameterGroups", expand=False)
    def describe_db_parameter_groups(self, context: RequestContext, request: dict) -> dict:
        groups, name = store_of(context).parameter_groups, request.get("DBParameterGroupName")
        return {"DBParameterGroups": [find_parameter_group(context, name)] if name else list(groups.values())}

    @handler("DescribeDBParameters", expand=False)
    def describe_db_parameters(self, context: RequestContext, request: dict) -> dict:
        """Only the parameters that were set: there is no list of a family's defaults here."""
        if request.get("Source") != "user":
            raise invalid("Source: only the parameters of the source user are known here")
        group = find_parameter_group(context, request["DBParameterGroupName"])
        values = group["Parameters"].items()
        return {"Parameters": [{"ParameterName": n, "ParameterValue": v, "Source": "user"} for n, v in values]}

    @handler("ModifyDBParameterGroup", expand=False)
    def modify_db_parameter_group(self, context: RequestContext, request: dict) -> dict:
        group = find_parameter_group(context, request["DBParameterGroupName"])
        wanted = {p["ParameterName"]: p["ParameterValue"] for p in request["Parameters"]}
        self.check_parameters_in_use(context, group, {**group["Parameters"], **wanted})
        group["Parameters"] |= wanted
        return {"DBParameterGroupName": group["DBParameterGroupName"]}

    @handler("ResetDBParameterGroup", expand=False)
    def reset_db_parameter_group(self, context: RequestContext, request: dict) -> dict:
        group = find_parameter_group(context, request["DBParameterGroupName"])
        gone = [p["ParameterName"] for p in request.get("Parameters", [])]
        for name in list(group["Parameters"]) if request.get("ResetAllParameters") else gone:
            group["Parameters"].pop(name, None)
        return {"DBParameterGroupName": group["DBParameterGroupName"]}

    @handler("DeleteDBParameterGroup", expand=False)
    def delete_db_parameter_group(self, context: RequestContext, request: dict) -> dict:
        group, store = find_parameter_group(context, request["DBParameterGroupName"]), store_of(context)
        name = group["DBParameterGroupName"]
        for instance in store.instances.values():
            if instance["DBParameterGroups"][0]["DBParameterGroupName"] == name:
                raise in_use("DBParameterGroup", name, instance["DBInstanceIdentifier"])
        del store.parameter_groups[name]
        store.tags.pop(group["DBParameterGroupArn"], None)
        return {}

    def check_parameters_in_use(self, context: RequestContext, group: dict, parameters: dict) -> None:
        """What a group that an instance has may say; the provider knows the server behind the instance."""


def subnets_of(context: RequestContext, ids: list[str]) -> dict:
    """A subnet group's VPC and subnets. Raises InvalidSubnet, DBSubnetGroupDoesNotCoverEnoughAZs."""
    ec2 = connect_to(aws_access_key_id=context.account_id, region_name=context.region).ec2
    found = {subnet["SubnetId"]: subnet for subnet in ec2.describe_subnets()["Subnets"]}
    unknown = [id for id in ids if id not in found]
    if unknown or len({found[id]["VpcId"] for id in ids}) != 1:
        raise CommonServiceException(
            "InvalidSubnet", f"Subnets that are not there, or of several VPCs: {', '.join(unknown or ids)}."
        )
    if len({found[id]["AvailabilityZone"] for id in ids}) < 2:
        raise CommonServiceException(
            "DBSubnetGroupDoesNotCoverEnoughAZs", "The DB subnet group must cover at least 2 availability zones."
        )
    subnets = [
        {
            "SubnetIdentifier": id,
            "SubnetAvailabilityZone": {"Name": found[id]["AvailabilityZone"]},
            "SubnetStatus": "Active",
        }
        for id in ids
    ]
    return {"VpcId": found[ids[0]]["VpcId"], "Subnets": subnets}


def store_of(context: RequestContext) -> RdsStore:
    return rds_stores[context.account_id][context.region]


def arn(context: RequestContext, kind: str, name: str) -> str:
    return f"arn:aws:rds:{context.region}:{context.account_id}:{kind}:{name}"


def keep_tags(store: RdsStore, resource: str, request: dict) -> None:
    store.tags[resource] = {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}


def find_subnet_group(context: RequestContext, name: str) -> dict:
    found = store_of(context).subnet_groups.get(name.lower())
    if found is None:
        raise not_found("DBSubnetGroup", name)
    return found


def find_parameter_group(context: RequestContext, name: str) -> dict:
    found = store_of(context).parameter_groups.get(name.lower())
    if found is None:
        raise not_found("DBParameterGroup", name)
    return found
