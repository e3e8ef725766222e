"""Hands batches from the thread that reads them to the one that works on them, a limited amount ahead."""

import threading
from collections import deque
from collections.abc import Iterator

import pyarrow as pa


class ReadAhead:
    """``put`` by one thread until ``end``, iterated by another. ``most_bytes`` may wait in between, or a batch more."""

    def __init__(self, most_bytes: int):
        self.most_bytes, self.waiting, self.bytes = most_bytes, deque[pa.RecordBatch](), 0
        self.ended, self.abandoned = False, False
        self.changed = threading.Condition()

    def put(self, batch: pa.RecordBatch) -> bool:
        """Wait for room. False where nobody wants any more."""
        with self.changed:
            self.changed.wait_for(lambda: self.bytes < self.most_bytes or self.abandoned)
            self.waiting.append(batch)
            self.bytes += batch.nbytes
            self.changed.notify_all()
            return not self.abandoned

    def end(self) -> None:
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def abandon(self) -> None:
        with self.changed:
            self.abandoned = True
            self.waiting.clear()
            self.changed.notify_all()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.waiting or self.ended)
                if not self.waiting:
                    return
                batch = self.waiting.popleft()
                self.bytes -= batch.nbytes
                self.changed.notify_all()
            yield batch
