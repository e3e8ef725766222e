"""S3 as COPY and UNLOAD see it: which files a command names, and a DuckDB that reads and writes them."""

import json
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import duckdb
import duckdb_extension_httpfs
import duckdb_extension_postgres_scanner
from botocore.config import Config
from botocore.exceptions import ClientError

from groundwork_aws.redshift_data.tokens import RedshiftError, literal


@dataclass(frozen=True)
class File:
    url: str
    size: int


@dataclass(frozen=True)
class Lake:
    """Where S3 is and as whom it is read."""

    endpoint_url: str
    access_key: str
    secret_key: str
    region: str

    @property
    def s3(self):
        return s3_client(self)

    def objects(self, url: str) -> list[File]:
        """Every object whose key starts with the URL's."""
        bucket, prefix = split_url(url)
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        try:
            return [File(f"s3://{bucket}/{o['Key']}", o["Size"]) for page in pages for o in page.get("Contents", [])]
        except ClientError as error:
            raise s3_error(error, url) from error

    def files(self, url: str) -> list[File]:
        """RS-CP-10: the objects that a COPY without a manifest loads. Raises RedshiftError when there is none."""
        found = self.objects(url)
        if not found:
            bucket, prefix = split_url(url)
            raise RedshiftError(
                f"The specified S3 prefix '{prefix}' does not exist", detail=f"code: 8001 context: bucket {bucket}"
            )
        return found

    def manifest(self, url: str) -> list[File]:
        """The files that a manifest names (RS-CP-09). A file that is not mandatory may be missing; not all of them."""
        entries = parse_manifest(self.read(url), url)
        files = [file for entry in entries if (file := self.manifest_file(entry, url))]
        if not files:
            raise RedshiftError(f"No file of the manifest exists: {url}")
        return files

    def manifest_file(self, entry: dict, manifest: str) -> File | None:
        url, length = entry["url"], (entry.get("meta") or {}).get("content_length")
        if not isinstance(length, int):
            raise RedshiftError(
                f"Manifest file {manifest} has no meta.content_length for {url}",
                detail="COPY from a columnar format requires it.",
            )
        bucket, key = split_url(url)
        try:
            size = self.s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "404" and not entry.get("mandatory", False):
                return None
            raise s3_error(error, url) from error
        if size != length:
            raise RedshiftError(f"File {url} has {size} bytes, but manifest {manifest} says {length}")
        return File(url, size)

    def read(self, url: str) -> bytes:
        bucket, key = split_url(url)
        try:
            return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            raise s3_error(error, url, "Problem reading manifest file - ") from error

    def duckdb(self) -> duckdb.DuckDBPyConnection:
        """A DuckDB of its own that reads and writes this S3; the caller closes it."""
        connection = duckdb.connect(
            config={"memory_limit": "512MB", "threads": 2, "autoinstall_known_extensions": "false"}
        )
        for package in (duckdb_extension_httpfs, duckdb_extension_postgres_scanner):
            connection.load_extension(str(extension_file(package)))
        endpoint = urlsplit(self.endpoint_url)
        connection.execute(
            f"""create secret (type s3, key_id {literal(self.access_key)}, secret {literal(self.secret_key)},
            region {literal(self.region)}, endpoint {literal(endpoint.netloc)}, url_style 'path',
            use_ssl {str(endpoint.scheme == "https").lower()})"""
        )
        # A COPY is by row order of no meaning; keeping it would hold finished row groups back in memory.
        connection.execute("set preserve_insertion_order = false; set enable_progress_bar = false")
        return connection


@cache
def s3_client(lake: Lake):
    """One for all commands: making it takes longer than a small COPY."""
    return boto3.client(
        "s3",
        endpoint_url=lake.endpoint_url,
        aws_access_key_id=lake.access_key,
        aws_secret_access_key=lake.secret_key,
        region_name=lake.region,
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 3}),
    )


def extension_file(package) -> Path:
    folder = Path(sys.modules[package.__name__].__file__).parent / "extensions" / f"v{duckdb.__version__}"
    return next(folder.glob("*.duckdb_extension"))


def split_url(url: str) -> tuple[str, str]:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return bucket, key


def parse_manifest(content: bytes, url: str) -> list[dict]:
    try:
        entries = json.loads(content)["entries"]
        if entries and all(split_url(entry["url"])[1] for entry in entries):
            return entries
    except (ValueError, TypeError, KeyError) as error:
        raise RedshiftError(f"Manifest file is not in correct json format: {url}", detail=str(error)) from error
    raise RedshiftError(f"Manifest file {url} has no entries, or one that is not a full path of an S3 object")


def s3_error(error: ClientError, url: str, prefix: str = "") -> RedshiftError:
    """S3's own words, as Redshift hands them on, with the object's name."""
    details, meta = error.response["Error"], error.response["ResponseMetadata"]
    code = {"404": "NoSuchKey", "403": "AccessDenied"}.get(details["Code"], details["Code"])
    return RedshiftError(
        f"{prefix}S3ServiceException:{details['Message']},Status {meta['HTTPStatusCode']},Error {code}",
        detail=f"code: 8001 context: {url}",
    )
