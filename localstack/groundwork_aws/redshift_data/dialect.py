"""The dialect gate: Redshift's SQL in PostgreSQL's words, and a refusal in Redshift's words for what Redshift lacks.

``translate`` is a pure function: it needs neither a server nor LocalStack, so that SQL can be checked before it runs.
It fails closed: a statement, a function or a type that is not known to be Redshift's is refused.

https://docs.aws.amazon.com/redshift/latest/dg/c_redshift-and-postgres-sql.html

Not checked: names of tables and columns, types of expressions. Not emulated: trailing blanks are insignificant in
Redshift's comparisons (RS-Q-04), the scale of numeric results (RS-Q-19), serializable isolation (RS-Q-20).
"""

from collections.abc import Callable
from dataclasses import dataclass

from groundwork_aws.redshift_data import merge, tables, utilities, views
from groundwork_aws.redshift_data.commands import CopyCommand, UnloadCommand, parse_copy, parse_unload
from groundwork_aws.redshift_data.queries import rewrite
from groundwork_aws.redshift_data.tokens import Cursor, Token, split, syntax_error, text_of, tokenize


@dataclass(frozen=True)
class Statement:
    """``sql`` is for PostgreSQL: one or more texts, none where it has nothing to do. ``command`` is a COPY or UNLOAD
    instead; ``commits`` says that the statement ends its transaction; ``tag`` is the statement's first word."""

    sql: tuple[str, ...] = ()
    command: CopyCommand | UnloadCommand | None = None
    commits: bool = False
    tag: str = ""


def translate(sql: str) -> list[Statement]:
    """The statements of a text, separated by semicolons. Raises RedshiftError."""
    return [translate_one(tokens) for tokens in split(tokenize(sql), ";") if tokens]


def translate_one(tokens: list[Token]) -> Statement:
    tag = tokens[0].upper
    if tag == "COPY":
        return Statement(command=parse_copy(tokens), tag=tag)
    if tag == "UNLOAD":
        command = parse_unload(tokens)
        translate(command.query)  # refuse the query now, not after files were removed
        return Statement(command=command, tag=tag)
    if tag not in STATEMENTS:
        raise syntax_error(tokens[0])
    translated = STATEMENTS[tag](tokens)
    texts = (translated,) if isinstance(translated, str) else tuple(translated)
    return Statement(tuple(text for text in texts if text), commits=tag == "TRUNCATE", tag=tag)


def query(tokens: list[Token]) -> str:
    return text_of(rewrite(tokens))


def create(tokens: list[Token]) -> str:
    cursor = Cursor(tokens)
    cursor.expect("CREATE")
    following = cursor.peek()
    if following is None:
        raise syntax_error(None)
    if following.is_("TABLE", "TEMP", "TEMPORARY", "LOCAL"):
        return tables.create_table(cursor)
    if following.is_("VIEW", "OR", "MATERIALIZED"):
        return views.create(cursor, tokens)
    if following.is_("SCHEMA", "USER", "GROUP", "ROLE"):
        return utilities.create(cursor, tokens)
    raise syntax_error(following)


def alter(tokens: list[Token]) -> str:
    cursor = Cursor(tokens)
    cursor.expect("ALTER")
    if cursor.accept("TABLE"):
        return tables.alter_table(cursor)
    return utilities.alter(cursor, tokens)


def explain(tokens: list[Token]) -> str:
    cursor = Cursor(tokens)
    cursor.expect("EXPLAIN")
    verbose = " verbose" if cursor.accept("VERBOSE") else ""
    if cursor.peek() and not cursor.peek().is_("SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "CREATE"):
        raise syntax_error(cursor.peek())
    inner = translate_one(cursor.rest())
    return f"explain{verbose} {inner.sql[0]}"


def insert(tokens: list[Token]) -> str:
    cursor = Cursor(tokens)
    cursor.expect("INSERT", "INTO")
    return query(tokens)


STATEMENTS: dict[str, Callable[[list[Token]], str | list[str]]] = {
    "SELECT": query,
    "WITH": query,
    "(": query,
    "INSERT": insert,
    "UPDATE": query,
    "DELETE": query,
    "MERGE": merge.rewrite_merge,
    "CREATE": create,
    "ALTER": alter,
    "EXPLAIN": explain,
    "REFRESH": views.refresh,
    **utilities.STATEMENTS,
}
