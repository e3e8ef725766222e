"""What the log of calls says of who called what; and what it must not say."""

import json
import time
import urllib.request

import boto3
import pytest
from botocore.exceptions import ClientError
from groundwork_aws.identity.call_log import CallLog

from groundwork.local import services

PASSWORD = "the-password-of-the-test"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@pytest.fixture
def as_component(endpoint_url):
    """``as_component("s3", "airflow")`` is a client with the key of a component of the platform."""

    def client(service: str, key: str, **session):
        credentials = {"aws_access_key_id": key, "aws_secret_access_key": "test", **session}
        return boto3.client(service, endpoint_url=endpoint_url, region_name=services.REGION, **credentials)

    return client


@pytest.fixture
def calls(endpoint_url):
    """``calls(operation)`` are the recorded ones."""

    def of(operation: str) -> list[dict]:
        with urllib.request.urlopen(f"{endpoint_url}/_groundwork/calls") as answer:
            lines = answer.read().splitlines()
        return [call for call in map(json.loads, lines) if call["operation"] == operation]

    return of


def test_a_call_is_recorded_with_the_key_that_made_it_and_what_it_names(as_component, bucket, calls):
    as_component("s3", "airflow").put_object(Bucket=bucket, Key="a/b.txt", Body=b"text")

    call = calls("PutObject")[-1]
    assert call["principal"] == "airflow"
    assert (call["service"], call["account"], call["region"]) == ("s3", "000000000000", services.REGION)
    assert call["request"] == {"Bucket": bucket, "Key": "a/b.txt"}
    assert {"Bucket", "Key", "Body"} <= set(call["parameters"])
    assert "Tagging" not in call["parameters"]
    assert "error" not in call


def test_a_call_that_fails_is_recorded_with_its_error(as_component, bucket, calls):
    with pytest.raises(ClientError):
        as_component("s3", "airflow").get_object(Bucket=bucket, Key="nothing")
    assert calls("GetObject")[-1]["error"] == "NoSuchKey"


def test_a_session_of_a_role_is_the_role(aws, as_component, bucket, calls, unique):
    role = aws("iam").create_role(RoleName=unique, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    session = aws("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    as_component(
        "s3", session["AccessKeyId"], aws_session_token=session["SessionToken"]
    ).list_objects_v2(Bucket=bucket, Prefix="a/")  # fmt: skip

    assert calls("ListObjectsV2")[-1]["principal"] == role
    assert calls("ListObjectsV2")[-1]["request"] == {"Bucket": bucket, "Prefix": "a/"}


def test_the_key_that_encrypts_an_object_is_recorded(aws, bucket, calls):
    key = aws("kms").create_key()["KeyMetadata"]["Arn"]
    aws("s3").put_object(Bucket=bucket, Key="k", Body=b"", ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    aws("s3").get_object(Bucket=bucket, Key="k")

    assert calls("PutObject")[-1]["kms_key"] == key
    assert calls("GetObject")[-1]["kms_key"] == key


def test_each_object_of_a_deletion_is_named(aws, bucket, calls):
    aws("s3").delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}, {"Key": "b"}]})
    assert calls("DeleteObjects")[-1]["request"]["Delete"] == {"Objects": [{"Key": "a"}, {"Key": "b"}]}


def test_both_objects_of_a_copy_are_named(aws, bucket, calls):
    aws("s3").put_object(Bucket=bucket, Key="from", Body=b"")
    aws("s3").copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "from"})
    assert calls("CopyObject")[-1]["request"] == {"Bucket": bucket, "Key": "to", "CopySource": f"{bucket}/from"}


def test_neither_secrets_nor_data_get_into_the_file(aws, bucket, unique, state):
    aws("secretsmanager").create_secret(Name=unique, SecretString=PASSWORD)
    aws("ssm").put_parameter(Name=f"/{unique}", Value=PASSWORD, Type="SecureString")
    aws("s3").put_object(Bucket=bucket, Key="data", Body=PASSWORD.encode())
    with pytest.raises(ClientError):
        aws("redshift-data").execute_statement(WorkgroupName="none", Database="d", Sql=f"ALTER USER u {PASSWORD}")

    text = (state / "iam" / "calls.jsonl").read_text()
    assert unique in text and "ExecuteStatement" in text
    assert PASSWORD not in text


