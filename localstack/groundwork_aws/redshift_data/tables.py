"""CREATE TABLE and ALTER TABLE.

https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_TABLE_NEW.html
https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_TABLE_AS.html
https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_TABLE.html

Distribution, sort keys and encodings have nothing to act on and are left out, as are keys, which Redshift does not
enforce (RS-Q-05). NOT NULL stays. A character column gets a check of its bytes, which PostgreSQL does not count; a
check and not a domain, so that the column's type is still ``varchar(n)`` for whoever reads the catalog.
"""

from groundwork_aws.redshift_data.queries import rewrite
from groundwork_aws.redshift_data.tokens import (
    Cursor,
    RedshiftError,
    Token,
    literal,
    quote,
    split,
    syntax_error,
    text_of,
)
from groundwork_aws.redshift_data.types import Type, read_type

SYSTEM_COLUMNS = {"oid", "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"}
ENCODINGS = {
    "RAW", "AZ64", "BYTEDICT", "DELTA", "DELTA32K", "LZO", "MOSTLY8", "MOSTLY16", "MOSTLY32", "RUNLENGTH", "TEXT255",
    "TEXT32K", "ZSTD", "AUTO",
}  # fmt: skip
BYTES_CHECK = "varchar_bytes_"


def create_table(cursor: Cursor) -> str:
    """The statement after CREATE, from [TEMP] TABLE on. Raises RedshiftError."""
    cursor.accept("LOCAL")
    temporary = cursor.accept("TEMP") or cursor.accept("TEMPORARY")
    cursor.expect("TABLE")
    if_not_exists = cursor.accept("IF", "NOT", "EXISTS")
    name = cursor.qualified_name()
    kind = "temp table" if temporary or name[-1].startswith("#") else "table"
    head = f"create {kind} {'if not exists ' if if_not_exists else ''}{quote(*name)}"
    definition = table_elements(cursor, name[-1])
    read_attributes(cursor)
    if cursor.accept("AS"):
        query = cursor.rest()
        # CREATE TABLE t AS (select …): the parentheses are the query's
        return f"{head}{names_of(definition)} as {text_of(rewrite(query))}"
    cursor.end()
    if definition is None:
        raise syntax_error(None)
    return f"{head} ({', '.join(definition)})"


def names_of(definition: list[str] | None) -> str:
    return f" ({', '.join(definition)})" if definition else ""


def table_elements(cursor: Cursor, table: str) -> list[str] | None:
    """The parts between the parentheses, in PostgreSQL's words; None when there are no parentheses."""
    if cursor.peek() is None or cursor.peek().text != "(":
        return None
    elements = []
    for part in split(cursor.parenthesised(), ","):
        element = Cursor(part)
        if element.peek() is None:
            raise syntax_error(cursor.peek())
        if element.accept("LIKE"):
            elements.append(like(element))
        elif not is_key(element):
            elements += column(element, table)
    return elements


def like(cursor: Cursor) -> str:
    parent = quote(*cursor.qualified_name())
    defaults = cursor.accept("INCLUDING", "DEFAULTS")
    if not defaults:
        cursor.accept("EXCLUDING", "DEFAULTS")
    cursor.end()
    # The checks of bytes come along; they are part of the column's type in Redshift's eyes.
    return f"like {parent} including constraints{' including defaults' if defaults else ''}"


def is_key(cursor: Cursor) -> bool:
    """Read a table constraint that Redshift keeps as information only; refuse those it does not have."""
    start = cursor.at
    if cursor.accept("CONSTRAINT"):
        cursor.identifier()
    if cursor.accept("PRIMARY", "KEY") or cursor.accept("UNIQUE"):
        cursor.parenthesised()
    elif cursor.accept("FOREIGN", "KEY"):
        cursor.parenthesised()
        cursor.expect("REFERENCES")
        references(cursor)
    elif cursor.peek() and cursor.peek().is_("CHECK", "EXCLUDE"):
        raise syntax_error(cursor.peek())
    else:
        cursor.at = start
        return False
    cursor.end()
    return True


