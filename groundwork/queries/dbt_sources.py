"""The dbt sources of the silver tables in the warehouse, written out of the data contracts.

``python -m groundwork.queries.dbt_sources`` writes ``dbt/models/staging/olist/_olist__sources.yml``, and a test keeps
it from going stale. It is committed because dbt's environment has no contracts.
"""

from collections.abc import Iterable

import yaml
from groundwork_contracts import Contract, load_contracts
from groundwork_contracts.warehouse import SCHEMA

from groundwork.install import ROOT

FILE = ROOT / "dbt" / "models" / "staging" / "olist" / "_olist__sources.yml"


def main() -> None:
    FILE.write_text(sources(load_contracts(ROOT / "contracts" / "olist").values()))


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
    header = "# Written by python -m groundwork.queries.dbt_sources out of the data contracts.\n"
    return header + yaml.safe_dump({"sources": [source]}, sort_keys=False, allow_unicode=True, width=110)


if __name__ == "__main__":
    main()
