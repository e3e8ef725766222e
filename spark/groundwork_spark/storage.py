"""The lake's files, through Hadoop's file systems: what Spark reads with is what lists and writes here."""

from contextlib import suppress
from dataclasses import dataclass

from py4j.java_gateway import is_instance_of
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession


@dataclass(frozen=True)
class File:
    """``modified`` is in milliseconds since 1970; ``mark`` is S3's ETag where there is one."""

    path: str
    size: int
    modified: int
    mark: str = ""


class Storage:
    """Files by their URL (``s3://bucket/key``). Raises FileNotFoundError, or OSError with the store's own text."""

    def __init__(self, spark: SparkSession):
        self.jvm = spark._jvm
        self.gateway = spark.sparkContext._gateway
        self.configuration = spark._jsc.hadoopConfiguration()

    def list(self, folder: str, recursive: bool = False) -> list[File]:
        """The folder's files, sorted by path; on S3 one flat listing."""
        listing = self._call(lambda fs, path: fs.listFiles(path, recursive), folder)
        files = []
        while listing.hasNext():
            status = listing.next()
            files.append(self._file(status))
        return sorted(files, key=lambda file: file.path)

    def exists(self, url: str) -> bool:
        """Whether there is such a file or folder."""
        return self._call(lambda fs, path: fs.exists(path), url)

    def qualified(self, url: str) -> str:
        """The URL as the file system itself writes it, without a slash at the end."""
        return self._call(lambda fs, path: fs.makeQualified(path).toString(), url)

    def read(self, file: str) -> str:
        stream = self._call(lambda fs, path: fs.open(path), file)
        try:
            return self.jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8")
        finally:
            stream.close()

    def write(self, file: str, text: str) -> None:
        """Write the file, unless it holds this text already."""
        with suppress(FileNotFoundError):
            if self.read(file) == text:
                return
        self._fill(self._call(lambda fs, path: fs.create(path, True), file), text)

    def create(self, file: str, text: str) -> bool:
        """Write the file if there is none, by S3's own condition on the upload. Returns whether it was this call."""

        def made(fs, path) -> bool:
            builder = fs.createFile(path).overwrite(False).recursive()
            self._fill(builder.opt("fs.option.create.conditional.overwrite", True).build(), text)
            return True

        try:
            return self._call(made, file)
        except OSError:
            if self.exists(file):
                return False
            raise

    def delete(self, url: str) -> None:
        """Remove a file, or a folder with all that is in it; nothing there is fine."""
        self._call(lambda fs, path: fs.delete(path, True), url)

    def _fill(self, stream, text: str) -> None:
        try:
            stream.write(text.encode())
        finally:
            stream.close()

    def _call(self, action, url: str):
        try:
            path = self.jvm.org.apache.hadoop.fs.Path(url)
            return action(path.getFileSystem(self.configuration), path)
        except Py4JJavaError as error:
            missing = is_instance_of(self.gateway, error.java_exception, "java.io.FileNotFoundException")
            kind = FileNotFoundError if missing else OSError
            raise kind(f"{url}: {error.java_exception.getMessage()}") from None

    def _file(self, status) -> File:
        has_etag = is_instance_of(self.gateway, status, "org.apache.hadoop.fs.EtagSource")
        mark = status.getEtag() if has_etag else None
        return File(status.getPath().toString(), status.getLen(), status.getModificationTime(), mark or "")
