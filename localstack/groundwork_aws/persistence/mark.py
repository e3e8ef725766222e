"""Who writes the state: the versions of what has put its objects into it, and the shape of our own."""

import hashlib
import platform
from importlib.metadata import version
from pathlib import Path

import groundwork_aws

OTHERS = ("emr/cluster.py", "persistence/database.py", "persistence/pickling.py", "persistence/s3.py")


def mark() -> str:
    packages = " ".join(f"{name} {version(name)}" for name in ("groundwork-aws", "localstack-core", "moto-ext"))
    return f"{packages} (state {shape()}) on Python {platform.python_version()}"


def shape() -> str:
    """A digest of the modules whose objects are in our stores, and of how they get there."""
    folder = Path(groundwork_aws.__file__).parent
    files = [*sorted(folder.glob("*/models.py")), *(folder / name for name in OTHERS)]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]
