"""Compares a table's rows in the source, bronze, silver with quarantine, and the warehouse, where they lie.

What must hold: source = bronze, source = silver + quarantine, silver = warehouse. Of bronze, which holds a full load
and the changes since, it is what they leave. Each stage answers one query per table with its row count, key set and a
checksum of every column (see `groundwork.queries.checksums`); the rows stay where they are. Only when something
differs are the keys of the differing rows looked up.
"""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace

import psycopg
from groundwork_contracts import Contract, load_contracts
from rich.table import Table

from groundwork import console
from groundwork.queries import checksums
from groundwork.queries.checksums import ATHENA, KEY_SET, POSTGRES, REDSHIFT, Engine
from groundwork.settings import Settings, UserError

ROWS = "rows"
QUERIES_AT_ONCE = 4
KEYS_SHOWN = 10
# What must hold, and the two sides of it: stages whose rows are taken together.
COMPARISONS = {
    "source = bronze": (("source",), ("bronze",)),
    "source = silver + quarantine": (("source",), ("silver", "quarantine")),
    "silver = warehouse": (("silver",), ("warehouse",)),
}


@dataclass(frozen=True)
class Stage:
    """Where tables lie: ``run`` answers a query with its rows, ``table`` names a contract's table there."""

    engine: Engine
    run: Callable[[str], list[list]]
    table: Callable[[Contract], str]


@dataclass(frozen=True)
class Fingerprint:
    rows: int
    sums: dict[str, int]

    def __add__(self, other: "Fingerprint") -> "Fingerprint":
        return Fingerprint(self.rows + other.rows, {k: v + other.sums[k] for k, v in self.sums.items()})


@dataclass(frozen=True)
class Difference:
    """``aspect`` is ``rows``, ``key set`` or a column; ``keys`` are some of the rows that differ."""

    comparison: str
    aspect: str
    left: int
    right: int
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableResult:
    name: str
    rows: dict[str, int]
    differences: tuple[Difference, ...]

    @property
    def equal(self) -> bool:
        return not self.differences


@dataclass(frozen=True)
class Reconciliation:
    tables: tuple[TableResult, ...]

    @property
    def equal(self) -> bool:
        return bool(self.tables) and all(table.equal for table in self.tables)


def reconcile(contracts: dict[str, Contract], stages: dict[str, Stage]) -> Reconciliation:
    """Compare every table over the stages, all of `COMPARISONS`. Raises what a stage's ``run`` raises."""
    with ThreadPoolExecutor(QUERIES_AT_ONCE) as pool:
        asked = {
            (table, name): pool.submit(fingerprint, stage, contract)
            for table, contract in contracts.items()
            for name, stage in stages.items()
        }
    results = []
    for table, contract in contracts.items():
        found = {name: asked[table, name].result() for name in stages}
        differences = with_keys(contract, stages, compare(found))
        results.append(TableResult(table, {name: f.rows for name, f in found.items()}, tuple(differences)))
    return Reconciliation(tuple(results))


def fingerprint(stage: Stage, contract: Contract) -> Fingerprint:
    [[rows, *sums]] = stage.run(checksums.fingerprint_query(stage.engine, contract, stage.table(contract)))
    names = [KEY_SET, *(column.name for column in contract.columns)]
    return Fingerprint(int(rows), {name: int(value) for name, value in zip(names, sums, strict=True)})


def compare(found: dict[str, Fingerprint]) -> list[Difference]:
    """What differs between the stages of one table."""
    differences = []
    for comparison, sides in COMPARISONS.items():
        left, right = (together(found, side) for side in sides)
        aspects = {ROWS: (left.rows, right.rows)} | {k: (v, right.sums[k]) for k, v in left.sums.items()}
        differences += [Difference(comparison, aspect, a, b) for aspect, (a, b) in aspects.items() if a != b]
    return differences


def together(found: dict[str, Fingerprint], side: tuple[str, ...]) -> Fingerprint:
    total = found[side[0]]
    for name in side[1:]:
        total += found[name]
    return total


# --- which rows differ --------------------------------------------------------------------------------------------


def with_keys(contract: Contract, stages: dict[str, Stage], differences: list[Difference]) -> list[Difference]:
    """The differences with keys. Where rows are missing every column's sum is off, so only the key set is looked up."""
    missing = {d.comparison for d in differences if d.aspect == KEY_SET}
    return [
        find_keys(contract, stages, d) if d.aspect == KEY_SET or d.comparison not in missing else d for d in differences
    ]


