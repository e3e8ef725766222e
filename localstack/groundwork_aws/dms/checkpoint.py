"""What a task must know after its process was killed at any moment: a small file, replaced as a whole.

The slot at the source keeps the changes from ``position`` on. It is moved there only after the file says so, and the
file only after S3 has the data: what is between is read again, and gets the same numbers again.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path


@dataclass
class Checkpoint:
    """``position`` is a place in the WAL, ``number`` and ``clock`` what the next change is numbered from.

    ``loaded`` holds, by ``schema.table``, the place in the WAL that a table was loaded at: older changes of it are in
    the loaded rows. ``keys`` are the primary keys as they were then, ``suspended`` why a table is not replicated.
    ``source`` says which database the slot is in, for the day when no task knows it any more. ``run`` counts the starts
    of the task: the last one whose CdcStartPosition was taken.
    """

    position: int = 0
    number: int = 0
    clock: int = 0
    loaded: dict[str, int] = field(default_factory=dict)
    keys: dict[str, list[str]] = field(default_factory=dict)
    suspended: dict[str, str] = field(default_factory=dict)
    source: str = ""
    run: int = 0

    @classmethod
    def read(cls, path: Path) -> "Checkpoint | None":
        try:
            return cls(**json.loads(path.read_text()))
        except FileNotFoundError:
            return None

    def write(self, path: Path) -> None:
        draft = path.with_suffix(".draft")
        with draft.open("w") as file:
            json.dump(asdict(self), file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)


def as_text(lsn: int) -> str:
    """PostgreSQL's way to write a place in the WAL."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def as_lsn(text: str) -> int:
    """The place that a text names: ``4AF/B00000D0``, also inside a checkpoint of DMS. Raises ValueError."""
    if text.startswith("checkpoint:"):
        text = text.split("#")[2]
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


def as_recovery_checkpoint(lsn: int) -> str:
    """A task's RecoveryCheckpoint.

    https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Task.CDC.html#CHAP_Task.CDC.StartPoint.Checkpoint
    """
    return f"checkpoint:V1#1#{lsn >> 32:08X}/{lsn & 0xFFFFFFFF:08X}#0#0#*#0#0"


def as_moment(text: str) -> datetime:
    """The time of a CdcStopPosition, which is UTC. Raises ValueError."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
