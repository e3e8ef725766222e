"""What a proof has left for the scorecard: a JSON file of each kind, the last one only; a soak of each seed."""

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from groundwork.settings import Settings


def folder(settings: Settings) -> Path:
    return settings.state / "proofs"


def keep(settings: Settings, kind: str, record: dict) -> None:
    file = folder(settings) / f"{kind}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"when": now(), "machine": machine(), **record}, indent=2, default=str) + "\n")


def read(settings: Settings, kind: str) -> dict | None:
    file = folder(settings) / f"{kind}.json"
    return json.loads(file.read_text()) if file.is_file() else None


def read_all(settings: Settings, kinds: str) -> list[dict]:
    """Those whose kind has this form, the oldest first."""
    records = (json.loads(file.read_text()) for file in folder(settings).glob(f"{kinds}.json"))
    return sorted(records, key=lambda record: record["when"])


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB"
