"""A LocalStack that is killed and started again, on the same port and with the same state."""

import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from groundwork.local import services

# A client that takes no error for a passing one.
ONCE = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})


class Killable:
    """``state`` is the folder of everything that this LocalStack writes."""

    def __init__(self, state: Path, warehouse_dsn: str) -> None:
        service = services.localstack(services.free_port(), state, warehouse_dsn, "http://127.0.0.1:1", "none")
        kept = {"GROUNDWORK_LOCALSTACK_STATE_DIR": str(state / "kept")}
        self.service = replace(service, environment={**service.environment, **kept})
        self.kept, self.log = state / "kept", state / "localstack.log"
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.service.command, env={**os.environ, **self.service.environment}, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        services.wait_until_up(self.service, self.process, self.log, 90)

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        services.stop(self.process, signal.SIGTERM)

    def client(self, name: str):
        session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=services.REGION)
        return session.client(name, endpoint_url=f"http://127.0.0.1:{self.service.port}", config=ONCE)


@pytest.fixture(scope="session")
def killable(tmp_path_factory, warehouse_server):
    """Runs; whoever kills it starts it again."""
    localstack = Killable(tmp_path_factory.mktemp("killable"), warehouse_server.dsn())
    localstack.start()
    yield localstack
    localstack.kill()
