"""Athena's CloudFormation types."""

from groundwork_aws.athena.work_groups import DEFAULTS
from groundwork_aws.cloudformation.resource import Refused, Resource, plugin


class WorkGroup(Resource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-athena-workgroup.html"""

    TYPE = "AWS::Athena::WorkGroup"
    SERVICE = "athena"
    HONOURED = frozenset({"Name", "Description", "State", "Tags", "WorkGroupConfiguration", "RecursiveDeleteOption"})

    def checked(self, model):
        if "WorkGroupConfigurationUpdates" in model:
            raise Refused("WorkGroupConfigurationUpdates is deprecated: change WorkGroupConfiguration")
        return super().checked(model)

    def create_resource(self, client, model, request):
        arguments = {k: model[k] for k in ("Name", "Description", "Tags") if k in model}
        client.create_work_group(**arguments, Configuration=model.get("WorkGroupConfiguration", {}))
        if model.get("State", "ENABLED") != "ENABLED":
            client.update_work_group(WorkGroup=model["Name"], State=model["State"])
        return self.attributes(client, model["Name"])

    def update_resource(self, client, model, previous, request):
        client.update_work_group(
            WorkGroup=model["Name"],
            Description=model.get("Description", ""),
            State=model.get("State", "ENABLED"),
            ConfigurationUpdates=updates(
                model.get("WorkGroupConfiguration", {}), previous.get("WorkGroupConfiguration", {})
            ),
        )
        self.update_tags(client, model, previous, request)
        return self.attributes(client, model["Name"])

    def update_tags(self, client, model, previous, request):
        resource = f"arn:aws:athena:{request.region_name}:{request.account_id}:workgroup/{model['Name']}"
        tags, earlier = model.get("Tags", []), previous.get("Tags", [])
        gone = {t["Key"] for t in earlier} - {t["Key"] for t in tags}
        if gone:
            client.untag_resource(ResourceARN=resource, TagKeys=sorted(gone))
        if tags:
            client.tag_resource(ResourceARN=resource, Tags=tags)

    def delete_resource(self, client, model):
        try:
            client.delete_work_group(
                WorkGroup=model["Name"], RecursiveDeleteOption=model.get("RecursiveDeleteOption", False)
            )
        except client.exceptions.InvalidRequestException as error:
            if "is not found" not in error.response["Error"]["Message"]:
                raise

    def attributes(self, client, name: str) -> dict:
        group = client.get_work_group(WorkGroup=name)["WorkGroup"]
        return {
            "CreationTime": str(int(group["CreationTime"].timestamp())),
            "WorkGroupConfiguration": group["Configuration"],
        }


def updates(configuration: dict, previous: dict) -> dict:
    """A workgroup's configuration as UpdateWorkGroup takes it: what the template no longer has is removed."""
    changes = DEFAULTS | {k: v for k, v in configuration.items() if k != "ResultConfiguration"}
    results, earlier = configuration.get("ResultConfiguration", {}), previous.get("ResultConfiguration", {})
    changes["ResultConfigurationUpdates"] = results | {f"Remove{k}": True for k in earlier if k not in results}
    if "BytesScannedCutoffPerQuery" in previous and "BytesScannedCutoffPerQuery" not in configuration:
        changes["RemoveBytesScannedCutoffPerQuery"] = True
    return changes


class NamedQuery(Resource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-athena-namedquery.html"""

    TYPE = "AWS::Athena::NamedQuery"
    SERVICE = "athena"
    HONOURED = frozenset({"Name", "Database", "Description", "QueryString", "WorkGroup"})

    def create_resource(self, client, model, request):
        properties = {k: v for k, v in model.items() if k != "NamedQueryId"}
        named = {"Name": request.logical_resource_id, **properties}
        return {"NamedQueryId": client.create_named_query(**named)["NamedQueryId"]}

    def check_create_only(self, model, previous):
        """Every change replaces a named query, and nothing refers to the old one: the replacement is made here."""

    def update_resource(self, client, model, previous, request):
        replacement = self.create_resource(client, model, request)
        self.delete_resource(client, previous)
        return replacement

    def delete_resource(self, client, model):
        try:
            client.delete_named_query(NamedQueryId=model["NamedQueryId"])
        except client.exceptions.InvalidRequestException as error:
            if "was not found" not in error.response["Error"]["Message"]:
                raise


WorkGroupPlugin = plugin(WorkGroup)
NamedQueryPlugin = plugin(NamedQuery)
