"""Expressions and queries: what Redshift's SQL says in PostgreSQL's words, and what Redshift does not say at all.

Everything is done on tokens, so that the rest of the text stays as the user wrote it and PostgreSQL's own messages
speak of it. Only QUALIFY needs a syntax tree, which sqlglot makes.
"""

import sqlglot
from sqlglot import exp, transforms

from groundwork_aws.redshift_data import functions
from groundwork_aws.redshift_data.tokens import (
    Cursor,
    RedshiftError,
    Token,
    closing,
    quote,
    split,
    syntax_error,
    text_of,
    tokenize,
    with_text,
)
from groundwork_aws.redshift_data.types import read_type

# constants that are functions without parentheses
SYSDATE, CLOCKS = "SYSDATE", {"CURRENT_TIMESTAMP", "CURRENT_TIME", "LOCALTIME", "LOCALTIMESTAMP"}
SET_OPERATORS = ("UNION", "EXCEPT", "INTERSECT", "MINUS")


def rewrite(tokens: list[Token]) -> list[Token]:
    """A query or an expression in PostgreSQL's words. Raises RedshiftError for what Redshift does not have."""
    guard(tokens)
    tokens = limits(tokens)
    tokens = Rewriter(has_table=any(token.is_("FROM") for token in tokens)).run(tokens)
    if any(token.is_("QUALIFY") for token in tokens):
        return tokenize(without_qualify(text_of(tokens)))
    return tokens


class Rewriter:
    """One pass from left to right. ``has_table``: the statement reads a table, which leader-node functions cannot."""

    def __init__(self, has_table: bool):
        self.has_table = has_table

    def run(self, tokens: list[Token]) -> list[Token]:
        output, at = [], 0
        while at < len(tokens):
            text, after = self.replace(tokens, at)
            output.append(tokens[at] if text is None else with_text(tokens[at], text))
            at = after
        return output

    def render(self, tokens: list[Token]) -> str:
        return text_of(self.run(tokens))

    def replace(self, tokens: list[Token], at: int) -> tuple[str | None, int]:
        """What the token at ``at`` and its followers become (None: it stays), and where to go on."""
        token = tokens[at]
        following = tokens[at + 1] if at + 1 < len(tokens) else None
        if token.text == "::":
            cursor = Cursor(tokens[at + 1 :])
            kind = read_type(cursor)
            return f"::{kind.sql}", at + 1 + cursor.at
        if token.kind == "string" and "\\" in token.text and token.text[0] == "'":
            return f"E{token.text}", at + 1
        if token.kind == "quoted" or token.text.startswith("#"):
            # SELECT … INTO #t makes a temporary table; INSERT INTO #t fills one.
            makes = token.kind == "word" and at > 1 and tokens[at - 1].is_("INTO") and not tokens[at - 2].is_("INSERT")
            return ("temp " if makes else "") + quote(token.name()), at + 1
        if token.kind != "word":
            return None, at + 1
        if token.is_("CAST") and following and following.text == "(":
            return self.cast(tokens, at)
        if token.is_("CONVERT") and following and following.text == "(":
            return self.convert(tokens, at)
        if token.is_("MINUS"):
            return "except", at + 1
        if token.is_("APPROXIMATE"):
            return "", at + 1
        if token.is_(SYSDATE):
            return "redshift.sysdate()", at + 1
        if token.is_(*CLOCKS):
            functions.check_name(token, token.name(), self.has_table)
        if following and following.text == "(" and token.upper not in functions.NOT_CALLS:
            return self.call(tokens, at)
        return None, at + 1

    def cast(self, tokens: list[Token], at: int) -> tuple[str, int]:
        end = closing(tokens, at + 1)
        inner = tokens[at + 2 : end]
        depth, where = 0, None
        for index, token in enumerate(inner):
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            if depth == 0 and token.is_("AS"):
                where = index
        if where is None:
            raise syntax_error(tokens[end])
        cursor = Cursor(inner[where + 1 :])
        kind = read_type(cursor)
        cursor.end()
        return f"cast({self.render(inner[:where])} as {kind.sql})", end + 1

    def convert(self, tokens: list[Token], at: int) -> tuple[str, int]:
        end = closing(tokens, at + 1)
        cursor = Cursor(tokens[at + 2 : end])
        kind = read_type(cursor)
        cursor.expect(",")
        return f"cast({self.render(cursor.rest())} as {kind.sql})", end + 1

    def call(self, tokens: list[Token], at: int) -> tuple[str | None, int]:
        token, name = tokens[at], tokens[at].name()
        before = tokens[at - 1] if at else None
        if (before and before.text == ".") or is_definition(tokens, at):
            # A function of a schema is the user's own, and PostgreSQL knows whether it is there.
            if before.text == "." and at > 1 and tokens[at - 2].name() in ("pg_catalog", "redshift"):
                functions.check_name(token, name, self.has_table)
            return None, at + 1
        end = closing(tokens, at + 1)
        if name == "listagg":
            return self.listagg(tokens, at, end)
        functions.check_name(token, name, self.has_table)
        if name not in functions.CALLS:
            return (f"redshift.{name}", at + 1) if name in functions.EMULATED else (None, at + 1)
        return functions.CALLS[name](split(tokens[at + 2 : end], ","), self.render), end + 1

    def listagg(self, tokens: list[Token], at: int, end: int) -> tuple[str, int]:
        """RS-Q-12."""
        arguments = split(tokens[at + 2 : end], ",")
        functions.need(arguments, "listagg", 1, 2)
        distinct = "distinct " if arguments[0][0].is_("DISTINCT") else ""
        value = self.render(arguments[0][1:] if distinct else arguments[0])
        delimiter = self.render(arguments[1]) if len(arguments) > 1 else "''"
        cursor, order = Cursor(tokens[end + 1 :]), ""
        if cursor.accept("WITHIN"):
            cursor.expect("GROUP")
            order = " " + self.render(cursor.parenthesised())
        return f"string_agg({distinct}({value})::text, {delimiter}{order})", end + 1 + cursor.at


