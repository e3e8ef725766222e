"""State of Glue: the Data Catalog and the crawlers."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event

from localstack.services.stores import AccountRegionBundle, BaseStore, LocalAttribute
from localstack.utils.tagging import Tags

from groundwork_aws.glue.writing import Outcome


@dataclass
class CatalogTable:
    """A table with its history: the last of ``versions`` is what GetTable answers."""

    versions: list[dict]
    # Partition by its values, as GetPartition answers it
    partitions: dict[tuple[str, ...], dict] = field(default_factory=dict)

    @property
    def current(self) -> dict:
        return self.versions[-1]


@dataclass
class Crawl:
    """One run of a crawler."""

    id: str
    crawler: str
    log_group: str
    started: datetime
    ended: datetime | None = None
    status: str = "RUNNING"
    error: str | None = None
    outcome: Outcome = field(default_factory=Outcome)

    def finish(self, status: str, error: str | None, ended: datetime) -> None:
        self.status, self.error, self.ended = status, error, ended

    def elapsed(self) -> float:
        """Seconds, until now while it runs."""
        return ((self.ended or datetime.now(UTC)) - self.started).total_seconds()

    def where_logged(self) -> dict:
        return {"LogGroup": self.log_group, "LogStream": self.crawler, "MessagePrefix": self.id}

    def as_last_crawl(self) -> dict:
        error = {"ErrorMessage": self.error} if self.error else {}
        return {"Status": self.status, "StartTime": self.started, **self.where_logged(), **error}

    def described(self) -> dict:
        """As ListCrawls answers it; its states have names of their own. No DPU is used here."""
        names = {"SUCCEEDED": "COMPLETED", "CANCELLED": "STOPPED"}
        done = {"EndTime": self.ended, "Summary": self.summary()} if self.ended else {}
        error = {"ErrorMessage": self.error} if self.error else {}
        state = names.get(self.status, self.status)
        always = {"CrawlId": self.id, "State": state, "StartTime": self.started, "DPUHour": 0.0}
        return {**always, **self.where_logged(), **done, **error}

    def summary(self) -> str:
        done = self.outcome
        kinds = {"ADD": done.created, "UPDATE": done.updated, "DELETE": done.deleted, "DEPRECATE": done.deprecated}
        tables = {kind: {"Details": {"names": names}} for kind, names in kinds.items() if names}
        return json.dumps({"TABLE": tables})


@dataclass
class Crawler:
    """``definition`` is what GetCrawler answers but for what a crawl changes; ``crawls`` has the oldest first."""

    definition: dict
    state: str = "READY"
    crawls: list[Crawl] = field(default_factory=list)
    stop_requested: Event = field(default_factory=Event)

    @property
    def last_finished(self) -> Crawl | None:
        return next((crawl for crawl in reversed(self.crawls) if crawl.ended), None)


class GlueStore(BaseStore):
    # Database by name, as GetDatabase answers it
    databases: dict[str, dict] = LocalAttribute(default=dict)

    # tables by name, by database
    tables: dict[str, dict[str, CatalogTable]] = LocalAttribute(default=dict)

    crawlers: dict[str, Crawler] = LocalAttribute(default=dict)

    # tags by ARN
    tags: Tags = LocalAttribute(default=Tags)


glue_stores = AccountRegionBundle("glue", GlueStore)
