"""Every test talks to the plug-in through boto3, as a user does: one LocalStack for the whole session."""

import uuid

import boto3
import pytest
from botocore.config import Config

from groundwork.local import services

# MWAA's requests go to api.<host> and env.<host>, names that a local address does not have.
NO_HOST_PREFIX = Config(inject_host_prefix=False)


@pytest.fixture(scope="session")
def state(tmp_path_factory):
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="session")
def source_server(state):
    """The PostgreSQL that replication reads."""
    with services.running_postgres(state, "source", wal_level="logical") as server:
        yield server


@pytest.fixture(scope="session")
def warehouse_server(state):
    """The PostgreSQL that stands for Redshift."""
    with services.running_postgres(state, "warehouse") as server:
        yield server


@pytest.fixture(scope="session")
def controller_port():
    """Where LocalStack looks for the EMR instance controller; only the EMR tests start one there."""
    return services.free_port()


@pytest.fixture(scope="session")
def controller_token():
    return "the tests' token"


@pytest.fixture(scope="session")
def airflow_port():
    """Where LocalStack looks for Airflow; only the MWAA tests start one there."""
    return services.free_port()


@pytest.fixture(scope="session")
def endpoint_url(state, source_server, warehouse_server, controller_port, controller_token, airflow_port):
    service = services.localstack(
        services.free_port(), state, warehouse_server.dsn(), f"http://127.0.0.1:{controller_port}", controller_token,
        source_dsn=source_server.dsn(), airflow_url=f"http://127.0.0.1:{airflow_port}",
    )  # fmt: skip
    with services.running(service, state / "localstack.log"):
        yield f"http://127.0.0.1:{service.port}"


@pytest.fixture(scope="session")
def aws(endpoint_url):
    """``aws("dms")`` is a boto3 client of the plug-in."""
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=services.REGION)
    clients = {}

    def client(name: str):
        if name not in clients:
            clients[name] = session.client(name, endpoint_url=endpoint_url, config=NO_HOST_PREFIX)
        return clients[name]

    return client


@pytest.fixture
def unique():
    """A name nobody else in the session uses."""
    return f"t{uuid.uuid4().hex[:10]}"


@pytest.fixture
def bucket(aws, unique):
    aws("s3").create_bucket(Bucket=unique)
    return unique
