"""Where a ``cdc`` task starts: a slot that the user has made, and a place in its WAL."""

import os
import signal
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from tests.dms.conftest import SEQUENCE, include, own, transform, wait_until
from tests.dms.test_capture import process_of
from tests.dms.test_tasks import refused


@pytest.fixture
def users_slot(source, schema, shop, unique):
    """A slot of pgoutput with its publication, of one name, as a user makes them."""
    source.execute(f"CREATE PUBLICATION {unique} FOR TABLE orders")
    source.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (unique,))
    yield unique
    source.execute(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s", (unique,)
    )
    source.execute(f"DROP PUBLICATION IF EXISTS {unique}")


@pytest.fixture
def from_slot(replication, schema):
    """Make a cdc task that reads the slot."""
    made = []

    def make(slot: str):
        made.append(replication(
            MigrationType="cdc", source={"PostgreSQLSettings": {"SlotName": slot}}, target={"CdcMaxBatchInterval": 0},
            rules=[include(schema), transform("column", "add-column", schema, **SEQUENCE)],
            settings={"Logging": {"EnableLogging": True}, "ErrorBehavior": {"RecoverableErrorInterval": 1}},
        ))  # fmt: skip
        return made[-1]

    yield make
    for one in made:
        with suppress(one.aws("dms").exceptions.ResourceNotFoundFault):  # a test may have deleted it
            if one.describe()["Status"] in ("starting", "running"):
                one.stop()


def start(made, position: str, how: str = "start-replication") -> None:
    made.aws("dms").start_replication_task(
        ReplicationTaskArn=made.task, StartReplicationTaskType=how, CdcStartPosition=position
    )


def now_at(source) -> str:
    return source.execute("SELECT pg_current_wal_lsn()::text").fetchone()[0]


def written(made) -> list[int]:
    return [row["id"] for row in made.changes()]


def test_DMS_ST_03_a_cdc_task_starts_at_a_place_in_a_slot_that_the_user_made(from_slot, users_slot, source, aws):
    own(source, "DELETE FROM orders WHERE id = 1")
    place = now_at(source)
    own(source, "DELETE FROM orders WHERE id = 2")
    made = from_slot(users_slot)
    start(made, place)
    wait_until(lambda: written(made) == [2], lambda: (written(made), made.describe()))
    assert not any("LOAD" in key for key in made.objects())
    # resumed, it goes on where it was, not at that place again
    made.stop()
    own(source, "DELETE FROM orders WHERE id = 3")
    made.start("resume-processing")
    wait_until(lambda: written(made) == [2, 3], lambda: (written(made), made.describe()))
    made.stop()
    aws("dms").delete_replication_task(ReplicationTaskArn=made.task)
    left = "SELECT (SELECT count(*) FROM pg_replication_slots WHERE slot_name = %(name)s) " \
           "+ (SELECT count(*) FROM pg_publication WHERE pubname = %(name)s)"  # fmt: skip
    assert source.execute(left, {"name": users_slot}).fetchone() == (2,)  # they are the user's


def test_DMS_ST_03_a_killed_process_goes_on_where_it_was_and_not_at_the_start_position(
    from_slot, users_slot, source, state
):
    made, place = from_slot(users_slot), now_at(source)
    start(made, place)
    own(source, "DELETE FROM orders WHERE id = 1")
    wait_until(lambda: written(made) == [1], lambda: (written(made), made.describe()))
    as_now = "SELECT confirmed_flush_lsn > %s FROM pg_replication_slots WHERE slot_name = %s"
    wait_until(lambda: source.execute(as_now, (place, users_slot)).fetchone()[0])
    os.kill(process_of(made, state), signal.SIGKILL)
    own(source, "DELETE FROM orders WHERE id = 2")
    wait_until(lambda: written(made) == [1, 2], lambda: (written(made), made.describe()))
    assert made.describe()["Status"] == "running"


def test_DMS_ST_03_a_place_that_the_slot_does_not_have_fails_the_task(from_slot, users_slot, source):
    made = from_slot(users_slot)
    refused("InvalidParameterCombinationException", "needs a CdcStartPosition", made.start)
    start(made, "0/10")
    assert "CdcStartPosition 0/10 is not available: the slot" in made.wait_for("failed")["LastFailureMessage"]
    start(made, "FFFFFF/0", "reload-target")
    assert "CdcStartPosition FFFFFF/0 is not available" in made.wait_for("failed")["LastFailureMessage"]


@pytest.mark.guess
@pytest.mark.parametrize("prepare, reason", [
    ("", "does not exist: make it before the task starts"),
    ("SELECT pg_create_physical_replication_slot('{name}')", "is physical: changes are read from a logical one"),
    ("SELECT pg_create_logical_replication_slot('{name}', 'test_decoding')", "only pgoutput is read here"),
    ("SELECT pg_create_logical_replication_slot('{name}', 'pgoutput')", "there is no publication"),
    ("CREATE PUBLICATION {name} WITH (publish = 'insert'); "
     "SELECT pg_create_logical_replication_slot('{name}', 'pgoutput')", "must publish insert, update, delete"),
])  # fmt: skip
def test_DMS_ST_03_a_slot_that_cannot_be_read_is_refused_with_the_reason(
    from_slot, users_slot, source, prepare, reason
):
    source.execute("SELECT pg_drop_replication_slot(%s)", (users_slot,))
    source.execute(f"DROP PUBLICATION {users_slot}")
    for statement in filter(None, prepare.format(name=users_slot).split("; ")):
        source.execute(statement)
    made = from_slot(users_slot)
    start(made, now_at(source))
    assert reason in made.wait_for("failed")["LastFailureMessage"]


@pytest.mark.guess
def test_DMS_ST_03_a_table_that_is_not_in_the_users_publication_is_told_in_the_log(from_slot, users_slot, source):
    own(source, "CREATE TABLE visits (id int PRIMARY KEY)")
    made = from_slot(users_slot)
    start(made, now_at(source))
    wait_until(lambda: any(f"visits is not in the publication {users_slot}" in line for line in made.messages()))


def test_DMS_ST_04_a_start_by_time_is_refused_also_with_a_slot(from_slot, users_slot, aws):
    made, time = from_slot(users_slot), datetime(2026, 1, 1, tzinfo=UTC)
    start_task = {"ReplicationTaskArn": made.task, "StartReplicationTaskType": "start-replication"}
    call = aws("dms").start_replication_task
    refused("InvalidParameterValueException", "not supported for PostgreSQL", call, CdcStartTime=time, **start_task)
    both = {"CdcStartTime": time, "CdcStartPosition": "0/10"}
    refused("InvalidParameterCombinationException", "cannot be given together", call, **both, **start_task)
