"""S3 as COPY and UNLOAD see it: which objects a command names, and how they come here."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from groundwork_aws.redshift_data.tokens import RedshiftError

# Requests at once; S3 answers each of them for itself.
DOWNLOADS = 4
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class File:
    """An object, fetched to ``path``; messages name it by its URL."""

    url: str
    path: Path


@dataclass(frozen=True)
class Lake:
    """Where S3 is, and the session of a role in which it is read."""

    endpoint_url: str
    region: str
    aws_access_key_id: str
    aws_secret_access_key: str
    aws_session_token: str

    @property
    def s3(self):
        return s3_client(self)

    def fetch(self, url: str, folder: Path) -> list[File]:
        """RS-CP-10: every object whose key starts with the URL's. Raises RedshiftError when there is none."""
        found = self.objects(url)
        if not found:
            bucket, prefix = split_url(url)
            raise RedshiftError(
                f"The specified S3 prefix '{prefix}' does not exist", detail=f"code: 8001 context: bucket {bucket}"
            )
        return self.fetch_all([{"url": url, "mandatory": True} for url in found], folder)

    def fetch_manifest(self, url: str, folder: Path) -> list[File]:
        """The objects that a manifest names (RS-CP-09). One that is not mandatory may be missing; not all of them."""
        entries = parse_manifest(self.read(url), url)
        files = self.fetch_all([checked_entry(entry, url) for entry in entries], folder)
        if not files:
            raise RedshiftError(f"No file of the manifest exists: {url}")
        return files

    def objects(self, url: str) -> list[str]:
        """The URLs of the objects whose key starts with the URL's."""
        bucket, prefix = split_url(url)
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        try:
            return [f"s3://{bucket}/{item['Key']}" for page in pages for item in page.get("Contents", [])]
        except ClientError as error:
            raise s3_error(error, url) from error

    def fetch_all(self, entries: list[dict], folder: Path) -> list[File]:
        """One request a file, where reading it in place would take several for the footer and for each row group."""
        paths = [folder / f"{number}.parquet" for number in range(len(entries))]
        with ThreadPoolExecutor(DOWNLOADS) as pool:
            return [file for file in pool.map(self.fetch_one, entries, paths) if file]

    def fetch_one(self, entry: dict, path: Path) -> File | None:
        url = entry["url"]
        bucket, key = split_url(url)
        try:
            answer = self.s3.get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey" and not entry.get("mandatory", False):
                return None
            raise s3_error(error, url) from error
        size, expected = answer["ContentLength"], entry.get("content_length", answer["ContentLength"])
        if size != expected:
            raise RedshiftError(f"File {url} has {size} bytes, but its manifest says {expected}")
        with path.open("wb") as file:
            shutil.copyfileobj(answer["Body"], file, CHUNK_BYTES)
        return File(url, path)

    def read(self, url: str) -> bytes:
        bucket, key = split_url(url)
        try:
            return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            raise s3_error(error, url, "Problem reading manifest file - ") from error


@cache
def s3_client(lake: Lake):
    """One for all commands: making it takes longer than a small COPY."""
    return boto3.client(
        "s3",
        endpoint_url=lake.endpoint_url,
        region_name=lake.region,
        aws_access_key_id=lake.aws_access_key_id,
        aws_secret_access_key=lake.aws_secret_access_key,
        aws_session_token=lake.aws_session_token,
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 3}, max_pool_connections=20),
    )


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


def checked_entry(entry: dict, manifest: str) -> dict:
    length = (entry.get("meta") or {}).get("content_length")
    if not isinstance(length, int):
        raise RedshiftError(
            f"Manifest file {manifest} has no meta.content_length for {entry['url']}",
            detail="COPY from a columnar format requires it.",
        )
    return {**entry, "content_length": length}


def s3_error(error: ClientError, url: str, prefix: str = "") -> RedshiftError:
    """S3's own words, as Redshift hands them on, with the object's name."""
    details, meta = error.response["Error"], error.response["ResponseMetadata"]
    code = {"404": "NoSuchKey", "403": "AccessDenied"}.get(details["Code"], details["Code"])
    return RedshiftError(
        f"{prefix}S3ServiceException:{details['Message']},Status {meta['HTTPStatusCode']},Error {code}",
        detail=f"code: 8001 context: {url}",
    )
