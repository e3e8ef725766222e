"""The job as EMR runs it: ``spark-submit`` of the bundle on S3, for all nine tables."""

import json
import os
import subprocess
import sys
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import boto3
import pytest
import samples
from conftest import SUBMIT_OPTIONS
from groundwork_spark.jobs.silver import parse_arguments, run
from groundwork_spark.lake import Lake
from groundwork_spark.schema import silver_schema
from groundwork_spark.storage import Storage

from groundwork.deployment import bundle
from groundwork.local import services

BUCKET = "lake"
GOOD_VALUES = {"order_status": "shipped", "payment_type": "boleto"}
GOOD_VALUES_OF_TYPE = {
    "string": "x",
    "smallint": 5,
    "int": 1,
    "double": -30.0,
    "decimal(10,2)": Decimal("9.90"),
    "date": date(2017, 7, 9),
    "timestamp": datetime(2017, 7, 9, 21, 57, 5),
}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    """S3: LocalStack without the rest of the platform."""
    state = tmp_path_factory.mktemp("state")
    service = services.localstack(services.free_port(), state, "", "http://127.0.0.1:9", "no controller here")
    with services.running(service, state / "localstack.log"):
        yield f"http://127.0.0.1:{service.port}"


@pytest.fixture(scope="module")
def s3(endpoint):
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name=services.REGION, aws_access_key_id="test", aws_secret_access_key="test"
    )
    client.create_bucket(Bucket=BUCKET)
    return client


def good_value(name: str, type: str):
    if name.endswith("_state"):
        return "SP"
    return "01012" if name.endswith("zip_code_prefix") else GOOD_VALUES.get(name, GOOD_VALUES_OF_TYPE[type])


def upload_one_row(contract, bronze, s3) -> None:
    fields = [(f.name, f.dataType.simpleString()) for f in silver_schema(contract)][: len(contract.columns)]
    row = ("I", "2026-11-22 12:00:00.000000", *(good_value(name, type) for name, type in fields))
    columns = ", ".join(f"{name} {type}" for name, type in [("Op", "string"), ("dms_timestamp", "string"), *fields])
    file = bronze.write(contract.table, [row], columns)
    s3.upload_file(str(file), BUCKET, f"olist/shop/{contract.table}/{file.name}")


def submit(endpoint: str, archive: Path, bronze: str, silver: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [
            Path(sys.executable).with_name("spark-submit"),
            *SUBMIT_OPTIONS,
            *("--conf", f"spark.hadoop.fs.s3a.endpoint={endpoint}"),
            *("--py-files", archive, bundle.entry_point("silver")),
            *("--bronze", bronze, "--silver", silver),
        ],
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def result(spark, contracts, s3, endpoint, tmp_path_factory):
    """The job's first run, over one good row of every table."""
    folder = tmp_path_factory.mktemp("job")
    bronze = samples.Bronze(folder / "bronze", spark)
    for contract in contracts.values():
        upload_one_row(contract, bronze, s3)
    result = submit(endpoint, bundle.build_archive(folder), f"s3://{BUCKET}/olist/shop", f"s3://{BUCKET}/silver")
    assert result.returncode == 0, result.stdout[-3000:]
    return result


@pytest.fixture
def item_file(result, s3) -> dict:
    """The one entry of a table's manifest."""
    manifest = json.loads(s3.get_object(Bucket=BUCKET, Key="silver/_manifests/order_items.manifest")["Body"].read())
    (entry,) = manifest["entries"]
    return entry


def parquet_schema(spark, url: str) -> str:
    """The schema in a file's footer, as Parquet's own tools print it."""
    hadoop, parquet = spark._jvm.org.apache.hadoop, spark._jvm.org.apache.parquet.hadoop
    file = parquet.util.HadoopInputFile.fromPath(hadoop.fs.Path(url), spark._jsc.hadoopConfiguration())
    reader = parquet.ParquetFileReader.open(file)
    try:
        return reader.getFooter().getFileMetaData().getSchema().toString()
    finally:
        reader.close()


def outcomes(summary: dict) -> dict:
    return {t["table"]: (t["status"], t["rows"], t["version"]) for t in summary["tables"]}


def test_EMR_R_05_the_job_configures_delta_itself_and_brings_nine_tables_to_silver(result, contracts):
    assert outcomes(json.loads(result.stdout.splitlines()[-1])) == {name: ("rebuilt", 1, 0) for name in contracts}
    assert "orders: rebuilt, 1 rows read, 1 rows" in result.stdout


def test_RS_CP_09_the_manifest_has_every_file_with_its_exact_size(item_file, s3):
    bucket, _, key = item_file["url"].removeprefix("s3://").partition("/")
    assert item_file["mandatory"] is True
    assert item_file["meta"]["content_length"] == s3.head_object(Bucket=bucket, Key=key)["ContentLength"]


def test_RS_CP_05_files_hold_every_column_and_decimals_of_minimal_length(item_file, spark, contracts, endpoint):
    spark._jsc.hadoopConfiguration().set("fs.s3a.endpoint", endpoint)
    columns = [line.split()[1:3] for line in parquet_schema(spark, item_file["url"]).splitlines()[1:-1]]
    assert [name.rstrip(";") for _, name in columns] == [c.name for c in contracts["order_items"].columns]
    assert [kind for kind, _ in columns] == [
        "binary", "int32", "binary", "binary", "int64", "fixed_len_byte_array(5)", "fixed_len_byte_array(5)",
    ]  # fmt: skip


def test_a_second_run_on_s3_changes_nothing(result, spark, contracts, s3, endpoint):
    spark._jsc.hadoopConfiguration().set("fs.s3a.endpoint", endpoint)
    again = run(Lake(spark, Storage(spark), f"s3://{BUCKET}/silver"), f"s3://{BUCKET}/olist/shop", contracts)
    assert outcomes(again) == {name: ("unchanged", 1, 0) for name in contracts}
    assert json.loads(s3.get_object(Bucket=BUCKET, Key="silver/_runs/latest.json")["Body"].read()) == again


def test_a_failure_ends_with_exit_code_1_and_says_why(endpoint, tmp_path):
    result = submit(endpoint, bundle.build_archive(tmp_path), "s3://no-such-bucket/shop", f"s3://{BUCKET}/none")
    assert result.returncode == 1
    assert result.stdout.startswith("silver: s3://no-such-bucket/shop: ")


def test_a_table_without_a_contract_is_refused(contracts, capsys):
    with pytest.raises(SystemExit):
        parse_arguments(["--bronze", "s3://b", "--silver", "s3://s", "--tables", "orders,customer"], contracts)
    assert "no contract for customer; there are customers, geolocation" in capsys.readouterr().err