def test_a_service_assumes_the_role_that_it_was_given_and_acts_in_it(aws, bucket, calls, unique):
    role = aws("iam").create_role(RoleName=unique, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    aws("glue").create_database(DatabaseInput={"Name": unique})
    aws("glue").create_crawler(
        Name=unique, Role=role, DatabaseName=unique, Targets={"S3Targets": [{"Path": f"s3://{bucket}/{unique}/"}]}
    )
    aws("glue").start_crawler(Name=unique)
    while aws("glue").get_crawler(Name=unique)["Crawler"]["State"] != "READY":
        time.sleep(0.05)

    assumed = calls("AssumeRole")[-1]
    assert (assumed["principal"], assumed["request"]["RoleArn"]) == ("glue.amazonaws.com", role)
    assert assumed["source_arn"] == f"arn:aws:glue:{services.REGION}:000000000000:crawler/{unique}"
    assert calls("ListObjectsV2")[-1]["principal"] == role
    assert calls("PutLogEvents")[-1]["principal"] == role


def test_what_a_service_does_in_its_own_name_is_left_out(aws, calls, unique):
    role = aws("iam").create_role(RoleName=unique, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    aws("glue").create_database(DatabaseInput={"Name": unique})
    aws("glue").create_crawler(
        Name=unique, Role=role, DatabaseName=unique, Targets={"S3Targets": [{"Path": "s3://nothing/"}]}
    )
    assert calls("CreateCrawler")[-1]["request"]["Role"] == role
    assert [call for call in calls("GetRole") if call["request"]["RoleName"] == unique] == []


def test_athena_acts_with_its_callers_permissions(as_component, bucket, calls):
    athena = as_component("athena", "airflow")
    query = athena.start_query_execution(
        QueryString="SELECT 1", ResultConfiguration={"OutputLocation": f"s3://{bucket}/results/"}
    )["QueryExecutionId"]
    while athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]["State"] != "SUCCEEDED":
        time.sleep(0.05)

    written = [call for call in calls("PutObject") if call["request"]["Bucket"] == bucket]
    assert written and {call["principal"] for call in written} == {"airflow"}


def test_policies_that_aws_manages_have_their_documents_and_a_misspelt_one_is_refused(aws, unique):
    aws("iam").create_role(RoleName=unique, AssumeRolePolicyDocument=json.dumps(TRUST))
    arn = "arn:aws:iam::aws:policy/service-role/AmazonDMSCloudWatchLogsRole"
    aws("iam").attach_role_policy(RoleName=unique, PolicyArn=arn)
    version = aws("iam").get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = aws("iam").get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    assert "logs:PutLogEvents" in [action for s in document["Statement"] for action in s["Action"]]
    with pytest.raises(ClientError, match="NoSuchEntity"):
        aws("iam").attach_role_policy(RoleName=unique, PolicyArn=f"{arn}s")


def test_the_log_keeps_the_last_lines_within_its_limit(tmp_path):
    log = CallLog(tmp_path / "calls.jsonl", limit=200)
    for number in range(50):
        log.write({"number": number, "text": "x" * 20})

    assert all(file.stat().st_size <= 200 for file in tmp_path.iterdir())
    numbers = [json.loads(line)["number"] for line in log.read().splitlines()]
    assert numbers == list(range(numbers[0], 50)) and len(numbers) > 4


@pytest.mark.parametrize("keep, lines", [(False, 1), (True, 2)])
def test_a_new_log_begins_without_the_lines_of_an_earlier_one_or_goes_on_with_them(tmp_path, keep, lines):
    for _ in range(2):
        log = CallLog(tmp_path / "calls.jsonl", keep=keep)
        log.write({"number": 1})
    assert len(log.read().splitlines()) == lines
