"""The one reader of the data contracts.

A contract is a file of the Open Data Contract Standard (v3.1, https://bitol-io.github.io/open-data-contract-standard/)
in ``contracts/olist``. Everything that knows a table's columns, types, keys, partitions or rules asks here: the
source's DDL, the Spark schemas and checks, the warehouse's DDL, the dbt sources and the reconciliation.
"""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

# The contracts, beside this package wherever it is not in an archive.
FOLDER = Path(__file__).resolve().parent.parent / "olist"


@dataclass(frozen=True)
class Rule:
    """A check of one column that every row must pass. ``name`` is what the quarantine shows.

    ``kind`` is one of ``required``, ``max_length``, ``pattern``, ``minimum``, ``maximum``, ``valid_values``;
    ``argument`` is the limit (None for ``required``).
    """

    column: str
    kind: str
    argument: object = None

    @property
    def name(self) -> str:
        return f"{self.column}.{self.kind}"


@dataclass(frozen=True)
class Column:
    """A column: ``type`` is PostgreSQL's, as the source declares it (for example ``numeric(10,2)``)."""

    name: str
    type: str
    description: str
    required: bool
    key_position: int | None
    partition_transform: str | None
    references: tuple[str, str] | None
    rules: tuple[Rule, ...]

    @property
    def base_type(self) -> str:
        """The type without its length or precision: ``numeric(10,2)`` is ``numeric``."""
        return self.type.split("(")[0]

    @property
    def type_arguments(self) -> tuple[int, ...]:
        """``(10, 2)`` of ``numeric(10,2)``; empty where the type has none."""
        return tuple(int(n) for n in re.findall(r"\d+", self.type))


@dataclass(frozen=True)
class Contract:
    """A table of the source, and what every stage after it may rely on.

    ``history`` says that silver keeps every version of its rows (a slowly changing dimension of type 2).
    """

    table: str
    schema: str
    description: str
    csv_file: str
    quarantine_threshold_percent: float
    columns: tuple[Column, ...]
    history: bool = False

    @cached_property
    def key(self) -> tuple[str, ...]:
        """Names of the key's columns in key order; empty for a table without a key."""
        keyed = sorted((c for c in self.columns if c.key_position), key=lambda c: c.key_position)
        return tuple(c.name for c in keyed)

    @cached_property
    def partition(self) -> Column | None:
        """The column by whose month silver is partitioned, or None."""
        return next((c for c in self.columns if c.partition_transform), None)

    @cached_property
    def partition_name(self) -> str | None:
        """Name of silver's derived partition column: ``order_purchase_timestamp_month``.

        It is derived so that the data files keep every source column: a COPY by position needs them all.
        """
        return f"{self.partition.name}_{self.partition.partition_transform}" if self.partition else None

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        return tuple(rule for column in self.columns for rule in column.rules)


def load_contracts(folder: Path | str = FOLDER) -> dict[str, Contract]:
    """Read every contract (``*.yaml``, or ``*.json`` as bundled for EMR) of a folder, by table name."""
    files = sorted(p for p in Path(folder).iterdir() if p.suffix in (".yaml", ".json"))
    if not files:
        raise FileNotFoundError(f"no data contract in {folder}")
    return {contract.table: contract for contract in (parse_contract(read_document(f)) for f in files)}


def read_document(file: Path) -> dict:
    """The contract's document as plain data."""
    if file.suffix == ".json":
        return json.loads(file.read_text())
    import yaml  # not on EMR, where the contracts arrive as JSON

    return yaml.safe_load(file.read_text())


def parse_contract(document: dict) -> Contract:
    """Turn one ODCS document into a `Contract`. Raises KeyError naming a missing field."""
    table = document["schema"][0]
    schema, name = table["physicalName"].split(".")
    custom = custom_properties(table)
    return Contract(
        table=name,
        schema=schema,
        description=document["description"]["purpose"],
        csv_file=custom["csvFile"],
        quarantine_threshold_percent=float(custom["quarantineThresholdPercent"]),
        columns=tuple(parse_column(p) for p in table["properties"]),
        history=keeps_history(name, custom.get("history")),
    )


def keeps_history(table: str, history: str | None) -> bool:
    if history not in (None, "scd2"):
        raise ValueError(f"{table}: a history of kind {history!r} is not one that silver keeps")
    return history is not None


def parse_column(document: dict) -> Column:
    relationships = document.get("relationships", [])
    return Column(
        name=document["name"],
        type=document["physicalType"],
        description=document["description"],
        required=document.get("required", False),
        key_position=document.get("primaryKeyPosition"),
        partition_transform=custom_properties(document).get("partitionTransform"),
        references=tuple(relationships[0]["to"].split(".")) if relationships else None,
        rules=tuple(column_rules(document)),
    )


def column_rules(document: dict):
    """The rules of one column, in the order in which they are checked."""
    column, options = document["name"], document.get("logicalTypeOptions", {})
    if document.get("required"):
        yield Rule(column, "required")
    for option, kind in OPTION_RULES.items():
        if option in options:
            yield Rule(column, kind, options[option])
    for check in document.get("quality", []):
        if check["metric"] != "invalidValues":
            raise ValueError(f"{column}: the metric {check['metric']!r} is not one that silver checks")
        yield Rule(column, "valid_values", tuple(check["arguments"]["validValues"]))


OPTION_RULES = {"maxLength": "max_length", "pattern": "pattern", "minimum": "minimum", "maximum": "maximum"}


def custom_properties(document: dict) -> dict:
    return {p["property"]: p["value"] for p in document.get("customProperties", [])}
