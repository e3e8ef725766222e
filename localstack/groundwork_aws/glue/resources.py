"""Glue's CloudFormation types."""

from groundwork_aws.cloudformation.resource import Resource, plugin


class Database(Resource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-glue-database.html"""

    TYPE = "AWS::Glue::Database"
    SERVICE = "glue"
    HONOURED = frozenset({"CatalogId", "DatabaseInput", "DatabaseName"})

    def create_resource(self, client, model, request):
        name = (
            model.get("DatabaseName")
            or model["DatabaseInput"].get("Name")
            or f"{request.stack_name}-{request.logical_resource_id}".lower()
        )
        client.create_database(DatabaseInput={**model["DatabaseInput"], "Name": name})
        return {"DatabaseName": name}

    def delete_resource(self, client, model):
        client.delete_database(Name=model["DatabaseName"])


DatabasePlugin = plugin(Database)
