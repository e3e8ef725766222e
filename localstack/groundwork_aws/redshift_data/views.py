"""Views: plain, late-binding and materialized.

https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_VIEW.html
https://docs.aws.amazon.com/redshift/latest/dg/materialized-view-create-sql-command.html

A late-binding view is a plain one here, so its tables must exist, and dropping one of them needs CASCADE (RS-Q-15).
"""

from groundwork_aws.redshift_data.queries import rewrite
from groundwork_aws.redshift_data.tables import read_attributes
from groundwork_aws.redshift_data.tokens import Cursor, RedshiftError, Token, quote, text_of


def create(cursor: Cursor, tokens: list[Token]) -> str:
    """CREATE [OR REPLACE] [MATERIALIZED] VIEW; ``cursor`` is after CREATE. Raises RedshiftError."""
    replace = " or replace" if cursor.accept("OR", "REPLACE") else ""
    if not replace and cursor.accept("MATERIALIZED"):
        return create_materialized(cursor)
    cursor.expect("VIEW")
    name = quote(*cursor.qualified_name())
    columns = ""
    if cursor.peek() and cursor.peek().text == "(":
        columns = f" ({text_of(rewrite(cursor.parenthesised()))})"
    cursor.expect("AS")
    query = cursor.rest()
    if [token.upper for token in query[-4:]] == ["WITH", "NO", "SCHEMA", "BINDING"]:
        query = query[:-4]
        check_qualified(query)
    return f"create{replace} view {name}{columns} as {text_of(rewrite(query))}"


def create_materialized(cursor: Cursor) -> str:
    cursor.expect("VIEW")
    name = quote(*cursor.qualified_name())
    while cursor.peek() and not cursor.peek().is_("AS"):
        if cursor.accept("AUTO", "REFRESH"):
            if cursor.accept("YES"):
                raise RedshiftError("AUTO REFRESH YES is not done here", hint="REFRESH MATERIALIZED VIEW by hand.")
            cursor.expect("NO")
        else:
            read_attributes(cursor)
    cursor.expect("AS")
    return f"create materialized view {name} as {text_of(rewrite(cursor.rest()))}"


def refresh(tokens: list[Token]) -> str:
    cursor = Cursor(tokens)
    cursor.expect("REFRESH", "MATERIALIZED", "VIEW")
    name = quote(*cursor.qualified_name())
    cursor.end()
    return f"refresh materialized view {name}"


def check_qualified(query: list[Token]) -> None:
    """A late-binding view names its tables with their schema."""
    common = {t.name() for t, after in zip(query, query[1:], strict=False) if after.is_("AS") and t.kind != "operator"}
    for at, token in enumerate(query[:-1]):
        table = query[at + 1]
        is_table = token.is_("FROM", "JOIN") and table.kind in ("word", "quoted")
        if is_table and table.name() not in common and (at + 2 >= len(query) or query[at + 2].text != "."):
            raise RedshiftError(
                "All the relation names inside should be qualified when creating VIEW WITH NO SCHEMA BINDING.",
                detail=f"The name is {table.name()}.",
            )
