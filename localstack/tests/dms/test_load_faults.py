"""The network or the source is away while tables are loaded: the task goes on by itself, with what is not complete."""

import math
from urllib.parse import urlsplit

import boto3
import psycopg
import pytest
from groundwork_aws.dms.postgres import Source
from groundwork_aws.dms.slot import remove_from
from tests.dms.conftest import Proxy, own, wait_until
from tests.dms.test_capture_faults import Task, at_source, make_work, own_server, prepared, replayed, retries

from groundwork.local import services

LARGE = "INSERT INTO orders SELECT 100 + i, 1, repeat(md5(i::text), 12) FROM generate_series(1, {}) i"
__all__ = ["own_server"]  # a fixture of this module, too
TYPES = pytest.mark.parametrize("kind", ["full-load", "full-load-and-cdc"])


def until_the_large_table_loads(task) -> None:
    def loading() -> bool:
        return any(e.get("table", "..")[1] == "orders" and e["state"] == "Full load" for e in task.events)

    wait_until(loading, lambda: task.events)


def until_loaded(task) -> None:
    def loaded() -> bool:
        return any("position" in event or "end" in event for event in task.events)

    wait_until(loaded, lambda: task.events)


def states(task, table: str) -> list[str]:
    found = [event["state"] for event in task.events if event.get("table", "..")[1] == table]
    return [state for n, state in enumerate(found) if n == 0 or state != found[n - 1]]


@TYPES
@pytest.mark.parametrize("cut", ["to the source", "to S3"])
def test_A16_the_network_is_cut_during_a_load_and_the_unfinished_table_is_loaded_again(
    source, source_server, schema, shop, bucket, endpoint_url, tmp_path, kind, cut
):
    own(source, "CREATE TABLE a_small_one (id int PRIMARY KEY, price int, city text)")
    own(source, "INSERT INTO a_small_one VALUES (1, 1, 'A')")
    own(source, LARGE.format(40000))
    to_source, to_s3 = Proxy(source_server.port), Proxy(urlsplit(endpoint_url).port)
    work = make_work(to_source.port, schema, bucket, f"http://127.0.0.1:{to_s3.port}", tmp_path, type=kind)
    task = Task(work, tmp_path, bucket)
    task.s3 = boto3.client("s3", **work["aws"] | {"endpoint_url": endpoint_url})
    proxy = to_source if cut == "to the source" else to_s3
    proxy.left = 7_000_000  # less than half of what the rows take
    task.start()
    wait_until(lambda: retries(task) > 1, lambda: task.events)
    [first] = task.s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert "/a_small_one/" in first["Key"]
    proxy.left = math.inf
    until_loaded(task)
    assert len(task.rows()) == 40003, task.events[-3:]
    same = replayed(task.rows()) == at_source(source)  # pytest would show 40,000 rows
    assert same
    again = {entry["Key"]: entry for entry in task.s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert again[first["Key"]]["LastModified"] == first["LastModified"]  # what was complete is not touched
    assert states(task, "orders")[-1] == "Table completed"
    assert task.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []
    if kind == "full-load":
        assert task.end()["reason"] == "FULL_LOAD_ONLY_FINISHED"
    else:
        own(source, "DELETE FROM orders WHERE id > 100")
        wait_until(lambda: replayed(task.rows()) == at_source(source), lambda: task.events)
        task.stop()
    remove_from(Source(**make_work(source_server.port, schema, bucket, "", tmp_path)["source"]), work["slot"], None)


@TYPES
def test_A15_postgres_is_restarted_during_a_load_and_the_task_goes_on_by_itself(
    own_server, bucket, endpoint_url, tmp_path, kind
):
    with services.running_postgres(own_server, wal_level="logical") as server:
        connection = prepared(server)
        connection.execute(LARGE.format(300_000))  # it takes seconds
        task = Task(make_work(server.port, "shop", bucket, endpoint_url, tmp_path, type=kind), tmp_path, bucket).start()
        until_the_large_table_loads(task)
        connection.close()
    with services.running(services.postgres("postgres", server), tmp_path / "again.log"):
        until_loaded(task)
        with psycopg.connect(server.dsn(), autocommit=True, options="-c search_path=shop") as connection:
            same = replayed(task.rows()) == at_source(connection)  # pytest would show 300,000 rows
            assert same, task.events[-3:]
        assert any("Task is retried in 1 s" in event.get("log", "") for event in task.events)
        if kind == "full-load-and-cdc":
            task.stop()
