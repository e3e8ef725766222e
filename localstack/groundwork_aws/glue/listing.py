"""What lies under an include path on S3: one sweep, without what the crawler's exclusions leave out.

https://docs.aws.amazon.com/glue/latest/dg/define-crawler.html (include and exclude patterns)
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Location:
    """A folder on S3; ``prefix`` is empty or ends with a slash."""

    bucket: str
    prefix: str

    @classmethod
    def of(cls, path: str) -> "Location":
        bucket, _, prefix = path.removeprefix("s3://").partition("/")
        prefix = prefix.strip("/")
        return cls(bucket, f"{prefix}/" if prefix else "")

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"


@dataclass(frozen=True)
class StoredObject:
    bucket: str
    key: str
    size: int
    modified: datetime

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def sweep(s3, location: Location) -> Iterator[StoredObject]:
    """Every object under a location, in the order of their keys. Raises ClientError, NoSuchBucket among them."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=location.bucket, Prefix=location.prefix)
    for page in pages:
        for item in page.get("Contents", []):
            yield StoredObject(location.bucket, item["Key"], item["Size"], item["LastModified"])


def data_objects(s3, location: Location, exclusions: Sequence[str] = ()) -> list[StoredObject]:
    """The objects that can hold rows: not empty, not hidden, not excluded.

    Hidden is what Hive and Spark do not read either: a file or folder whose name begins with ``_`` or ``.``.
    """
    patterns = [re.compile(glob_to_regex(exclusion)) for exclusion in exclusions]
    found = []
    for item in sweep(s3, location):
        relative = item.key.removeprefix(location.prefix)
        hidden = any(part.startswith(("_", ".")) for part in relative.split("/"))
        if item.size and not hidden and not any(pattern.fullmatch(relative) for pattern in patterns):
            found.append(item)
    return found


def is_object(s3, location: Location) -> bool:
    """Whether the path without its trailing slash is an object's key."""
    key = location.prefix.rstrip("/")
    answer = s3.list_objects_v2(Bucket=location.bucket, Prefix=key, MaxKeys=1) if key else {}
    return any(item["Key"] == key for item in answer.get("Contents", []))


GLOB_TOKEN = re.compile(r"\*\*|\*|\?|\[!|\[|\]|\{|\}|,|\\.|.", re.DOTALL)
PLAIN = {"**": ".*", "*": "[^/]*", "?": "[^/]"}


def glob_to_regex(glob: str) -> str:
    """A Glue exclude pattern as a regular expression for a key relative to the include path.

    ``*`` and ``?`` stay within a folder, ``**`` crosses folders, ``[a-z]``, ``[!a]``, ``{one,two}`` and ``\\`` as
    in Java's globs. Raises ValueError for brackets that do not close.
    """
    regex, braces, in_class = "", 0, False
    for token in GLOB_TOKEN.findall(glob):
        if in_class:
            regex += token.replace("\\", "\\\\") if token != "]" else "]"
            in_class = token != "]"
        elif token in PLAIN:
            regex += PLAIN[token]
        elif token in ("[", "[!"):
            regex += "[^" if token == "[!" else "["
            in_class = True
        elif token == "{":
            regex, braces = regex + "(?:", braces + 1
        elif token == "}" and braces:
            regex, braces = regex + ")", braces - 1
        elif token == "," and braces:
            regex += "|"
        else:
            regex += re.escape(token[1:] if token.startswith("\\") and len(token) > 1 else token)
    if braces or in_class:
        raise ValueError(f"the exclude pattern '{glob}' has a bracket that does not close")
    return regex
