"""State of the Redshift Data API: statements, their results and sessions, kept for a day as AWS does."""

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import psycopg
from localstack.services.stores import AccountRegionBundle, BaseStore, LocalAttribute

from groundwork_aws.redshift_data.results import Result

KEPT = timedelta(hours=24)


@dataclass
class SubStatement:
    """One SQL text and how it went. ``duration`` is in nanoseconds; -1 stands for a figure that there is not."""

    id: str
    sql: str
    status: str = "SUBMITTED"
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    updated: datetime = field(default_factory=lambda: datetime.now(UTC))
    duration: int = -1
    rows: int = -1
    error: str = ""
    result: Result | None = None

    def move(self, status: str) -> None:
        self.status, self.updated = status, datetime.now(UTC)


@dataclass
class Session:
    """A connection that outlives a statement, for ``SessionKeepAliveSeconds`` after the last one."""

    id: str
    keep_alive: int
    target: dict
    connection: psycopg.Connection | None = None
    busy: bool = False
    expires: float = 0

    def expired(self) -> bool:
        return not self.busy and time.monotonic() > self.expires

    def release(self) -> None:
        self.busy, self.expires = False, time.monotonic() + self.keep_alive

    def close(self) -> None:
        if self.connection:
            self.connection.close()


@dataclass
class Statement:
    """What ExecuteStatement or BatchExecuteStatement started; ``target`` says where and as whom, in the API's words."""

    id: str
    parts: list[SubStatement]
    target: dict
    is_batch: bool = False
    name: str = ""
    parameters: list[dict] = field(default_factory=list)
    result_format: str = "JSON"
    status: str = "SUBMITTED"
    error: str = ""
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    updated: datetime = field(default_factory=lambda: datetime.now(UTC))
    pid: int = 0
    session: Session | None = None
    cancelled: bool = False
    connection: psycopg.Connection | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def move(self, status: str) -> None:
        self.status, self.updated = status, datetime.now(UTC)

    def is_over(self) -> bool:
        return self.status in ("FINISHED", "FAILED", "ABORTED")


class RedshiftDataStore(BaseStore):
    # in order of creation
    statements: dict[str, Statement] = LocalAttribute(default=dict)
    sessions: dict[str, Session] = LocalAttribute(default=dict)

    # statement id by ClientToken
    tokens: dict[str, str] = LocalAttribute(default=dict)

    # held while statements are added or forgotten
    lock: threading.RLock = LocalAttribute(default=threading.RLock)

    def forget_old(self) -> None:
        """Drop what is older than AWS keeps it (RS-D-08), and sessions that nobody used any more."""
        now = datetime.now(UTC)
        for id in [s.id for s in self.statements.values() if now - s.created > KEPT and s.is_over()]:
            del self.statements[id]
        for token in [t for t, id in self.tokens.items() if id not in self.statements]:
            del self.tokens[token]
        for session in [s for s in self.sessions.values() if s.expired()]:
            session.close()
            del self.sessions[session.id]


redshift_data_stores = AccountRegionBundle("redshift-data", RedshiftDataStore, validate=False)
