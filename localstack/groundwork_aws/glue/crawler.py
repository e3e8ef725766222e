"""A crawl: look at S3, judge what is a table, write it into the Data Catalog as the crawler's policies want it.

``crawl`` takes a crawler as GetCrawler answers it and two boto3 clients. It reads Parquet by footers and native Delta
tables by their log. A target that fails does not keep the others from being written. Where it is our guess: a file that
cannot be read fails the crawl, names the file, and leaves its table as it was; AWS says only that it logs it.

https://docs.aws.amazon.com/glue/latest/dg/crawler-configuration.html
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from botocore.exceptions import ClientError

from groundwork_aws.glue import entries
from groundwork_aws.glue.delta_log import BadLog, read_table
from groundwork_aws.glue.footers import DataFile, Unreadable, read_files
from groundwork_aws.glue.grouping import Grouping, tables_in
from groundwork_aws.glue.hive_types import NoHiveType
from groundwork_aws.glue.listing import Location, StoredObject, data_objects, is_object
from groundwork_aws.glue.writing import CatalogWriter, Log, Outcome, Policies


@dataclass(frozen=True)
class Found:
    """A table to be written: its TableInput, still without a name, and its PartitionInputs."""

    table: dict
    partitions: list[dict] = field(default_factory=list)

    @property
    def location(self) -> str:
        return self.table["StorageDescriptor"]["Location"]

    @property
    def folder(self) -> str:
        return self.location.rstrip("/").rpartition("/")[2]


@dataclass
class Survey:
    """What one target holds. A table that has an ``unreadable`` object in it, or lies in one, stays as it is."""

    location: Location
    found: list[Found] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def spoils(self, location: str) -> bool:
        return any(uri.startswith(location) or location.startswith(uri) for uri in self.unreadable)


class NotAFolder(Exception):
    """The include path is the key of an object; AWS crawls such a path, this crawler does not."""


class Stopped(Exception):
    """Somebody stopped the crawler; what was written until then stays."""


def crawl(crawler: dict, run_id: str, s3, glue, log: Log, stopped: Callable[[], bool]) -> Outcome:
    """Crawl all targets. Raises Stopped."""
    surveys = []
    for survey in Surveyor(crawler, run_id, s3, stopped).surveys():
        if stopped():
            raise Stopped
        surveys.append(survey)
    outcome = Outcome(errors=[error for survey in surveys for error in survey.errors])
    database = crawler["DatabaseName"]
    log("BENCHMARK", f"Classification complete, writing results to database {database}")
    log("INFO", f"Crawler configured with SchemaChangePolicy {json.dumps(crawler['SchemaChangePolicy'])}.")
    for error in outcome.errors:
        log("ERROR", error)
    ensure_database(glue, database, log)
    writer = CatalogWriter(glue, database, crawler["Name"], policies_of(crawler), outcome, log)
    write(surveys, writer, crawler.get("TablePrefix", ""), log, stopped)
    log("BENCHMARK", "Finished writing to Catalog")
    return outcome


def write(surveys: list[Survey], writer: CatalogWriter, prefix: str, log: Log, stopped: Callable[[], bool]) -> None:
    for survey in surveys:
        for found in survey.found:
            if stopped():
                raise Stopped
            if survey.spoils(found.location):
                log("WARN", f"Left {found.location} as it was because of a file that cannot be read")
                continue
            name = writer.name_for(table_name(prefix, found.folder), found.location)
            writer.write({**found.table, "Name": name}, found.partitions)
    for survey in surveys:
        writer.remove_vanished(survey.location.uri, survey.spoils)


@dataclass(frozen=True)
class Surveyor:
    """Looks at a crawler's targets, one by one."""

    crawler: dict
    run_id: str
    s3: object
    stopped: Callable[[], bool]

    def surveys(self) -> Iterator[Survey]:
        targets = self.crawler["Targets"]
        for target in targets.get("S3Targets", []):
            yield self.guarded(Location.of(target["Path"]), self.survey_s3, target)
        for target in targets.get("DeltaTargets", []):
            for path in target["DeltaTables"]:
                yield self.guarded(Location.of(path), self.survey_delta, target)

    def guarded(self, location: Location, survey: Callable[[Location, dict], Survey], target: dict) -> Survey:
        """The survey; a target that cannot be surveyed is unreadable as a whole."""
        try:
            return survey(location, target)
        except ClientError as error:
            details = error.response["Error"]
            reason = f"{location.uri} cannot be listed: {details['Message']} ({details['Code']})"
        except (BadLog, NoHiveType, NotAFolder) as error:
            reason = str(error) if location.uri.rstrip("/") in str(error) else f"{location.uri}: {error}"
        return Survey(location, unreadable=[location.uri], errors=[reason])

    def survey_s3(self, location: Location, target: dict) -> Survey:
        objects = data_objects(self.s3, location, target.get("Exclusions", []))
        if not objects and is_object(self.s3, location):
            raise NotAFolder(f"{location.uri.rstrip('/')} is an object: name the folder that it is in")
        files, problems = read_sample(self.s3, objects, target.get("SampleSize"), self.stopped)
        configuration = configuration_of(self.crawler)
        indexed, inherit = bool(configuration.get("CreatePartitionIndex")), policies_of(self.crawler).inherit
        survey = Survey(location, unreadable=[p.uri for p in problems], errors=[str(p) for p in problems])
        for table in tables_in(files, location.prefix, grouping_of(configuration)):
            entry = entries.parquet_table(location.bucket, table, self.crawler["Name"], self.run_id, indexed)
            survey.found.append(Found(entry, entries.parquet_partitions(location.bucket, table, entry, inherit)))
        return survey

    def survey_delta(self, location: Location, target: dict) -> Survey:
        table = read_table(self.s3, location)
        return Survey(location, [Found(entries.delta_table(table, self.crawler["Name"]))] if table else [])


