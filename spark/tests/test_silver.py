"""Whole runs of the job over a local folder; `test_job.py` has the one over S3."""

import json
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest
from groundwork_spark.bronze import BronzeError
from groundwork_spark.jobs.silver import run
from samples import VISITS, visits

JULY, AUGUST = datetime(2017, 7, 9, 21, 57, 5), datetime(2017, 8, 1)


def visit(id="a", at=JULY, zip="01012", price="1.50", score=5, device="phone", paid="true", seen="000000"):
    return ("I", f"2026-11-22 12:00:00.{seen}", id, at, zip, Decimal(price), score, device, paid)


@pytest.fixture
def refresh(bronze, lake):
    """Run the job on the table ``visits``; returns the table's entry of the summary."""

    def run_once(contract=None) -> dict:
        contract = contract or visits()
        bronze.folder.mkdir(exist_ok=True)
        return run(lake, str(bronze.folder), {contract.table: contract})["tables"][0]

    return run_once


def table(lake, name="visits"):
    return lake.spark.read.format("delta").load(f"{lake.silver}/{name}")


def marks(lake) -> dict[str, str]:
    """Every file of silver but the run's summary, with what changes when its content does."""
    files = lake.storage.list(lake.silver, recursive=True)
    return {file.path: (file.size, file.modified) for file in files if "/_runs/" not in file.path}


def test_rows_are_typed_checked_and_deduplicated(bronze, lake, refresh):
    bronze.write(
        "visits",
        [
            visit("a", price="1.00", seen="000001"),
            visit("a", price="2.00", seen="000002"),
            visit("b", at=AUGUST, paid="false"),
            visit("c", score=9),
        ],
    )
    outcome = refresh()
    rows = [tuple(row) for row in table(lake).orderBy("id").collect()]
    assert rows == [
        ("a", JULY, "01012", Decimal("2.00"), 5, "phone", True, "2017-07"),
        ("b", AUGUST, "01012", Decimal("1.50"), 5, "phone", False, "2017-08"),
    ]
    rejected = table(lake, "_quarantine/visits").collect()
    assert [(row["id"], row["_rule"], row["_row"]) for row in rejected] == [("c", "score.maximum", 3)]
    assert rejected[0]["_file"].endswith("/visits/LOAD00000001.parquet")
    assert rejected[0]["_reason"] == "score is '9', which is above 5"
    assert outcome["status"] == "rebuilt"
    assert outcome["quarantined"] == {"score.maximum": 1}
    assert (outcome["rows_read"], outcome["rows"]) == (4, 2)


def test_running_again_changes_nothing_and_reports_the_same(bronze, lake, refresh):
    bronze.write("visits", [visit("a"), visit("b"), visit("c", score=9)])
    first = refresh()
    before = marks(lake)
    second = refresh()
    assert second == {**first, "status": "unchanged", "rows_read": 0, "seconds": second["seconds"]}
    assert second["version"] == 0
    assert marks(lake) == before


def test_a_new_full_load_replaces_the_table_in_one_commit(bronze, lake, refresh):
    bronze.write("visits", [visit("a"), visit("b"), visit("c", score=9)])
    refresh()
    bronze.write("visits", [visit("b", price="3.00"), visit("c")])
    assert refresh()["version"] == 1
    assert table(lake, "_quarantine/visits").count() == 0
    rows = table(lake).orderBy("id").collect()
    assert [(row["id"], row["price"]) for row in rows] == [("b", Decimal("3.00")), ("c", Decimal("1.50"))]


