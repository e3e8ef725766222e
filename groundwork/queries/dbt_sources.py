"""What the warehouse and dbt know about the silver tables, written out of the data contracts.

``python -m groundwork.queries.warehouse_sql`` writes, and a test keeps from going stale:

- ``airflow/dags/sql/create_<table>.sql``: Redshift's DDL of a table that COPY loads by position
  (https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_TABLE_NEW.html), and
- ``dbt/models/staging/olist/_olist__sources.yml``: the dbt sources.

They are committed because neither MWAA nor dbt's environment has the contracts.
"""

from collections.abc import Iterable
from pathlib import Path

import yaml
from groundwork_contracts import Column, Contract, load_contracts

from groundwork.install import ROOT

SCHEMA = "silver"
# The longest VARCHAR that Redshift has, in bytes.
LONGEST_VARCHAR = 65535
BYTES_PER_CHARACTER = 4


def main() -> None:
    for file, text in rendered(load_contracts(ROOT / "contracts" / "olist").values()).items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def rendered(contracts: Iterable[Contract]) -> dict[Path, str]:
    """Every generated file and its text."""
    contracts = list(contracts)
    statements = {ROOT / "airflow" / "dags" / "sql" / f"create_{c.table}.sql": create_table(c) for c in contracts}
    return {
        **statements,
        ROOT / "dbt" / "models" / "staging" / "olist" / "_olist__sources.yml": sources(contracts),
    }


def create_table(contract: Contract) -> str:
    """The table's DDL. Redshift's primary key is informational: the planner uses it, nothing enforces it."""
    width = max(len(column.name) for column in contract.columns)
    lines = [f"    {column.name:{width}} {column_definition(column)}" for column in contract.columns]
    if contract.key:
        lines.append(f"    PRIMARY KEY ({', '.join(contract.key)})")
    attributes = ["DISTSTYLE AUTO"]
    if contract.partition:
        attributes.append(f"SORTKEY ({contract.partition.name})")
    body = ",\n".join(lines)
    return f"CREATE TABLE IF NOT EXISTS {SCHEMA}.{contract.table} (\n{body}\n)\n" + "\n".join(attributes) + "\n"


def column_definition(column: Column) -> str:
    return f"{redshift_type(column)}{' NOT NULL' if column.required else ''}"


def redshift_type(column: Column) -> str:
    """Redshift's type of a source column: its VARCHAR counts bytes where PostgreSQL's counts characters."""
    if column.base_type == "varchar":
        return f"varchar({min(column.type_arguments[0] * BYTES_PER_CHARACTER, LONGEST_VARCHAR)})"
    if column.base_type == "text":
        return f"varchar({LONGEST_VARCHAR})"
    return column.type


def sources(contracts: Iterable[Contract]) -> str:
    tables = [
        {
            "name": contract.table,
            "description": contract.description,
            "columns": [{"name": c.name, "description": c.description} for c in contract.columns],
        }
        for contract in contracts
    ]
    source = {
        "name": SCHEMA,
        "schema": SCHEMA,
        "description": "Olist's tables as the silver layer has them, loaded by COPY.",
        "tables": tables,
    }
    header = "# Written by python -m groundwork.queries.warehouse_sql out of the data contracts.\n"
    return header + yaml.safe_dump({"sources": [source]}, sort_keys=False, allow_unicode=True, width=110)


if __name__ == "__main__":
    main()