def find_keys(contract: Contract, stages: dict[str, Stage], difference: Difference) -> Difference:
    """The difference with up to ten of its keys: first the buckets that differ are found, then the rows in them."""
    sides = [[stages[name] for name in side] for side in COMPARISONS[difference.comparison]]
    buckets = sorted(differing_buckets(contract, sides, difference.aspect))[:KEYS_SHOWN]
    if not buckets:
        return difference

    def rows(stage: Stage) -> str:
        return checksums.rows_query(stage.engine, contract, stage.table(contract), difference.aspect, buckets)

    left, right = (Counter((key, int(value)) for key, value in gather(side, rows)) for side in sides)
    keys = sorted({key for key, _ in (left - right) + (right - left)})[:KEYS_SHOWN]
    return replace(difference, keys=tuple(keys))


def differing_buckets(contract: Contract, sides: list[list[Stage]], aspect: str) -> set[str]:
    def buckets(stage: Stage) -> str:
        return checksums.bucket_query(stage.engine, contract, stage.table(contract), aspect)

    left, right = (merged(gather(side, buckets)) for side in sides)
    return {bucket for bucket, _, _ in left ^ right}


def gather(side: list[Stage], query: Callable[[Stage], str]) -> list[tuple]:
    return [tuple(row) for stage in side for row in stage.run(query(stage))]


def merged(rows: list[tuple]) -> set[tuple[str, int, int]]:
    """Buckets of several stages taken together: counts and sums add up."""
    counts, sums = Counter(), Counter()
    for bucket, count, total in rows:
        counts[bucket] += int(count)
        sums[bucket] += int(total)
    return {(bucket, counts[bucket], sums[bucket]) for bucket in counts}


# --- on the platform --------------------------------------------------------------------------------------------------


def reconcile_platform(settings: Settings) -> Reconciliation:
    """Compare the stages of the platform in use. Raises UserError when a stage does not answer."""
    return reconcile(load_contracts(settings.root / "contracts" / "olist"), platform_stages(settings))


def platform_stages(settings: Settings) -> dict[str, Stage]:
    from groundwork.queries import query

    def athena(sql: str) -> list[list]:
        return query.athena(sql).rows

    def warehouse(sql: str) -> list[list]:
        return query.warehouse(sql).rows

    return {
        "source": Stage(POSTGRES, lambda sql: ask_source(settings.source_dsn, sql), lambda c: f"{c.schema}.{c.table}"),
        "bronze": Stage(ATHENA, athena, bronze_rows),
        "silver": Stage(ATHENA, athena, lambda c: f"olist_silver.{c.table}"),
        "quarantine": Stage(ATHENA, athena, lambda c: f"olist_silver.quarantine_{c.table}"),
        "warehouse": Stage(REDSHIFT, warehouse, lambda c: f"silver.{c.table}"),
    }


def bronze_rows(contract: Contract) -> str:
    """The rows that bronze's changes leave, in Athena's SQL. A table without a key only gains rows."""
    columns, table = ", ".join(c.name for c in contract.columns), f"olist_bronze.{contract.table}"
    if not contract.key:
        return f"(SELECT {columns} FROM {table} WHERE op = 'I') AS remaining"
    order = f"PARTITION BY {', '.join(contract.key)} ORDER BY coalesce(change_seq, '') DESC"
    newest = f"SELECT {columns}, op, row_number() OVER ({order}) AS age FROM {table}"
    return f"(SELECT {columns} FROM ({newest}) AS changes WHERE age = 1 AND op <> 'D') AS remaining"


def ask_source(dsn: str, sql: str) -> list[list]:
    try:
        with psycopg.connect(dsn, connect_timeout=10) as connection:
            return [list(row) for row in connection.execute(sql).fetchall()]
    except psycopg.OperationalError as error:
        raise UserError(f"the source does not answer: {error}\n`make local-up` brings the platform up") from error
    except psycopg.Error as error:
        raise UserError(f"source: {error}") from error


# --- what the user sees -----------------------------------------------------------------------------------------------


def as_json(result: Reconciliation) -> dict:
    return {"equal": result.equal, "tables": [{**asdict(t), "equal": t.equal} for t in result.tables]}


def show(result: Reconciliation) -> None:
    console.results.print(as_table(result))
    for table in result.tables:
        for d in table.differences:
            console.results.print(
                f"[red]✗[/red] {table.name}: {d.aspect} differs in {d.comparison}: {d.left} and {d.right}"
            )
            for key in d.keys:
                console.results.print(f"    {key}", markup=False)


def as_table(result: Reconciliation) -> Table:
    """Rows per stage and a mark per comparison."""
    stages = list(result.tables[0].rows)
    table = Table("", title="Rows, keys and every column's checksum")
    for stage in stages:
        table.add_column(stage, justify="right")
    for comparison in COMPARISONS:
        table.add_column(comparison, justify="center")
    for line in result.tables:
        differing = {d.comparison for d in line.differences}
        marks = ["[red]✗[/red]" if comparison in differing else "[green]✓[/green]" for comparison in COMPARISONS]
        table.add_row(line.name, *(f"{n:,}" for n in line.rows.values()), *marks)
    return table
