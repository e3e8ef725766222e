"""Where persistence meets LocalStack: it restores before the first request, and saves before each answer.

Without GROUNDWORK_LOCALSTACK_STATE_DIR nothing is kept.
"""

import logging
import sqlite3
from pathlib import Path

from localstack.aws.api import CommonServiceException, RequestContext
from localstack.http import Response
from localstack.runtime import hooks
from localstack.runtime.current import get_current_runtime
from localstack.runtime.shutdown import SHUTDOWN_HANDLERS

from groundwork_aws import settings
from groundwork_aws.persistence import s3, services
from groundwork_aws.persistence.database import Database, set_aside
from groundwork_aws.persistence.mark import mark
from groundwork_aws.persistence.pickling import loads
from groundwork_aws.persistence.saver import NotSaved, Saver

LOG = logging.getLogger(__name__)


class Kept:
    """The state of this LocalStack, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.database, found = opened(folder)
        self.rows = s3.Rows(self.database, folder / "objects")
        self.saver = Saver(self.database)
        for name, state in found["services"].items():
            services.restore(name, state)
            self.saver.note(name)
        self.rows.restore(found["objects"])
        self.saver.start()

    def settle(self, _chain, context: RequestContext, _response: Response) -> None:
        """Save what a request has changed: called when it was carried out, before it is answered."""
        service = context.service.service_name if context.service else None
        if service not in services.KEPT:
            return
        try:
            if service == "s3" and (keys := s3.changed_keys(context)) is not None:
                self.rows.save(context.service_request["Bucket"], keys, context.service_request.get("VersionId"))
            elif services.changes(service, context.operation.name):
                if context.operation.name in services.OF_NO_HURRY:
                    self.saver.note_at_leisure(service)
                elif context.is_internal_call:
                    self.saver.note(service)
                else:
                    self.saver.save(service)
        except (NotSaved, sqlite3.Error, OSError) as error:
            raise CommonServiceException("InternalError", str(error), 500) from error


def opened(folder: Path) -> tuple[Database, dict]:
    """The database and what is in it; with nothing in it when not all of it can be read."""
    database = Database(folder, mark())
    try:
        return database, everything(database)
    except Exception as error:
        LOG.exception("The state of LocalStack cannot be read")
        database.close()
        set_aside(folder, f"it cannot be read: {error}")
        database = Database(folder, mark())
        return database, everything(database)


def everything(database: Database) -> dict:
    """All of it is read before any of it is used. Raises what unpickling raises."""
    connection = database.connection
    states = {name: loads(state) for name, state in connection.execute("select name, state from services")}
    rows = connection.execute("select bucket, key, version, file, state from objects order by id")
    return {"services": states, "objects": [(*where, loads(state)) for *where, state in rows]}


@hooks.on_infra_start()
def keep_state() -> None:
    folder = settings.read().localstack_state_dir
    if folder:
        kept = Kept(folder)
        get_current_runtime().components.gateway.request_handlers.append(kept.settle)
        SHUTDOWN_HANDLERS.register(kept.saver.stop)
