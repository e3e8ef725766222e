"""Runs that are killed, left alone or disturbed between two batches of changes; what the warehouse gets of them."""

import json
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlparse

import pytest
from groundwork_spark import bronze as bronze_files
from groundwork_spark import changes, lock, maintenance
from groundwork_spark.jobs.silver import run
from samples import VISITS, make_column, visits

COLUMNS = VISITS.replace("dms_timestamp string,", "dms_timestamp string, change_seq string,")
FULL_LOAD = "LOAD00000001.parquet"


def change(op, seq, id, score=5, month=7):
    """A change; ``seq`` None makes it a row of the full load."""
    seq = None if seq is None else f"{seq:035}"
    time = f"2026-11-22 12:00:{int(seq or 0) % 60:02}.000000"
    return (op, time, seq, id, datetime(2017, month, 9), "01012", Decimal("1.50"), score, "phone", "true")


def at(minute: int) -> str:
    return f"20261122-12{minute:02}00000.parquet"


class Shop:
    """The table ``visits``, as DMS writes it and as the job leaves it."""

    def __init__(self, bronze, lake, contract):
        self.bronze, self.lake, self.contract = bronze, lake, contract

    def write(self, file, *rows, columns=COLUMNS):
        return self.bronze.write("visits", list(rows), columns, file)

    def refresh(self, **options) -> dict:
        return run(self.lake, str(self.bronze.folder), {"visits": self.contract}, **options)["tables"][0]

    def scores(self, name="visits") -> dict:
        rows = self.lake.spark.read.format("delta").load(f"{self.lake.silver}/{name}").collect()
        found = {row["id"]: row["score"] for row in rows}
        assert len(found) == len(rows), "a key stands twice"
        return found

    def exported(self) -> dict:
        return json.loads(self.lake.storage.read(f"{self.lake.silver}/_changes/latest.json"))["tables"]["visits"]

    def copied(self) -> list[tuple]:
        """What a COPY of the export reads."""
        manifest = json.loads(self.lake.storage.read(self.exported()["manifest"]))["entries"]
        for entry in manifest:
            assert entry["meta"]["content_length"] == Path(urlparse(entry["url"]).path).stat().st_size
        frames = [self.lake.spark.read.parquet(entry["url"]) for entry in manifest]
        wanted = [column.name for column in self.contract.columns]
        assert all([name for name in f.columns if name != "_op"] == wanted for f in frames), "COPY goes by position"
        return sorted((row.asDict().get("_op"), row["id"], row["score"]) for f in frames for row in f.collect())


@pytest.fixture
def shop(bronze, lake):
    """A shop whose full load of a, b and c is in silver."""
    shop = Shop(bronze, lake, visits(60))
    shop.write(FULL_LOAD, change("I", None, "a"), change("I", None, "b"), change("I", None, "c", month=8))
    assert shop.refresh()["status"] == "rebuilt"
    return shop


def killed_after(monkeypatch, module, name):
    """Let the function do its work, and the run end there."""
    work = getattr(module, name)

    def work_and_die(*arguments):
        work(*arguments)
        raise RuntimeError("killed")

    monkeypatch.setattr(module, name, work_and_die)


def test_F2_a_run_killed_after_the_commit_is_done_again_without_another(shop, monkeypatch):
    shop.write(at(1), change("U", 1, "a", 4), change("D", 2, "b"), change("I", 3, "d", 1))
    with monkeypatch.context() as patch:
        killed_after(patch, changes, "merge_silver")
        with pytest.raises(RuntimeError, match="killed"):
            shop.refresh()
    assert shop.scores() == {"a": 4, "c": 5, "d": 1}
    again = shop.refresh()
    assert (again["status"], again["version"]) == ("merged", 1)
    assert shop.scores() == {"a": 4, "c": 5, "d": 1}


def test_F1_files_without_their_commit_are_not_there_and_the_next_run_commits(shop, monkeypatch):
    shop.write(at(1), change("U", 1, "a", 4))
    with monkeypatch.context() as patch:
        killed_after(patch, changes, "merge_silver")
        with pytest.raises(RuntimeError, match="killed"):
            shop.refresh()
    log = f"{shop.lake.silver}/visits/_delta_log"
    for name in ("00000000000000000001.json", "00000000000000000001.crc"):
        shop.lake.storage.delete(f"{log}/{name}")
    shop.lake.spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()
    assert shop.scores() == {"a": 5, "b": 5, "c": 5}
    assert shop.refresh()["version"] == 1
    assert shop.scores() == {"a": 4, "b": 5, "c": 5}


