"""Athena's SQL (Trino's dialect) into DuckDB's, failing closed: what Trino would not parse or does not have is refused.

https://docs.aws.amazon.com/athena/latest/ug/ddl-sql-reference.html
"""

from dataclasses import dataclass

import sqlglot
from sqlglot import exp, tokens
from sqlglot.dialects import Trino

from groundwork_aws.athena.coercion import Probe, settle
from groundwork_aws.athena.errors import SyntaxRefused, failed
from groundwork_aws.athena.functions import DUCKDB_NAMES
from groundwork_aws.athena.rewrites import REWRITES, rewrite_cast


class Athena(Trino):
    class Parser(Trino.Parser):
        # every call keeps its name, so that it is our table that says what it means
        FUNCTIONS = {}
        # DECIMAL '1.50' has the literal's own precision, as 1.50 has
        TYPE_LITERAL_PARSERS = {
            **Trino.Parser.TYPE_LITERAL_PARSERS,
            exp.DataType.Type.DECIMAL: lambda self, literal, _: exp.Literal.number(literal.name),
        }
        # and only these have a syntax of their own in Trino: floor, ceil, chr, max_by, … are calls like any other
        FUNCTION_PARSERS = {
            name: Trino.Parser.FUNCTION_PARSERS[name]
            for name in ("CAST", "TRY_CAST", "EXTRACT", "POSITION", "SUBSTRING", "TRIM")
        }


# What sqlglot parses in any dialect and Trino does not.
FOREIGN_TOKENS = {
    tokens.TokenType.DCOLON, tokens.TokenType.L_BRACE, tokens.TokenType.QUALIFY, tokens.TokenType.ILIKE,
    tokens.TokenType.GLOB, tokens.TokenType.PIVOT, tokens.TokenType.UNPIVOT, tokens.TokenType.ASOF,
    tokens.TokenType.SEMI, tokens.TokenType.ANTI, tokens.TokenType.RLIKE, tokens.TokenType.DSTAR,
    tokens.TokenType.PARAMETER, tokens.TokenType.DOLLAR, tokens.TokenType.USE, tokens.TokenType.INTO,
}  # fmt: skip
BRACKETABLE = {
    tokens.TokenType.VAR, tokens.TokenType.IDENTIFIER, tokens.TokenType.R_PAREN, tokens.TokenType.R_BRACKET,
    tokens.TokenType.ARRAY,
}  # fmt: skip

# Trino's grammar as sqlglot names it; a node of another class is somebody else's syntax.
GRAMMAR = (
    exp.Select, exp.From, exp.Join, exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered, exp.Limit,
    exp.Offset, exp.Fetch, exp.Subquery, exp.Union, exp.Intersect, exp.Except, exp.With, exp.CTE,
    exp.TableAlias, exp.Table, exp.Column, exp.Identifier, exp.Star, exp.Literal, exp.Null, exp.Boolean,
    exp.Cast, exp.TryCast, exp.DataType, exp.DataTypeParam, exp.ColumnDef, exp.Alias, exp.Paren, exp.Add,
    exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg, exp.DPipe, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE,
    exp.NullSafeEQ, exp.NullSafeNEQ, exp.Is, exp.Not, exp.And, exp.Or, exp.Between, exp.In, exp.Like,
    exp.Escape, exp.Exists, exp.Any, exp.All, exp.Case, exp.If, exp.Anonymous, exp.Window, exp.WindowSpec,
    exp.Filter, exp.Distinct, exp.Interval, exp.Var, exp.Extract, exp.Array, exp.Bracket, exp.Lambda, exp.Tuple,
    exp.Values, exp.Unnest, exp.Cube, exp.Rollup, exp.GroupingSets, exp.Trim, exp.Substring, exp.StrPosition,
    exp.AtTimeZone, exp.CurrentDate, exp.CurrentTimestamp, exp.CurrentTime, exp.Version, exp.Dot,
    exp.IgnoreNulls, exp.RespectNulls, exp.Struct, exp.PropertyEQ, exp.HexString, exp.Slice,
    exp.Localtimestamp,
)  # fmt: skip


