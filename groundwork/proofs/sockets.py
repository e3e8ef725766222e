"""The listening sockets of a process and of all that it started, as Linux tells them in ``/proc``."""

import ipaddress
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
LISTEN = "0A"


def listening(process: int) -> set[str]:
    """``address:port`` of each socket."""
    inodes = {inode for pid in tree(process) for inode in sockets_of(pid)}
    return {address for inode, address in listed() if inode in inodes}


def tree(process: int) -> set[int]:
    parents = {}
    for status in PROC.glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name in parentheses may hold spaces.
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
    found, new = {process}, {process}
    while new:
        new = {pid for pid, parent in parents.items() if parent in new} - found
        found |= new
    return found


def sockets_of(process: int) -> Iterator[str]:
    with suppress(OSError):
        for descriptor in (PROC / str(process) / "fd").iterdir():
            with suppress(OSError):
                target = str(descriptor.readlink())
                if target.startswith("socket:["):
                    yield target.removeprefix("socket:[").rstrip("]")


def listed() -> Iterator[tuple[str, str]]:
    """Inode and address of every socket of this machine that listens."""
    for table in ("tcp", "tcp6"):
        for line in (PROC / "net" / table).read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == LISTEN:
                yield inode, readable(local)


def readable(address: str) -> str:
    """The kernel writes 32-bit words in the machine's order, and the port in hexadecimal."""
    number, _, port = address.partition(":")
    words = [number[i : i + 8] for i in range(0, len(number), 8)]
    packed = b"".join(bytes.fromhex(word)[::-1] for word in words)
    ip = ipaddress.ip_address(packed)
    return f"{ip}:{int(port, 16)}" if ip.version == 4 else f"[{ip}]:{int(port, 16)}"
