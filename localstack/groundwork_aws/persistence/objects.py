"""Objects' bytes: each in a file that is written once and never changed, so that it is whole or not there.

``S3Object.file`` names it, in the folder of its bucket. A new content is a new file, a copy a second name of the same
one; what an overwritten or deleted object leaves is removed by ``s3``, once no row speaks of it any more. Parts of
uploads that are under way are LocalStack's own temporary files, and end with it.
"""

import os
import shutil
import uuid
from io import BufferedRandom, FileIO
from pathlib import Path

from localstack.services.s3.models import S3Object
from localstack.services.s3.storage.ephemeral import EphemeralS3ObjectStore, EphemeralS3StoredObject, LockedFileMixin


class LockedFile(LockedFileMixin, BufferedRandom):
    """As LocalStack's own, but a named file."""


class StoredObject(EphemeralS3StoredObject):
    """``path`` is given when the file is new: it is removed when the request fails."""

    def __init__(self, s3_object: S3Object, file: LockedFile, path: Path | None = None) -> None:
        super().__init__(s3_object, file, mode="w" if path else "r")
        self.path = path

    def write(self, stream) -> int:
        size = super().write(stream)
        self.file.flush()
        return size

    @property
    def last_modified(self) -> int:
        return self.s3_object.internal_last_modified

    def close(self) -> None:
        if not self.closed:
            super().close()
            self.file.close()

    def __exit__(self, kind, *_) -> None:
        self.close()
        if kind and self.path:
            self.path.unlink(missing_ok=True)


class ObjectFiles(EphemeralS3ObjectStore):
    """``root`` has a folder per bucket."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self.root = root

    def open(self, bucket: str, s3_object: S3Object, mode: str = "r") -> StoredObject:
        if mode == "r":
            return StoredObject(s3_object, LockedFile(FileIO(self.root / bucket / s3_object.file, "r+")))
        path = self.new_file(bucket, s3_object)
        return StoredObject(s3_object, LockedFile(FileIO(path, "x+")), path)

    def copy(self, src_bucket: str, src_object: S3Object, dest_bucket: str, dest_object: S3Object) -> StoredObject:
        path = self.new_file(dest_bucket, dest_object)
        os.link(self.root / src_bucket / src_object.file, path)
        dest_object.size, dest_object.internal_last_modified = src_object.size, src_object.internal_last_modified
        return StoredObject(dest_object, LockedFile(FileIO(path, "r+")), path)

    def new_file(self, bucket: str, s3_object: S3Object) -> Path:
        s3_object.file = uuid.uuid4().hex
        return self.root / bucket / s3_object.file

    def remove(self, bucket: str, s3_object: S3Object | list[S3Object]) -> None:
        """Nothing yet: the object's row still speaks of the file."""

    def delete_bucket(self, bucket: str) -> None:
        self._filesystem.pop(bucket, None)
        shutil.rmtree(self.root / bucket, ignore_errors=True)
