"""Stories of changes, as data: ``scenarios/<story>/`` holds bronze's files in the order of the runs that find them
(``<run>_<name>.csv``) and what silver, its quarantine and its history hold in the end.

The stories' rows stand in one table, each with the story's number in its key, and are brought up to date together, run
by run; a story with a ``contract.yaml`` has a table of its own. A ``LOAD`` file after the first run is a reload: it
takes the place of all files. ``unchanged_in`` names a run that must not commit anything. The letters are those of the
project's list of fault tests.
"""

import csv
import shutil
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from groundwork_contracts import Contract, Rule
from groundwork_spark.jobs.silver import run
from groundwork_spark.lake import Lake
from groundwork_spark.storage import Storage
from pyspark.sql import functions as F
from samples import Bronze, make_column, visits

STORIES = sorted(folder for folder in (Path(__file__).parent / "scenarios").iterdir() if folder.is_dir())
COLUMNS = {"id": "varchar(16)", "at": "timestamp", "price": "numeric(10,2)", "score": "smallint", "note": "text"}
RULES = {"id": Rule("id", "required"), "at": Rule("at", "required"), "score": Rule("score", "maximum", 5)}


def told_of(story: Path) -> dict:
    own = story / "contract.yaml"
    return {
        "table": "visits",
        "key": ["id"],
        "history": False,
        **(yaml.safe_load(own.read_text()) if own.exists() else {}),
    }


def contract_of(told: dict) -> Contract:
    columns = [
        make_column(
            name,
            kind,
            *([RULES[name]] if name in RULES else []),
            key_position=told["key"].index(name) + 1 if name in told["key"] else None,
            partition_transform="month" if name == "at" else None,
        )
        for name, kind in COLUMNS.items()
    ]
    return replace(visits(60), table=told["table"], columns=tuple(columns), history=told["history"])


def read_csv(file: Path) -> list[dict[str, str | None]]:
    if not file.exists():
        return []
    with file.open(newline="") as lines:
        return [{name: value or None for name, value in row.items()} for row in csv.DictReader(lines)]


def deliver(bronze: Bronze, number: int) -> None:
    """Write the files that the stories have for this run, all by one Spark job."""
    rows = []
    for index, story in enumerate(STORIES):
        table = told_of(story)["table"]
        for file in sorted(story.glob(f"{number}_*.csv")):
            name = file.stem.split("_", 1)[1]
            if name.startswith("LOAD") and number > 1:
                shutil.rmtree(bronze.folder / table)
            name = f"LOAD{index:08X}" if name.startswith("LOAD") else f"{name[:-2]}{index:02}"
            where = {"table": table, "file": f"{name}.parquet"}
            rows += [{**where, **row, "id": f"{index}-{row['id']}"} for row in read_csv(file)]
    strings = ", ".join(f"{name} string" for name in ("table", "file", "op", "seq", "committed", *COLUMNS))
    typed = bronze.spark.createDataFrame(rows, strings).selectExpr(
        "table",
        "file",
        "op AS Op",
        "concat(committed, '.000000') AS dms_timestamp",
        "lpad(seq, 35, '0') AS change_seq",
        "id",
        "CAST(at AS timestamp) AS at",
        "CAST(price AS decimal(10,2)) AS price",
        "CAST(score AS smallint) AS score",
        "note",
    )
    parts = bronze.folder / ".parts"
    typed.coalesce(1).write.mode("overwrite").partitionBy("table", "file").parquet(str(parts))
    for part in sorted(parts.glob("table=*/file=*/part-*.parquet")):
        table, name = part.parent.parent.name.removeprefix("table="), part.parent.name.removeprefix("file=")
        target = bronze.folder / table / name
        target.parent.mkdir(parents=True, exist_ok=True)
        part.rename(target)
    shutil.rmtree(parts)


@pytest.fixture(scope="module")
def told(spark, tmp_path_factory):
    """Every story told to its end: the lake's rows by table, and each table's entries in the summaries of the runs."""
    folder = tmp_path_factory.mktemp("scenarios")
    bronze, lake = Bronze(folder / "bronze", spark), Lake(spark, Storage(spark), str(folder / "silver"))
    contracts = {told_of(story)["table"]: contract_of(told_of(story)) for story in STORIES}
    outcomes = defaultdict(list)
    for number in sorted({int(file.name[0]) for story in STORIES for file in story.glob("[0-9]_*.csv")}):
        deliver(bronze, number)
        for outcome in run(lake, str(bronze.folder), contracts)["tables"]:
            outcomes[outcome["table"]].append(outcome)
    tables = [name for table in contracts for name in (table, f"_quarantine/{table}")]
    tables += [f"{contract.table}_history" for contract in contracts.values() if contract.history]
    return {name: rows_of(lake, name) for name in tables}, outcomes


def rows_of(lake: Lake, name: str) -> list[dict]:
    """The table's rows as the expectations write them."""
    rows = lake.spark.read.format("delta").load(f"{lake.silver}/{name}")
    rows = rows.withColumn("at", F.col("at").cast("date"))
    return [{k: None if v is None else str(v) for k, v in row.asDict().items()} for row in rows.collect()]


def assert_rows(found: list[dict], index: int, expectation: Path) -> None:
    """The story's rows are those of the file, in its columns."""
    expected = read_csv(expectation)
    columns = list(expected[0]) if expected else ["id"]
    mine = [{**row, "id": row["id"].split("-", 1)[1]} for row in found if row["id"].startswith(f"{index}-")]
    mine = [[row[column] for column in columns] for row in mine]
    assert sorted(mine, key=str) == sorted(([row[column] for column in columns] for row in expected), key=str)


@pytest.mark.parametrize("index, story", list(enumerate(STORIES)), ids=[story.name for story in STORIES])
def test_story(told, index, story):
    tables, outcomes = told
    name = told_of(story)["table"]
    assert [outcome["error"] for outcome in outcomes[name] if outcome["error"]] == []
    assert_rows(tables[name], index, story / "silver.csv")
    assert_rows(tables[f"_quarantine/{name}"], index, story / "quarantine.csv")
    if (story / "history.csv").exists():
        assert_rows(tables[f"{name}_history"], index, story / "history.csv")
    if (story / "unchanged_in").exists():
        run_number = int((story / "unchanged_in").read_text())
        assert outcomes[name][run_number - 1]["version"] == outcomes[name][run_number - 2]["version"]
