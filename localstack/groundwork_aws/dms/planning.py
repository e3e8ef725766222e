"""What a task replicates: the tables that its mappings select, and what becomes of their columns.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TableMapping.html
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from groundwork_aws.dms import mappings, postgres
from groundwork_aws.dms.expressions import added_column
from groundwork_aws.dms.full_load import Plan
from groundwork_aws.dms.mappings import Selection, Transformation
from groundwork_aws.dms.pgoutput import Relation
from groundwork_aws.dms.postgres import Column, Source, Table

log = logging.getLogger("TASK_MANAGER")


class TaskFailed(Exception):
    """The task cannot go on; the text is its LastFailureMessage."""


@dataclass(frozen=True)
class Reading:
    """A plan for the changes of a table in one of its shapes: where each of the plan's columns comes from.

    ``columns`` holds (index in the relation, SQL type, column), ``added`` (rule, column) of the add-column rules, and
    ``types`` the SQL type of every column of the relation.
    """

    plan: Plan
    columns: tuple[tuple[int, str, Column], ...]
    added: tuple[tuple[Transformation, Column], ...]
    types: tuple[str, ...]


@contextmanager
def connected(source: Source) -> Iterator[psycopg.Connection]:
    """A connection for catalog queries. Raises TaskFailed where the source cannot be reached or refuses."""
    try:
        with psycopg.connect(source.connection_string(), autocommit=True) as connection:
            connection.execute(f"SET statement_timeout = {source.execute_timeout * 1000}")
            yield connection
    except psycopg.Error as error:
        raise TaskFailed(f"The source endpoint at {source.host}:{source.port} failed: {error}") from error


class Planner:
    """Applies the task's mappings to the source's tables. Raises TaskFailed where the mappings ask for too much."""

    def __init__(self, source: Source, task: dict):
        self.source, self.settings = source, task["settings"]
        try:
            self.rules = mappings.parse(task["mappings"])
        except mappings.MappingError as error:
            raise TaskFailed(f"Invalid Table Mappings document: {error}") from error

    def plans(self, connection: psycopg.Connection) -> list[Plan]:
        """Of every selected table, in load order."""
        found = [(t, self.rules.selected(t.schema, t.name, t.is_view)) for t in postgres.tables(connection)]
        chosen = [(table, rule) for table, rule in found if rule]
        if not chosen and self.settings["ErrorBehavior"]["FailOnNoTablesCaptured"]:
            wanted = ", ".join(f"{s.schema}.{s.table}" for s in self.rules.selections if s.action != "exclude")
            raise TaskFailed(
                f"No tables were found at task initialization. Either the selected table(s) or schemas(s) no longer "
                f"exist or no match was found for the table selection pattern(s): {wanted} in database "
                f"{self.source.database}"
            )
        enums = postgres.enum_types(connection)
        plans = [self._plan(t, rule, postgres.catalog_columns(connection, t), enums) for t, rule in chosen]
        check_folders(plans)
        return sorted(plans, key=lambda plan: -plan.load_order)

    def reading(self, connection: psycopg.Connection, relation: Relation) -> Reading | None:
        """How the relation's changes are read, or None when no rule selects it."""
        table = Table(relation.schema, relation.name, is_view=False)
        rule = self.rules.selected(table.schema, table.name)
        if not rule:
            return None
        found, enums = postgres.relation_columns(connection, relation.columns), postgres.enum_types(connection)
        plan = self._plan(table, rule, found, enums)
        written = self._written(table, found, enums)
        columns = tuple((found.index(entry), entry["type"], column) for entry, column in written)
        added = tuple(zip(self.rules.added_columns(*names(table)), plan.columns[len(columns) :], strict=True))
        return Reading(plan, columns, added, tuple(entry["type"] for entry in found))

    def _plan(self, table: Table, rule: Selection, found: list[dict], enums: frozenset[str]) -> Plan:
        columns = [column for _, column in self._written(table, found, enums)]
        sources = {entry["name"] for entry in found}
        try:
            columns += [added_column(added, sources) for added in self.rules.added_columns(*names(table))]
        except mappings.MappingError as error:
            raise TaskFailed(f"Invalid Table Mappings document: {error}") from error
        folder = self.rules.target_name(*names(table))
        return Plan(table, *folder, tuple(columns), rule.filters, rule.load_order)

    def _written(self, table: Table, found: list[dict], enums: frozenset[str]) -> list[tuple[dict, Column]]:
        """The source's columns that are written, each with what it becomes."""
        metadata, written = self.settings["TargetMetadata"], []
        for entry in found:
            name = self.rules.target_column(*names(table), entry["name"])
            column = postgres.column(entry, self.source, metadata["LobMaxSize"] * 1024, enums)
            if column is None or (column.dms_type.endswith("LOB") and not metadata["SupportLobs"]):
                log.warning("%s.%s: column %s is not migrated", *names(table), entry["name"])
            elif name is not None:
                written.append((entry, postgres.replace(column, name=name)))
        return written


def names(table: Table) -> tuple[str, str]:
    return table.schema, table.name


def check_folders(plans: list[Plan]) -> None:
    folders = [(p.target_schema, p.target_table) for p in plans]
    for folder in folders:
        if folders.count(folder) > 1:
            raise TaskFailed(f"Several tables would be written to {'/'.join(folder)}: S3 targets do not support that")
