"""Rules of one setting each."""

import json

import pytest
from groundwork_aws.dms import settings
from groundwork_aws.dms.settings import SettingsError
from tests.dms.conftest import document, include
from tests.dms.test_tasks import refused

MANY = "CREATE TABLE t (id int, name text); INSERT INTO t SELECT i, 'name ' || i % 500 FROM generate_series(1, 9000) i"


def test_DMS_M_04_tables_of_a_higher_load_order_are_loaded_first(replication, source, schema):
    source.execute("CREATE TABLE a (id int); CREATE TABLE b (id int); CREATE TABLE c (id int)")
    rules = [include(schema, table, **{"load-order": order}) for table, order in (("a", "1"), ("b", "3"), ("c", "2"))]
    made = replication(rules=rules, settings={"FullLoadSettings": {"MaxFullLoadSubTasks": 1}})
    assert made.run()["Status"] == "stopped"
    tables = made.tables()
    assert sorted(tables, key=lambda name: tables[name]["FullLoadStartTime"]) == ["b", "c", "a"]


def test_DMS_ST_09_E9_a_task_is_modified_only_while_it_does_not_run(replication, source, schema, aws):
    source.execute("CREATE TABLE a (id int); CREATE TABLE b (id int)")
    source.execute("INSERT INTO a SELECT i FROM generate_series(1, 1000000) i; INSERT INTO b VALUES (1)")
    made, modify = replication(rules=[include(schema, "a")]), aws("dms").modify_replication_task
    made.start()
    made.wait_for("running", "stopped")
    assert made.describe()["Status"] == "running"
    refused("InvalidResourceStateFault", "cannot be modified", modify, ReplicationTaskArn=made.task, TaskData="x")
    made.wait_for("stopped")
    refused("InvalidParameterValueException", "MigrationType cannot be changed", modify,
            ReplicationTaskArn=made.task, MigrationType="cdc")  # fmt: skip
    modify(ReplicationTaskArn=made.task, TableMappings=document(include(schema, "b")))
    assert made.run("reload-target")["Status"] == "stopped"
    assert list(made.tables()) == ["b"]


@pytest.mark.guess
def test_DMS_T_05_without_support_of_lobs_their_columns_are_left_out(replication, source, schema):
    """Also those of text, which is an NCLOB: AWS does not spell that out."""
    source.execute("CREATE TABLE t (id int, comment text, raw bytea, name varchar(9))")
    source.execute("INSERT INTO t VALUES (1, 'x', 'x', 'x')")
    made = replication(settings={"TargetMetadata": {"SupportLobs": False}})
    made.run()
    assert made.parquet(made.objects()[0]).read().to_pylist() == [{"id": 1, "name": "x"}]


@pytest.mark.parametrize("version, footer", [("parquet-1-0", "1."), ("parquet-2-0", "2.")])
def test_DMS_W_03_files_are_of_the_endpoints_version(replication, source, schema, version, footer):
    source.execute(MANY)
    made = replication(target={"ParquetVersion": version})
    made.run()
    file = made.parquet(made.objects()[0])
    assert file.metadata.format_version.startswith(footer)
    assert file.metadata.num_rows == file.read().num_rows == 9000


def test_DMS_W_06_pages_and_dictionaries_have_the_endpoints_size(replication, source, schema):
    """A dictionary that is too large is given up for plain values."""
    source.execute(MANY)
    made = replication(target={"DataPageSize": 1024, "DictPageSizeLimit": 1024})
    made.run()
    small = made.parquet(made.objects()[0]).metadata.row_group(0).column(1)
    made.aws("dms").modify_endpoint(EndpointArn=made.target, S3Settings={
        "DataPageSize": 1 << 20, "DictPageSizeLimit": 1 << 20,
    })  # fmt: skip
    made.test_connections()
    made.run("reload-target")
    large = made.parquet(made.objects()[0]).metadata.row_group(0).column(1)
    assert small.total_uncompressed_size > 2 * large.total_uncompressed_size


@pytest.mark.parametrize("enabled", [True, False])
def test_DMS_W_07_statistics_are_written_where_they_are_enabled(replication, source, schema, enabled):
    source.execute(MANY)
    made = replication(target={"EnableStatistics": enabled})
    made.run()
    assert made.parquet(made.objects()[0]).metadata.row_group(0).column(0).is_stats_set == enabled


def test_DMS_W_11_objects_have_the_endpoints_acl(replication, source, schema, aws):
    source.execute("CREATE TABLE t (id int); INSERT INTO t VALUES (1)")
    made = replication(target={"CannedAclForObjects": "public-read"})
    made.run()
    grants = aws("s3").get_object_acl(Bucket=made.bucket, Key=made.objects()[0])["Grants"]
    groups = [(grant["Grantee"].get("URI", "").rpartition("/")[2], grant["Permission"]) for grant in grants]
    assert ("AllUsers", "READ") in groups


@pytest.mark.parametrize("name", ["FullLobMode", "BatchApplyEnabled"])
def test_DMS_S3_16_full_lob_mode_and_batch_apply_are_refused(name):
    with pytest.raises(SettingsError, match=f"TargetMetadata.{name} is True: only False is supported"):
        settings.merged(json.dumps({"TargetMetadata": {name: True}}))
