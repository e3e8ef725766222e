"""A PostgreSQL server of our own: where its data is, how it is made and started. Standard library only."""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from groundwork.install import INSTALLED

PROGRAMS = INSTALLED / "postgres" / "bin"
SUPERUSER = "postgres"
ORDINARY = 1000


@dataclass(frozen=True)
class Server:
    """A server on 127.0.0.1; ``settings`` are lines of ``postgresql.conf``, files there are relative to ``data``."""

    data: Path
    port: int
    password: str
    settings: dict[str, str] = field(default_factory=dict)

    def initialise(self) -> None:
        """Make the data directory unless it is there. An unfinished one, left by an interruption, is made anew."""
        if (self.data / "PG_VERSION").is_file():
            return
        unfinished = self.data.with_name(self.data.name + ".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True, mode=0o700)
        with tempfile.NamedTemporaryFile("w") as password_file:
            password_file.write(self.password)
            password_file.flush()
            subprocess.run(
                [*as_ordinary_user(), str(PROGRAMS / "initdb"), "--pgdata", str(unfinished), "--username", SUPERUSER,
                 "--pwfile", password_file.name, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8",
                 "--no-sync"],
                check=True, capture_output=True, text=True, cwd="/",
            )  # fmt: skip
        unfinished.rename(self.data)

    def command(self) -> list[str]:
        """The command that runs the server in the foreground; SIGINT is its fast shutdown."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            **self.settings,
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [
            *as_ordinary_user(),
            str(PROGRAMS / "postgres"),
            "-D",
            str(self.data),
            "-p",
            str(self.port),
            *options,
        ]

    def dsn(self, database: str = "postgres") -> str:
        return f"postgresql://{SUPERUSER}:{self.password}@127.0.0.1:{self.port}/{database}"


def read_configuration(name: str) -> dict[str, str]:
    """The settings in ``<name>.conf`` beside this file, which the containers' servers read as it is."""
    lines = Path(__file__).with_name(f"{name}.conf").read_text().splitlines()
    return {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines if "#" not in line)}


def as_ordinary_user() -> list[str]:
    """The words before a command that make it run as an ordinary user when we are root, under whom PostgreSQL refuses.

    In a user namespace root has another number and keeps its files: nothing changes its owner, and a checkout below a
    folder that only root may enter works.
    """
    if os.geteuid() != 0:
        return []
    return ["unshare", "--user", f"--map-user={ORDINARY}", f"--map-group={ORDINARY}"]
