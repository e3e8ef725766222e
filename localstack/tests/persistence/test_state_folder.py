"""What is on disk: whose it is, what becomes of it when it cannot be read, and what an answer says when it is full."""

import sqlite3

import pytest
from botocore.exceptions import ClientError
from groundwork_aws.persistence import hooks
from groundwork_aws.persistence.database import Database
from groundwork_aws.persistence.mark import mark


def put(database: Database, name: str, state: bytes) -> None:
    with database.transaction() as rows:
        rows.execute("insert into services values (?, ?)", [name, state])


def names(database: Database) -> list[str]:
    return [name for (name,) in database.connection.execute("select name from services")]


def test_state_of_another_version_is_set_aside_whole(tmp_path, caplog):
    folder = tmp_path / "kept"
    earlier = Database(folder, "version 1")
    put(earlier, "ssm", b"")
    (folder / "objects").mkdir()
    earlier.close()
    assert names(Database(folder, "version 1")) == ["ssm"]

    assert names(Database(folder, "version 2")) == []
    assert not (folder / "objects").exists()
    aside = tmp_path / "kept.set-aside"
    assert f"in {aside}, for it was written by version 1, and this is version 2" in caplog.text
    assert names(Database(aside, "version 1")) == ["ssm"]


@pytest.mark.parametrize("content", [b"no database", b""])
def test_a_file_that_is_no_database_is_set_aside_and_an_empty_one_filled(tmp_path, content):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "state.sqlite").write_bytes(content)
    assert names(Database(tmp_path / "kept", "a version")) == []
    assert (tmp_path / "kept.set-aside").exists() == bool(content)


def test_state_that_cannot_be_read_is_not_half_loaded(tmp_path, caplog):
    database = Database(tmp_path / "kept", mark())
    put(database, "ssm", b"cut off")
    database.close()
    database, found = hooks.opened(tmp_path / "kept")
    assert found == {"services": {}, "objects": []}
    assert names(database) == []
    assert "it cannot be read" in caplog.text


def test_what_cannot_be_saved_is_not_acknowledged(localstack):
    """Somebody else holds the database, as a full disk would refuse it."""
    s3, ssm = localstack.client("s3"), localstack.client("ssm")
    s3.create_bucket(Bucket="refused")
    other = sqlite3.connect(localstack.state / "state.sqlite", autocommit=True)
    other.execute("begin immediate")
    try:
        with pytest.raises(ClientError, match="InternalError.*database is locked"):
            s3.put_object(Bucket="refused", Key="a", Body=b"1")
        with pytest.raises(ClientError, match="InternalError.*The state of ssm could not be saved"):
            ssm.put_parameter(Name="/refused", Value="1", Type="String")
    finally:
        other.execute("rollback")
        other.close()
    s3.put_object(Bucket="refused", Key="a", Body=b"1")
    ssm.put_parameter(Name="/refused", Value="1", Type="String", Overwrite=True)
