"""The grammar of COPY and UNLOAD.

https://docs.aws.amazon.com/redshift/latest/dg/r_COPY.html
https://docs.aws.amazon.com/redshift/latest/dg/r_UNLOAD.html

Only Parquet is loaded and unloaded here; the text formats are refused by name.
"""

import re
from dataclasses import dataclass

from groundwork_aws.redshift_data.tokens import Cursor, RedshiftError, Token, syntax_error

# What AWS allows with a columnar format (RS-CP-01); the others of COPY's parameters are refused as AWS does.
TEXT_FORMATS = frozenset(
    {"CSV", "JSON", "AVRO", "ORC", "SHAPEFILE", "DELIMITER", "FIXEDWIDTH", "TEXT", "ION", "RCFILE", "SEQUENCEFILE"}
)
OTHER_OPTIONS = frozenset(
    {"ACCEPTANYDATE", "BLANKSASNULL", "COMPROWS", "COMPUPDATE", "DATEFORMAT", "EMPTYASNULL", "ENCODING", "ENCRYPTED",
     "ESCAPE", "GZIP", "BZIP2", "LZOP", "ZSTD", "HEADER", "IGNOREALLERRORS", "IGNOREBLANKLINES", "IGNOREHEADER",
     "MAXERROR", "NOLOAD", "NULL", "QUOTE", "READRATIO", "REMOVEQUOTES", "ROUNDEC", "SSH", "TIMEFORMAT", "TRIMBLANKS",
     "TRUNCATECOLUMNS", "MASTER_SYMMETRIC_KEY", "ADDQUOTES", "EXTENSION", "ROWGROUPSIZE"}
)  # fmt: skip
NOT_DONE_HERE = frozenset({"ACCEPTINVCHARS", "SERIALIZETOJSON"})


@dataclass(frozen=True)
class CopyCommand:
    """``columns`` is empty for all of the table's; ``roles`` is a chain of ARNs, or ``("default",)``."""

    table: tuple[str, ...]
    columns: tuple[str, ...]
    source: str
    roles: tuple[str, ...]
    manifest: bool = False
    fill_record: bool = False
    explicit_ids: bool = False


@dataclass(frozen=True)
class UnloadCommand:
    query: str
    target: str
    roles: tuple[str, ...]
    partition_by: tuple[str, ...] = ()
    include: bool = False
    manifest: bool = False
    verbose: bool = False
    allow_overwrite: bool = False
    clean_path: bool = False
    parallel: bool = True
    max_file_megabytes: int = 6200


def parse_copy(tokens: list[Token]) -> CopyCommand:
    """Raises RedshiftError."""
    cursor = Cursor(tokens)
    cursor.expect("COPY")
    table, columns = cursor.qualified_name(), ()
    if cursor.peek() and cursor.peek().text == "(":
        columns = tuple(token.name() for token in cursor.parenthesised() if token.text != ",")
    cursor.expect("FROM")
    source, flags, roles, columnar = s3_url(cursor), set(), (), False
    while cursor.peek():
        if is_role(cursor):
            roles = parse_role(cursor)
        elif is_format(cursor):
            columnar = parse_format(cursor)
        elif cursor.accept("REGION"):
            raise RedshiftError("REGION argument is not supported for PARQUET based COPY")
        elif cursor.accept("STATUPDATE"):
            cursor.accept("ON") or cursor.accept("OFF") or cursor.accept("TRUE") or cursor.accept("FALSE")
        elif cursor.accept("MANIFEST"):
            flags.add("manifest")
        elif cursor.accept("FILLRECORD"):
            flags.add("fill_record")
        elif cursor.accept("EXPLICIT_IDS"):
            flags.add("explicit_ids")
        else:
            refuse_option(cursor.next(), "COPY")
    if not roles:
        raise RedshiftError("COPY requires authorization parameters", hint="Add IAM_ROLE default or IAM_ROLE '<arn>'.")
    if not columnar:
        raise RedshiftError("COPY of text files is not supported here", hint="Say FORMAT AS PARQUET.")
    return CopyCommand(table, columns, source, roles, **{flag: True for flag in flags})


