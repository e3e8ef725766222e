"""State of DMS: everything as the Describe operations answer it, and what is behind an endpoint or a task."""

from dataclasses import dataclass, field
from datetime import datetime

from localstack.services.stores import AccountRegionBundle, BaseStore, LocalAttribute


@dataclass
class Endpoint:
    """``password`` is never described; ``settings`` are the S3 or PostgreSQL settings with DMS's defaults."""

    description: dict
    settings: dict
    password: str | None = None


@dataclass
class Task:
    """``tables`` holds the TableStatistics by schema and table; ``run`` counts the starts,
    ``crashes`` the processes that were lost since changes were last captured."""

    description: dict
    settings: dict
    tables: dict[tuple[str, str], dict] = field(default_factory=dict)
    run: int = 0
    crashes: int = 0
    fresh_start: datetime | None = None
    started: datetime | None = None
    stopped: datetime | None = None


@dataclass
class AssessmentRun:
    """``individual`` holds its assessments as they are described."""

    description: dict
    individual: list[dict]


class DmsStore(BaseStore):
    instances: dict[str, dict] = LocalAttribute(default=dict)
    # by identifier
    subnet_groups: dict[str, dict] = LocalAttribute(default=dict)
    endpoints: dict[str, Endpoint] = LocalAttribute(default=dict)
    tasks: dict[str, Task] = LocalAttribute(default=dict)
    assessment_runs: dict[str, AssessmentRun] = LocalAttribute(default=dict)
    # by replication instance and endpoint
    connections: dict[tuple[str, str], dict] = LocalAttribute(default=dict)
    # the tags of every ARN
    tags: dict[str, dict[str, str]] = LocalAttribute(default=dict)


dms_stores = AccountRegionBundle("dms", DmsStore)
