"""Which folders are tables and which are partitions of one: the crawler's judgement, as data in, data out.

Sub-folders whose schemas are similar are partitions of one table; else each is a table of its own. AWS says that
schemas are similar when they match by more than 70%; what is matched it does not say, here it is the columns that both
have, of the longer one's. https://docs.aws.amazon.com/glue/latest/dg/crawler-s3-folder-table-partition.html
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import unquote

from groundwork_aws.glue.footers import DataFile
from groundwork_aws.glue.hive_types import compatible, widest

SIMILARITY = 0.7


@dataclass(frozen=True)
class Leaf:
    """A folder with files: ``path`` are the folders between the table's root and it."""

    path: tuple[str, ...]
    files: tuple[DataFile, ...]


@dataclass(frozen=True)
class Table:
    """``root`` is a prefix with its trailing slash, or the key of the one file that is the table."""

    root: str
    leaves: tuple[Leaf, ...]

    @property
    def files(self) -> list[DataFile]:
        return [file for leaf in self.leaves for file in leaf.files]

    @cached_property
    def columns(self) -> dict[str, str]:
        return merged(file.columns for file in self.files if file.columns is not None)

    @cached_property
    def partition_keys(self) -> list[str]:
        levels = zip(*(leaf.path for leaf in self.leaves), strict=True)
        return [key_of(folders, level) for level, folders in enumerate(levels)]

    def values_of(self, leaf: Leaf) -> list[str]:
        return [value_of(folder, key) for folder, key in zip(leaf.path, self.partition_keys, strict=True)]


@dataclass
class Folder:
    files: list[DataFile] = field(default_factory=list)
    children: dict[str, "Folder"] = field(default_factory=dict)


@dataclass(frozen=True)
class Grouping:
    """``combine``: the policy CombineCompatibleSchemas; ``level``: TableLevelConfiguration, where the bucket is 1."""

    combine: bool = False
    level: int | None = None

    def joins(self, root: str, schemas: Sequence[dict[str, str]]) -> bool:
        """Whether what lies in the folder ``root`` is one table."""
        if self.level is not None:
            return root.count("/") + 1 >= self.level
        return self.combine or all(similar(schemas[0], schema) for schema in schemas[1:])


def tables_in(files: Iterable[DataFile], prefix: str, grouping: Grouping) -> list[Table]:
    """The tables that the files under ``prefix`` make, by their roots."""
    top = Folder()
    for file in files:
        folder = top
        for name in file.key.removeprefix(prefix).split("/")[:-1]:
            folder = folder.children.setdefault(name, Folder())
        folder.files.append(file)
    return sorted(tables_of(top, prefix, grouping), key=lambda table: table.root)


def tables_of(folder: Folder, root: str, grouping: Grouping) -> list[Table]:
    own = tables_of_files(folder.files, root, grouping) if folder.files else []
    below = {name: tables_of(child, f"{root}{name}/", grouping) for name, child in folder.children.items()}
    found = [table for tables in below.values() for table in tables]
    if own or not found or len(found) > len(below):
        return own + found
    same_depth = len({len(table.leaves[0].path) for table in found}) == 1
    rooted = all(table.root == f"{root}{name}/" for name, (table,) in below.items())
    if not (same_depth and rooted and grouping.joins(root, [table.columns for table in found])):
        return found
    leaves = [Leaf((name, *leaf.path), leaf.files) for name, (table,) in below.items() for leaf in table.leaves]
    return [Table(root, tuple(leaves))]


def tables_of_files(files: list[DataFile], root: str, grouping: Grouping) -> list[Table]:
    """Files side by side with schemas that are not similar are one table each, as AWS makes them."""
    schemas = [file.columns for file in files if file.columns is not None]
    if grouping.joins(root, schemas):
        return [Table(root, (Leaf((), tuple(files)),))]
    return [Table(file.key, (Leaf((), (file,)),)) for file in files if file.columns is not None]


def similar(one: dict[str, str], other: dict[str, str]) -> bool:
    common = sum(compatible(one[name], other[name]) for name in one.keys() & other.keys())
    return common > SIMILARITY * max(len(one), len(other))


def merged(schemas: Iterable[dict[str, str]]) -> dict[str, str]:
    columns: dict[str, str] = {}
    for schema in schemas:
        for name, kind in schema.items():
            columns[name] = widest(columns.get(name, kind), kind)
    return columns


def key_of(folders: Sequence[str], level: int) -> str:
    names = {folder.partition("=")[0] if "=" in folder else None for folder in folders}
    name = names.pop() if len(names) == 1 else None
    return name.lower() if name else f"partition_{level}"


def value_of(folder: str, key: str) -> str:
    name, separator, value = folder.partition("=")
    return unquote(value) if separator and name.lower() == key else folder
