"""The platform as processes under supervisord: no Docker, everything from the lock files.

supervisord (http://supervisord.org) restarts what dies, keeps the logs, and ends whole process groups.
"""

import configparser
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Callable
from pathlib import Path

from groundwork.deployment.set_up import set_up
from groundwork.install import PARTS, install_all
from groundwork.local.runtimes.stages import platform_services
from groundwork.local.services import Service
from groundwork.settings import Settings, UserError

NAME = "processes"
Say = Callable[[str], None]


def up(settings: Settings, say: Say) -> None:
    """Install and start what is not there yet, set the platform up, wait until all of it answers.

    The set-up goes on while the last stage comes up. Raises UserError naming the service that does not come up.
    """
    install_all(PARTS)
    stages = platform_services(settings)
    services = [service for stage in stages for service in stage.services]
    write_configuration(settings, services)
    if is_running(settings):
        take_over_configuration(settings)
    else:
        start_supervisor(settings)
    for stage in stages:
        stage.beforehand()
        for service in stage.services:
            start(settings, service)
        if stage is stages[-1]:
            set_up(settings, say)
        for service in stage.services:
            wait_until_up(settings, service, say)
        stage.afterwards()


def take_over_configuration(settings: Settings) -> None:
    """Let supervisord read its new configuration, and end what is no longer in it, as workers that are too many."""
    supervisor = rpc(settings).supervisor
    ((_, _, removed),) = supervisor.reloadConfig()
    for name in removed:
        supervisor.stopProcessGroup(name)
        supervisor.removeProcessGroup(name)


def down(settings: Settings) -> bool:
    """End every process. False when nothing was running."""
    if not is_running(settings):
        return False
    supervisor = rpc(settings).supervisor
    process = supervisor.getPID()
    supervisor.shutdown()
    deadline = time.monotonic() + 300  # it ends one service after the other
    while exists(process):
        if time.monotonic() > deadline:
            raise UserError(f"supervisord (process {process}) does not end: see {settings.logs / 'supervisord.log'}")
        time.sleep(0.1)
    return True


def reset(settings: Settings) -> None:
    """End every process and remove its data; what is installed stays."""
    down(settings)
    services = ("source", "warehouse", "localstack", "spark", "airflow")
    for name in (*services, "logs", "seed", "dms", "athena", "iam"):
        shutil.rmtree(settings.state / name, ignore_errors=True)


def status(settings: Settings) -> list[dict]:
    """Each service: its name, whether it is up, its port (0 where it has none), and supervisord's words for it."""
    supervised = supervised_processes(settings) if is_running(settings) else {}
    return [
        {
            "name": service.name,
            "up": service.name in supervised and service.is_up(),
            "port": service.port,
            "description": supervised.get(service.name, {}).get("description", "not running"),
        }
        for stage in platform_services(settings)
        for service in stage.services
    ]


def log_command(settings: Settings, service: str, follow: bool, lines: int) -> list[str]:
    """The command that shows a service's log. Raises UserError naming the logs that there are."""
    file = settings.logs / f"{service}.log"
    if not file.is_file():
        there = sorted(f.stem for f in settings.logs.glob("*.log"))
        raise UserError(
            f"there is no log of {service}; there are: {', '.join(there) or 'none, the platform was never up'}"
        )
    return ["tail", f"-n{lines}", *(["-f"] if follow else []), str(file)]


def supervised_processes(settings: Settings) -> dict[str, dict]:
    return {info["name"]: info for info in rpc(settings).supervisor.getAllProcessInfo()}


def ports(settings: Settings) -> dict[str, int]:
    """The ports of this machine that it takes."""
    return vars(settings.ports)


def is_running(settings: Settings) -> bool:
    try:
        rpc(settings).supervisor.getState()
    except OSError:
        return False
    except xmlrpc.client.ProtocolError:
        raise UserError(
            f"port {settings.ports.supervisor} answers, but not as this checkout's supervisord: is another up? "
            "Stop it there, or set GROUNDWORK_PORT_SUPERVISOR (and the other ports) to free ones"
        ) from None
    return True


def rpc(settings: Settings) -> xmlrpc.client.ServerProxy:
    address = f"groundwork:{settings.credentials.supervisor}@127.0.0.1:{settings.ports.supervisor}"
    return xmlrpc.client.ServerProxy(f"http://{address}/RPC2")


