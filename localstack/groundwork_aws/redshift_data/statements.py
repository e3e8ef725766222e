"""Run statements on the PostgreSQL that stands for Redshift, with Redshift's transactions, commands and error texts.

No part of this knows LocalStack: a connection, a lake and SQL in; rows or a RedshiftError out.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from groundwork_aws.redshift_data.commands import CopyCommand, UnloadCommand
from groundwork_aws.redshift_data.copy import copy
from groundwork_aws.redshift_data.dialect import Statement, translate
from groundwork_aws.redshift_data.lake import Lake
from groundwork_aws.redshift_data.results import Result, read_result
from groundwork_aws.redshift_data.tables import BYTES_CHECK
from groundwork_aws.redshift_data.tokens import RedshiftError
from groundwork_aws.redshift_data.unload import unload


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

    def run_translated(self, statement: Statement, written: str) -> Outcome:
        try:
            if isinstance(statement.command, CopyCommand):
                return self.copy(statement.command)
            if isinstance(statement.command, UnloadCommand):
                return self.unload(statement.command)
            return self.execute(statement)
        except psycopg.Error as error:
            raise as_redshift(error, statement.sql, written) from error

    def execute(self, statement: Statement) -> Outcome:
        outcome = Outcome(0)
        for text in statement.sql:
            cursor = self.connection.execute(text)
            outcome = Outcome(max(cursor.rowcount, 0), read_result(cursor))
        if statement.commits and self.in_transaction():
            self.connection.execute("commit")
        return outcome

    def copy(self, command: CopyCommand) -> Outcome:
        rows = copy(self.connection, self.lake_of_roles(command.roles), command)
        self.connection.execute(f"set redshift.last_copy_count = {rows}")
        return Outcome(rows)

    def unload(self, command: UnloadCommand) -> Outcome:
        (query,) = translate(command.query)[0].sql
        return Outcome(unload(self.connection, self.lake_of_roles(command.roles), command, query))

    def in_transaction(self) -> bool:
        return self.connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE


def as_redshift(error: psycopg.Error, executed: tuple[str, ...], written: str) -> RedshiftError:
    """PostgreSQL's error in Redshift's form (RS-D-11); a position only where the text is the user's own."""
    diagnosis = error.diag
    check = re.match(BYTES_CHECK + r"(\d+)_", diagnosis.constraint_name or "")
    if check:
        return RedshiftError(f"value too long for type character varying({check[1]})")
    if isinstance(error, psycopg.errors.NotNullViolation) and diagnosis.column_name:
        return RedshiftError(f"Cannot insert a NULL value into column {diagnosis.column_name}")
    if isinstance(error, psycopg.errors.CardinalityViolation) and "MERGE" in (diagnosis.message_primary or ""):
        return RedshiftError("Found multiple matches to update the same tuple.")
    if diagnosis.message_primary is None:
        return RedshiftError(str(error).strip() or type(error).__name__)
    position = diagnosis.statement_position
    return RedshiftError(
        diagnosis.message_primary,
        detail=diagnosis.message_detail or "",
        hint=diagnosis.message_hint or "",
        position=int(position) if position and executed == (written.strip().rstrip(";"),) else None,
    )