def is_definition(tokens: list[Token], at: int) -> bool:
    """``with t (a, b) as``, ``insert into t (a, b)``, ``from t x (a, b)``: a name with columns, not a call."""
    before = tokens[at - 1] if at else None
    if before is None:
        return False
    end = closing(tokens, at + 1)
    after = tokens[end + 1] if end + 1 < len(tokens) else None
    if before.is_("INTO", "AS"):
        return True
    names_a_query = before.is_("WITH", "RECURSIVE") or before.text == ","
    return bool(
        names_a_query and after and after.is_("AS") and tokens[end + 2 : end + 3] and tokens[end + 2].text == "("
    )


# --- what PostgreSQL has and Redshift lacks (RS-Q-06, RS-Q-08) -------------------------------------------------------


def guard(tokens: list[Token]) -> None:
    """Raises RedshiftError, as Redshift's parser would, at syntax that only PostgreSQL has."""
    for at, token in enumerate(tokens):
        before = tokens[at - 1] if at else Token("", "")
        after = [t.upper or t.text for t in tokens[at + 1 : at + 3]] + ["", ""]
        if token.is_("DISTINCT") and after[0] == "ON" and after[1] == "(":
            raise RedshiftError("SELECT DISTINCT ON is not supported", position=token.position)
        if token.is_("DISTINCT") and (before.is_("IS") or (before.is_("NOT") and at > 1 and tokens[at - 2].is_("IS"))):
            raise syntax_error(token)
        if token.is_("ON") and after[0] == "CONFLICT":
            raise syntax_error(token)
        if token.is_("RETURNING", "LATERAL", "TABLESAMPLE") or (token.is_("FETCH") and after[0] in ("FIRST", "NEXT")):
            raise syntax_error(token)
        if token.is_("FILTER") and before.text == ")" and after[0] == "(":
            raise syntax_error(tokens[at + 1])
        if token.is_("WINDOW") and after[1] == "AS":
            raise syntax_error(token)
        if token.text == "[" or (token.is_("ARRAY", "ROW") and after[0] in ("(", "[")):
            raise syntax_error(token)
        if token.is_("VALUES") and before.text == "(":
            raise syntax_error(token)
        if token.is_("FOR") and after[0] in ("UPDATE", "SHARE"):
            raise syntax_error(token)
        if token.text in ("->", "->>", "@>", "<@", "?", "#", "@@", ":="):
            raise syntax_error(token)
        if token.is_("ILIKE", "LIKE") and after[0] in ("ANY", "ALL"):
            raise syntax_error(tokens[at + 1])


# --- TOP and QUALIFY (RS-Q-14) ----------------------------------------------------------------------------------------


def limits(tokens: list[Token]) -> list[Token]:
    """``SELECT TOP n …`` as ``(SELECT … LIMIT n)``."""
    for at in range(len(tokens) - 1, -1, -1):
        if tokens[at].is_("TOP") and at and tokens[at - 1].is_("SELECT", "ALL", "DISTINCT") and at + 1 < len(tokens):
            start = next(i for i in range(at, -1, -1) if tokens[i].is_("SELECT"))
            end = end_of_select(tokens, at)
            limit = Token("raw", f"limit {tokens[at + 1].text})", " ")
            opening = with_text(tokens[start], f"({tokens[start].text}")
            body = [*tokens[start + 1 : at], *tokens[at + 2 : end]]
            tokens = [*tokens[:start], opening, *body, limit, *tokens[end:]]
    return tokens


def end_of_select(tokens: list[Token], at: int) -> int:
    depth = 0
    for index in range(at, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[index].text, 0)
        if depth < 0 or (depth == 0 and tokens[index].is_(*SET_OPERATORS)):
            return index
    return len(tokens)


def without_qualify(sql: str) -> str:
    """QUALIFY as a filter around the query."""
    try:
        tree = sqlglot.parse_one(sql, read="postgres")
    except sqlglot.errors.ParseError as error:
        details = error.errors[0]
        raise RedshiftError(f'syntax error at or near "{details["highlight"]}"') from error
    tree = tree.transform(lambda node: transforms.eliminate_qualify(node) if isinstance(node, exp.Select) else node)
    return tree.sql("postgres")
