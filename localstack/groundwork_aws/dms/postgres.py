"""The PostgreSQL source: its connection, its catalog, and what each column becomes on the way to S3.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Source.PostgreSQL.html#CHAP_Source-PostgreSQL-DataTypes
https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.S3.html#CHAP_Target.S3.DataTypes

PostgreSQL itself brings each column into its DMS type by an expression in the query that unloads the table, so that
the client only decodes numbers, texts and timestamps. OID large objects and PostGIS types are not migrated.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import psycopg
import pyarrow as pa

from groundwork_aws.dms.mappings import identifier

CONNECT_TIMEOUT_SECONDS = 10
# After four times as long without a sign of life a connection counts as broken; TCP alone would wait for hours.
SILENCE_SECONDS = 10
# How values are written as texts.
SESSION = (
    "-c timezone=UTC -c datestyle=ISO,YMD -c intervalstyle=postgres -c extra_float_digits=3 -c bytea_output=hex "
    "-c lc_monetary=C -c client_encoding=UTF8"
)


@dataclass(frozen=True)
class Source:
    """A source endpoint with its secret resolved.

    ``execute_timeout``: seconds a catalog query may take. ``unbounded_varchar_bytes``: where a varchar without a length
    is cut. ``long_varchar_as``: the DMS type of a varchar(n) with n > 16387.
    """

    host: str
    port: int
    database: str
    user: str
    password: str
    ssl_mode: str = "none"
    map_boolean_as_boolean: bool = False
    long_varchar_as: str = "wstring"
    trim_space_in_char: bool = True
    fail_on_lob_truncation: bool = False
    execute_timeout: int = 60
    unbounded_varchar_bytes: int = 8000

    def connection_string(self) -> str:
        # "none" is not libpq's default: that one tries TLS first and hides that it is not there
        ssl_mode = "disable" if self.ssl_mode == "none" else self.ssl_mode
        return psycopg.conninfo.make_conninfo(
            host=self.host, port=self.port, dbname=self.database, user=self.user, password=self.password,
            sslmode=ssl_mode, connect_timeout=CONNECT_TIMEOUT_SECONDS, application_name="awsdms",
            options=SESSION, keepalives_idle=SILENCE_SECONDS, keepalives_interval=SILENCE_SECONDS, keepalives_count=3,
            tcp_user_timeout=SILENCE_SECONDS * 4000,
        )  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A column on its way: ``expression`` is what PostgreSQL is asked for, ``type`` what is written.

    ``limit`` is the number of bytes after which a value is cut, None without one; characters of an NCLOB count two
    bytes each (``wide``).
    """

    name: str
    dms_type: str
    expression: str
    type: pa.DataType
    limit: int | None = None
    wide: bool = False


@dataclass(frozen=True)
class Table:
    schema: str
    name: str
    is_view: bool


def check(source: Source) -> None:
    """Connect and read. Raises psycopg.Error."""
    with psycopg.connect(source.connection_string()) as connection:
        connection.execute("SELECT 1")


def tables(connection: psycopg.Connection) -> list[Table]:
    """Every table and view of the database. Partitions are read through their parent."""
    rows = connection.execute(
        """SELECT n.nspname, c.relname, c.relkind IN ('v', 'm')
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition
             AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
           ORDER BY 1, 2"""
    )
    return [Table(*row) for row in rows]


def catalog_columns(connection: psycopg.Connection, table: Table) -> list[dict]:
    """The columns in their order, domains resolved to their base type. ``length`` is that of a character type."""
    cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
    cursor.execute(
        """SELECT column_name AS name, data_type AS type, udt_name AS udt, numeric_precision AS precision,
                  numeric_scale AS scale, character_maximum_length AS length
           FROM information_schema.columns WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position""",
        (table.schema, table.name),
    )
    return cursor.fetchall()


def relation_columns(connection: psycopg.Connection, columns: Iterable[tuple[str, int, int]]) -> list[dict]:
    """The same of columns that are known by (name, type's OID, type modifier); a type that is gone is a text."""
    cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
    names, types, modifiers = ([*parts] for parts in zip(*columns, strict=True)) if columns else ([], [], [])
    cursor.execute(
        """SELECT c.name, coalesce(t.typname, '') AS udt,
                  CASE WHEN t.typelem <> 0 AND t.typlen = -1 THEN 'ARRAY'
                       WHEN t.typnamespace = 'pg_catalog'::regnamespace THEN format_type(t.oid, NULL)
                       ELSE 'USER-DEFINED' END AS type,
                  information_schema._pg_numeric_precision(t.oid, m.modifier) AS precision,
                  information_schema._pg_numeric_scale(t.oid, m.modifier) AS scale,
                  information_schema._pg_char_max_length(t.oid, m.modifier) AS length
           FROM unnest(%s::text[], %s::oid[], %s::int[]) WITH ORDINALITY c(name, type, modifier, position)
           LEFT JOIN pg_type given ON given.oid = c.type
           LEFT JOIN pg_type t ON t.oid = CASE given.typtype WHEN 'd' THEN given.typbasetype ELSE given.oid END
           CROSS JOIN LATERAL (
               SELECT CASE given.typtype WHEN 'd' THEN given.typtypmod ELSE c.modifier END) m(modifier)
           ORDER BY c.position""",
        (names, types, modifiers),
    )
    return cursor.fetchall()