def references(cursor: Cursor) -> None:
    cursor.qualified_name()
    if cursor.peek() and cursor.peek().text == "(":
        cursor.parenthesised()


def column(cursor: Cursor, table: str) -> list[str]:
    """A column's definition, and the check of its bytes. Without a type it is the column list of CREATE TABLE AS."""
    name = cursor.identifier()
    if name in SYSTEM_COLUMNS:
        raise RedshiftError(f'column name "{name}" conflicts with a system column name')
    if cursor.peek() is None:
        return [quote(name)]
    kind = read_type(cursor, f"{table}.{name}")
    return [f"{quote(name)} {kind.sql}{column_attributes(cursor)}", *bytes_check(name, kind)]


def bytes_check(name: str, kind: Type) -> list[str]:
    if kind.max_bytes is None:
        return []
    constraint = quote(f"{BYTES_CHECK}{kind.max_bytes}_{name[:40]}")
    return [f"constraint {constraint} check (octet_length({quote(name)}) <= {kind.max_bytes})"]


def column_attributes(cursor: Cursor) -> str:
    """In any order, as Redshift takes them."""
    attributes = ""
    while token := cursor.peek():
        if cursor.accept("NOT", "NULL"):
            attributes += " not null"
        elif cursor.accept("DEFAULT"):
            attributes += f" default {text_of(rewrite(default_value(cursor)))}"
        elif cursor.accept("IDENTITY"):
            attributes += f" generated always as identity ({seed_and_step(cursor)})"
        elif cursor.accept("GENERATED", "BY", "DEFAULT", "AS", "IDENTITY"):
            attributes += f" generated by default as identity ({seed_and_step(cursor)})"
        elif cursor.accept("ENCODE"):
            encoding(cursor)
        elif cursor.accept("COLLATE"):
            case_sensitive(cursor)
        elif cursor.accept("REFERENCES"):
            references(cursor)
        elif not (
            cursor.accept("NULL")
            or cursor.accept("DISTKEY")
            or cursor.accept("SORTKEY")
            or cursor.accept("UNIQUE")
            or cursor.accept("PRIMARY", "KEY")
        ):
            raise syntax_error(token)
    return attributes


ENDS_DEFAULT = {"NOT", "NULL", "ENCODE", "DISTKEY", "SORTKEY", "UNIQUE", "PRIMARY", "REFERENCES", "COLLATE", "IDENTITY"}


def default_value(cursor: Cursor) -> list[Token]:
    """The expression up to the next attribute; its first token may be NULL itself."""
    value, depth = [cursor.next()], 0
    depth += value[0].text == "("
    while cursor.peek() and (depth or not cursor.peek().is_(*ENDS_DEFAULT)):
        token = cursor.next()
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        value.append(token)
    return value


def seed_and_step(cursor: Cursor) -> str:
    """RS-Q-02."""
    numbers = [text_of(part) for part in split(cursor.parenthesised(), ",")]
    if len(numbers) != 2 or not all(number.lstrip("-").isdigit() for number in numbers):
        raise RedshiftError("IDENTITY takes a seed and a step")
    return f"start with {numbers[0]} increment by {numbers[1]}"


def encoding(cursor: Cursor) -> None:
    token = cursor.next()
    if token.upper not in ENCODINGS:
        raise RedshiftError(f'encoding type "{token.text}" is not recognized', position=token.position)


def case_sensitive(cursor: Cursor) -> None:
    if not (cursor.accept("CASE_SENSITIVE") or cursor.accept("CS")):
        raise RedshiftError("COLLATE other than CASE_SENSITIVE is not done here")


