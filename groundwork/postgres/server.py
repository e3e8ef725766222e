"""A PostgreSQL server of our own: where its data is, how it is made and started. Standard library only."""

import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from groundwork.install import STATE

PROGRAMS = STATE / "postgres" / "bin"
SUPERUSER = "postgres"


@dataclass(frozen=True)
class Server:
    """A server on 127.0.0.1; ``settings`` are lines of ``postgresql.conf``."""

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
        hand_over(unfinished)
        with tempfile.NamedTemporaryFile("w") as password_file:
            password_file.write(self.password)
            password_file.flush()
            Path(password_file.name).chmod(0o644 if os.geteuid() == 0 else 0o600)
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
            "max_connections": "50",
            "timezone": "UTC",
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


def ordinary_user() -> pwd.struct_passwd | None:
    """Whom to become when we are root, under whom PostgreSQL refuses to run; None when we are not."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def as_ordinary_user() -> list[str]:
    """The words before a command that make it run as that user.

    It keeps the right to pass through folders, for a checkout below a home that only root may enter.
    """
    user = ordinary_user()
    if user is None:
        return []
    capability = "+dac_override"
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups",
            f"--inh-caps={capability}", f"--ambient-caps={capability}"]  # fmt: skip


def hand_over(folder: Path) -> None:
    user = ordinary_user()
    if user:
        os.chown(folder, user.pw_uid, user.pw_gid)
