"""LocalStack is killed at random moments while objects are written."""

import hashlib
import random
import time
from threading import Thread

import pytest
from botocore.exceptions import BotoCoreError, ClientError

WRITERS = 3


class Writer(Thread):
    """Writes, copies and deletes until LocalStack is gone. ``holds`` has what was acknowledged, by key: the content's
    digest, None for what was deleted; ``asked`` is the key and content of the request that was not answered."""

    def __init__(self, s3, bucket: str, number: int) -> None:
        super().__init__()
        self.s3, self.bucket, self.number, self.random = s3, bucket, number, random.Random(f"{bucket} {number}")
        self.holds: dict[str, str | None] = {}
        self.asked: tuple[str, str | None] | None = None
        self.acknowledged = 0

    def run(self) -> None:
        try:
            while True:
                key = f"{self.number}/{self.random.randrange(40)}"
                self.asked = (key, self.request(key))
                self.answered()
        except (BotoCoreError, ClientError):
            pass

    def request(self, key: str) -> str | None:
        """Prepare a request that makes the key's content this."""
        there = [key for key, digest in self.holds.items() if digest]
        kind = self.random.choice(["put", "put", "put", "copy", "delete"]) if there else "put"
        if kind == "delete":
            self.send = lambda: self.s3.delete_object(Bucket=self.bucket, Key=key)
            return None
        if kind == "copy" and (source := self.random.choice(there)) != key:
            self.send = lambda: self.s3.copy_object(Bucket=self.bucket, Key=key, CopySource=f"{self.bucket}/{source}")
            return self.holds[source]
        body = self.random.randbytes(self.random.choice([0, 10, 1000, 300_000, 3_000_000]))
        self.send = lambda: self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return hashlib.md5(body).hexdigest()

    def answered(self) -> None:
        self.send()
        key, digest = self.asked
        self.holds[key], self.asked = digest, None
        self.acknowledged += 1

    def allowed(self, key: str) -> set[str | None]:
        return {self.holds.get(key), *([self.asked[1]] if self.asked and self.asked[0] == key else [])}


@pytest.mark.parametrize("seed", [1, 2])
def test_what_was_acknowledged_is_there_and_no_object_is_half(localstack, seed):
    s3, bucket = localstack.client("s3"), f"busy-{seed}"
    s3.create_bucket(Bucket=bucket)
    writers = [Writer(localstack.client("s3"), bucket, number) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    while min(writer.acknowledged for writer in writers) < 5:
        assert all(writer.is_alive() for writer in writers)
        time.sleep(0.05)
    time.sleep(random.Random(seed).uniform(0.5, 2))
    localstack.kill()
    for writer in writers:
        writer.join()
    localstack.start()

    found = {each["Key"]: each for each in everything(s3, bucket)}
    count = len(found)
    for writer in writers:
        for key in {f"{writer.number}/{n}" for n in range(40)}:
            assert digest(s3, bucket, found.pop(key, None)) in writer.allowed(key), key
    assert not found
    # Requests that were not answered have left nothing.
    assert len(list((localstack.state / "objects" / bucket).iterdir())) == count


def everything(s3, bucket: str) -> list[dict]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [each for page in pages for each in page.get("Contents", [])]


def digest(s3, bucket: str, listed: dict | None) -> str | None:
    if listed is None:
        return None
    body = s3.get_object(Bucket=bucket, Key=listed["Key"])["Body"].read()
    found = hashlib.md5(body).hexdigest()
    assert (listed["ETag"], listed["Size"]) == (f'"{found}"', len(body))
    return found
