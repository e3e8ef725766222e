"""One line of the doctor."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """``level`` is OK, WARN or FAIL; ``remedy`` is what to do, empty when nothing is wrong."""

    name: str
    level: str
    text: str
    remedy: str = ""
