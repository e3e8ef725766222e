"""Glue's CloudFormation types."""

from groundwork_aws.cloudformation.resource import Resource, plugin
from groundwork_aws.glue.definitions import DEFAULTS


class Database(Resource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-glue-database.html"""

    TYPE = "AWS::Glue::Database"
    SERVICE = "glue"
    HONOURED = frozenset({"CatalogId", "DatabaseInput", "DatabaseName"})

    def create_resource(self, client, model, request):
        name = model.get("DatabaseName") or model["DatabaseInput"].get("Name") or generated_name(request)
        client.create_database(CatalogId=model["CatalogId"], DatabaseInput={**model["DatabaseInput"], "Name": name})
        return {"DatabaseName": name}

    def update_resource(self, client, model, previous, request):
        name = previous["DatabaseName"]
        definition = {"Name": name, **model["DatabaseInput"]}
        client.update_database(CatalogId=model["CatalogId"], Name=name, DatabaseInput=definition)
        return {"DatabaseName": name}

    def delete_resource(self, client, model):
        client.delete_database(Name=model["DatabaseName"])


class Crawler(Resource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-glue-crawler.html

    ``CrawlerSecurityConfiguration`` is recorded: nothing is encrypted by it.
    """

    TYPE = "AWS::Glue::Crawler"
    SERVICE = "glue"
    HONOURED = frozenset(
        {
            "Classifiers", "Configuration", "DatabaseName", "Description", "LakeFormationConfiguration", "Name",
            "RecrawlPolicy", "Role", "Schedule", "SchemaChangePolicy", "TablePrefix", "Tags", "Targets",
        }
    )  # fmt: skip
    RECORDED = frozenset({"CrawlerSecurityConfiguration"})

    def create_resource(self, client, model, request):
        name = model.get("Name") or generated_name(request)
        client.create_crawler(**definition_of(model), Name=name, Tags=model.get("Tags", {}))
        return {"Name": name}

    def update_resource(self, client, model, previous, request):
        name = previous["Name"]
        # what the template no longer says goes back to its default
        cleared = {key: EMPTY[key] for key in EMPTY if key in previous and key not in model}
        client.update_crawler(**cleared, **definition_of(model), Name=name)
        retag(client, f"arn:aws:glue:{request.region_name}:{request.account_id}:crawler/{name}", model, previous)
        return {"Name": name}

    def delete_resource(self, client, model):
        client.delete_crawler(Name=model["Name"])


EMPTY = {
    "Classifiers": [],
    "Configuration": "",
    "Description": "",
    "RecrawlPolicy": DEFAULTS["RecrawlPolicy"],
    "Schedule": "",
    "SchemaChangePolicy": DEFAULTS["SchemaChangePolicy"],
    "TablePrefix": "",
}


def definition_of(model: dict) -> dict:
    """The properties as the API takes them: there, ``Schedule`` is the expression itself."""
    definition = {key: value for key, value in model.items() if key not in ("Name", "Schedule", "Tags")}
    if "Schedule" in model:
        definition["Schedule"] = model["Schedule"].get("ScheduleExpression", "")
    return definition


def retag(client, arn: str, model: dict, previous: dict) -> None:
    tags, old = model.get("Tags", {}), previous.get("Tags", {})
    if gone := sorted(old.keys() - tags.keys()):
        client.untag_resource(ResourceArn=arn, TagsToRemove=gone)
    if tags:
        client.tag_resource(ResourceArn=arn, TagsToAdd=tags)


def generated_name(request) -> str:
    return f"{request.stack_name}-{request.logical_resource_id}".lower()


DatabasePlugin = plugin(Database)
CrawlerPlugin = plugin(Crawler)
