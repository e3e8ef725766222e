"""The platform's processes: what each one runs, in which environment, and how one sees that it is up.

Standard library only: the processes runtime, the tests of every component and the benchmarks start services from here.
"""

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from groundwork.install import ROOT, venv
from groundwork.local.health import answers
from groundwork.local.postgres.server import Server

REGION = "us-east-1"
# Of which tests take theirs. They are below those that Linux and macOS give to any connection that goes out, so that a
# port which is free now is free when its service starts, minutes later.
PORTS = range(20000, 30000)
taken: set[int] = set()


@dataclass(frozen=True)
class Service:
    """A process: ``health`` is a URL that answers 200 when it is up, or None where an open ``port`` says so.

    ``component`` is the part of Airflow without a page of its own, of which Airflow's health speaks.
    """

    name: str
    command: list[str]
    port: int
    environment: dict[str, str] = field(default_factory=dict)
    directory: Path = ROOT
    health: str | None = None
    component: str = ""
    stop_signal: int = signal.SIGTERM
    # PostgreSQL's: it says "ready" when connections are taken, after the port is open.
    pid_file: Path | None = None

    def is_up(self) -> bool:
        if self.pid_file and not says_ready(self.pid_file):
            return False
        return answers(self.health, self.component) if self.health else port_is_open(self.port)


def postgres(name: str, server: Server) -> Service:
    return Service(
        name, server.command(), server.port, directory=Path("/"), stop_signal=signal.SIGINT,
        pid_file=server.data / "postmaster.pid",
    )  # fmt: skip


def localstack(
    port: int,
    state: Path,
    warehouse_dsn: str,
    controller_url: str,
    controller_token: str,
    host: str = "127.0.0.1",
    listen: str = "127.0.0.1",
    source_dsn: str | None = None,
    airflow_url: str | None = None,
    keeps_state: bool = False,
) -> Service:
    """LocalStack with the plug-in; ``host`` is the name under which others find it.

    ``source_dsn`` and ``airflow_url`` lead to what stands for RDS and for MWAA, where they run. With ``keeps_state``
    the next one with the same ``state`` has the objects, stacks and all else that this one had.
    """
    running = {
        "GROUNDWORK_SOURCE_DSN": source_dsn,
        "GROUNDWORK_AIRFLOW_URL": airflow_url,
        "GROUNDWORK_LOCALSTACK_STATE_DIR": str(state / "localstack" / "kept") if keeps_state else None,
    }
    return Service(
        name="localstack",
        command=[str(venv("localstack") / "bin" / "python"), "-m", "groundwork_aws"],
        port=port,
        environment={
            "GATEWAY_LISTEN": f"{listen}:{port}",
            "LOCALSTACK_HOST": f"{host}:{port}",
            "LOCALSTACK_VOLUME_DIR": str(state / "localstack"),
            "FILESYSTEM_ROOT": str(state / "localstack"),
            "GROUNDWORK_STATE_DIR": str(state),
            "GROUNDWORK_WAREHOUSE_DSN": warehouse_dsn,
            "GROUNDWORK_INSTANCE_CONTROLLER_URL": controller_url,
            "GROUNDWORK_INSTANCE_CONTROLLER_TOKEN": controller_token,
            **{name: value for name, value in running.items() if value},
        },
        health=f"http://{host}:{port}/_localstack/health",
    )


def aws_environment(localstack_port: int, host: str = "127.0.0.1", caller: str = "test") -> dict[str, str]:
    """What makes any AWS client talk to the local endpoint; on AWS none of it is set.

    ``caller`` becomes the access key's id, by which the record of calls tells one part of the platform from another.
    """
    return {
        "AWS_ENDPOINT_URL": f"http://{host}:{localstack_port}",
        "AWS_ACCESS_KEY_ID": caller,
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        # MWAA's requests would go to api.<host>, a name that a local address does not have.
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
    }


# --- running one for a test or a benchmark ----------------------------------------------------------------------------


@contextmanager
def running(service: Service, log: Path, timeout: float = 180) -> Iterator[Service]:
    """Run a service until the block ends. Raises RuntimeError with its last log lines when it does not come up."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            service.command, cwd=service.directory, env={**os.environ, **service.environment},
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        wait_until_up(service, process, log, timeout)
        yield service
    finally:
        stop(process, service.stop_signal)


def wait_until_up(service: Service, process: subprocess.Popen, log: Path, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not service.is_up():
        if process.poll() is not None or time.monotonic() > deadline:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
            raise RuntimeError(f"{service.name} did not come up (log {log}):\n{tail}")
        time.sleep(0.1)


def stop(process: subprocess.Popen, how: int, timeout: float = 20) -> None:
    """End a process and its children: first as the service wishes, then for good."""
    if process.poll() is None:
        process.send_signal(how)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def running_postgres(folder: Path, name: str = "postgres", **settings: str) -> Iterator[Server]:
    """A fresh server on a free port, for a test."""
    server = Server(folder / name, free_port(), "test", {"fsync": "off", "timezone": "UTC", **settings})
    server.initialise()
    with running(postgres(name, server), folder / f"{name}.log"):
        yield server


def free_port() -> int:
    """One that nobody listens on; never the same twice."""
    untried = [port for port in PORTS if port not in taken]
    random.SystemRandom().shuffle(untried)
    for port in untried:
        taken.add(port)
        with socket.socket() as s, suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port
    raise RuntimeError(f"every port from {PORTS.start} to {PORTS.stop - 1} is taken")


def port_is_open(port: int) -> bool:
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex(("127.0.0.1", port)) == 0


def says_ready(pid_file: Path) -> bool:
    return pid_file.is_file() and "ready" in pid_file.read_text()
