"""Workgroups: enforcement, limits, state, and the saved queries in them."""

import pyarrow as pa
import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def work_group(lake, unique):
    """A workgroup whose settings are enforced; ``create(**configuration)`` makes it."""

    def create(**configuration) -> str:
        results = {"OutputLocation": f"s3://{lake.bucket}/enforced/"}
        lake.athena.create_work_group(Name=unique, Configuration={"ResultConfiguration": results, **configuration})
        return unique

    yield create
    lake.athena.delete_work_group(WorkGroup=unique, RecursiveDeleteOption=True)


def refusal(call, **arguments) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == "InvalidRequestException"
    return caught.value.response["Error"]["Message"]


@pytest.mark.parametrize("encryption", [{"EncryptionOption": "SSE_S3"}, None])
def test_AT_14_an_enforced_work_group_replaces_the_clients_location_without_an_error(lake, work_group, encryption):
    own = {"EncryptionConfiguration": encryption} if encryption else {}
    name = work_group(EnforceWorkGroupConfiguration=True)
    asked = {"OutputLocation": f"s3://{lake.bucket}/mine/", **own}
    execution = lake.run("SELECT 1", WorkGroup=name, ResultConfiguration=asked)
    assert execution["ResultConfiguration"] == {
        "OutputLocation": f"s3://{lake.bucket}/enforced/{execution['QueryExecutionId']}.csv"
    }


def test_AT_14_without_enforcement_the_clients_location_wins(lake, work_group):
    name = work_group(EnforceWorkGroupConfiguration=False)
    mine, default = {"OutputLocation": f"s3://{lake.bucket}/mine/"}, f"s3://{lake.bucket}/enforced/"
    chosen = lake.run("SELECT 1", WorkGroup=name, ResultConfiguration=mine)["ResultConfiguration"]["OutputLocation"]
    assert chosen.startswith(mine["OutputLocation"])
    assert lake.run("SELECT 1", WorkGroup=name)["ResultConfiguration"]["OutputLocation"].startswith(default)


@pytest.mark.guess
def test_AT_14_a_new_work_group_is_enforced_unless_told_otherwise(lake, work_group):
    found = lake.athena.get_work_group(WorkGroup=work_group())["WorkGroup"]
    assert found["Configuration"]["EnforceWorkGroupConfiguration"] is True


@pytest.fixture
def big(lake, unique) -> str:
    """A table of which a query reads 16 MB."""
    rows = pa.table({"a": pa.array(range(2_000_000), pa.int64())})
    lake.put_parquet(f"{unique}_big/part-0.parquet", rows, compression="none", use_dictionary=False)
    lake.create_table(f"{unique}_big", [("a", "bigint")])
    return f"{unique}_big"


def assert_over_the_limit(lake, execution: dict) -> None:
    assert execution["Status"]["State"] == "CANCELLED"
    assert execution["Status"]["StateChangeReason"] == "Bytes scanned limit was exceeded"
    assert execution["Statistics"]["DataScannedInBytes"] == 10_000_000
    assert keys_under(lake, f"enforced/{execution['QueryExecutionId']}") == []


def keys_under(lake, prefix: str) -> list[str]:
    listed = lake.s3.list_objects_v2(Bucket=lake.bucket, Prefix=prefix)
    return [o["Key"] for o in listed.get("Contents", [])]


def test_AT_13_a_query_over_the_cutoff_is_cancelled_and_leaves_no_result(lake, work_group, big):
    name = work_group(BytesScannedCutoffPerQuery=10_000_000)
    assert_over_the_limit(lake, lake.run(f"SELECT max(a) FROM {big}", WorkGroup=name))


@pytest.mark.parametrize("keys", ["", ", partitioned_by = ARRAY['even']"])
def test_AT_13_a_table_made_over_the_cutoff_is_not_there_nor_its_files(lake, work_group, big, unique, keys):
    name = work_group(BytesScannedCutoffPerQuery=10_000_000)
    where = f"external_location = 's3://{lake.bucket}/{unique}_made/', format = 'PARQUET'{keys}"
    made = f"CREATE TABLE {unique}_made WITH ({where}) AS SELECT a, a % 2 = 0 AS even FROM {big}"
    assert_over_the_limit(lake, lake.run(made, WorkGroup=name))
    assert keys_under(lake, f"{unique}_made/") == []
    assert f"{unique}_made" not in [t["Name"] for t in lake.glue.get_tables(DatabaseName=lake.database)["TableList"]]


def test_AT_13_rows_inserted_over_the_cutoff_are_not_there(lake, work_group, big):
    name = work_group(BytesScannedCutoffPerQuery=10_000_000)
    assert_over_the_limit(lake, lake.run(f"INSERT INTO {big} SELECT a + 1 FROM {big}", WorkGroup=name))
    assert keys_under(lake, f"{big}/") == [f"{big}/part-0.parquet"]