@dataclass(frozen=True)
class TableName:
    """A table as the query names it: ``position`` is (line, column), both from one."""

    database: str
    table: str
    position: tuple[int, int]


def parse(sql: str) -> exp.Query:
    """The tree of a SELECT, WITH or VALUES statement. Raises SyntaxRefused where Trino's parser would refuse it."""
    check_tokens(sql)
    try:
        statements = [s for s in sqlglot.parse(sql, read=Athena) if s is not None]
    except sqlglot.errors.ParseError as error:
        first = error.errors[0]
        raise SyntaxRefused(f"line {first['line']}:{first['col']}: mismatched input '{first['highlight']}'") from error
    except sqlglot.errors.TokenError as error:
        raise SyntaxRefused(f"line 1:1: {error}") from error
    if len(statements) != 1:
        raise SyntaxRefused("Only one sql statement is allowed. Got: " + sql)
    tree = statements[0]
    if isinstance(tree, exp.Values):
        tree = rows_of(tree)
    if not isinstance(tree, exp.Query):
        raise SyntaxRefused("Queries of this type are not supported")
    check_grammar(tree, sql)
    return tree


def rows_of(values: exp.Values) -> exp.Select:
    """A bare VALUES statement as a SELECT, with Trino's names for its columns."""
    first = values.expressions[0]
    width = len(first.expressions) if isinstance(first, exp.Tuple) else 1
    values.set(
        "alias",
        exp.TableAlias(this=exp.to_identifier("t"), columns=[exp.to_identifier(f"_col{i}") for i in range(width)]),
    )
    return exp.select("*").from_(values)


def tokens_of(sql: str) -> list[tokens.Token]:
    """Raises SyntaxRefused, for a text without its closing quote for instance."""
    try:
        return Athena().tokenize(sql)
    except sqlglot.errors.TokenError as error:
        raise SyntaxRefused(f"line 1:1: {error}") from error


def check_tokens(sql: str) -> None:
    found = tokens_of(sql)
    if not found:
        raise SyntaxRefused("line 1:1: mismatched input '<EOF>'")
    previous = None
    for token in found:
        bare_list = token.token_type is tokens.TokenType.L_BRACKET and (
            previous is None or previous.token_type not in BRACKETABLE
        )
        integer_division = (
            previous is not None and token.text == previous.text == "/" and token.start == previous.end + 1
        )
        if token.token_type in FOREIGN_TOKENS or bare_list or integer_division:
            raise mismatched(sql, token.start, token.text)
        previous = token
    if found[0].token_type is tokens.TokenType.FROM:
        raise mismatched(sql, 0, found[0].text)


def check_grammar(tree: exp.Expression, sql: str) -> None:
    for node in tree.walk():
        foreign = not isinstance(node, GRAMMAR)
        if isinstance(node, exp.Select):
            foreign = not node.expressions
        elif isinstance(node, exp.Star):
            foreign = any(node.args.get(a) for a in ("except_", "except", "replace", "rename"))
        elif isinstance(node, exp.Distinct):
            foreign = node.args.get("on") is not None
        elif isinstance(node, exp.Table):
            foreign = isinstance(node.this, exp.Func) or any(node.args.get(a) for a in ("when", "pivots", "hints"))
        if foreign:
            start = next((n.meta["start"] for n in node.walk() if "start" in n.meta), 0)
            raise mismatched(sql, start, node.sql(dialect=Athena)[:60])


def mismatched(sql: str, start: int, text: str) -> SyntaxRefused:
    line, column = position(sql, start)
    return SyntaxRefused(f"line {line}:{column}: mismatched input '{text}'")


def position(sql: str, offset: int) -> tuple[int, int]:
    return sql.count("\n", 0, offset) + 1, offset - (sql.rfind("\n", 0, offset) + 1) + 1


