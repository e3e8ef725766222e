"""Slots at the source that no task knows any more, because LocalStack's state or the source was lost for a while."""

import json
from pathlib import Path

import pytest
from groundwork_aws.dms import orphans
from groundwork_aws.dms.checkpoint import Checkpoint
from groundwork_aws.dms.postgres import Source
from tests.dms import test_capture_faults
from tests.dms.conftest import document, include, left_at

task = test_capture_faults.task  # it is run without the API


@pytest.fixture
def lost(task, tmp_path):
    """The checkpoint of a task that was stopped and is known to nobody, named after its slot."""
    task.follow().stop()
    path = tmp_path / f"{task.work['slot'].removeprefix('awsdms_')}.json"
    return Path(task.work["checkpoint"]).rename(path)


def drop(task, path: Path, **other) -> None:
    orphans.drop(Source(**task.work["source"] | other), [path])


def test_E12_what_a_lost_task_has_left_is_dropped_and_said(task, lost, source, caplog):
    caplog.set_level("INFO")
    assert len(left_at(source)) == 3  # the slot and two publications
    drop(task, lost)
    assert left_at(source) == []
    assert not lost.exists()
    [line] = [record.message for record in caplog.records if "were dropped" in record.message]
    assert task.work["slot"] in line


def test_E12_a_source_that_cannot_be_reached_is_asked_again(task, lost, source, caplog):
    drop(task, lost, port=1)
    assert "stays" in caplog.text
    assert lost.exists()
    drop(task, lost)
    assert left_at(source) == []


def test_E12_the_slot_of_a_process_that_lives_stays(task, lost, source):
    lost.rename(task.work["checkpoint"])
    task.follow(fresh=False)
    lost.write_text(Path(task.work["checkpoint"]).read_text())
    drop(task, lost)
    assert len(left_at(source)) == 3
    assert lost.exists()


def test_E12_a_slot_that_another_has_made_under_that_name_stays(task, lost, source):
    source.execute("SELECT pg_drop_replication_slot(%s)", (task.work["slot"],))
    source.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (task.work["slot"],))
    drop(task, lost)
    assert len(left_at(source)) == 3
    assert not lost.exists()  # it names nothing that would be ours


def test_E12_a_checkpoint_of_another_database_or_of_nobody_is_left_alone(task, lost, source):
    checkpoint = Checkpoint.read(lost)
    assert checkpoint.source == orphans.identity(source)
    other = json.dumps(vars(checkpoint) | {"source": "another server/postgres"})
    for content in (other, "{", '{"of": "a later version"}'):
        lost.write_text(content)
        drop(task, lost)
        assert len(left_at(source)) == 3
        assert lost.exists()


def test_E12_a_task_that_was_deleted_while_its_source_was_away_is_cleaned_up_by_the_next(
    aws, replication, source, source_server, schema, shop, state, unique
):
    dms, secret = aws("dms"), {"username": "dms", "password": "right", "host": "127.0.0.1", "port": source_server.port}

    def move_source(port: int) -> None:
        aws("secretsmanager").put_secret_value(
            SecretId=f"{unique}-source", SecretString=json.dumps(secret | {"port": port})
        )

    def another(name: str) -> str:
        return dms.create_replication_task(
            ReplicationTaskIdentifier=f"{unique}-{name}", ReplicationInstanceArn=first.instance,
            SourceEndpointArn=first.source, TargetEndpointArn=first.target, MigrationType="full-load-and-cdc",
            TableMappings=document(include(schema)),
        )["ReplicationTask"]["ReplicationTaskArn"]  # fmt: skip

    settings = {"FailTaskWhenCleanTaskResourceFailed": False}
    first = replication(MigrationType="full-load-and-cdc", settings=settings, target={"CdcMaxBatchInterval": 0})
    second = type(first)(**{**vars(first), "task": another("second")})
    third = type(first)(**{**vars(first), "task": another("third")})
    first.follow(), second.follow()
    first.stop(), second.stop()
    move_source(1)
    dms.delete_replication_task(ReplicationTaskArn=first.task)
    assert (state / "dms" / f"{first.task.rpartition(':')[2]}.json").exists()
    move_source(source_server.port)
    third.follow()
    third.stop()
    found = source.execute("SELECT slot_name FROM pg_replication_slots WHERE NOT temporary ORDER BY slot_name")
    assert [slot for (slot,) in found] == sorted(
        f"awsdms_{one.task.rpartition(':')[2].lower()}" for one in (second, third)
    )
    assert not (state / "dms" / f"{first.task.rpartition(':')[2]}.json").exists()
    for one in (second, third):
        dms.delete_replication_task(ReplicationTaskArn=one.task)
    assert left_at(source) == []
