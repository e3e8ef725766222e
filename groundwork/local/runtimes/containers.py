"""The platform as containers, by the ``docker-compose.yml`` of the checkout.

Docker Compose (https://docs.docker.com/compose/) builds the images, starts what others depend on first, restarts what
dies, and keeps the logs. ``COMPOSE_PROJECT_NAME`` names another platform than ``groundwork``.
"""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from groundwork.install import ROOT
from groundwork.settings import Settings, UserError

NAME = "docker"
# `ps --format json` writes an object a line since this one.
OLDEST_COMPOSE = (2, 21)
OLDEST_ENGINE = (20, 10)
SET_UP = "set-up"
# BuildKit may build a layer twice for images that are built at a time, keep both, and take now the one, now the other:
# every `up` would then find "new" images and replace what runs.
ONE_AFTER_ANOTHER = {"COMPOSE_PARALLEL_LIMIT": "1"}
INNER_PORTS = {"spark_master", "spark_worker_ui", "instance_controller", "supervisor"}
Say = Callable[[str], None]


@dataclass(frozen=True)
class Problem:
    """Why no container can be started, and what to do about it."""

    text: str
    remedy: str


@dataclass(frozen=True)
class Container:
    """A container of the project as ``docker compose ps`` has it; ``health`` is empty where none is checked.

    ``name`` is the service's, with a number from the second worker on, as the processes have them.
    """

    name: str
    service: str
    id: str
    state: str
    health: str
    exit_code: int
    status: str
    port: int
    is_half_replaced: bool

    @property
    def is_up(self) -> bool:
        """Running and healthy; one that only prepares something is up when it has ended well."""
        if self.state == "exited":
            return self.exit_code == 0
        return self.state == "running" and self.health in ("", "healthy")

    @property
    def has_failed(self) -> bool:
        return self.health == "unhealthy" or self.state == "dead" or (self.state == "exited" and self.exit_code != 0)

    @property
    def is_failing(self) -> bool:
        """It has failed, or Docker starts it again because it ended."""
        return self.has_failed or self.state == "restarting"


Judge = Callable[[list[Container]], bool]
NO_COMMAND = Problem("there is no docker command", "install Docker, or take RUNTIME=processes, which needs none")


# --- the engine -------------------------------------------------------------------------------------------------------


def engine_problem() -> Problem | None:
    """What stands between this user and a Docker engine with Compose; None when nothing does."""
    try:
        answer = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"], capture_output=True, text=True, timeout=30
        )
    except FileNotFoundError:
        return NO_COMMAND
    except subprocess.TimeoutExpired:
        return Problem("the Docker engine does not answer", "restart it, or take RUNTIME=processes, which needs none")
    if "permission denied" in answer.stderr.lower():
        remedy = "add yourself to the group docker and log in again, or take RUNTIME=processes, which needs no Docker"
        return Problem("this user may not talk to the Docker engine", remedy)
    if answer.returncode:
        last = (answer.stderr.strip().splitlines() or ["no reason given"])[-1]
        return Problem(
            f"no Docker engine answers ({last})", "start Docker, or take RUNTIME=processes, which needs none"
        )
    if version(answer.stdout) < OLDEST_ENGINE:
        return Problem(f"Docker engine {answer.stdout.strip()} is too old", "update Docker, or take RUNTIME=processes")
    compose = subprocess.run(["docker", "compose", "version", "--short"], capture_output=True, text=True)
    if compose.returncode or version(compose.stdout) < OLDEST_COMPOSE:
        wanted = ".".join(map(str, OLDEST_COMPOSE))
        return Problem(
            f"docker compose is {compose.stdout.strip() or 'not there'}, {wanted} is needed",
            "install the Compose plug-in of this version or newer, or take RUNTIME=processes",
        )
    return None


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.strip().lstrip("v").split("-")[0].split("+")[0].split(".")[:2])