def test_F7_without_its_checkpoint_a_table_is_built_anew(shop):
    shop.write(at(1), change("U", 1, "a", 4))
    shop.refresh()
    progress = json.loads(shop.lake.storage.read(f"{shop.lake.silver}/_checkpoints/visits/progress.json"))
    shutil.rmtree(f"{shop.lake.silver}/_checkpoints/visits/{progress['generation']}")
    shop.write(at(2), change("U", 2, "b", 3))
    assert shop.refresh()["status"] == "rebuilt"
    assert shop.scores() == {"a": 4, "b": 3, "c": 5}
    shop.write(at(3), change("U", 3, "c", 2))
    assert shop.refresh()["status"] == "merged"
    assert shop.scores() == {"a": 4, "b": 3, "c": 2}


def test_F6_who_reads_during_a_merge_sees_all_of_a_batch_or_nothing_of_it(shop):
    """Batches that lower every score, in two partitions; the first takes one key away and brings another."""
    done, seen = threading.Event(), []

    def read() -> None:
        last = False
        while not last:
            last = done.is_set()
            seen.append(shop.scores())

    with ThreadPoolExecutor(1) as reader:
        reading = reader.submit(read)
        try:
            shop.write(at(1), change("U", 1, "a", 4), change("D", 2, "b"), change("U", 3, "c", 4, 8))
            shop.write(at(2), change("I", 4, "d", 4))
            shop.refresh()
            shop.write(at(3), change("U", 5, "a", 3), change("U", 6, "c", 3, 8), change("U", 7, "d", 3))
            shop.refresh()
        finally:
            done.set()
        reading.result()
    told = [dict.fromkeys("abc", 5), dict.fromkeys("acd", 4), dict.fromkeys("acd", 3)]
    assert [rows for rows in seen if rows not in told] == []
    versions = [told.index(rows) for rows in seen]
    assert versions == sorted(versions)
    assert versions[-1] == 2


def test_F5_a_broken_change_file_fails_by_name_until_it_is_replaced(shop):
    file = shop.write(at(1), change("U", 1, "a", 4))
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    assert at(1) in shop.refresh()["error"]
    assert shop.scores() == {"a": 5, "b": 5, "c": 5}
    file.write_bytes(whole)
    assert shop.refresh()["error"] is None
    assert shop.scores() == {"a": 4, "b": 5, "c": 5}


def test_D3_changes_of_a_wider_type_stop_before_silver_and_name_the_column(shop):
    shop.write(at(1), change("U", 1, "a", 4))
    shop.write(at(2), change("U", 2, "b", 3), columns=COLUMNS.replace("score smallint", "score bigint"))
    assert "its column 'score' is bigint, which cannot become smallint" in shop.refresh()["error"]
    assert shop.scores() == {"a": 5, "b": 5, "c": 5}


def test_B2_what_a_truncated_table_has_lost_does_not_stay_in_silver(shop):
    """DMS deletes a truncated table's files: silver is made of what came after."""
    shop.write(at(1), change("I", 1, "d"))
    shop.refresh()
    shutil.rmtree(shop.bronze.folder / "visits")
    shop.write(at(2), change("I", 2, "e", 3))
    assert shop.refresh()["status"] == "rebuilt"
    assert shop.scores() == {"e": 3}


TEXTS = (
    "a\tb", "a\rb", "a\nb", "a\r\nb", "a,b", 'a"b', "a'b", "a\\b", "\\u0000",
    "", None, "NULL", "\\N", " ",
    "São João", "e\u0301", "\u00e9", "👩🏽‍🚀", "שלום", "a\u200bb",
)  # fmt: skip


def test_C1_C2_C10_text_is_the_same_in_silver_by_full_load_and_by_changes(bronze, lake):
    contract = replace(visits(60), columns=(*visits(60).columns, make_column("note", "text")))
    shop, columns = Shop(bronze, lake, contract), f"{COLUMNS}, note string"
    shop.write(FULL_LOAD, *((*change("I", None, f"l{n}"), text) for n, text in enumerate(TEXTS)), columns=columns)
    shop.refresh()
    shop.write(at(1), *((*change("I", n + 1, f"c{n}"), text) for n, text in enumerate(TEXTS)), columns=columns)
    assert shop.refresh()["status"] == "merged"
    rows = lake.spark.read.format("delta").load(f"{lake.silver}/visits").collect()
    assert {row["id"]: row["note"] for row in rows} == {
        f"{way}{n}": text for way in "lc" for n, text in enumerate(TEXTS)
    }


