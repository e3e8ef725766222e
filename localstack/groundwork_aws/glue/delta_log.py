"""What a Delta table's transaction log says of its schema: as much of the protocol as the catalog needs.

The newest ``metaData`` action wins, so commits are read backwards, down to the newest checkpoint.
https://github.com/delta-io/delta/blob/master/PROTOCOL.md
"""

import io
import json
import re
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
from botocore.exceptions import ClientError

from groundwork_aws.glue.listing import Location, StoredObject, sweep

COMMIT = re.compile(r"(\d{20})\.json")
# one file, one of several parts, or the newer form with a UUID
CHECKPOINT = re.compile(r"(\d{20})\.checkpoint(?:\.\d{10}\.\d{10}|\.[0-9a-f-]{36})?\.(parquet|json)")


class BadLog(Exception):
    """The folder holds no Delta table, or its log cannot be read; the text names the file."""


@dataclass(frozen=True)
class DeltaTable:
    """``schema`` is Spark's JSON schema, ``committed`` the last commit's time in milliseconds since 1970."""

    location: Location
    version: int
    committed: int
    schema: str
    partition_columns: list[str]


def read_table(s3, location: Location) -> DeltaTable | None:
    """The table at a location as of its last commit; None where there is nothing at all. Raises BadLog."""
    log = list(sweep(s3, Location(location.bucket, f"{location.prefix}_delta_log/")))
    commits = {int(match[1]): item for item in log if (match := COMMIT.fullmatch(name_of(item)))}
    if not commits:
        if next(sweep(s3, location), None) is None:
            return None
        raise BadLog(f"{location.uri} is not a Delta table: there is no commit in {location.uri}_delta_log/")
    newest = max(commits)
    latest = actions(s3, commits[newest])
    metadata = metadata_in(latest) or newest_metadata(s3, log, commits)
    return DeltaTable(
        location=location,
        version=newest,
        committed=commit_time(latest, commits[newest]),
        schema=metadata["schemaString"],
        partition_columns=list(metadata.get("partitionColumns") or []),
    )


def newest_metadata(s3, log: list[StoredObject], commits: dict[int, StoredObject]) -> dict:
    """Of the commits before the last one, or of the newest checkpoint."""
    checkpoints = [(int(match[1]), item) for item in log if (match := CHECKPOINT.fullmatch(name_of(item)))]
    checkpoint = max((version for version, _ in checkpoints), default=-1)
    for version in sorted(commits, reverse=True)[1:]:
        if version > checkpoint and (metadata := metadata_in(actions(s3, commits[version]))):
            return metadata
    for version, item in checkpoints:
        if version == checkpoint and (metadata := checkpoint_metadata(s3, item)):
            return metadata
    raise BadLog(f"{log[0].uri.rpartition('/')[0]}/ holds no metaData action: its first commits are missing")


def checkpoint_metadata(s3, item: StoredObject) -> dict | None:
    if item.key.endswith(".json"):
        return metadata_in(actions(s3, item))
    try:
        table = pq.read_table(io.BytesIO(content(s3, item)), columns=["metaData"])
    except (pa.ArrowException, OSError) as error:
        raise BadLog(f"{item.uri} cannot be read as a Delta checkpoint ({error})") from None
    return next((row for row in table["metaData"].to_pylist() if row and row["schemaString"]), None)


def metadata_in(commit: list[dict]) -> dict | None:
    return next((action["metaData"] for action in commit if "metaData" in action), None)


def commit_time(commit: list[dict], item: StoredObject) -> int:
    for action in commit:
        if info := action.get("commitInfo"):
            return int(info.get("inCommitTimestamp") or info["timestamp"])
    return int(item.modified.timestamp() * 1000)


def actions(s3, item: StoredObject) -> list[dict]:
    try:
        return [json.loads(line) for line in content(s3, item).splitlines() if line.strip()]
    except ValueError as error:
        raise BadLog(f"{item.uri} cannot be read as a Delta commit ({error})") from None


def content(s3, item: StoredObject) -> bytes:
    try:
        return s3.get_object(Bucket=item.bucket, Key=item.key)["Body"].read()
    except ClientError as error:
        raise BadLog(f"{item.uri} cannot be read ({error})") from None


def name_of(item: StoredObject) -> str:
    return item.key.rpartition("/")[2]
