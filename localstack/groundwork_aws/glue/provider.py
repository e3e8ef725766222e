"""The Glue API: Data Catalog and crawlers.

https://docs.aws.amazon.com/glue/latest/webapi/Welcome.html
"""

from localstack.aws.api import RequestContext, handler

from groundwork_aws.glue.api import not_found, store_of
from groundwork_aws.glue.catalog import DataCatalog, arn
from groundwork_aws.glue.partitions import Partitions


class GlueProvider(DataCatalog, Partitions):
    service = "glue"
    version = "2017-03-31"

    @handler("TagResource", expand=False)
    def tag_resource(self, context: RequestContext, request: dict) -> dict:
        check_arn(context, request["ResourceArn"])
        store_of(context).tags.update_tags(request["ResourceArn"], request["TagsToAdd"])
        return {}

    @handler("UntagResource", expand=False)
    def untag_resource(self, context: RequestContext, request: dict) -> dict:
        check_arn(context, request["ResourceArn"])
        store_of(context).tags.delete_tags(request["ResourceArn"], request["TagsToRemove"])
        return {}

    @handler("GetTags", expand=False)
    def get_tags(self, context: RequestContext, request: dict) -> dict:
        check_arn(context, request["ResourceArn"])
        return {"Tags": store_of(context).tags.get_tags(request["ResourceArn"])}


def check_arn(context: RequestContext, resource: str) -> None:
    """Only what exists has tags. Raises EntityNotFoundException."""
    store = store_of(context)
    known = [arn(context, "database", name) for name in store.databases]
    if resource not in known:
        raise not_found(f"Resource {resource} not found.")