def test_D1_a_column_added_to_the_contract_flows_through_and_is_null_before(shop):
    shop.write(at(1), (*change("U", 1, "a", 4), "blue"), columns=f"{COLUMNS}, colour string")
    assert shop.refresh()["ignored_columns"] == ["colour"]
    shop.contract = replace(shop.contract, columns=(*shop.contract.columns, make_column("colour", "text")))
    assert shop.refresh()["status"] == "rebuilt"
    rows = shop.lake.spark.read.format("delta").load(f"{shop.lake.silver}/visits").collect()
    assert {row["id"]: row["colour"] for row in rows} == {"a": "blue", "b": None, "c": None}


def test_too_many_bad_rows_of_the_table_stop_it_and_the_next_run_sees_all_of_bronze(shop):
    shop.write(at(1), change("U", 1, "a", 9), change("U", 2, "b", 9), change("U", 3, "c", 9))
    assert "3 of 3 rows (100 %) break the contract, which allows 60 %" in shop.refresh()["error"]
    assert shop.scores() == {"a": 5, "b": 5, "c": 5}
    shop.write(at(2), change("U", 4, "a", 4), change("U", 5, "b", 4))
    assert shop.refresh()["status"] == "rebuilt"
    assert (shop.scores(), shop.scores("_quarantine/visits")) == ({"a": 4, "b": 4}, {"c": 9})


def test_the_export_has_what_the_warehouse_lacks_and_nothing_when_it_has_all(shop):
    shop.refresh(loaded={})
    assert shop.exported() | {"manifest": ""} == {"mode": "full", "from": None, "to": 0, "rows": 3, "manifest": ""}
    assert shop.copied() == [(None, "a", 5), (None, "b", 5), (None, "c", 5)]
    shop.write(at(1), change("U", 1, "a", 4), change("D", 2, "b"), change("I", 3, "d", 1))
    shop.refresh()
    shop.write(at(2), change("U", 4, "a", 9), change("U", 5, "d", 2), change("I", 6, "e"), change("D", 7, "e"))
    shop.refresh(loaded={"visits": 0})
    assert shop.exported()["mode"] == "changes"
    assert (shop.exported()["from"], shop.exported()["to"]) == (0, 2)
    assert shop.copied() == [("D", "a", 4), ("D", "b", 5), ("U", "d", 2)]
    shop.refresh(loaded={"visits": 2})
    assert shop.exported() == {"mode": "none", "from": 2, "to": 2, "rows": 0}
    shop.refresh(loaded={})
    assert shop.exported()["mode"] == "full"
    assert shop.copied() == [(None, "c", 5), (None, "d", 2)]


def test_where_the_change_feed_does_not_reach_back_everything_is_exported(shop):
    shop.write(at(1), change("U", 1, "a", 4))
    shop.refresh()
    shutil.rmtree(f"{shop.lake.silver}/visits/_change_data")
    shop.refresh(loaded={"visits": 0})
    assert (shop.exported()["mode"], shop.exported()["to"]) == ("full", 1)
    assert shop.copied() == [(None, "a", 4), (None, "b", 5), (None, "c", 5)]


def test_of_many_small_files_those_are_read_that_were_named(shop, spark):
    first = shop.write(at(0), change("U", 1, "a", 4))
    by_date = [first.parent / f"2026/11/{22 + minute % 2}" / at(minute) for minute in range(1, 51)]
    for file in by_date:
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(first, file)
    named = [first, *by_date[:-1]]
    paths = [file.as_uri() for file in named]
    found = bronze_files.columns_of(spark, paths)
    rows = bronze_files.read(spark, shop.contract, paths, found)
    assert len(named) > bronze_files.FEW_FILES
    assert sorted(urlparse(file).path for file in rows.inputFiles()) == sorted(map(str, named))
    assert rows.count() == len(named)