def test_over_the_threshold_the_table_fails_and_the_others_do_not(bronze, lake):
    contracts = {name: replace(visits(), table=name) for name in ("bad", "good")}
    bronze.write("bad", [visit("a")])
    bronze.write("good", [visit("a")])
    run(lake, str(bronze.folder), contracts)
    bronze.write("bad", [visit("a", score=8), visit("b", zip="x"), visit("c", score=9)])
    bronze.write("good", [visit("a"), visit("b")])
    summary = run(lake, str(bronze.folder), contracts)
    bad, good = summary["tables"]
    assert (summary["status"], bad["status"], good["status"]) == ("failed", "failed", "rebuilt")
    assert bad["error"].startswith(
        "bad: 3 of 3 rows (100 %) break the contract, which allows 50 %. Most often broken: score.maximum (2 rows). "
    )
    assert f"{lake.silver}/_quarantine/bad" in bad["error"]
    assert [row["score"] for row in table(lake, "bad").collect()] == [5]
    assert table(lake, "_quarantine/bad").count() == 3


def test_nothing_is_written_when_one_table_is_not_as_its_contract_says(bronze, lake):
    contracts = {name: replace(visits(), table=name) for name in ("bad", "good")}
    bronze.write("bad", [visit()], VISITS.replace("zip string", "zipcode string"))
    bronze.write("good", [visit()])
    summary = run(lake, str(bronze.folder), contracts)
    assert [table["status"] for table in summary["tables"]] == ["failed", "untouched"]
    assert "bad: bronze is not as its contract says: it has no column 'zip'" in summary["tables"][0]["error"]
    assert marks(lake) == {}


def test_a_changed_contract_writes_the_table_again_and_ignores_what_it_lacks(bronze, lake, refresh):
    bronze.write("visits", [visit()])
    refresh()
    outcome = refresh(replace(visits(), columns=visits().columns[:-1]))
    assert (outcome["status"], outcome["ignored_columns"]) == ("rebuilt", ["paid"])
    assert table(lake).columns == ["id", "at", "zip", "price", "score", "device", "at_month"]


def test_DMS_S3_02_a_table_without_a_folder_becomes_an_empty_table(bronze, lake):
    contracts = {name: replace(visits(), table=name) for name in ("empty", "full")}
    bronze.write("full", [visit()])
    run(lake, str(bronze.folder), contracts)
    assert table(lake, "empty").count() == 0
    assert table(lake, "empty").schema == table(lake, "full").schema
    assert json.loads(lake.storage.read(f"{lake.silver}/_manifests/empty.manifest")) == {"entries": []}


def test_F5_a_file_cut_short_fails_by_name_and_silver_stays(bronze, lake, refresh):
    bronze.write("visits", [visit("a")])
    refresh()
    before = marks(lake)
    file = bronze.write("visits", [visit("a"), visit("b")], file="LOAD00000002.parquet")
    file.write_bytes(file.read_bytes()[:-100])
    outcome = refresh()
    assert outcome["status"] == "failed"
    assert outcome["error"].startswith("visits: ")
    assert "LOAD00000002.parquet" in outcome["error"]
    assert marks(lake) == before


def test_F5_pages_that_do_not_decode_fail_by_name(bronze, lake, refresh):
    file = bronze.write("visits", [visit("a")])
    content = bytearray(file.read_bytes())
    content[4:200] = bytes(196)
    file.write_bytes(content)
    outcome = refresh()
    assert outcome["status"] == "failed"
    assert "LOAD00000001.parquet" in outcome["error"]


def test_F5_an_empty_file_is_refused_by_name(bronze, refresh):
    file = bronze.write("visits", [visit("a")])
    file.write_bytes(b"")
    with pytest.raises(BronzeError, match=r"visits/LOAD00000001.parquet is empty \(0 bytes\)"):
        refresh()


def test_a_file_that_dms_does_not_write_is_refused_by_name(bronze, refresh):
    bronze.write("visits", [visit("a")], file="visits.parquet")
    with pytest.raises(BronzeError, match="visits.parquet is neither a full load in Parquet"):
        refresh()


def test_a_bronze_without_any_table_is_refused(refresh):
    with pytest.raises(BronzeError, match="has no files of any table"):
        refresh()
