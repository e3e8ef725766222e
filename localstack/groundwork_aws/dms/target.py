"""The S3 target: clearing a table's folder, and files that are uploaded while they are written.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.S3.html
"""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Semaphore

PART_BYTES = 5 << 20  # the least that S3 takes; larger parts were no quicker
# Over all files: what is written more quickly than it is sent must not pile up in memory.
PENDING_PARTS = 2


@dataclass
class Target:
    """A bucket and how objects are put into it. ``s3`` is a boto3 client, ``put`` holds encryption, ACL and tags."""

    s3: object
    bucket: str
    folder: str
    put: dict = field(default_factory=dict)
    sent: int = 0  # bytes, of all files that are complete
    uploads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2, "upload"))
    pending: Semaphore = field(default_factory=lambda: Semaphore(PENDING_PARTS))

    def table_folder(self, schema: str, table: str) -> str:
        """The schema is empty for control tables that have none."""
        return "/".join([*filter(None, [self.folder.strip("/"), schema]), table, ""])

    def clear(self, prefix: str) -> None:
        """Remove every object below the prefix."""
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
            keys = [{"Key": entry["Key"]} for entry in page.get("Contents", [])]
            if keys:
                self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": keys, "Quiet": True})

    def abort_uploads(self, prefixes: tuple[str, ...]) -> None:
        """Give up the uploads that a process below the prefixes began and did not live to end."""
        place = {"Bucket": self.bucket, "Prefix": self.folder.strip("/")}
        for page in self.s3.get_paginator("list_multipart_uploads").paginate(**place):
            for upload in page.get("Uploads", []):
                if upload["Key"].startswith(prefixes):
                    self.s3.abort_multipart_upload(Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"])


class Upload:
    """A file-like object: what is written goes to S3 in parts, from other threads, so that writing goes on.

    A small file is one PutObject. Nothing is visible under the key before ``complete``.
    """

    closed = False

    def __init__(self, target: Target, key: str):
        self.target, self.key = target, key
        self.buffer, self.written, self.holding = bytearray(), 0, False
        self.upload_id: str | None = None
        self.parts: list[Future] = []

    def write(self, data) -> int:
        self.buffer += data
        self.written += len(data)
        if len(self.buffer) >= PART_BYTES and not self.holding:
            self._send_part()
        return len(data)

    def tell(self) -> int:
        return self.written

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def hold(self) -> int:
        """Keep what is written from here on, until ``release`` takes it back."""
        self.holding = True
        return len(self.buffer)

    def release(self, position: int) -> bytes:
        held = bytes(self.buffer[position:])
        del self.buffer[position:]
        self.written -= len(held)
        self.holding = False
        return held

    def send_rest(self) -> None:
        """What is left of a file in parts, without waiting for it."""
        if self.upload_id and self.buffer:
            self._send_part()

    def complete(self) -> None:
        where = {"Bucket": self.target.bucket, "Key": self.key}
        self.target.sent += self.written
        if not self.upload_id:
            self.target.s3.put_object(**where, Body=bytes(self.buffer), **self.target.put)
            return
        self.send_rest()
        parts = [{"PartNumber": n, "ETag": part.result()} for n, part in enumerate(self.parts, 1)]
        self.target.s3.complete_multipart_upload(**where, UploadId=self.upload_id, MultipartUpload={"Parts": parts})
        self.upload_id = None

    def abort(self) -> None:
        """Leave nothing of a file that is not complete."""
        if self.upload_id:
            for part in self.parts:
                part.cancel() or part.exception()
            self.target.s3.abort_multipart_upload(Bucket=self.target.bucket, Key=self.key, UploadId=self.upload_id)

    def _send_part(self) -> None:
        where = {"Bucket": self.target.bucket, "Key": self.key}
        if not self.upload_id:
            self.upload_id = self.target.s3.create_multipart_upload(**where, **self.target.put)["UploadId"]
        body, self.buffer = self.buffer, bytearray()
        self.target.pending.acquire()
        part = self.target.uploads.submit(self._put_part, len(self.parts) + 1, body)
        part.add_done_callback(lambda _: self.target.pending.release())
        self.parts.append(part)

    def _put_part(self, number: int, body: bytearray) -> str:
        answer = self.target.s3.upload_part(
            Bucket=self.target.bucket, Key=self.key, UploadId=self.upload_id, PartNumber=number, Body=body
        )
        return answer["ETag"]
