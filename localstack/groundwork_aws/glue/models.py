"""State of Glue: the Data Catalog and the crawlers."""

from dataclasses import dataclass, field
from datetime import datetime
from threading import Event

from localstack.services.stores import AccountRegionBundle, BaseStore, LocalAttribute
from localstack.utils.tagging import Tags


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
class Crawler:
    """``definition`` is what GetCrawler answers but for what a crawl changes; ``crawls`` has the oldest first."""

    definition: dict
    state: str = "READY"
    crawls: list[dict] = field(default_factory=list)
    # when the schedule is due next, None without one
    due: datetime | None = None
    stop_requested: Event = field(default_factory=Event)


class GlueStore(BaseStore):
    # Database by name, as GetDatabase answers it
    databases: dict[str, dict] = LocalAttribute(default=dict)

    # tables by name, by database
    tables: dict[str, dict[str, CatalogTable]] = LocalAttribute(default=dict)

    crawlers: dict[str, Crawler] = LocalAttribute(default=dict)

    # tags by ARN
    tags: Tags = LocalAttribute(default=Tags)


glue_stores = AccountRegionBundle("glue", GlueStore)