TEXT = pa.string()
UTC_MICROSECONDS = pa.timestamp("us", "UTC")
PLAIN = {
    "smallint": ("INT2", pa.int16()),
    "integer": ("INT4", pa.int32()),
    "bigint": ("INT8", pa.int64()),
    "real": ("REAL4", pa.float32()),
    "double precision": ("REAL8", pa.float64()),
    "date": ("DATE", pa.date32()),
    "timestamp without time zone": ("DATETIME", UTC_MICROSECONDS),
    "timestamp with time zone": ("DATETIME", UTC_MICROSECONDS),
    "uuid": ("STRING", TEXT),
}
CLOBS = {"xml", "tsvector", "tsquery", "path", "polygon"}
NCLOBS = {"text", "citext", "json", "jsonb", "ARRAY", "USER-DEFINED"}
NOT_MIGRATED = {"geometry", "geography", "raster", "oid", "lo"}
# https://www.postgresql.org/docs/current/datatype-numeric.html: what a numeric without precision is cut to
UNBOUNDED_NUMERIC = (28, 6)
LONG_VARCHAR = 16387


def column(found: dict, source: Source, lob_bytes: int, enums: frozenset[str] = frozenset()) -> Column | None:
    """What a source column becomes, or None when its type is not migrated. ``lob_bytes``: where LOBs are cut."""
    name, kind, quoted = found["name"], found["type"], identifier(found["name"])
    if kind in NOT_MIGRATED or found["udt"] in NOT_MIGRATED:
        return None
    made = Column(name, "STRING", f"{quoted}::text", TEXT)
    if kind in PLAIN:
        dms_type, arrow = PLAIN[kind]
        expression = f"{quoted}::text" if kind == "uuid" else quoted
        made = Column(name, dms_type, expression, arrow)
    elif kind == "numeric":
        made = numeric(made, quoted, found["precision"], found["scale"])
    elif kind == "money":
        made = replace(made, dms_type="NUMERIC", expression=f"{quoted}::numeric(38,4)", type=pa.decimal128(38, 4))
    elif kind == "boolean" and source.map_boolean_as_boolean:
        made = replace(made, dms_type="BOOLEAN", expression=quoted, type=pa.bool_())
    elif kind.startswith("time "):
        made = replace(made, dms_type="TIME", expression=f"{quoted}::time", type=pa.time32("ms"))
    elif kind == "character":
        made = replace(made, dms_type="WSTRING", expression=made.expression if source.trim_space_in_char else quoted)
    elif kind == "character varying":
        made = varchar(made, quoted, found["length"], source, lob_bytes)
    elif kind == "bytea":
        made = replace(made, dms_type="BLOB", expression=quoted, type=pa.binary(), limit=lob_bytes)
    elif kind == "interval":
        made = replace(made, expression=interval_text(quoted))
    elif kind == "inet":
        # a cast would add the prefix length that PostgreSQL's own output leaves away for a single host
        made = replace(made, expression=f"CASE WHEN {quoted} IS NOT NULL THEN format('%s', {quoted}) END")
    elif kind in CLOBS:
        made = replace(made, dms_type="CLOB", limit=lob_bytes)
    elif kind in NCLOBS and found["udt"] not in enums:
        made = replace(made, dms_type="NCLOB", limit=lob_bytes, wide=True)
    return made


def numeric(made: Column, quoted: str, precision: int | None, scale: int | None) -> Column:
    """NaN, which DuckDB would read as 0, and infinity become NULL. A number too large fails the query."""
    if precision is None:
        precision, scale = UNBOUNDED_NUMERIC
        # only a finite number less itself is 0
        finite = f"CASE WHEN {quoted} - {quoted} = 0 THEN {quoted} END"
        expression = f"trunc({finite}, {scale})::numeric({precision},{scale})"
    elif precision > 38 or not 0 <= scale <= precision:
        return made
    else:
        expression = f"nullif({quoted}, 'NaN')"
    return replace(made, dms_type="NUMERIC", expression=expression, type=pa.decimal128(precision, scale))


def varchar(made: Column, quoted: str, length: int | None, source: Source, lob_bytes: int) -> Column:
    if length is None:
        return replace(made, dms_type="WSTRING", expression=quoted, limit=source.unbounded_varchar_bytes)
    if length > LONG_VARCHAR and source.long_varchar_as != "wstring":
        wide = source.long_varchar_as == "nclob"
        return replace(made, dms_type=source.long_varchar_as.upper(), expression=quoted, limit=lob_bytes, wide=wide)
    return replace(made, dms_type="WSTRING", expression=quoted)


def interval_text(quoted: str) -> str:
    """``1 YEAR, 2 MONTHS, 3 DAYS``: parts that are zero are left out, seconds keep their fraction."""
    fields = (("year", "YEAR"), ("month", "MONTH"), ("day", "DAY"), ("hour", "HOUR"), ("minute", "MINUTE"))
    parts = [f"extract({field} FROM {quoted})::bigint" for field, _ in fields]
    parts.append(f"trim_scale(extract(second FROM {quoted}))")
    words = [word for _, word in fields] + ["SECOND"]
    pieces = ", ".join(
        f"CASE WHEN {part} <> 0 THEN {part} || ' {word}' || CASE WHEN {part} = 1 THEN '' ELSE 'S' END END"
        for part, word in zip(parts, words, strict=True)
    )
    return f"CASE WHEN {quoted} IS NOT NULL THEN coalesce(nullif(concat_ws(', ', {pieces}), ''), '0 SECONDS') END"


def enum_types(connection: psycopg.Connection) -> frozenset[str]:
    return frozenset(name for (name,) in connection.execute("SELECT typname FROM pg_type WHERE typtype = 'e'"))
