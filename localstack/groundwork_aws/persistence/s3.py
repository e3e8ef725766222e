"""S3's objects, a row for each version: written before the request that made or changed it is answered.

A row follows the state in LocalStack's memory, so requests for one key may come at once: the later row has both. Files
of which no row speaks any more are removed a little later, as somebody may be about to read them, or at the next start.
"""

import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from localstack.aws.api import RequestContext
from localstack.services.s3.models import KeyStore, S3Bucket, S3DeleteMarker, S3Object, S3Store, s3_stores
from localstack.services.s3.utils import get_unique_key_id

from groundwork_aws.persistence.database import Database
from groundwork_aws.persistence.pickling import dumps

CHANGE_ONE_KEY = {
    "CompleteMultipartUpload", "CopyObject", "DeleteObject", "DeleteObjectTagging", "PutObject", "PutObjectAcl",
    "PutObjectLegalHold", "PutObjectRetention", "PutObjectTagging", "RestoreObject",
}  # fmt: skip
# Parts of an upload are not kept.
CHANGE_NOTHING_KEPT = {"AbortMultipartUpload", "CreateMultipartUpload", "UploadPart", "UploadPartCopy"}
GRACE_SECONDS = 10
Version = S3Object | S3DeleteMarker


def changed_keys(context: RequestContext) -> list[str] | None:
    """The keys whose objects a request has changed; None for a request that is not about objects."""
    request, operation = context.service_request, context.operation.name
    if operation in CHANGE_ONE_KEY:
        return [request["Key"]]
    if operation == "DeleteObjects":
        return [each["Key"] for each in request["Delete"]["Objects"]]
    if operation == "PostObject":
        sent = context.request.files.get("file")
        return [context.request.form["key"].replace("${filename}", (sent and sent.filename) or "")]
    return [] if operation in CHANGE_NOTHING_KEPT else None


class Rows:
    """``root`` has the objects' files."""

    def __init__(self, database: Database, root: Path) -> None:
        self.database, self.root = database, root
        self.obsolete: deque[tuple[float, Path]] = deque()

    def save(self, name: str, keys: list[str], version: str | None = None) -> None:
        """Write what the bucket has under the keys now; ``version`` is the one that the request named."""
        bucket, tags = find(name)
        if bucket is None:
            return
        with self.database.transaction() as rows:
            for key in keys:
                self.save_key(rows, bucket, key, tags, version)
        self.remove_obsolete()

    def save_key(self, rows, bucket: S3Bucket, key: str, tags, version: str | None) -> None:
        where = "where bucket = ? and key = ?"
        before = dict(rows.execute(f"select version, file from objects {where}", [bucket.name, key]))
        now = {each.version_id or "null": each for each in versions(bucket, key)}
        named = version or next(reversed(now), None)
        for gone in before.keys() - now.keys():
            rows.execute(f"delete from objects {where} and version = ?", [bucket.name, key, gone])
        for number, each in now.items():
            if number not in before or before[number] != file_of(each) or number == named:
                state = dumps((each, tags.get_tags(get_unique_key_id(bucket.name, key, number))))
                rows.execute(
                    "insert into objects (bucket, key, version, file, state) values (?, ?, ?, ?, ?) "
                    "on conflict do update set file = excluded.file, state = excluded.state",
                    [bucket.name, key, number, file_of(each), state],
                )
        unused = set(before.values()) - {file_of(each) for each in now.values()}
        self.obsolete.extend((time.monotonic(), self.root / bucket.name / file) for file in unused if file)

    def remove_obsolete(self) -> None:
        with suppress(IndexError):  # another request may be at it too
            while self.obsolete and self.obsolete[0][0] < time.monotonic() - GRACE_SECONDS:
                self.obsolete.popleft()[1].unlink(missing_ok=True)

    def restore(self, rows: list[tuple]) -> None:
        """Put the objects into their buckets, which are there already, and remove files that belong to none."""
        for _, _, store in s3_stores.iter_stores():
            forget_object_tags(store)
            for name in store.buckets:  # the folder of one that was just being deleted may be gone
                (self.root / name).mkdir(parents=True, exist_ok=True)
        known: dict[str, set[str]] = {}
        for name, key, number, file, (version, its_tags) in rows:
            bucket, tags = find(name)
            if bucket is None:
                continue
            put(bucket, key, version)
            if its_tags:
                tags.update_tags(get_unique_key_id(name, key, number), its_tags)
            known.setdefault(name, set()).add(file)
        remove_strays(self.root, known)


def find(name: str):
    """The bucket and the tags of its region; None where there is no such bucket."""
    for _, _, store in list(s3_stores.iter_stores()):
        if bucket := store.buckets.get(name):
            return bucket, s3_stores[bucket.bucket_account_id][bucket.bucket_region].tags
    return None, None


def versions(bucket: S3Bucket, key: str) -> Iterable[Version]:
    """The oldest first."""
    found = bucket.objects._store.get(key)
    if isinstance(bucket.objects, KeyStore):
        return [found] if found else []
    return list((found or {}).values())


def file_of(version: Version) -> str | None:
    """None for a delete marker."""
    return getattr(version, "file", None)


def put(bucket: S3Bucket, key: str, version: Version) -> None:
    if bucket.versioning_status and version.version_id is None:
        version.version_id = "null"  # it is older than the bucket's versioning
    version.is_current = True
    bucket.objects.set(key, version)


def forget_object_tags(store: S3Store) -> None:
    """They are in the objects' rows; a bucket's are under its ARN."""
    for resource in [each for each in store.tags._tags if not each.startswith("arn:")]:
        store.tags.delete_all_tags(resource)


def remove_strays(root: Path, known: dict[str, set[str]]) -> None:
    """Files of requests that were never answered, and the folders of uploads that ended with LocalStack."""
    for file in root.glob("*/*"):
        if file.name not in known.get(file.parent.name, ()):
            file.rmdir() if file.is_dir() else file.unlink()
