"""A file with one JSON line per AWS call: who called what, on which resources, and how it ended.

It stands for CloudTrail's log. Of a request it keeps what names or identifies something, and nothing else: neither data
nor a secret gets into the file.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

import json
import re
from pathlib import Path
from threading import Lock

from botocore.model import Shape

LIMIT_BYTES = 64 << 20
LONGEST = 1024  # characters, which is what an S3 key may have
IDENTIFIES = re.compile(
    r"(arn|name|id|identifier|bucket|(?<!private)(?<!access)key|prefix|role|group|database|table|profile|copysource)s?$",
    re.IGNORECASE,
)


class CallLog:
    """Appends to ``file``; at ``limit`` bytes it becomes ``<name>.1<suffix>``, and the one before is dropped.

    What an earlier LocalStack wrote is gone on with (``keep``), or removed where its roles and resources went with it.
    """

    def __init__(self, file: Path, limit: int = LIMIT_BYTES, keep: bool = False) -> None:
        self.file, self.limit, self.lock = file, limit, Lock()
        self.previous = file.with_name(f"{file.stem}.1{file.suffix}")
        file.parent.mkdir(parents=True, exist_ok=True)
        if not keep:
            self.previous.unlink(missing_ok=True)
        self.output = file.open("ab" if keep else "wb", buffering=0)

    def write(self, call: dict) -> None:
        line = json.dumps(call, separators=(",", ":")).encode() + b"\n"
        with self.lock:
            if self.output.tell() + len(line) > self.limit:
                self.output.close()
                self.file.replace(self.previous)
                self.output = self.file.open("wb", buffering=0)
            self.output.write(line)

    def read(self) -> bytes:
        """The lines that are there, the oldest first."""
        with self.lock:
            return b"".join(file.read_bytes() for file in (self.previous, self.file) if file.is_file())


def identifying(shape: Shape, value) -> dict | list | str | None:
    """What of a request's value names or identifies something; None when nothing does.

    ``shape`` is botocore's model of it, whose word counts on what is a secret.
    """
    if value is None or shape.metadata.get("sensitive"):
        return None
    if shape.type_name == "structure":
        members = {name: identifying(shape.members[name], value.get(name)) for name in shape.members}
        return {name: kept for name, kept in members.items() if is_identifying(name, kept)} or None
    if shape.type_name == "list":
        return [kept for kept in (identifying(shape.member, item) for item in value) if kept is not None] or None
    return value if shape.type_name == "string" and len(value) <= LONGEST else None


def is_identifying(name: str, kept: dict | list | str | None) -> bool:
    nested = isinstance(kept, dict) or (isinstance(kept, list) and isinstance(kept[0], dict))
    return nested or (kept is not None and bool(IDENTIFIES.search(name)))
