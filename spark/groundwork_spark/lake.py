"""Where everything of silver is, and the session that works on it."""

import json
from dataclasses import dataclass

from groundwork_contracts import Contract
from pyspark.sql import SparkSession

from groundwork_spark.storage import Storage


@dataclass(frozen=True)
class Lake:
    """``silver`` is the folder of its tables."""

    spark: SparkSession
    storage: Storage
    silver: str

    def table(self, contract: Contract) -> str:
        return f"{self.silver}/{contract.table}"

    def quarantine(self, contract: Contract) -> str:
        return f"{self.silver}/_quarantine/{contract.table}"

    def history(self, contract: Contract) -> str:
        return f"{self.silver}/{contract.table}_history"

    def manifest(self, contract: Contract) -> str:
        return f"{self.silver}/_manifests/{contract.table}.manifest"

    def changes(self, contract: Contract) -> str:
        return f"{self.silver}/_changes/{contract.table}"

    def checkpoints(self, contract: Contract) -> str:
        """The table's progress, and a folder of Spark's for each generation."""
        return f"{self.silver}/_checkpoints/{contract.table}"


def manifest(files: dict[str, int]) -> str:
    """Redshift's COPY manifest of files with their sizes; of Parquet it needs each file's exact size.

    https://docs.aws.amazon.com/redshift/latest/dg/loading-data-files-using-manifest.html
    """
    entries = [{"url": url, "mandatory": True, "meta": {"content_length": size}} for url, size in sorted(files.items())]
    return json.dumps({"entries": entries}, indent=1)
