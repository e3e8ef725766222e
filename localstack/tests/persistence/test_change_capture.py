"""LocalStack is killed while a DMS task captures changes."""

import io
import json
import shutil

import psycopg
import pyarrow.parquet as pq
from tests.dms.conftest import (
    DMS_MAY_ASSUME,
    Replication,
    check_connection,
    document,
    include,
    left_at,
    make_role,
    wait_until,
)

TARGET = {"DataFormat": "parquet", "CdcMaxBatchInterval": 0}


def test_a_task_that_captures_changes_goes_on_where_it_was(localstack, source_server):
    with psycopg.connect(source_server.dsn(), autocommit=True) as source:
        source.execute("CREATE SCHEMA survivor; CREATE TABLE survivor.orders (id int PRIMARY KEY)")
        source.execute("INSERT INTO survivor.orders VALUES (1), (2)")
        task = a_task(localstack.client, source_server, "survivor")
        task.follow()
        source.execute("INSERT INTO survivor.orders VALUES (3)")
        assert ids(task, 3) == [1, 2, 3]
        localstack.kill()
        source.execute("INSERT INTO survivor.orders VALUES (4)")
        localstack.start()
        assert task.describe()["Status"] == "running"
        source.execute("INSERT INTO survivor.orders VALUES (5)")
        assert ids(task, 5) == [1, 2, 3, 4, 5]
        # Of 3, which was captured just before the kill, LocalStack may not have kept the count.
        wait_until(lambda: task.tables()["orders"]["Inserts"] in (2, 3), task.tables)
        task.stop()
        localstack.client("dms").delete_replication_task(ReplicationTaskArn=task.task)
        assert left_at(source) == []
        source.execute("DROP SCHEMA survivor CASCADE")


def test_E12_when_the_state_is_lost_the_next_task_drops_the_slot_that_no_task_knows(localstack, source_server):
    with psycopg.connect(source_server.dsn(), autocommit=True) as source:
        source.execute("CREATE SCHEMA lost; CREATE TABLE lost.orders (id int PRIMARY KEY)")
        a_task(localstack.client, source_server, "lost").follow()
        localstack.kill()
        shutil.rmtree(localstack.state)
        localstack.start()
        task = a_task(localstack.client, source_server, "lost")
        task.follow()
        [(slot,)] = source.execute("SELECT slot_name FROM pg_replication_slots WHERE NOT temporary").fetchall()
        assert slot == f"awsdms_{task.task.rpartition(':')[2].lower()}"
        task.stop()
        localstack.client("dms").delete_replication_task(ReplicationTaskArn=task.task)
        assert left_at(source) == []
        source.execute("DROP SCHEMA lost CASCADE")


def a_task(client, server, name: str) -> Replication:
    """It captures the schema of that name."""
    role, dms = make_role(client, name, DMS_MAY_ASSUME), client("dms")
    client("s3").create_bucket(Bucket=name)
    secret = {"username": "postgres", "password": server.password, "host": "127.0.0.1", "port": server.port}
    client("secretsmanager").create_secret(Name=name, SecretString=json.dumps(secret))
    instance = dms.create_replication_instance(
        ReplicationInstanceIdentifier=name, ReplicationInstanceClass="dms.t3.medium"
    )["ReplicationInstance"]["ReplicationInstanceArn"]
    source = dms.create_endpoint(
        EndpointIdentifier=f"{name}-source", EndpointType="source", EngineName="postgres",
        PostgreSQLSettings={
            "DatabaseName": "postgres", "SecretsManagerSecretId": name, "SecretsManagerAccessRoleArn": role,
        },
    )["Endpoint"]["EndpointArn"]  # fmt: skip
    target = dms.create_endpoint(
        EndpointIdentifier=f"{name}-target", EndpointType="target", EngineName="s3",
        S3Settings={"ServiceAccessRoleArn": role, "BucketName": name, **TARGET},
    )["Endpoint"]["EndpointArn"]  # fmt: skip
    for endpoint in (source, target):
        check_connection(client, instance, endpoint)
    task = dms.create_replication_task(
        ReplicationTaskIdentifier=name, SourceEndpointArn=source, TargetEndpointArn=target,
        ReplicationInstanceArn=instance, MigrationType="full-load-and-cdc", TableMappings=document(include(name)),
    )["ReplicationTask"]["ReplicationTaskArn"]  # fmt: skip
    return Replication(client, instance, source, target, task, name)


def ids(task: Replication, count: int) -> list[int]:
    """Of all rows in the bucket, once there are so many; what the killed process wrote may come twice."""
    found: set[int] = set()

    def all_there() -> bool:
        files = (pq.read_table(io.BytesIO(task.raw(key))) for key in task.objects())
        found.update(id for file in files for id in file["id"].to_pylist())
        return len(found) >= count

    wait_until(all_there, lambda: (found, task.describe()))
    return sorted(found)
