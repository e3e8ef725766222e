"""Redshift Serverless's CloudFormation types."""

from localstack.services.cloudformation.resource_provider import ResourceRequest

from groundwork_aws.cloudformation.resource import Refused, Resource, plugin


def request_of(model: dict, names: dict[str, str]) -> dict:
    """The API's parameters: the same names with a small first letter, and so are the names of their parts."""
    return {names[name]: lowered(model[name]) for name in names if name in model}


def lowered(value):
    if isinstance(value, dict):
        return {name[0].lower() + name[1:]: lowered(part) for name, part in value.items()}
    return [lowered(part) for part in value] if isinstance(value, list) else value


def raised(value):
    """The API's answer as the registry's schema names it."""
    if isinstance(value, dict):
        return {name[0].upper() + name[1:]: raised(part) for name, part in value.items()}
    return [raised(part) for part in value] if isinstance(value, list) else value


def api_names(*names: str) -> dict[str, str]:
    return {name: name[0].lower() + name[1:] for name in names}


def synchronise_tags(client, arn: str, model: dict, previous: dict) -> None:
    wanted, had = ({t["Key"] for t in m.get("Tags", [])} for m in (model, previous))
    if had - wanted:
        client.untag_resource(resourceArn=arn, tagKeys=sorted(had - wanted))
    if model.get("Tags"):
        client.tag_resource(resourceArn=arn, tags=lowered(model["Tags"]))


class Namespace(Resource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-redshiftserverless-namespace.html"""

    TYPE = "AWS::RedshiftServerless::Namespace"
    SERVICE = "redshift-serverless"
    HONOURED = frozenset(
        {"NamespaceName", "DbName", "AdminUsername", "AdminUserPassword", "ManageAdminPassword",
         "AdminPasswordSecretKmsKeyId", "IamRoles", "DefaultIamRoleArn", "Tags"}
    )  # fmt: skip
    RECORDED = frozenset({"KmsKeyId", "LogExports"})
    UPDATABLE = api_names(
        "NamespaceName", "AdminUsername", "AdminUserPassword", "ManageAdminPassword", "AdminPasswordSecretKmsKeyId",
        "IamRoles", "DefaultIamRoleArn", "KmsKeyId", "LogExports",
    )  # fmt: skip

    def create_resource(self, client, model: dict, request: ResourceRequest) -> dict:
        parameters = request_of(model, {**self.UPDATABLE, **api_names("DbName", "Tags")})
        return self.read_only(client.create_namespace(**parameters))

    def update_resource(self, client, model: dict, previous: dict, request: ResourceRequest) -> dict:
        if model.get("DbName") != previous.get("DbName"):
            raise Refused(f"{self.TYPE}: DbName of a namespace that exists cannot be changed")
        changed = {k: v for k, v in model.items() if k == "NamespaceName" or previous.get(k) != v}
        answer = client.update_namespace(**request_of(changed, self.UPDATABLE))
        synchronise_tags(client, answer["namespace"]["namespaceArn"], model, previous)
        return self.read_only(answer)

    def delete_resource(self, client, model: dict) -> None:
        client.delete_namespace(namespaceName=model["NamespaceName"])

    def read_only(self, answer: dict) -> dict:
        return {"Namespace": raised({**answer["namespace"], "creationDate": str(answer["namespace"]["creationDate"])})}


class Workgroup(Resource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-redshiftserverless-workgroup.html"""

    TYPE = "AWS::RedshiftServerless::Workgroup"
    SERVICE = "redshift-serverless"
    HONOURED = frozenset({"WorkgroupName", "NamespaceName", "Tags"})
    RECORDED = frozenset(
        {"BaseCapacity", "MaxCapacity", "ConfigParameters", "EnhancedVpcRouting", "PricePerformanceTarget",
         "PubliclyAccessible", "SecurityGroupIds", "SubnetIds", "Port", "TrackName"}
    )  # fmt: skip
    UPDATABLE = api_names("WorkgroupName", *sorted(RECORDED))

    def create_resource(self, client, model: dict, request: ResourceRequest) -> dict:
        if "NamespaceName" not in model:
            raise Refused(f"{self.TYPE}: NamespaceName is required")
        parameters = request_of(model, {**self.UPDATABLE, **api_names("NamespaceName", "Tags")})
        return self.read_only(client.create_workgroup(**parameters))

    def update_resource(self, client, model: dict, previous: dict, request: ResourceRequest) -> dict:
        changed = {k: v for k, v in model.items() if k == "WorkgroupName" or previous.get(k) != v}
        answer = client.update_workgroup(**request_of(changed, self.UPDATABLE))
        synchronise_tags(client, answer["workgroup"]["workgroupArn"], model, previous)
        return self.read_only(answer)

    def delete_resource(self, client, model: dict) -> None:
        client.delete_workgroup(workgroupName=model["WorkgroupName"])

    def read_only(self, answer: dict) -> dict:
        workgroup = raised({**answer["workgroup"], "creationDate": str(answer["workgroup"]["creationDate"])})
        # Fn::GetAtt gives strings, and LocalStack leaves out an output that is none.
        workgroup["Endpoint"]["Port"] = str(workgroup["Endpoint"]["Port"])
        return {"Workgroup": workgroup}


NamespacePlugin = plugin(Namespace)
WorkgroupPlugin = plugin(Workgroup)
