"""The Spark session of a job.

EMR puts Delta's jars on the class path and configures nothing else, so the job names Delta's extension and catalog
itself (https://docs.aws.amazon.com/emr/latest/ReleaseGuide/Deltacluster-release.html). Endpoint, credentials and the
mapping of ``s3://`` to a file system are the cluster's. Why each setting has its value: ``docs/spark.md``.
"""

from pyspark.sql import SparkSession

DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.databricks.delta.properties.defaults.enableDeletionVectors": "false",
    "spark.databricks.delta.snapshotPartitions": "1",
}
# What Redshift's COPY asks of a Parquet file: decimals of minimal length, timestamps of 64 bits.
PARQUET = {
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.parquet.writeLegacyFormat": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.session.timeZone": "UTC",
}
EXECUTION = {
    "spark.scheduler.mode": "FAIR",
    "spark.sql.shuffle.partitions": "32",
    "spark.sql.adaptive.coalescePartitions.parallelismFirst": "false",
    "spark.sql.optimizer.windowGroupLimitThreshold": "-1",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "32",
}


def start_session(name: str) -> SparkSession:
    """The session of the application ``name``; what ``spark-submit`` was given besides these settings stays."""
    builder = SparkSession.builder.appName(name)
    for key, value in {**DELTA, **PARQUET, **EXECUTION}.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("WARN")
    return session


def session_for_changes(spark: SparkSession) -> SparkSession:
    """A session of this application for one table's changes, which are few beside the table.

    The settings of a Delta transaction are the session's, so each table has its own. Adaptive execution would run and
    plan every shuffle as a job by itself; of a small batch that is most of the time.
    """
    session = spark.newSession()
    session.conf.set("spark.sql.shuffle.partitions", str(spark.sparkContext.defaultParallelism))
    session.conf.set("spark.sql.adaptive.enabled", "false")
    # The changes are computed once and kept already.
    session.conf.set("spark.databricks.delta.merge.materializeSource", "none")
    return session