def test_AT_13_the_cutoff_is_at_least_ten_megabytes(lake, unique):
    limit = {"BytesScannedCutoffPerQuery": 9_999_999}
    with pytest.raises(Exception, match="BytesScannedCutoffPerQuery"):
        lake.athena.create_work_group(Name=unique, Configuration=limit)


def test_AT_17_primary_is_always_there(lake):
    found = lake.athena.get_work_group(WorkGroup="primary")["WorkGroup"]
    assert found["State"] == "ENABLED"
    assert found["Configuration"]["EngineVersion"] == {
        "SelectedEngineVersion": "AUTO",
        "EffectiveEngineVersion": "Athena engine version 3",
    }
    assert "primary" in [g["Name"] for g in lake.athena.list_work_groups()["WorkGroups"]]
    assert refusal(lake.athena.delete_work_group, WorkGroup="primary")


def test_a_disabled_work_group_refuses_queries(lake, work_group):
    name = work_group()
    lake.athena.update_work_group(WorkGroup=name, State="DISABLED")
    assert "disabled" in refusal(lake.athena.start_query_execution, QueryString="SELECT 1", WorkGroup=name)


def test_an_update_changes_what_it_names_and_removes_what_it_says(lake, work_group):
    name = work_group(BytesScannedCutoffPerQuery=20_000_000, RequesterPaysEnabled=True)
    elsewhere = {"OutputLocation": f"s3://{lake.bucket}/elsewhere/"}
    lake.athena.update_work_group(
        WorkGroup=name,
        Description="changed",
        ConfigurationUpdates={"ResultConfigurationUpdates": elsewhere, "RemoveBytesScannedCutoffPerQuery": True},
    )
    found = lake.athena.get_work_group(WorkGroup=name)["WorkGroup"]
    assert found["Description"] == "changed"
    assert found["Configuration"]["ResultConfiguration"] == elsewhere
    assert found["Configuration"]["RequesterPaysEnabled"] is True
    assert "BytesScannedCutoffPerQuery" not in found["Configuration"]


def test_results_are_encrypted_as_the_work_group_says(lake, aws, work_group):
    key = aws("kms").create_key()["KeyMetadata"]["Arn"]
    encryption = {"EncryptionOption": "SSE_KMS", "KmsKey": key}
    results = {"OutputLocation": f"s3://{lake.bucket}/secret/", "EncryptionConfiguration": encryption}
    name = work_group(ResultConfiguration=results)
    location = lake.run("SELECT 1", WorkGroup=name)["ResultConfiguration"]["OutputLocation"]
    bucket, _, written = location.removeprefix("s3://").partition("/")
    for suffix in ("", ".metadata"):
        head = lake.s3.head_object(Bucket=bucket, Key=written + suffix)
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)


def test_a_work_group_that_is_not_empty_is_deleted_only_with_the_option(lake, unique):
    lake.athena.create_work_group(Name=unique)
    lake.athena.create_named_query(Name="one", Database="d", QueryString="SELECT 1", WorkGroup=unique)
    assert refusal(lake.athena.delete_work_group, WorkGroup=unique) == f"WorkGroup {unique} is not empty"
    lake.athena.delete_work_group(WorkGroup=unique, RecursiveDeleteOption=True)
    assert refusal(lake.athena.get_work_group, WorkGroup=unique) == f"WorkGroup {unique} is not found."


def test_tags_of_a_work_group(lake, aws, unique):
    lake.athena.create_work_group(Name=unique, Tags=[{"Key": "team", "Value": "data"}])
    resource = f"arn:aws:athena:us-east-1:000000000000:workgroup/{unique}"
    lake.athena.tag_resource(ResourceARN=resource, Tags=[{"Key": "env", "Value": "local"}])
    lake.athena.untag_resource(ResourceARN=resource, TagKeys=["team"])
    assert lake.athena.list_tags_for_resource(ResourceARN=resource)["Tags"] == [{"Key": "env", "Value": "local"}]


def test_named_queries_are_kept_by_work_group(lake, unique):
    lake.athena.create_work_group(Name=unique)
    arguments = {"Name": "top", "Database": "d", "QueryString": "SELECT 1", "WorkGroup": unique}
    identifier = lake.athena.create_named_query(**arguments)["NamedQueryId"]
    assert lake.athena.list_named_queries(WorkGroup=unique)["NamedQueryIds"] == [identifier]
    lake.athena.update_named_query(NamedQueryId=identifier, Name="top", QueryString="SELECT 2")
    found = lake.athena.get_named_query(NamedQueryId=identifier)["NamedQuery"]
    assert found == {**arguments, "QueryString": "SELECT 2", "NamedQueryId": identifier}
    assert lake.athena.batch_get_named_query(NamedQueryIds=[identifier])["NamedQueries"] == [found]
    lake.athena.delete_named_query(NamedQueryId=identifier)
    assert lake.athena.list_named_queries(WorkGroup=unique)["NamedQueryIds"] == []


def test_engine_versions_are_listed(lake):
    found = lake.athena.list_engine_versions()["EngineVersions"]
    assert [v["SelectedEngineVersion"] for v in found] == ["AUTO", "Athena engine version 3"]