def locate(tree: exp.Expression, sql: str, name: str) -> tuple[tuple[int, int] | None, str]:
    """Where the identifier ``name`` first stands in the query, and how it is written there with its qualifier."""
    for column in tree.find_all(exp.Column):
        first = column.parts[0]
        if any(part.name.lower() == name.lower() for part in column.parts) and "start" in first.meta:
            return position(sql, first.meta["start"]), ".".join(p.name for p in column.parts).lower()
    return None, name


def place_of(node: exp.Expression, sql: str) -> tuple[int, int] | None:
    starts = [n.meta["start"] for n in node.walk() if "start" in n.meta]
    return position(sql, min(starts)) if starts else None


# --- tables ----------------------------------------------------------------------------------------------------------


def tables(tree: exp.Query, sql: str, database: str) -> list[tuple[exp.Table, TableName]]:
    """The catalog's tables that the query reads, each with its node. Names of WITH queries are not among them."""
    found = []
    for node in tree.find_all(exp.Table):
        if not node.db and node.name.lower() in visible_ctes(node):
            continue
        place = position(sql, node.parts[0].meta.get("start", 0))
        catalog = node.catalog.lower()
        if catalog not in ("", "awsdatacatalog"):
            raise failed("CATALOG_NOT_FOUND", f"Catalog '{catalog}' does not exist", place)
        schema = node.db.lower() or database
        if not schema:
            raise failed("MISSING_SCHEMA_NAME", "Schema must be specified when session schema is not set", place)
        if node.args.get("version"):
            raise failed("NOT_SUPPORTED", "This connector does not support versioned tables", place)
        found.append((node, TableName(schema.lower(), node.name.lower(), place)))
    return found


def visible_ctes(node: exp.Expression) -> set[str]:
    names = set()
    while node is not None:
        clause = node.args.get("with_") or node.args.get("with")
        if clause:
            names |= {cte.alias.lower() for cte in clause.expressions}
        node = node.parent
    return names


# --- translation -----------------------------------------------------------------------------------------------------


def to_duckdb(tree: exp.Query, sql: str, relations: dict[int, str], probe: Probe) -> str:
    """The query in DuckDB's dialect. ``relations`` has, by ``id()`` of a table's node, the relation to read instead.

    Raises QueryFailed where a function is called that is not there, or types are combined that Trino does not combine.
    """
    for node in list(tree.find_all(exp.Table)):
        if id(node) in relations:
            alias = node.args.get("alias") or exp.TableAlias(this=exp.to_identifier(node.name, quoted=True))
            node.replace(
                exp.Table(
                    this=exp.to_identifier(relations[id(node)], quoted=True), alias=alias, joins=node.args.get("joins")
                )
            )
    for node in list(tree.find_all(exp.Column)):
        node.set("db", None)
        node.set("catalog", None)
    name_columns(tree)
    # innermost calls first, so that a rewrite sees its arguments as they will be
    for node in reversed(list(tree.find_all(exp.Anonymous))):
        translate_call(node, sql)
    for node in list(tree.find_all(exp.Cast)):
        rewrite_cast(node)
    settle(tree, probe, lambda node: place_of(node, sql))
    return tree.sql(dialect="duckdb")


def name_columns(tree: exp.Query) -> None:
    """Trino calls a column without a name _col0, _col1, … by its place."""
    for select in tree.find_all(exp.Select):
        for index, column in enumerate(select.expressions):
            if not isinstance(column, (exp.Alias, exp.Column, exp.Star, exp.Dot)):
                alias = exp.alias_(column.copy(), f"_col{index}", quoted=True)
                select.expressions[index].replace(alias)


def translate_call(node: exp.Anonymous, sql: str) -> None:
    name = node.name.lower()
    rewrite = REWRITES.get(name)
    replacement = rewrite(node.expressions) if rewrite else None
    if replacement is not None:
        node.replace(replacement)
    elif rewrite is None and name in DUCKDB_NAMES:
        node.set("this", DUCKDB_NAMES[name])
    else:
        start = node.meta.get("start") or next((n.meta["start"] for n in node.walk() if "start" in n.meta), 0)
        raise failed("FUNCTION_NOT_FOUND", f"Function '{name}' not registered", position(sql, start))
