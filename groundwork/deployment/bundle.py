"""Build what EMR needs of the Spark jobs: the archive for ``--py-files``, and the jobs' entry points.

The archive holds the packages ``groundwork_spark`` and ``groundwork_contracts``, and the contracts as JSON, because
EMR's Python has no YAML reader. The same sources give the same bytes, so that an upload can be skipped.
"""

import json
import zipfile
from pathlib import Path

import groundwork_contracts

from groundwork.install import ROOT

ARCHIVE_NAME = "groundwork_spark.zip"
PACKAGES = (ROOT / "spark" / "groundwork_spark", ROOT / "contracts" / "groundwork_contracts")
CONTRACTS = ROOT / "contracts" / "olist"
# The earliest time that a zip file can hold, instead of the files' own.
TIMESTAMP = (1980, 1, 1, 0, 0, 0)


def entry_point(job: str) -> Path:
    """The file that ``spark-submit`` runs for a job: ``entry_point("silver")``. Raises FileNotFoundError."""
    return (PACKAGES[0] / "jobs" / f"{job}.py").resolve(strict=True)


def build_archive(target: Path) -> Path:
    """Write the archive into the folder ``target`` and return its path."""
    target.mkdir(parents=True, exist_ok=True)
    archive = target / ARCHIVE_NAME
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in sorted(archive_members().items()):
            entry = zipfile.ZipInfo(name, TIMESTAMP)
            entry.compress_type = zipfile.ZIP_DEFLATED
            bundle.writestr(entry, content)
    return archive


def archive_members() -> dict[str, bytes]:
    """The archive's files by name."""
    members = {}
    for package in PACKAGES:
        for module in package.rglob("*.py"):
            members[module.relative_to(package.parent).as_posix()] = module.read_bytes()
    for contract in CONTRACTS.glob("*.yaml"):
        document = groundwork_contracts.read_document(contract)
        members[f"groundwork_contracts/olist/{contract.stem}.json"] = json.dumps(document, sort_keys=True).encode()
    return members
