"""Catalog entries as a crawler writes them: TableInput, but for the Name, and PartitionInput.

https://docs.aws.amazon.com/glue/latest/dg/table-properties-crawler.html
"""

import json
from collections.abc import Iterable, Mapping

from groundwork_aws.glue.delta_log import DeltaTable
from groundwork_aws.glue.footers import DataFile
from groundwork_aws.glue.grouping import Leaf, Table
from groundwork_aws.glue.hive_types import from_spark

PARQUET = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
}
PARQUET_SERDE = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
# Not a typing error: this is what the crawler writes for a native Delta table.
DELTA = {
    "InputFormat": "org.apache.hadoop.mapred.SequenceFileInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveSequenceFileOutputFormat",
}
DELTA_SERDE = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
VERSIONS = {"CrawlerSchemaDeserializerVersion": "1.0", "CrawlerSchemaSerializerVersion": "1.0"}


def parquet_table(bucket: str, table: Table, crawler: str, run_id: str, indexed: bool) -> dict:
    parameters = {
        **statistics(table.files),
        **VERSIONS,
        "UPDATED_BY_CRAWLER": crawler,
        "CRAWL_RUN_ID": run_id,
    }
    if indexed and table.partition_keys:
        parameters["partition_filtering.enabled"] = "true"
    # the files that Spark writes into partition folders lack the keys' columns; others may repeat them
    columns = {name: kind for name, kind in table.columns.items() if name not in table.partition_keys}
    return {
        "Owner": "owner",
        "TableType": "EXTERNAL_TABLE",
        "Retention": 0,
        "Parameters": parameters,
        "PartitionKeys": [{"Name": key, "Type": "string"} for key in table.partition_keys],
        "StorageDescriptor": storage(columns, f"s3://{bucket}/{table.root}", PARQUET, PARQUET_SERDE, {}, parameters),
    }


def parquet_partitions(bucket: str, table: Table, table_input: dict, inherit: bool) -> list[dict]:
    """One for each folder below the table's root; with ``inherit``, the table's columns instead of its own."""
    return [partition(bucket, table, leaf, table_input, inherit) for leaf in table.leaves if leaf.path]


def partition(bucket: str, table: Table, leaf: Leaf, table_input: dict, inherit: bool) -> dict:
    parameters = {**statistics(leaf.files), **VERSIONS}
    names = {column["Name"] for column in table_input["StorageDescriptor"]["Columns"]}
    own = Table(table.root, (leaf,)).columns
    columns = {name: kind for name, kind in (table.columns if inherit else own).items() if name in names}
    location = f"s3://{bucket}/{table.root}{'/'.join(leaf.path)}/"
    return {
        "Values": table.values_of(leaf),
        "Parameters": parameters,
        "StorageDescriptor": storage(columns, location, PARQUET, PARQUET_SERDE, {}, parameters),
    }


def delta_table(table: DeltaTable, crawler: str) -> dict:
    fields = {field["name"]: from_spark(field["type"]) for field in json.loads(table.schema)["fields"]}
    parameters = {
        **VERSIONS,
        "EXTERNAL": "true",
        "UPDATED_BY_CRAWLER": crawler,
        "classification": "delta",
        "delta.lastCommitTimestamp": str(table.committed),
        "delta.lastUpdateVersion": str(table.version),
        "spark.sql.partitionProvider": "catalog",
        "spark.sql.sources.provider": "delta",
        "spark.sql.sources.schema.numParts": "1",
        "spark.sql.sources.schema.part.0": table.schema,
        "table_type": "delta",
    }
    columns = {name.lower(): kind for name, kind in fields.items() if name not in table.partition_columns}
    keys = [{"Name": name.lower(), "Type": fields[name]} for name in table.partition_columns]
    path = {"path": table.location.uri}
    return {
        "Owner": "owner",
        "TableType": "EXTERNAL_TABLE",
        "Retention": 0,
        "Parameters": parameters,
        "PartitionKeys": keys,
        "StorageDescriptor": storage(columns, table.location.uri, DELTA, DELTA_SERDE, path, {}),
    }


def storage(
    columns: Mapping[str, str],
    location: str,
    formats: dict[str, str],
    serde: str,
    serde_parameters: dict[str, str],
    parameters: dict[str, str],
) -> dict:
    return {
        "Columns": [{"Name": name, "Type": kind} for name, kind in columns.items()],
        "Location": location,
        **formats,
        "Compressed": False,
        "NumberOfBuckets": -1,
        "SerdeInfo": {
            "SerializationLibrary": serde,
            "Parameters": {"serialization.format": "1", **serde_parameters},
        },
        "BucketColumns": [],
        "SortColumns": [],
        "Parameters": parameters,
        "StoredAsSubDirectories": False,
    }


def statistics(files: Iterable[DataFile]) -> dict[str, str]:
    """Counts of all files; the rows of those that a sample left out are estimated by their size."""
    files = list(files)
    size = sum(file.size for file in files)
    read = [file for file in files if file.rows is not None]
    rows = round(sum(file.rows for file in read) * size / sum(file.size for file in read))
    return {
        "averageRecordSize": str(size // rows if rows else 0),
        "classification": "parquet",
        "compressionType": "none",
        "objectCount": str(len(files)),
        "recordCount": str(rows),
        "sizeKey": str(size),
        "typeOfData": "file",
    }
