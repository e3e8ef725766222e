"""One Spark session for all tests, made as the jobs make theirs, with the jars that the platform installs."""

import os
import sys
from pathlib import Path

import pytest
import samples
from groundwork_contracts import load_contracts
from groundwork_spark import bronze as lake_bronze
from groundwork_spark.lake import Lake
from groundwork_spark.session import start_session
from groundwork_spark.storage import Storage

from groundwork.deployment import bundle
from groundwork.install import STATE, java

SUBMIT_OPTIONS = [
    "--master", "local[2]",
    "--driver-class-path", f"{STATE / 'jars'}/*",
    "--conf", "spark.ui.enabled=false",
    "--conf", "spark.ui.showConsoleProgress=false",
    "--conf", "spark.hadoop.fs.s3.impl=org.apache.hadoop.fs.s3a.S3AFileSystem",
    "--conf", "spark.hadoop.fs.s3a.path.style.access=true",
]  # fmt: skip
os.environ.update(
    JAVA_HOME=str(Path(java()).parent.parent),
    SPARK_LOCAL_IP="127.0.0.1",
    PYSPARK_PYTHON=sys.executable,
    PYSPARK_SUBMIT_ARGS=" ".join([*SUBMIT_OPTIONS, "pyspark-shell"]),
    AWS_ACCESS_KEY_ID="test",
    AWS_SECRET_ACCESS_KEY="test",
)


@pytest.fixture(scope="session")
def spark():
    session = start_session("tests")
    session.conf.set("spark.sql.shuffle.partitions", "1")
    yield session
    session.stop()


@pytest.fixture(scope="session", autouse=True)
def settled():
    """A test writes all files before its run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lake_bronze, "SETTLE_SECONDS", 0)
        yield


@pytest.fixture(scope="session")
def contracts():
    return load_contracts(bundle.CONTRACTS)


@pytest.fixture
def visits():
    return samples.visits()


@pytest.fixture
def bronze(tmp_path, spark):
    return samples.Bronze(tmp_path / "bronze", spark)


@pytest.fixture
def lake(tmp_path, spark):
    return Lake(spark, Storage(spark), str(tmp_path / "silver"))
