"""A warehouse as the templates make it: a namespace with a role for COPY, and its workgroup."""

import json
import time
import uuid

import pyarrow as pa
import pyarrow.parquet as pq
import pytest


@pytest.fixture(scope="session")
def copy_role(aws):
    trust = {"Version": "2012-10-17",
             "Statement": [{"Effect": "Allow", "Principal": {"Service": "redshift.amazonaws.com"},
                                                     "Action": "sts:AssumeRole"}]}  # fmt: skip
    role = aws("iam").create_role(RoleName="redshift-copy", AssumeRolePolicyDocument=json.dumps(trust))
    return role["Role"]["Arn"]


@pytest.fixture(scope="session")
def warehouse(aws, copy_role):
    """Run SQL through the Data API: ``warehouse.run("select 1")``."""
    name = "data-api-tests"
    aws("redshift-serverless").create_namespace(
        namespaceName=name, dbName="data_api_tests", adminUsername="data_api_admin", manageAdminPassword=True,
        iamRoles=[copy_role], defaultIamRoleArn=copy_role,
    )  # fmt: skip
    aws("redshift-serverless").create_workgroup(namespaceName=name, workgroupName=name)
    return Warehouse(aws("redshift-data"), name, "data_api_tests")


class Warehouse:
    def __init__(self, client, workgroup: str, database: str):
        self.client, self.target = client, {"WorkgroupName": workgroup, "Database": database}

    def start(self, sql: str, **request) -> str:
        target = {} if "SessionId" in request else self.target
        return self.client.execute_statement(Sql=sql, **{**target, **request})["Id"]

    def run(self, sql: str, **request) -> dict:
        """DescribeStatement's answer at the end."""
        return self.wait(self.start(sql, **request))

    def batch(self, *sqls: str, **request) -> dict:
        target = {} if "SessionId" in request else self.target
        return self.wait(self.client.batch_execute_statement(Sqls=list(sqls), **{**target, **request})["Id"])

    def wait(self, id: str) -> dict:
        deadline = time.monotonic() + 240
        while (answer := self.client.describe_statement(Id=id))["Status"] not in ("FINISHED", "FAILED", "ABORTED"):
            assert time.monotonic() < deadline, answer
            time.sleep(0.02)
        return answer

    def rows(self, sql: str, **request) -> list[list]:
        answer = self.run(sql, **request)
        assert answer.get("Error") is None and answer["Status"] == "FINISHED"
        records = self.client.get_statement_result(Id=answer["Id"])["Records"]
        return [[None if "isNull" in field else next(iter(field.values())) for field in row] for row in records]

    def error(self, sql: str, **request) -> str:
        answer = self.run(sql, **request)
        assert answer["Status"] == "FAILED", answer
        return answer["Error"]


@pytest.fixture
def schema(warehouse):
    """An empty schema of the test's own."""
    name = f"s{uuid.uuid4().hex[:10]}"
    assert warehouse.run(f"create schema {name}").get("Error") is None
    return name


@pytest.fixture
def put_parquet(aws, bucket):
    """Write a table to S3 as Spark's legacy format does: decimals as the shortest byte arrays; gives the URL."""

    def put(key: str, table: pa.Table, **options) -> str:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, **{"compression": "zstd", "coerce_timestamps": "us", **options})
        aws("s3").put_object(Bucket=bucket, Key=key, Body=sink.getvalue().to_pybytes())
        return f"s3://{bucket}/{key}"

    return put


@pytest.fixture
def put_manifest(aws, bucket):
    """Write a manifest over objects of the bucket; gives its URL."""

    def put(key: str, *urls: str, **entry) -> str:
        entries = []
        for url in urls:
            size = aws("s3").head_object(Bucket=bucket, Key=url.split("/", 3)[3])["ContentLength"]
            entries.append({"url": url, "mandatory": True, "meta": {"content_length": size}, **entry})
        aws("s3").put_object(Bucket=bucket, Key=key, Body=json.dumps({"entries": entries}).encode())
        return f"s3://{bucket}/{key}"

    return put
