"""One crawl from start to end: the crawler's state, its history, and its log in CloudWatch.

READY, RUNNING, STOPPING, READY: what was found out is written down while the crawler is STOPPING, so whoever sees it
READY sees this crawl's result.
"""

import logging
import time
from contextlib import suppress
from uuid import uuid4

from groundwork_aws.glue.catalog import now
from groundwork_aws.glue.crawler import Stopped, crawl
from groundwork_aws.glue.models import Crawl, Crawler

LOG = logging.getLogger(__name__)
LOG_GROUP = "/aws-glue/crawlers"


def begin(crawler: Crawler) -> Crawl:
    """Mark the crawler as running. To be called under the lock."""
    crawler.state = "RUNNING"
    crawler.stop_requested.clear()
    record = Crawl(str(uuid4()), crawler.definition["Name"], LOG_GROUP, now())
    crawler.crawls.append(record)
    return record


def abandon(crawler: Crawler) -> None:
    """End a crawl of which nothing runs any more."""
    crawler.state = "READY"
    for record in crawler.crawls:
        if not record.ended:
            record.finish("FAILED", "Internal Service Exception: the service was restarted during the crawl", now())


def execute(clients, crawler: Crawler, record: Crawl) -> None:
    """Crawl, and write down how it went; never raises. ``clients`` has boto3's s3, glue and logs."""
    log = CrawlLog(clients.logs, record)
    log("BENCHMARK", f"Running Start Crawl for Crawler {record.crawler}")
    status, error = "SUCCEEDED", None
    try:
        stopped = crawler.stop_requested.is_set
        record.outcome = crawl(crawler.definition, record.id, clients.s3, clients.glue, log, stopped)
        if record.outcome.errors:
            status, error = "FAILED", "\n".join(record.outcome.errors)
    except Stopped:
        status = "CANCELLED"
        log("INFO", "The crawl was stopped")
    except Exception as unexpected:
        LOG.exception("Crawl %s of crawler %s failed", record.id, record.crawler)
        status, error = "FAILED", f"Internal Service Exception: {unexpected}"
        log("ERROR", error)
    crawler.state = "STOPPING"
    log("BENCHMARK", "Crawler has finished running and is in state READY")
    try:
        log.flush()
    except Exception:
        LOG.exception("The log of crawl %s could not be written to %s", record.id, LOG_GROUP)
    record.finish(status, error, now())
    crawler.state = "READY"


class CrawlLog:
    """The lines of a crawl; ``flush`` puts them into the crawler's log stream."""

    def __init__(self, logs, record: Crawl) -> None:
        self.logs, self.record = logs, record
        self.events: list[dict] = []

    def __call__(self, level: str, text: str) -> None:
        message = f"[{self.record.id}] {level} : {text}"
        self.events.append({"timestamp": int(time.time() * 1000), "message": message})

    def flush(self) -> None:
        stream = {"logGroupName": LOG_GROUP, "logStreamName": self.record.crawler}
        with suppress(self.logs.exceptions.ResourceAlreadyExistsException):
            self.logs.create_log_group(logGroupName=LOG_GROUP)
        with suppress(self.logs.exceptions.ResourceAlreadyExistsException):
            self.logs.create_log_stream(**stream)
        self.logs.put_log_events(**stream, logEvents=self.events)
