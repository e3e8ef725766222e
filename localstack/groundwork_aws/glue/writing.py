"""How a crawler writes into the Data Catalog: its schema change policy, applied to one database.

https://docs.aws.amazon.com/glue/latest/dg/crawler-schema-changes-prevent.html
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import md5
from itertools import batched

INPUT_FIELDS = ("Name", "Owner", "TableType", "Retention", "Parameters", "PartitionKeys", "StorageDescriptor")
DEPRECATED = "DEPRECATED_BY_CRAWLER"

# level and text, as in the crawler's log: BENCHMARK, INFO, WARN, ERROR
Log = Callable[[str, str], None]


@dataclass
class Outcome:
    """Names of tables by what became of them, and the reasons why the crawl failed, if it did."""

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    deprecated: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Policies:
    """``update``: UPDATE_IN_DATABASE or LOG; ``delete``: DELETE_FROM_DATABASE, DEPRECATE_IN_DATABASE or LOG."""

    update: str
    delete: str
    merge_columns: bool = False
    inherit: bool = False


class CatalogWriter:
    """Writes tables one by one, remembers which it saw, and then deals with those that are gone."""

    def __init__(self, glue, database: str, crawler: str, policies: Policies, outcome: Outcome, log: Log) -> None:
        self.glue, self.database, self.crawler = glue, database, crawler
        self.policies, self.outcome, self.log = policies, outcome, log
        pages = glue.get_paginator("get_tables").paginate(DatabaseName=database)
        self.known = {table["Name"]: input_of(table) for page in pages for table in page["TableList"]}
        self.seen: set[str] = set()

    def name_for(self, name: str, location: str) -> str:
        """The name, or with a hash of the location behind it where another location's table has it."""
        holder = self.known.get(name)
        if holder is None or same_folder(location_of(holder), location):
            return name
        return f"{name}_{md5(location.encode(), usedforsecurity=False).hexdigest()}"

    def write(self, table: dict, partitions: list[dict]) -> None:
        name = table["Name"]
        old = self.known.get(name)
        self.seen.add(name)
        if old is None:
            self.glue.create_table(DatabaseName=self.database, TableInput=table)
            self.log("INFO", f"Created table {name} in database {self.database}")
            self.outcome.created.append(name)
            self.known[name] = table
            self.add_partitions(name, partitions)
            return
        changed = self.update(old, table)
        if self.known[name]["PartitionKeys"] == table["PartitionKeys"]:
            changed |= self.sync_partitions(name, partitions)
        if changed:
            self.outcome.updated.append(name)

    def update(self, old: dict, new: dict) -> bool:
        wanted = with_new_columns(old, new) if self.policies.merge_columns else new
        if same(old, wanted):
            return False
        if self.policies.update == "LOG" and not self.policies.merge_columns:
            self.log("INFO", f"Table {new['Name']} has changed; the schema change policy is to log it only")
            return False
        if old["PartitionKeys"] != wanted["PartitionKeys"]:
            self.delete_partitions(new["Name"], list(self.partitions_of(new["Name"])))
        self.glue.update_table(DatabaseName=self.database, TableInput=wanted)
        self.log("INFO", f"Updated table {new['Name']} in database {self.database}")
        self.known[new["Name"]] = wanted
        return True

    # --- partitions ---

    def sync_partitions(self, table: str, partitions: list[dict]) -> bool:
        if not self.known[table]["PartitionKeys"] or is_delta(self.known[table]):
            return False
        known, wanted = self.partitions_of(table), {tuple(one["Values"]): one for one in partitions}
        added = [one for values, one in wanted.items() if values not in known]
        changed = [one for values, one in wanted.items() if values in known and not same(known[values], one)]
        gone = [values for values in known if values not in wanted]
        self.add_partitions(table, added)
        updates = self.policies.update == "UPDATE_IN_DATABASE"
        for one in changed if updates else []:
            self.update_partition(table, one)
        return bool(added or (updates and changed)) | self.remove_partitions(table, gone, known)

    def remove_partitions(self, table: str, gone: list[tuple], known: dict[tuple, dict]) -> bool:
        fresh = [values for values in gone if DEPRECATED not in known[values].get("Parameters", {})]
        for values in fresh:
            self.log(
                "INFO",
                f"Found partition of table {table} with partition values [{', '.join(values)}] "
                "with no matching schema at the partition's S3 location",
            )
        match self.policies.delete:
            case "DELETE_FROM_DATABASE":
                self.delete_partitions(table, gone)
                return bool(gone)
            case "DEPRECATE_IN_DATABASE":
                for values in fresh:
                    self.update_partition(table, deprecated(known[values]))
                return bool(fresh)
        return False

    def partitions_of(self, table: str) -> dict[tuple, dict]:
        pages = self.glue.get_paginator("get_partitions").paginate(DatabaseName=self.database, TableName=table)
        fields = ("Values", "Parameters", "StorageDescriptor")
        found = (one for page in pages for one in page["Partitions"])
        return {tuple(one["Values"]): {key: one[key] for key in fields if key in one} for one in found}

    def add_partitions(self, table: str, partitions: list[dict]) -> None:
        for some in batched(partitions, 100):
            answer = self.glue.batch_create_partition(
                DatabaseName=self.database, TableName=table, PartitionInputList=list(some)
            )
            for error in answer.get("Errors", []):
                values, detail = ", ".join(error["PartitionValues"]), error["ErrorDetail"]
                message = f"Partition [{values}] of table {table} was not created: {detail['ErrorMessage']}"
                self.outcome.errors.append(message)
                self.log("ERROR", message)

    def update_partition(self, table: str, partition: dict) -> None:
        self.glue.update_partition(
            DatabaseName=self.database,
            TableName=table,
            PartitionValueList=partition["Values"],
            PartitionInput=partition,
        )

    def delete_partitions(self, table: str, gone: list[tuple]) -> None:
        for some in batched(gone, 25):
            self.glue.batch_delete_partition(
                DatabaseName=self.database,
                TableName=table,
                PartitionsToDelete=[{"Values": list(values)} for values in some],
            )

    # --- what is gone ---

    def remove_vanished(self, target: str, keep: Callable[[str], bool]) -> None:
        """Deal with this crawler's tables under ``target`` that were not seen, except those to ``keep``."""
        for name, table in list(self.known.items()):
            location = location_of(table)
            mine = table["Parameters"].get("UPDATED_BY_CRAWLER") == self.crawler
            if not mine or name in self.seen or not location.startswith(target) or keep(location):
                continue
            self.seen.add(name)
            self.remove(name, table)

    def remove(self, name: str, table: dict) -> None:
        match self.policies.delete:
            case "DELETE_FROM_DATABASE":
                self.glue.delete_table(DatabaseName=self.database, Name=name)
                self.outcome.deleted.append(name)
                self.log("INFO", f"Deleted table {name} because nothing is left at {location_of(table)}")
            case "DEPRECATE_IN_DATABASE" if DEPRECATED not in table["Parameters"]:
                self.glue.update_table(DatabaseName=self.database, TableInput=deprecated(table))
                self.outcome.deprecated.append(name)
                self.log(
                    "INFO",
                    f"Table {name} is marked deprecated because a matching schema was not found "
                    "at the table's location.",
                )
            case "LOG":
                self.log("INFO", f"Nothing is left of table {name} at {location_of(table)}")


