"""One writer at a time: the object ``<silver>/_lock.json``, which the application at work writes again and again.

Two drivers that commit to one Delta table on S3 can lose each other's commits
(https://docs.delta.io/latest/delta-storage.html#amazon-s3), so a second application must not begin. One that was killed
leaves its lock behind: nobody writes it any more, and after `EXPIRY_SECONDS` of silence it is taken over.
"""

import json
import threading
import time
from contextlib import contextmanager, suppress

from groundwork_spark.log import say
from groundwork_spark.storage import Storage

HEARTBEAT_SECONDS = 5
EXPIRY_SECONDS = 15
POLL_SECONDS = 0.5


class Locked(Exception):
    """Another application is writing silver. Its text says which, and since when."""


@contextmanager
def writer_lock(storage: Storage, silver: str, application: str):
    """Hold silver for this application. Raises Locked."""
    file = f"{silver}/_lock.json"
    text = json.dumps({"application": application, "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})
    while not storage.create(file, text):
        wait_for_silence(storage, file)
    done = threading.Event()
    beating = threading.Thread(target=beat, args=(storage, file, text, done), daemon=True)
    beating.start()
    try:
        yield
    finally:
        done.set()
        beating.join()
        storage.delete(file)


def beat(storage: Storage, file: str, text: str, done: threading.Event) -> None:
    count = 0
    while not done.wait(HEARTBEAT_SECONDS):
        count += 1
        with suppress(OSError):  # the next beat comes before anybody takes the lock over
            storage.write(file, f"{text}\n{count}")


def wait_for_silence(storage: Storage, file: str) -> None:
    """Remove the lock of an application that is gone. Raises Locked when it is at work."""
    seen = read(storage, file)
    until = time.monotonic() + EXPIRY_SECONDS
    while seen is not None and time.monotonic() < until:
        time.sleep(POLL_SECONDS)
        now = read(storage, file)
        if now is None:
            return
        if now not in (seen, ""):  # a local file system shows a file before it shows its text; S3 does not
            holder = json.loads(now.splitlines()[0])
            raise Locked(
                f"application {holder['application']} has been writing since {holder['since']}, and two writers of one "
                f"Delta table on S3 can lose commits. Wait for its end, or end it; its lock is {file}"
            )
    if seen is not None:
        say(f"nobody has written {file} for {EXPIRY_SECONDS} seconds: taken over from {seen.partition(chr(10))[0]}")
        storage.delete(file)


def read(storage: Storage, file: str) -> str | None:
    try:
        return storage.read(file)
    except FileNotFoundError:
        return None
