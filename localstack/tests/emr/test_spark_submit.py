"""spark-submit steps on the real Spark cluster."""

import io
import zipfile
from pathlib import Path

import pytest

JOB = Path(__file__).with_name("job.py")


@pytest.mark.timeout(600)  # on a busy machine
def test_EMR_C_03_EMR_C_04_EMR_C_05_EMR_R_04_EMR_R_05_spark_submit_from_s3_writes_delta_and_outlives_its_executor(
    aws, bucket, clusters
):
    put_job(aws("s3"), bucket)
    delta = {"Classification": "delta-defaults", "Properties": {"delta.enabled": "true"}}
    defaults = {"Classification": "spark-defaults", "Properties": {"spark.sql.session.timeZone": "Asia/Tokyo"}}
    # The session's extensions are the job's own to set: delta-defaults brings the jars only.
    # So few rows need no 50 partitions of Delta's snapshot.
    extensions = (
        "--conf", "spark.databricks.delta.snapshotPartitions=1", "--conf", "spark.sql.shuffle.partitions=1",
        "--conf", "spark.sql.extensions=io.delta.sql.DeltaSparkSessionExtension",
        "--conf", "spark.sql.catalog.spark_catalog=org.apache.spark.sql.delta.catalog.DeltaCatalog",
    )  # fmt: skip
    step = clusters.step(
        "spark-submit", "--deploy-mode", "client", *extensions, "--py-files", f"s3://{bucket}/words.zip",
        f"s3://{bucket}/job.py", f"s3://{bucket}/table",
    )  # fmt: skip
    cluster = clusters.run(step, Applications=[{"Name": "Spark"}], Configurations=[delta, defaults])
    (step,) = clusters.ended_steps(cluster)
    stdout = clusters.log(cluster, step, "stdout")
    assert step["Status"]["State"] == "COMPLETED", stdout + clusters.log(cluster, step, "stderr")
    assert stdout.splitlines() == ["master: spark", "setting: Asia/Tokyo", "retried: 6", "delta: hello"]
    assert "Running Spark version 4.1.1" in clusters.log(cluster, step, "syslog")
    keys = [o["Key"] for o in aws("s3").list_objects_v2(Bucket=bucket, Prefix="table/")["Contents"]]
    assert "table/_delta_log/00000000000000000000.json" in keys


def test_EMR_S_02_EMR_S_04_F8_a_failing_job_shows_its_exception_and_so_does_a_missing_one(aws, bucket, clusters):
    aws("s3").put_object(Bucket=bucket, Key="boom.py", Body=b'raise ValueError("no such month: 13")')
    cluster = clusters.run(
        clusters.step("spark-submit", f"s3://{bucket}/boom.py"),
        clusters.step("spark-submit", f"s3://{bucket}/nowhere.py"),
        clusters.step("spark-submit", "--deploy-mode", "cluster", f"s3://{bucket}/boom.py"),
        keep_alive=False,
    )
    boom, nowhere, cluster_mode = clusters.ended_steps(cluster)
    assert [step["Status"]["State"] for step in (boom, nowhere, cluster_mode)] == ["FAILED"] * 3
    details = boom["Status"]["FailureDetails"]
    assert (details["Reason"], details["Message"]) == ("Unknown Error", "ValueError: no such month: 13")
    # Spark's launcher passes a Python driver's stderr on as its own stdout.
    assert details["LogFile"].endswith("/stdout.gz")
    assert f"s3://{bucket}/nowhere.py" in nowhere["Status"]["FailureDetails"]["Message"]
    assert "Cluster deploy mode" in cluster_mode["Status"]["FailureDetails"]["Message"]
    assert "Cluster deploy mode" in clusters.log(cluster, cluster_mode, "stderr")
    reason = clusters.reaches(cluster, "TERMINATED")["Status"]["StateChangeReason"]
    assert reason == {"Code": "ALL_STEPS_COMPLETED", "Message": "Steps completed with errors"}


def put_job(s3, bucket: str) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("words.py", 'GREETING = "hello"')
    s3.put_object(Bucket=bucket, Key="words.zip", Body=archive.getvalue())
    s3.put_object(Bucket=bucket, Key="job.py", Body=JOB.read_bytes())