# --- comparing and changing entries -----------------------------------------------------------------------------------


def input_of(table: dict) -> dict:
    return {field: table[field] for field in INPUT_FIELDS if field in table}


def location_of(table: dict) -> str:
    return table.get("StorageDescriptor", {}).get("Location", "")


def same_folder(one: str, other: str) -> bool:
    return one.rstrip("/") == other.rstrip("/")


def is_delta(table: dict) -> bool:
    return table["Parameters"].get("classification") == "delta"


def same(one: dict, other: dict) -> bool:
    return without_run(one) == without_run(other)


def without_run(entry: dict) -> dict:
    """Every crawl has another id: it alone is no change."""
    storage = entry.get("StorageDescriptor", {})
    return {
        **entry,
        "Parameters": without_id(entry.get("Parameters", {})),
        "StorageDescriptor": {**storage, "Parameters": without_id(storage.get("Parameters", {}))},
    }


def without_id(parameters: dict) -> dict:
    return {key: value for key, value in parameters.items() if key != "CRAWL_RUN_ID"}


def with_new_columns(old: dict, new: dict) -> dict:
    """The old table with the columns added that only the new one has; the crawler's parameters are renewed."""
    names = {column["Name"] for column in [*old["StorageDescriptor"]["Columns"], *old["PartitionKeys"]]}
    added = [column for column in new["StorageDescriptor"]["Columns"] if column["Name"] not in names]
    storage = {**old["StorageDescriptor"], "Columns": old["StorageDescriptor"]["Columns"] + added}
    storage["Parameters"] = renewed(old["StorageDescriptor"], new["StorageDescriptor"])
    return {**old, "Parameters": renewed(old, new), "StorageDescriptor": storage}


def renewed(old: dict, new: dict) -> dict:
    kept = {key: value for key, value in old.get("Parameters", {}).items() if key != DEPRECATED}
    return {**kept, **new.get("Parameters", {})}


def deprecated(entry: dict) -> dict:
    mark = {DEPRECATED: str(int(time.time() * 1000))}
    storage = entry.get("StorageDescriptor", {})
    return {
        **entry,
        "Parameters": {**entry.get("Parameters", {}), **mark},
        "StorageDescriptor": {**storage, "Parameters": {**storage.get("Parameters", {}), **mark}},
    }
