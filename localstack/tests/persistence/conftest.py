"""A LocalStack that is killed and started again, on the same port and over the same folder."""

import os
import signal
import subprocess
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from groundwork.local import services

# What fails is not tried again.
ONCE = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})


class Killable:
    def __init__(self, folder: Path, warehouse_dsn: str) -> None:
        self.service = services.localstack(
            services.free_port(), folder, warehouse_dsn, "http://127.0.0.1:1", "none", keeps_state=True
        )
        self.state, self.log = folder / "localstack" / "kept", folder / "localstack.log"
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

    def kill_and_start(self) -> None:
        self.kill()
        self.start()

    def client(self, name: str):
        session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=services.REGION)
        return session.client(name, endpoint_url=f"http://127.0.0.1:{self.service.port}", config=ONCE)


@pytest.fixture(scope="session")
def localstack(tmp_path_factory, warehouse_server):
    """Runs; whoever kills it starts it again."""
    localstack = Killable(tmp_path_factory.mktemp("killable"), warehouse_server.dsn())
    localstack.start()
    yield localstack
    localstack.kill()
