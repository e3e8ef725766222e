"""A source database with one schema per test, and what it takes to replicate it."""

import io
import json
import math
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread

import psycopg
import pyarrow.parquet as pq
import pytest

DMS_MAY_ASSUME = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "dms.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
QUICKLY = {"Delay": 0.1, "MaxAttempts": 1200}


@pytest.fixture(scope="session")
def source(source_server):
    """A superuser's connection to the source."""
    with psycopg.connect(source_server.dsn(), autocommit=True) as connection:
        connection.execute("CREATE ROLE dms LOGIN REPLICATION PASSWORD 'right'; GRANT pg_read_all_data TO dms")
        connection.execute("CREATE ROLE shop_owner; GRANT shop_owner TO dms; GRANT CREATE ON DATABASE postgres TO dms")
        yield connection


@pytest.fixture
def schema(source, unique):
    """A fresh schema; the search path leads there."""
    source.execute(f"CREATE SCHEMA {unique} AUTHORIZATION shop_owner; SET search_path = {unique}, public")
    yield unique
    source.execute(f"DROP SCHEMA {unique} CASCADE")


@pytest.fixture(scope="session")
def role(aws):
    """A role that DMS may assume."""
    return make_role(aws, "dms-access", DMS_MAY_ASSUME)


def make_role(aws, name: str, trust: dict) -> str:
    return aws("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]


@pytest.fixture(scope="session")
def instance(aws):
    return aws("dms").create_replication_instance(
        ReplicationInstanceIdentifier="tests", ReplicationInstanceClass="dms.t3.medium"
    )["ReplicationInstance"]["ReplicationInstanceArn"]


def include(schema: str, table: str = "%", **more) -> dict:
    """A selection rule."""
    locator = {"schema-name": schema, "table-name": table}
    return {"rule-type": "selection", "rule-action": "include", "object-locator": locator, **more}


def transform(target: str, action: str, schema: str, **more) -> dict:
    locator = {"schema-name": schema, **({} if target == "schema" else {"table-name": more.pop("table", "%")})}
    if column := more.pop("column", None):
        locator["column-name"] = column
    return {
        "rule-type": "transformation", "rule-target": target, "rule-action": action, "object-locator": locator, **more,
    }  # fmt: skip


def document(*rules: dict) -> str:
    """A TableMappings document; the rules are numbered in their order."""
    numbered = [{"rule-id": str(n), "rule-name": f"rule-{n}", **rule} for n, rule in enumerate(rules, 1)]
    return json.dumps({"rules": numbered})


@dataclass
class Replication:
    """What a test needs of a task and its endpoints."""

    aws: object
    instance: str
    source: str
    target: str
    task: str
    bucket: str

    def test_connections(self) -> None:
        for endpoint in (self.source, self.target):
            check_connection(self.aws, self.instance, endpoint)

    def start(self, how: str = "start-replication") -> dict:
        return self.aws("dms").start_replication_task(ReplicationTaskArn=self.task, StartReplicationTaskType=how)

    def follow(self, how: str = "start-replication") -> None:
        """Start, and wait until changes are captured."""
        self.start(how)
        wait_until(lambda: "RecoveryCheckpoint" in (task := self.describe()) or task["Status"] == "failed")
        wait_until(lambda: self.describe()["Status"] in ("running", "failed"))

    def stop(self) -> dict:
        self.aws("dms").stop_replication_task(ReplicationTaskArn=self.task)
        return self.wait_for("stopped")

    def changes(self, table: str = "orders", count: int = 0) -> list[dict]:
        """The table's changes by file and row, once there are so many."""

        def rows() -> list[dict]:
            keys = sorted(key for key in self.objects() if f"/{table}/" in key and "LOAD" not in key)
            return [row for key in keys for row in self.parquet(key).read().to_pylist()]

        wait_until(lambda: len(rows()) >= count, lambda: (rows(), self.describe(), self.messages()))
        return rows()

    def messages(self) -> list[str]:
        """The task's log."""
        place = {"logGroupName": "dms-tasks-tests", "logStreamName": f"dms-task-{self.task.rpartition(':')[2]}"}
        try:
            return [event["message"] for event in self.aws("logs").get_log_events(**place)["events"]]
        except self.aws("logs").exceptions.ResourceNotFoundException:
            return []

    def run(self, how: str = "start-replication") -> dict:
        """Start, wait for the end, and give back the task."""
        self.start(how)
        return self.wait_for("stopped", "failed")

    def wait_for(self, *states: str) -> dict:

        deadline = time.monotonic() + 120
        while (task := self.describe())["Status"] not in states:
            assert time.monotonic() < deadline, task
            time.sleep(0.05)
        return task

    def describe(self) -> dict:
        by_arn = [{"Name": "replication-task-arn", "Values": [self.task]}]
        [task] = self.aws("dms").describe_replication_tasks(Filters=by_arn)["ReplicationTasks"]
        return task

    def tables(self) -> dict[str, dict]:
        tables = self.aws("dms").describe_table_statistics(ReplicationTaskArn=self.task)["TableStatistics"]
        return {table["TableName"]: table for table in tables}

    def objects(self) -> list[str]:
        return [o["Key"] for o in self.aws("s3").list_objects_v2(Bucket=self.bucket).get("Contents", [])]

    def raw(self, key: str) -> bytes:
        return self.aws("s3").get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def parquet(self, key: str) -> pq.ParquetFile:
        return pq.ParquetFile(io.BytesIO(self.raw(key)))


def check_connection(aws, instance: str, endpoint: str) -> dict:
    """Test a connection, wait for its result and give it back."""

    aws("dms").test_connection(ReplicationInstanceArn=instance, EndpointArn=endpoint)
    pair = [{"Name": "endpoint-arn", "Values": [endpoint]}, {"Name": "replication-instance-arn", "Values": [instance]}]
    while True:
        [connection] = aws("dms").describe_connections(Filters=pair)["Connections"]
        if connection["Status"] != "testing":
            return connection
        time.sleep(0.05)


@pytest.fixture
def make_source(aws, source, source_server, role, unique):
    """Make a source endpoint whose secret holds the given password."""

    def make(password: str = "right", **more) -> str:
        secret = {"username": "dms", "password": password, "host": "127.0.0.1", "port": source_server.port}
        aws("secretsmanager").create_secret(Name=f"{unique}-source", SecretString=json.dumps(secret))
        settings = {
            "DatabaseName": "postgres", "SecretsManagerSecretId": f"{unique}-source",
            "SecretsManagerAccessRoleArn": role,
            **more.pop("PostgreSQLSettings", {}),
        }  # fmt: skip
        return aws("dms").create_endpoint(
            EndpointIdentifier=f"{unique}-source", EndpointType="source", EngineName="postgres",
            PostgreSQLSettings=settings, **more,
        )["Endpoint"]["EndpointArn"]  # fmt: skip

    return make


@pytest.fixture
def make_target(aws, role, bucket, unique):
    def make(**settings) -> str:
        return aws("dms").create_endpoint(
            EndpointIdentifier=f"{unique}-target", EndpointType="target", EngineName="s3",
            S3Settings={"ServiceAccessRoleArn": role, "BucketName": bucket, "DataFormat": "parquet", **settings},
        )["Endpoint"]["EndpointArn"]  # fmt: skip

    return make


@pytest.fixture
def replication(aws, instance, make_source, make_target, schema, bucket, unique):
    """Make a task over the test's schema, with tested connections."""

    def make(rules=None, target=None, source=None, settings=None, tested=True, password="right", **more) -> Replication:
        source_arn, target_arn = make_source(password, **(source or {})), make_target(**(target or {}))
        task = aws("dms").create_replication_task(
            ReplicationTaskIdentifier=f"{unique}-task", SourceEndpointArn=source_arn, TargetEndpointArn=target_arn,
            ReplicationInstanceArn=instance, MigrationType=more.pop("MigrationType", "full-load"),
            TableMappings=document(*(rules or [include(schema)])),
            ReplicationTaskSettings=json.dumps(settings or {}), **more,
        )["ReplicationTask"]  # fmt: skip
        made = Replication(aws, instance, source_arn, target_arn, task["ReplicationTaskArn"], bucket)
        if tested:
            made.test_connections()
        return made

    return make


# --- change capture ---------------------------------------------------------------------------------------------------


def own(source, sql: str) -> None:
    """Run it as the tables' owner, of which DMS's role is a member."""
    source.execute("SET ROLE shop_owner")
    try:
        source.execute(sql)
    finally:
        source.execute("RESET ROLE")


@pytest.fixture
def shop(source, schema):
    """Three orders with the full replica identity."""
    own(source, "CREATE TABLE orders (id int PRIMARY KEY, price numeric(10,2), city text)")
    own(source, "INSERT INTO orders VALUES (1, 9.99, 'Franca'), (2, 20, 'Bauru'), (3, NULL, NULL)")
    own(source, "ALTER TABLE orders REPLICA IDENTITY FULL")


SEQUENCE = {"value": "seq", "expression": "$AR_H_CHANGE_SEQ", "data-type": {"type": "string", "length": 35}}


@pytest.fixture
def capture(replication, schema, aws, source):
    """A task that loads and captures at once, with a column of change sequences; at the end nothing of it is left."""
    made = []

    def make(target=None, rules=(), **more) -> Replication:
        rules = [include(schema), transform("column", "add-column", schema, **SEQUENCE), *rules]
        more.setdefault("MigrationType", "full-load-and-cdc")
        made.append(replication(target={"CdcMaxBatchInterval": 0, **(target or {})}, rules=rules, **more))
        return made[-1]

    yield make
    for one in made:
        if one.describe()["Status"] in ("starting", "running"):
            one.stop()
        aws("dms").delete_replication_task(ReplicationTaskArn=one.task)
    assert left_at(source) == []  # E12


def left_at(source) -> list[str]:
    """The objects that replication tasks have made at the source. A temporary slot ends with its connection."""
    found = source.execute(
        """SELECT slot_name FROM pg_replication_slots WHERE NOT temporary UNION ALL SELECT pubname FROM pg_publication
           UNION ALL SELECT relname FROM pg_class WHERE relname LIKE 'awsdms%' AND relkind = 'r'"""
    )
    return [name for (name,) in found]


def wait_until(true, what=lambda: None, seconds: float = 120):
    """Wait for something to be true, and give it back."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, what()
        time.sleep(0.05)
    return found


class Proxy:
    """A TCP proxy before a server. After ``left`` more bytes it breaks every connection and takes no new one."""

    def __init__(self, port: int):
        self.server, self.left = ("127.0.0.1", port), math.inf
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.open = self.listener.getsockname()[1], []
        Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self.listener.accept()
            if self.left < 0:
                client.close()
                continue
            server = socket.create_connection(self.server)
            self.open += [client, server]
            for source, sink in ((client, server), (server, client)):
                Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                self.left -= len(data)
                if self.left < 0:
                    self._cut()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def _cut(self) -> None:
        for end in self.open:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self.open.clear()
