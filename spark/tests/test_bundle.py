"""What is uploaded for EMR: one archive of both packages and the contracts, and the entry point beside it."""

import subprocess
import sys
import zipfile

import pytest

from groundwork.deployment import bundle


def test_the_same_sources_give_the_same_bytes(tmp_path):
    first, second = bundle.build_archive(tmp_path / "a"), bundle.build_archive(tmp_path / "b")
    assert first.name == "groundwork_spark.zip"
    assert first.read_bytes() == second.read_bytes()


def test_the_archive_holds_packages_and_contracts_and_no_yaml(tmp_path):
    names = zipfile.ZipFile(bundle.build_archive(tmp_path)).namelist()
    assert {"groundwork_spark/silver.py", "groundwork_contracts/__init__.py"} <= set(names)
    assert len([name for name in names if name.startswith("groundwork_contracts/olist/")]) == 9
    assert {name.rsplit(".", 1)[1] for name in names} == {"py", "json"}


def test_the_job_finds_its_contracts_inside_the_archive(tmp_path, contracts):
    archive = bundle.build_archive(tmp_path)
    code = "from groundwork_spark.jobs.silver import bundled_contracts as b; print(*sorted(b()))"
    # From an empty folder and without site-packages' editable installs of the two packages before it on the path.
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(archive)}, capture_output=True, text=True
    )
    assert answer.stdout.split() == sorted(contracts), answer.stderr


def test_an_entry_point_is_the_jobs_file():
    assert bundle.entry_point("silver").name == "silver.py"
    with pytest.raises(FileNotFoundError):
        bundle.entry_point("gold")