def engine_memory_gib() -> float:
    """What the engine may give to containers: on Linux the machine's memory, elsewhere its virtual machine's."""
    answer = docker(["info", "--format", "{{.MemTotal}}"])
    return int(answer) / 2**30


def ports(settings: Settings) -> dict[str, int]:
    """The ports of this machine that it takes; the others are the containers' own."""
    return {name: port for name, port in vars(settings.ports).items() if name not in INNER_PORTS}


# --- up and down ------------------------------------------------------------------------------------------------------


def is_running(settings: Settings) -> bool:
    try:
        return any(container.state in ("running", "restarting") for container in containers(settings))
    except UserError:
        return False


def up(settings: Settings, say: Say) -> None:
    """Build what is not built, start what is not running, wait until the platform is set up and all of it is healthy.

    Raises UserError with the last log lines of the container that does not come up.
    """
    build(settings, say)
    remove_remains(settings)
    started = datetime.now(UTC)
    starting = subprocess.Popen(
        compose("up", "--detach", "--no-build", "--remove-orphans"), env=environment(settings), cwd=ROOT,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        # Compose itself sees what fails now; a container that has ended may be one that it replaces.
        watch(settings, say, lambda _: starting.poll() is not None, lambda _: False)
    finally:
        starting.terminate()
        output = starting.communicate()[0]
    if starting.returncode:
        raise UserError(failure(settings) or f"docker compose up failed:\n{last_lines(output)}")
    follow_set_up(settings, started)
    watch(settings, say, lambda found: all(c.is_up for c in found), lambda found: any(c.has_failed for c in found))


def remove_remains(settings: Settings) -> None:
    """Make way for new containers where an earlier attempt failed or was interrupted; Compose trips over them.

    It leaves an unhealthy container as it is, and one whose replacement it did not finish under another name.
    """
    if remains := {c.service for c in containers(settings) if c.is_failing or c.is_half_replaced}:
        run(settings, "rm", "--stop", "--force", *remains)


def build(settings: Settings, say: Say) -> None:
    """Build the images; layers that are there cost nothing, also after an interruption."""
    started = time.monotonic()
    say("building the images (some minutes for the first time)")
    progress = ["--progress", "auto"] if sys.stderr.isatty() else ["--quiet"]
    built = subprocess.run(
        compose("build", *progress), env=environment(settings) | ONE_AFTER_ANOTHER, cwd=ROOT, stdin=subprocess.DEVNULL,
        stdout=sys.stderr if sys.stderr.isatty() else subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    if built.returncode:
        raise UserError(f"the images could not be built:\n{last_lines(built.stdout or '(see above)')}")
    say(f"images are built ({time.monotonic() - started:.0f} s)")


def watch(settings: Settings, say: Say, is_done: Judge, is_lost: Judge, timeout: float = 600) -> None:
    """Say which containers have become healthy, until it is done. Raises UserError when it is lost."""
    started, seen, restarts = time.monotonic(), set(), Counter()
    while True:
        found = containers(settings)
        news = {c.name for c in found if c.is_up and c.health} - seen
        seen |= news
        if time.monotonic() - started > 2:  # those that were up before are no news
            for name in sorted(news):
                say(f"{name} is healthy ({time.monotonic() - started:.0f} s)")
        restarts.update(c.name for c in found if c.state == "restarting")
        if is_lost(found) or any(count > 5 for count in restarts.values()) or time.monotonic() - started > timeout:
            raise UserError(failure(settings) or f"the platform is not up after {timeout:.0f} s")
        if is_done(found):
            return
        time.sleep(1)


def follow_set_up(settings: Settings, since: datetime) -> None:
    """Show what the set-up says until it ends."""
    for container in containers(settings):
        if container.service == SET_UP:
            command = ["docker", "logs", "--follow", "--since", since.isoformat(), container.id]
            subprocess.run(command, stdout=sys.stderr, stdin=subprocess.DEVNULL)


def failure(settings: Settings) -> str | None:
    """What a person needs to know of the containers that failed: which, how, and their last log lines."""
    failed = [c for c in containers(settings) if c.is_failing]
    return "\n".join(f"{c.name} does not come up ({c.status}). Its last log lines:\n{log(settings, c)}" for c in failed)


def log(settings: Settings, container: Container, lines: int = 20) -> str:
    command = ["docker", "logs", "--tail", str(lines), container.id]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout.rstrip()


def down(settings: Settings) -> bool:
    """End and remove every container; the data stays in its volumes. False when there was none."""
    if not containers(settings):
        return False
    run(settings, "down", "--remove-orphans")
    return True


def reset(settings: Settings) -> None:
    """End every container and remove its data; the images stay."""
    run(settings, "down", "--remove-orphans", "--volumes")


def status(settings: Settings) -> list[dict]:
    """Each container: its name, whether it is up, its port on this machine (0 where it has none), Docker's words."""
    return [
        {"name": c.name, "up": c.is_up, "port": c.port, "description": c.status}
        for c in sorted(containers(settings), key=lambda c: c.name)
    ]


def log_command(settings: Settings, service: str, follow: bool, lines: int) -> list[str]:
    """The command that shows a service's log. Raises UserError naming the services that there are."""
    there = sorted({c.service for c in containers(settings)})
    if service not in there:
        raise UserError(f"there is no container of {service}; there are: {', '.join(there) or 'none'}")
    return compose("logs", "--no-log-prefix", "--tail", str(lines), *(["--follow"] if follow else []), service)


def images(settings: Settings) -> dict[str, int]:
    """Each image of the platform and its size in bytes."""
    names = sorted(set(run(settings, "config", "--images").split()))
    return {name: int(docker(["image", "inspect", "--format", "{{.Size}}", name])) for name in names}


# --- Compose ----------------------------------------------------------------------------------------------------------


def containers(settings: Settings, tries: int = 5) -> list[Container]:
    """The project's containers. Compose lists them and then looks at each: one that was removed between fails that."""
    try:
        lines = run(settings, "ps", "--all", "--format", "json").splitlines()
    except UserError as error:
        if "No such container" in str(error) and tries > 1:
            return containers(settings, tries - 1)
        raise
    return [container_of(json.loads(line)) for line in lines if line.startswith("{")]


def container_of(entry: dict) -> Container:
    number = entry["Name"].rpartition("-")[2]
    published = [p["PublishedPort"] for p in entry.get("Publishers") or [] if p["PublishedPort"]]
    return Container(
        name=entry["Service"] if number == "1" else f"{entry['Service']}-{number}",
        service=entry["Service"],
        id=entry["ID"],
        state=entry["State"],
        health=entry.get("Health", ""),
        exit_code=entry["ExitCode"],
        status=entry["Status"],
        port=published[0] if published else 0,
        is_half_replaced=not entry["Name"].startswith(f"{entry['Project']}-"),
    )


def run(settings: Settings, *arguments: str) -> str:
    return output(compose(*arguments), environment(settings))


def docker(arguments: list[str]) -> str:
    return output(["docker", *arguments]).strip()


def output(command: list[str], environment: dict[str, str] | None = None) -> str:
    """What the command prints. Raises UserError with its last words, or with what to do where there is no docker."""
    try:
        done = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        raise UserError(f"{NO_COMMAND.text}: {NO_COMMAND.remedy}") from None
    if done.returncode:
        raise UserError(f"{' '.join(command)} failed:\n{last_lines(done.stderr)}")
    return done.stdout


def compose(*arguments: str) -> list[str]:
    return ["docker", "compose", *arguments]


def environment(settings: Settings) -> dict[str, str]:
    """The caller's, with the folder of the CSVs as the whole path that a mount must be."""
    folder = settings.olist_csv_dir
    return {**os.environ, "OLIST_CSV_DIR": str(folder) if folder else ""}


def last_lines(text: str, lines: int = 20) -> str:
    return "\n".join(text.strip().splitlines()[-lines:])
