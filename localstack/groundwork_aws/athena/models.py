"""State of Athena: workgroups, saved queries and query executions."""

from dataclasses import dataclass, field
from datetime import datetime

from localstack.services.stores import AccountRegionBundle, BaseStore, LocalAttribute
from localstack.utils.tagging import TaggingService

from groundwork_aws.athena.engine import Run
from groundwork_aws.athena.types import Column


@dataclass
class Execution:
    """A query execution. ``description`` is what GetQueryExecution answers; the rest is for the other operations."""

    description: dict
    request: dict
    run: Run
    columns: list[Column] = field(default_factory=list)
    rows: int = 0
    output_bytes: int = 0
    update_count: int | None = None

    @property
    def id(self) -> str:
        return self.description["QueryExecutionId"]

    @property
    def database(self) -> str:
        return self.description["QueryExecutionContext"].get("Database", "")

    @property
    def status(self) -> dict:
        return self.description["Status"]

    @property
    def submitted(self) -> datetime:
        return self.status["SubmissionDateTime"]


class AthenaStore(BaseStore):
    # WorkGroup by name, as GetWorkGroup answers it
    work_groups: dict[str, dict] = LocalAttribute(default=dict)

    # NamedQuery by id
    named_queries: dict[str, dict] = LocalAttribute(default=dict)

    # PreparedStatement by (workgroup, name)
    prepared_statements: dict[tuple[str, str], dict] = LocalAttribute(default=dict)

    # Execution by id, oldest first
    executions: dict[str, Execution] = LocalAttribute(default=dict)

    # (operation, ClientRequestToken): (request, id)
    tokens: dict[tuple[str, str], tuple[dict, str]] = LocalAttribute(default=dict)

    # tags by ARN
    tags: TaggingService = LocalAttribute(default=TaggingService)


athena_stores = AccountRegionBundle("athena", AthenaStore)