def parse_unload(tokens: list[Token]) -> UnloadCommand:
    """Raises RedshiftError."""
    cursor = Cursor(tokens)
    cursor.expect("UNLOAD")
    query = Cursor(cursor.parenthesised())
    options = {"query": query.string()}
    query.end()
    cursor.expect("TO")
    options["target"], roles, columnar = s3_url(cursor), (), False
    while cursor.peek():
        if is_role(cursor):
            roles = parse_role(cursor)
        elif is_format(cursor):
            columnar = parse_format(cursor)
        elif cursor.accept("PARTITION", "BY"):
            options["partition_by"] = tuple(t.name() for t in cursor.parenthesised() if t.text != ",")
            options["include"] = cursor.accept("INCLUDE")
        elif cursor.accept("MANIFEST"):
            options["manifest"], options["verbose"] = True, cursor.accept("VERBOSE")
        elif cursor.accept("ALLOWOVERWRITE"):
            options["allow_overwrite"] = True
        elif cursor.accept("CLEANPATH"):
            options["clean_path"] = True
        elif cursor.accept("PARALLEL"):
            options["parallel"] = parse_switch(cursor)
        elif cursor.accept("MAXFILESIZE"):
            options["max_file_megabytes"] = parse_size(cursor)
        else:
            refuse_option(cursor.next(), "UNLOAD")
    if not roles:
        raise RedshiftError("UNLOAD requires authorization parameters", hint="Add IAM_ROLE default or '<arn>'.")
    if not columnar:
        raise RedshiftError("UNLOAD to text files is not supported here", hint="Say FORMAT AS PARQUET.")
    if options.get("allow_overwrite") and options.get("clean_path"):
        raise RedshiftError("CLEANPATH and ALLOWOVERWRITE can not be specified together")
    return UnloadCommand(roles=roles, **options)


def s3_url(cursor: Cursor) -> str:
    url = cursor.string()
    if not re.match(r"s3://[^/]+/?", url):
        raise RedshiftError(f"Invalid S3 URI '{url}'", hint="Only s3://<bucket>/<key> is read and written here.")
    return url


def is_role(cursor: Cursor) -> bool:
    return cursor.peek().is_("IAM_ROLE", "CREDENTIALS", "WITH")


def parse_role(cursor: Cursor) -> tuple[str, ...]:
    cursor.accept("WITH")
    if cursor.accept("IAM_ROLE"):
        if cursor.accept("DEFAULT"):
            return ("default",)
        value = cursor.string()
        return ("default",) if value == "default" else tuple(value.split(","))
    cursor.expect("CREDENTIALS")
    cursor.accept("AS")
    value = cursor.string()
    if not value.startswith("aws_iam_role="):
        raise RedshiftError("Access keys are not accepted here", hint="Say IAM_ROLE '<arn>'.")
    return tuple(value.removeprefix("aws_iam_role=").split(","))


def is_format(cursor: Cursor) -> bool:
    return cursor.peek().is_("FORMAT", "PARQUET")


def parse_format(cursor: Cursor) -> bool:
    if cursor.accept("FORMAT"):
        cursor.accept("AS")
    if cursor.accept("PARQUET"):
        return True
    token = cursor.next()
    if token.upper in TEXT_FORMATS:
        raise RedshiftError(f"FORMAT {token.upper} is not supported here", hint="Only PARQUET is.")
    raise syntax_error(token)


def parse_switch(cursor: Cursor) -> bool:
    if cursor.accept("ON") or cursor.accept("TRUE"):
        return True
    if cursor.accept("OFF") or cursor.accept("FALSE"):
        return False
    raise syntax_error(cursor.peek())


def parse_size(cursor: Cursor) -> int:
    """Megabytes of MAXFILESIZE, rounded down to whole row groups of 32 MB as AWS does."""
    cursor.accept("AS")
    size = float(cursor.next().text)
    if cursor.accept("GB"):
        size *= 1024
    else:
        cursor.accept("MB")
    if not 5 <= size <= 6348:
        raise RedshiftError("MAXFILESIZE must be between 5 MB and 6.2 GB")
    return max(32, int(size) // 32 * 32)


def refuse_option(token: Token, command: str) -> None:
    if token.upper in TEXT_FORMATS:
        raise RedshiftError(f"{command} with {token.upper} is not supported here", hint="Only FORMAT AS PARQUET is.")
    if token.upper in OTHER_OPTIONS:
        raise RedshiftError(f"{token.upper} argument is not supported for PARQUET based {command}")
    if token.upper in NOT_DONE_HERE:
        raise RedshiftError(f"{token.upper} is not done here for PARQUET based {command}")
    raise syntax_error(token)