def test_small_files_are_joined_and_the_warehouse_sees_no_change_in_that(shop, monkeypatch):
    monkeypatch.setattr(maintenance, "SMALL_FILES", 1)
    shop.write(at(1), change("I", 1, "d"))
    shop.refresh()
    table = f"{shop.lake.silver}/visits"
    assert len(shop.lake.spark.read.format("delta").load(table).inputFiles()) == 3
    assert shop.refresh(loaded={"visits": 1}, maintain=True)["version"] > 1
    assert len(shop.lake.spark.read.format("delta").load(table).inputFiles()) == 2
    assert shop.exported()["mode"] == "none"
    assert shop.scores() == {"a": 5, "b": 5, "c": 5, "d": 5}


def test_maintenance_is_due_a_day_after_the_last(lake):
    assert not maintenance.is_due(lake.storage, lake.silver)
    marker = f"{lake.silver}/{maintenance.MARKER}"
    noted = lake.storage.read(marker)
    assert not maintenance.is_due(lake.storage, lake.silver)
    assert lake.storage.read(marker) == noted, "looking does not put it off"
    lake.storage.write(marker, json.dumps({"at": "2026-11-22T00:00:00+00:00"}))
    assert maintenance.is_due(lake.storage, lake.silver)
    maintenance.note(lake.storage, lake.silver)
    assert not maintenance.is_due(lake.storage, lake.silver)


def test_F3_a_second_writer_is_told_who_writes(lake, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT_SECONDS", 0.2)
    with (
        lock.writer_lock(lake.storage, lake.silver, "first"),
        pytest.raises(lock.Locked, match="application first has been writing since"),
        lock.writer_lock(lake.storage, lake.silver, "second"),
    ):
        pass
    with lock.writer_lock(lake.storage, lake.silver, "third"):
        pass


@pytest.mark.parametrize("left", ['{"application": "killed", "since": "2026-11-22T12:00:00Z"}', ""])
def test_F3_the_lock_of_a_killed_application_is_taken_over(lake, monkeypatch, left):
    monkeypatch.setattr(lock, "EXPIRY_SECONDS", 1)
    lake.storage.create(f"{lake.silver}/_lock.json", left)
    with lock.writer_lock(lake.storage, lake.silver, "next"):
        assert json.loads(lake.storage.read(f"{lake.silver}/_lock.json"))["application"] == "next"
    assert not lake.storage.exists(f"{lake.silver}/_lock.json")


def test_B8_a_run_takes_whole_batches_of_bronze_and_leaves_what_comes_meanwhile(shop, lake, monkeypatch):
    """The sleep is where DMS goes on writing: the rest of the batch that has begun to show, then a whole one."""
    both = {name: replace(shop.contract, table=name) for name in ("visits", "guests")}
    shop.bronze.write("guests", [change("I", None, "a")], COLUMNS, FULL_LOAD)
    shop.write(at(1), change("U", 1, "a", score=1))

    def goes_on(seconds):
        assert 0 < seconds <= bronze_files.SETTLE_SECONDS
        shop.bronze.write("guests", [change("U", 2, "a", score=2)], COLUMNS, at(1))
        shop.write(at(2), change("U", 3, "a", score=3))
        shop.bronze.write("guests", [change("U", 4, "a", score=4)], COLUMNS, at(2))

    with monkeypatch.context() as patch:
        patch.setattr(bronze_files, "SETTLE_SECONDS", 60)
        patch.setattr(bronze_files, "time", SimpleNamespace(time=time.time, sleep=goes_on))
        summary = run(lake, str(shop.bronze.folder), both)
    assert [table["change_seq"] for table in summary["tables"]] == [f"{1:035}", f"{2:035}"]
    assert (shop.scores()["a"], shop.scores("guests")["a"]) == (1, 2)
    run(lake, str(shop.bronze.folder), both)
    assert (shop.scores()["a"], shop.scores("guests")["a"]) == (3, 4)


@pytest.mark.parametrize(
    "name, taken",
    [
        ("20261122-120500000.parquet", True),
        ("20261122-120459999.parquet", True),
        ("20261031-235959999.parquet", True),
        ("20261122-120500001.parquet", False),
        ("20261122-121000000.parquet", False),
        ("20270101-000000000.parquet", False),
        ("LOAD00000001.parquet", False),
    ],
)
def test_the_stream_takes_change_files_up_to_a_name(spark, name, taken):
    jvm = spark._jvm
    glob = jvm.org.apache.hadoop.fs.GlobFilter(bronze_files.glob_until(at(5)))
    assert glob.accept(jvm.org.apache.hadoop.fs.Path(f"/bronze/visits/{name}")) is taken