def read_attributes(cursor: Cursor) -> None:
    """Pass over a table's attributes (RS-Q-01). Raises RedshiftError at what is none."""
    while (token := cursor.peek()) and not token.is_("AS"):
        if cursor.accept("BACKUP"):
            cursor.accept("YES") or cursor.expect("NO")
        elif cursor.accept("DISTSTYLE"):
            style(cursor)
        elif cursor.accept("DISTKEY"):
            cursor.parenthesised()
        elif cursor.accept("ENCODE"):
            cursor.expect("AUTO")
        elif cursor.accept("SORTKEY", "AUTO"):
            continue
        elif token.is_("COMPOUND", "INTERLEAVED", "SORTKEY"):
            cursor.accept("COMPOUND") or cursor.accept("INTERLEAVED")
            cursor.expect("SORTKEY")
            cursor.parenthesised()
        else:
            raise syntax_error(token)


def style(cursor: Cursor) -> None:
    token = cursor.next()
    if not token.is_("AUTO", "EVEN", "KEY", "ALL"):
        raise RedshiftError(f'diststyle "{token.text}" is not recognized', position=token.position)


def alter_table(cursor: Cursor) -> str:
    """The statement after ALTER TABLE; empty where there is nothing for PostgreSQL to do. Raises RedshiftError."""
    parts = cursor.qualified_name()
    name = quote(*parts)
    if cursor.accept("ADD"):
        return add(cursor, name, parts[-1])
    if cursor.accept("ALTER"):
        return alter(cursor, name)
    if cursor.accept("DROP"):
        return drop(cursor, name)
    if cursor.accept("RENAME"):
        if cursor.accept("TO"):
            return f"alter table {name} rename to {quote(cursor.identifier())}"
        cursor.accept("COLUMN")
        old = quote(cursor.identifier())
        cursor.expect("TO")
        return f"alter table {name} rename column {old} to {quote(cursor.identifier())}"
    if cursor.accept("OWNER", "TO"):
        return f"alter table {name} owner to {quote(cursor.identifier())}"
    if cursor.accept("SET", "SCHEMA"):
        return f"alter table {name} set schema {quote(cursor.identifier())}"
    if cursor.accept("APPEND"):
        raise RedshiftError("ALTER TABLE APPEND is not done here", hint="INSERT INTO … SELECT, then TRUNCATE.")
    raise syntax_error(cursor.peek())


def add(cursor: Cursor, name: str, table: str) -> str:
    """RS-Q-21: one column a statement."""
    if is_key(Cursor(cursor.rest())):
        return ""
    cursor.accept("COLUMN")
    if len(split(cursor.rest(), ",")) > 1:
        raise syntax_error(next(token for token in cursor.rest() if token.text == ","))
    definition, *check = column(cursor, table)
    return f"alter table {name} add column {definition}" + "".join(f", add {constraint}" for constraint in check)


def alter(cursor: Cursor, name: str) -> str:
    if cursor.peek() and cursor.peek().is_("DISTSTYLE", "DISTKEY", "SORTKEY", "COMPOUND", "ENCODE"):
        return ""
    cursor.accept("COLUMN")
    column_name = cursor.identifier()
    if cursor.accept("ENCODE"):
        encoding(cursor)
        cursor.end()
        return ""
    cursor.expect("TYPE")
    kind = read_type(cursor)
    cursor.end()
    if not kind.sql.startswith("varchar"):
        raise RedshiftError(
            f'cannot alter type of column "{column_name}" to {kind.sql}', detail="Only VARCHAR can be resized."
        )
    return f"call redshift.resize_varchar({literal(name)}, {literal(column_name)}, {kind.max_bytes})"


def drop(cursor: Cursor, name: str) -> str:
    if cursor.accept("CONSTRAINT"):
        return ""
    cursor.accept("COLUMN")
    column_name = quote(cursor.identifier())
    behaviour = " cascade" if cursor.accept("CASCADE") else ""
    cursor.accept("RESTRICT")
    cursor.end()
    return f"alter table {name} drop column {column_name}{behaviour}"
