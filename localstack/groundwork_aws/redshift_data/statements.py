"""Run statements on the PostgreSQL that stands for Redshift, with Redshift's transactions, COPY, UNLOAD and error texts.

No part of this knows LocalStack: a connection, a lake and SQL in; rows or a RedshiftError out.
"""

from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from groundwork_aws.redshift_data.commands import CopyCommand
from groundwork_aws.redshift_data.copy import copy
from groundwork_aws.redshift_data.dialect import Translated, translate
from groundwork_aws.redshift_data.lake import Lake
from groundwork_aws.redshift_data.results import Result, read_result
from groundwork_aws.redshift_data.tokens import RedshiftError


@dataclass(frozen=True)
class Outcome:
    """``rows`` is the number returned or affected, -1 where a statement has none."""

    rows: int
    result: Result | None = None


@dataclass(frozen=True)
class Runner:
    """``lake_of_roles`` gives S3 as a chain of role ARNs sees it, and raises RedshiftError for a role that the
    namespace does not have."""

    connection: psycopg.Connection
    lake_of_roles: Callable[[tuple[str, ...]], Lake]

    def run(self, sql: str) -> Outcome:
        """Run one statement, in the transaction that is open or in its own. Raises RedshiftError."""
        statements = translate(sql)
        if len(statements) != 1:
            raise RedshiftError(
                "cannot insert multiple commands into a prepared statement" if statements else "Query is empty"
            )
        return self.run_translated(statements[0], sql)

    def run_translated(self, statement: Translated, written: str) -> Outcome:
        try:
            if isinstance(statement.command, CopyCommand):
                return self.copy(statement.command)
            cursor = self.connection.execute(statement.sql)
            if statement.commits and self.in_transaction():
                self.connection.execute("commit")
            result = read_result(cursor)
            return Outcome(cursor.rowcount, result)
        except psycopg.Error as error:
            raise as_redshift(error, statement.sql, written) from error

    def copy(self, command: CopyCommand) -> Outcome:
        rows = copy(self.connection, self.lake_of_roles(command.roles), command)
        self.connection.execute(f"set redshift.last_copy_count = {rows}")
        return Outcome(rows)

    def in_transaction(self) -> bool:
        return self.connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE


def as_redshift(error: psycopg.Error, executed: str, written: str) -> RedshiftError:
    """PostgreSQL's error in Redshift's form (RS-D-11); a position only where the text is the user's own."""
    diagnosis = error.diag
    if diagnosis.message_primary is None:
        return RedshiftError(str(error).strip() or type(error).__name__)
    position = diagnosis.statement_position
    return RedshiftError(
        diagnosis.message_primary,
        detail=diagnosis.message_detail or "",
        hint=diagnosis.message_hint or "",
        position=int(position) if position and executed.strip() == written.strip() else None,
    )