def start_supervisor(settings: Settings) -> None:
    # Not a child of ours: it goes on when this command has ended, with nobody's terminal.
    subprocess.run(
        [sys.executable, "-m", "supervisor.supervisord", "--configuration", configuration_file(settings)],
        check=True, stdin=subprocess.DEVNULL, cwd=settings.state,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not is_running(settings):
        if time.monotonic() > deadline:
            raise UserError(f"supervisord did not start: see {settings.logs / 'supervisord.log'}")
        time.sleep(0.05)


def start(settings: Settings, service: Service) -> None:
    supervisor = rpc(settings).supervisor
    if service.name not in supervised_processes(settings):
        supervisor.addProcessGroup(service.name)
    if supervisor.getProcessInfo(service.name)["statename"] not in ("RUNNING", "STARTING"):
        supervisor.startProcess(service.name, False)


def wait_until_up(settings: Settings, service: Service, say: Say, timeout: float = 300) -> None:
    started = time.monotonic()
    while not service.is_up():
        state = rpc(settings).supervisor.getProcessInfo(service.name)
        if state["statename"] == "FATAL" or time.monotonic() - started > timeout:
            raise UserError(
                f"{service.name} does not come up ({state['description']}). Its last log lines:\n"
                f"{tail(settings, service.name)}"
            )
        time.sleep(0.1)
    if time.monotonic() - started > 0.2:
        say(f"{service.name} is up on port {service.port} ({time.monotonic() - started:.0f} s)")


def tail(settings: Settings, name: str, lines: int = 20) -> str:
    file = settings.logs / f"{name}.log"
    if not file.is_file():
        return f"(no log at {file})"
    return "\n".join(file.read_text(errors="replace").splitlines()[-lines:])


def exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


# --- supervisord's configuration ---


def configuration_file(settings: Settings) -> Path:
    return settings.state / "supervisord.conf"


def write_configuration(settings: Settings, services: list[Service]) -> None:
    settings.logs.mkdir(parents=True, exist_ok=True)
    configuration = configparser.RawConfigParser()
    configuration["supervisord"] = {
        "logfile": settings.logs / "supervisord.log",
        "pidfile": settings.state / "supervisord.pid",
        "childlogdir": settings.logs,
        "loglevel": "info",
    }
    configuration["inet_http_server"] = {
        "port": f"127.0.0.1:{settings.ports.supervisor}",
        "username": "groundwork",
        "password": settings.credentials.supervisor,
    }
    configuration["rpcinterface:supervisor"] = {
        "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
    }
    configuration["eventlistener:reaper"] = {
        "command": f"{quoted(sys.executable)} -I {quoted(Path(__file__).with_name('reaper.py'))}",
        "events": "PROCESS_STATE_EXITED",
        "stderr_logfile": settings.logs / "reaper.log",
    }
    for service in services:
        configuration[f"program:{service.name}"] = program(settings, service)
    file = configuration_file(settings)
    file.touch(mode=0o600)
    with file.open("w") as output:
        configuration.write(output)


def program(settings: Settings, service: Service) -> dict:
    return {
        "command": " ".join(quoted(word) for word in service.command),
        "directory": service.directory,
        "environment": ",".join(f"{k}={quoted_value(v)}" for k, v in service.environment.items()),
        "autostart": "false",
        "autorestart": "true",
        "startsecs": "1",
        "startretries": "2",
        "stopsignal": signal.Signals(service.stop_signal).name.removeprefix("SIG"),
        "stopwaitsecs": "20",
        # Java and Airflow leave children behind when only their parent ends.
        "stopasgroup": str(service.stop_signal == signal.SIGTERM).lower(),
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": settings.logs / f"{service.name}.log",
        "stdout_logfile_maxbytes": "20MB",
        "stdout_logfile_backups": "1",
    }


def quoted(word: str) -> str:
    """A word of a command: supervisord splits as a POSIX shell does and expands ``%(…)s``."""
    return shlex.quote(str(word)).replace("%", "%%")


def quoted_value(value: str) -> str:
    """A value of the environment: quoted by the one kind of quotes that it does not hold, there is no escape."""
    mark = "'" if '"' in value else '"'
    return f"{mark}{value}{mark}".replace("%", "%%")
