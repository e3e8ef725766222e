"""The Glue API: Data Catalog and crawlers.

https://docs.aws.amazon.com/glue/latest/webapi/Welcome.html
"""

import logging
from threading import Event, Thread

from localstack.aws.api import CommonServiceException, RequestContext, handler
from localstack.services.plugins import ServiceLifecycleHook

from groundwork_aws.glue.api import LOCK, not_found, store_of
from groundwork_aws.glue.catalog import DataCatalog, arn
from groundwork_aws.glue.crawlers import Crawlers
from groundwork_aws.glue.models import glue_stores
from groundwork_aws.glue.partitions import Partitions

LOG = logging.getLogger(__name__)


class GlueProvider(DataCatalog, Partitions, Crawlers, ServiceLifecycleHook):
    service = "glue"
    version = "2017-03-31"

    # --- the schedules run from the moment LocalStack loads the service ---

    def on_before_start(self) -> None:
        self.over = Event()
        Thread(target=self.keep_schedules, name="glue-schedules", daemon=True).start()

    def on_before_stop(self) -> None:
        self.over.set()

    def on_after_state_load(self) -> None:
        for account, region, store in glue_stores.iter_stores():
            for name, crawler in store.crawlers.items():
                self.take_up((account, region, name), crawler)

    def keep_schedules(self) -> None:
        while not self.over.wait(1):
            with LOCK:
                due = self.timetable.take_due()
            for account, region, name in due:
                crawler = glue_stores[account][region].crawlers.get(name)
                try:
                    if crawler:
                        self.start(account, region, crawler)
                except CommonServiceException as error:
                    # as on AWS, what is due while the crawler still runs is left out
                    LOG.warning("The schedule of crawler %s was due, but: %s", name, error.message)

    # --- tags ---

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
    known = {arn(context, "database", name) for name in store.databases}
    known |= {arn(context, "crawler", name) for name in store.crawlers}
    if resource not in known:
        raise not_found(f"Resource {resource} not found.")
