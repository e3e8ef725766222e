"""Takes statements from SUBMITTED to their end, a few at a time, as a workgroup's queue does.

https://docs.aws.amazon.com/redshift-data/latest/APIReference/API_DescribeStatement.html
"""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psycopg

from groundwork_aws.redshift_data.connections import Login
from groundwork_aws.redshift_data.models import Statement, SubStatement
from groundwork_aws.redshift_data.statements import Runner
from groundwork_aws.redshift_data.tokens import RedshiftError

LOG = logging.getLogger(__name__)
CANCELLED = "Query cancelled on user's request"

# More at once would not be faster; the others wait, which SUBMITTED tells.
workers = ThreadPoolExecutor(max_workers=8, thread_name_prefix="redshift-data")


def submit(statement: Statement, sqls: list[str], login: Login) -> None:
    workers.submit(work, statement, sqls, login)


def cancel(statement: Statement) -> bool:
    """Stop a statement that is not over; False when it is."""
    with statement.lock:
        if statement.is_over():
            return False
        statement.cancelled = True
        if statement.connection:
            statement.connection.cancel_safe()
    return True


def work(statement: Statement, sqls: list[str], login: Login) -> None:
    """Run a statement or batch. It always ends in a final status, also by an error of our own."""
    session = statement.session
    try:
        statement.move("PICKED")
        connection = (session and session.connection) or login.connect()
        with statement.lock:
            statement.connection, statement.pid = connection, connection.info.backend_pid
        if session:
            session.connection = connection
        statement.move("STARTED")
        run(statement, sqls, Runner(connection, login.lake_of_roles))
    except psycopg.OperationalError as error:
        fail(statement, str(error).strip())
    except RedshiftError as error:
        fail(statement, str(error))
    except Exception as error:
        LOG.exception("statement %s", statement.id)
        fail(statement, f"ERROR: internal error: {error}")
    finally:
        close(statement)


def run(statement: Statement, sqls: list[str], runner: Runner) -> None:
    """RS-D-01: a batch is one transaction."""
    if statement.is_batch:
        runner.connection.execute("begin")
    for part, sql in zip(statement.parts, sqls, strict=True):
        if statement.cancelled:
            raise RedshiftError(CANCELLED)
        run_part(part, sql, runner)
    if statement.cancelled and runner.in_transaction():
        raise RedshiftError(CANCELLED)
    if statement.is_batch and runner.in_transaction():
        runner.connection.execute("commit")
    statement.move("FINISHED")


def run_part(part: SubStatement, sql: str, runner: Runner) -> None:
    part.move("STARTED")
    started = time.perf_counter_ns()
    try:
        outcome = runner.run(sql)
    except Exception as error:
        part.error = str(error)
        raise
    finally:
        part.duration = time.perf_counter_ns() - started
        part.move("FAILED" if part.error else "FINISHED")
    part.rows, part.result = outcome.rows, outcome.result


def fail(statement: Statement, error: str) -> None:
    """RS-D-09, RS-D-10: a cancelled statement is ABORTED, a failed one FAILED, and what comes after it ABORTED."""
    connection = statement.connection
    with suppress(psycopg.OperationalError):  # a connection that broke has rolled back already
        if connection:
            connection.execute("rollback")
    status = "ABORTED" if statement.cancelled else "FAILED"
    for part in statement.parts:
        if part.status == "FAILED":
            part.move(status)
        elif part.status != "FINISHED":
            part.move("ABORTED" if statement.is_batch else status)
    statement.error = CANCELLED if statement.cancelled else error
    statement.move(status)


def close(statement: Statement) -> None:
    with statement.lock:
        connection, statement.connection = statement.connection, None
    if statement.session:
        statement.session.release()
    elif connection:
        connection.close()
