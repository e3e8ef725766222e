"""How far a table is: ``<silver>/_checkpoints/<table>/progress.json``, one small file to read before anything else.

It is written before a change is merged (``change_seq``: from then on silver may hold it) and when a run of the table
has ended. A run that was killed between leaves a file that says too little, never too much: its batch is done again,
and Delta's transaction identifiers make that a no-op where it was committed.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Self

from groundwork_spark.storage import Storage


@dataclass(frozen=True)
class Progress:
    """``generation`` names one full load and all changes after it: its stream's checkpoint and Delta's ``txnAppId``.

    ``basis`` is the fingerprint of what the generation was built from, ``seen`` that of all files of bronze when the
    last run ended, ``seen_until`` the modification time of the newest of them. ``change_seq`` is the highest one that
    silver may hold. ``rebuilt`` is silver's version that replaced the table, ``version`` the one after the last run.
    """

    generation: str
    basis: str
    rebuilt: int
    version: int
    seen: str = ""
    seen_until: int = 0
    streaming: bool = False
    change_seq: str = ""
    rows: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    ignored_columns: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, storage: Storage, folder: str) -> Self | None:
        """None where there is none, or one of another form: the table is then built anew."""
        try:
            saved = json.loads(storage.read(f"{folder}/progress.json"))
        except FileNotFoundError:
            return None
        return cls(**saved) if saved.keys() == {f.name for f in fields(cls)} else None

    def write(self, storage: Storage, folder: str) -> Self:
        storage.write(f"{folder}/progress.json", json.dumps(asdict(self)))
        return self

    def having(self, **changes) -> Self:
        return replace(self, **changes)


def fingerprint(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
