"""What brings the warehouse to silver's current version: it says what it has, and takes what is new.

The silver job exports for each table what has changed since the version that the warehouse says it has
(``_changes/latest.json`` in silver); a table is loaded in one transaction, which also records the version. Loading
again what is there already does nothing, so each task may be cleared.
"""

import json
import time
from functools import cached_property

from airflow.providers.amazon.aws.hooks.redshift_data import RedshiftDataHook
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException
from groundwork_contracts import load_contracts, warehouse
from groundwork_contracts.warehouse import Load
from groundwork_operators import read_json

COLUMNS = f"""
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = '{warehouse.SCHEMA}' ORDER BY table_name, ordinal_position
"""
ENDED = {"FINISHED", "FAILED", "ABORTED"}


class WarehouseOperator(BaseOperator):
    """Asks Redshift through the Data API, looking every ``poll_interval`` seconds what has become of a statement."""

    template_fields = ("workgroup_name", "database")

    def __init__(self, *, workgroup_name: str, database: str, poll_interval: float, **kwargs):
        super().__init__(**kwargs)
        self.workgroup_name, self.database, self.poll_interval = workgroup_name, database, poll_interval

    def submit(self, *sql: str) -> str:
        """Start the statements, several in one transaction; their id."""
        client, where = self.client, {"WorkgroupName": self.workgroup_name, "Database": self.database}
        if len(sql) == 1:
            return client.execute_statement(Sql=sql[0], **where)["Id"]
        return client.batch_execute_statement(Sqls=list(sql), **where)["Id"]

    def wait(self, statement: str) -> str | None:
        """The error with which the statement ended, None without one."""
        while (state := self.client.describe_statement(Id=statement))["Status"] not in ENDED:
            time.sleep(self.poll_interval)
        return None if state["Status"] == "FINISHED" else state.get("Error", state["Status"])

    def rows(self, sql: str) -> list[list]:
        statement = self.submit(sql)
        if error := self.wait(statement):
            raise AirflowException(error)
        pages = self.client.get_paginator("get_statement_result").paginate(Id=statement)
        return [[next(iter(cell.values())) for cell in record] for page in pages for record in page["Records"]]

    def loaded_versions(self) -> dict[str, int]:
        found = self.rows(f"SELECT table_name, version FROM {warehouse.LOADS}")
        return {table: int(version) for table, version in found}

    @cached_property
    def client(self):
        return RedshiftDataHook(aws_conn_id=None).conn


class LoadedVersionsOperator(WarehouseOperator):
    """Return, as JSON, the version of silver that the warehouse has of each table; a new warehouse has none."""

    def execute(self, context) -> str:
        if error := self.wait(self.submit(*warehouse.create_schema())):
            raise AirflowException(error)
        return json.dumps(self.loaded_versions())


class LoadWarehouseOperator(WarehouseOperator):
    """Load each table's changes in a transaction of its own, the tables side by side.

    ``silver`` is the URL of silver's tables, ``role_arn`` the role that COPY reads as. Raises AirflowException with the
    tables that could not be loaded, each with Redshift's error; the others are loaded.
    """

    template_fields = (*WarehouseOperator.template_fields, "silver", "role_arn")

    def __init__(self, *, silver: str, role_arn: str, **kwargs):
        super().__init__(**kwargs)
        self.silver, self.role_arn = silver, role_arn

    def execute(self, context) -> dict[str, str]:
        contracts, there = load_contracts(), self.columns()
        started = {
            table: self.submit(*warehouse.statements(contracts[table], load, there.get(table, []), self.role_arn))
            for table, load in self.loads().items()
        }
        errors = {table: error for table, statement in started.items() if (error := self.wait(statement))}
        for table in started:
            self.log.info("%s: %s", table, errors.get(table, "loaded"))
        if errors:
            raise AirflowException("\n".join(f"{table}: {error}" for table, error in errors.items()))
        return {table: "loaded" for table in started}

    def columns(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for table, column in self.rows(COLUMNS):
            found.setdefault(table, []).append(column)
        return found

    def loads(self) -> dict[str, Load]:
        """What is not loaded yet. Raises AirflowException where silver's export does not begin where a table is."""
        exported = read_json(f"{self.silver}/_changes/latest.json")["tables"]
        loaded, wanted = self.loaded_versions(), {}
        for table, export in exported.items():
            if export["mode"] == "none" or loaded.get(table) == export["to"]:
                continue
            if export["mode"] == "changes" and loaded.get(table) != export["from"]:
                raise AirflowException(
                    f"{table}: silver's changes begin at version {export['from']}, and the warehouse has "
                    f"{loaded.get(table)}: run the pipeline again"
                )
            wanted[table] = Load(export["mode"], export["manifest"], export["to"])
        return wanted
