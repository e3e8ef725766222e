"""Crawlers need a role and something to look at: real Parquet on LocalStack's S3, and Delta logs by the protocol."""

import io
import json
import time
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def parquet_bytes(**columns):
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def fails_with(code):
    return pytest.raises(ClientError, match=rf"\({code}\)")


@pytest.fixture
def glue(aws):
    return aws("glue")


@pytest.fixture
def database(glue, unique):
    glue.create_database(DatabaseInput={"Name": unique})
    return unique


@pytest.fixture(scope="session")
def role(aws):
    name = "glue-crawler"
    aws("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    return name


@pytest.fixture(scope="session")
def scheduled(aws, role):
    """A crawler that is due within the next minute or so; the last test of the folder waits for it."""
    due = datetime.now(UTC) + timedelta(seconds=80)  # its minute begins in 20 seconds at the soonest
    aws("s3").create_bucket(Bucket="glue-scheduled")
    aws("glue").create_crawler(
        Name="glue-scheduled",
        Role=role,
        DatabaseName="glue_scheduled",
        Targets={"S3Targets": [{"Path": "s3://glue-scheduled/"}]},
        Schedule=f"cron({due.minute} {due.hour} * * ? *)",
    )
    return due.replace(second=0, microsecond=0)


@pytest.fixture
def put_parquet(aws, bucket):
    """``put_parquet("a/b.parquet", id=[1, 2])`` writes a file into the test's bucket."""

    def put(key, **columns):
        aws("s3").put_object(Bucket=bucket, Key=key, Body=parquet_bytes(**columns))

    return put


@pytest.fixture
def put_commit(aws, bucket):
    """``put_commit("orders", 0, {...}, {...})`` writes one commit of a Delta table into the test's bucket."""

    def put(table, version, *actions):
        body = "\n".join(json.dumps(action) for action in actions)
        aws("s3").put_object(Bucket=bucket, Key=f"{table}/_delta_log/{version:020}.json", Body=body.encode())

    return put


@pytest.fixture
def crawler(glue, bucket, database, role, unique):
    """``crawler("orders/")`` creates one over these folders of the bucket and returns its name."""

    def create(*folders, **more):
        targets = {"S3Targets": [{"Path": f"s3://{bucket}/{folder}"} for folder in folders]}
        definition = {"Name": unique, "Role": role, "DatabaseName": database, "Targets": targets}
        glue.create_crawler(**{**definition, **more})
        return unique

    return create


@pytest.fixture
def run(glue):
    """``run(name)`` starts a crawler, waits until it is READY and returns its LastCrawl."""

    def start_and_wait(name):
        glue.start_crawler(Name=name)
        return wait(name)

    def wait(name):
        deadline = time.monotonic() + 120
        while (found := glue.get_crawler(Name=name)["Crawler"])["State"] != "READY":
            assert time.monotonic() < deadline, found
            time.sleep(0.02)
        return found["LastCrawl"]

    start_and_wait.wait = wait
    return start_and_wait


@pytest.fixture
def tables(glue, database):
    """``tables()`` are the database's tables by name."""

    def found():
        pages = glue.get_paginator("get_tables").paginate(DatabaseName=database)
        return {table["Name"]: table for page in pages for table in page["TableList"]}

    return found