def read_sample(
    s3, objects: list[StoredObject], sample: int | None, stopped: Callable[[], bool]
) -> tuple[list[DataFile], list[Unreadable]]:
    """All files, the first ``sample`` of each folder read; a folder without a readable one is left out."""
    folders: dict[str, list[StoredObject]] = {}
    for item in objects:
        folders.setdefault(item.key.rpartition("/")[0], []).append(item)
    chosen = [item for items in folders.values() for item in items[: sample or len(items)]]
    files, problems = read_files(s3, chosen, stopped)
    if sample:
        known = {file.key.rpartition("/")[0] for file in files}
        rest = [item for folder in known for item in folders[folder][sample:]]
        files += [DataFile(item.key, item.size, None, None) for item in rest]
    return sorted(files, key=lambda file: file.key), problems


# --- what the crawler is told -----------------------------------------------------------------------------------------


def configuration_of(crawler: dict) -> dict:
    return json.loads(crawler.get("Configuration") or "{}")


def grouping_of(configuration: dict) -> Grouping:
    grouping = configuration.get("Grouping", {})
    return Grouping(
        combine=grouping.get("TableGroupingPolicy") == "CombineCompatibleSchemas",
        level=grouping.get("TableLevelConfiguration"),
    )


def policies_of(crawler: dict) -> Policies:
    output = configuration_of(crawler).get("CrawlerOutput", {})
    return Policies(
        update=crawler["SchemaChangePolicy"]["UpdateBehavior"],
        delete=crawler["SchemaChangePolicy"]["DeleteBehavior"],
        merge_columns=output.get("Tables", {}).get("AddOrUpdateBehavior") == "MergeNewColumns",
        inherit=output.get("Partitions", {}).get("AddOrUpdateBehavior") == "InheritFromTable",
    )


def ensure_database(glue, name: str, log: Log) -> None:
    try:
        glue.get_database(Name=name)
    except glue.exceptions.EntityNotFoundException:
        glue.create_database(DatabaseInput={"Name": name})
        log("INFO", f"Created database {name}")


def table_name(prefix: str, folder: str) -> str:
    return re.sub(r"[^a-z0-9_]", "_", f"{prefix}{folder}".lower())
