"""MERGE (AWS_FIDELITY 7.3).

https://docs.aws.amazon.com/redshift/latest/dg/r_MERGE.html
"""

from groundwork_aws.redshift_data.queries import rewrite
from groundwork_aws.redshift_data.tokens import Cursor, RedshiftError, Token, quote, syntax_error, text_of


def rewrite_merge(tokens: list[Token]) -> str:
    """Redshift's MERGE is PostgreSQL's with less: no alias of the target, no condition on WHEN, one clause of each kind
    in a fixed order (RS-M-01). Raises RedshiftError."""
    cursor = Cursor(tokens)
    cursor.expect("MERGE", "INTO")
    target = cursor.qualified_name()
    cursor.expect("USING")
    source, condition, clauses = parts(cursor.rest())
    check_source(source, target)
    if clauses and clauses[0].is_("REMOVE"):
        raise RedshiftError("MERGE … REMOVE DUPLICATES is not done here", hint="DELETE … USING, then INSERT … SELECT.")
    check_clauses(clauses)
    using, on, when = (text_of(rewrite(part)) for part in (source, condition, clauses))
    return f"merge into {quote(*target)} using {using} on {on} {when}"


def parts(tokens: list[Token]) -> tuple[list[Token], list[Token], list[Token]]:
    """What is merged, on what, and what is done."""
    depth, on = 0, None
    for at, token in enumerate(tokens):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and on is None and token.is_("ON"):
            on = at
        elif depth == 0 and on is not None and token.is_("WHEN", "REMOVE") and not in_case(tokens[on:at]):
            return tokens[:on], tokens[on + 1 : at], tokens[at:]
    raise syntax_error(None)


def in_case(tokens: list[Token]) -> bool:
    return sum(token.is_("CASE") for token in tokens) > sum(token.is_("END") for token in tokens)


def check_source(source: list[Token], target: tuple[str, ...]) -> None:
    """RS-M-02."""
    names = [token.name() for token in source if token.kind in ("word", "quoted")]
    is_query = source and source[0].text == "("
    if is_query and target[-1] in names:
        raise RedshiftError("Source view/subquery in Merge statement cannot reference target table.")


def check_clauses(clauses: list[Token]) -> None:
    cursor = Cursor(clauses)
    cursor.expect("WHEN", "MATCHED")
    if not cursor.accept("THEN"):
        raise syntax_error(cursor.peek())
    if not cursor.peek() or not cursor.peek().is_("UPDATE", "DELETE"):
        raise syntax_error(cursor.peek())
    while cursor.peek() and not (cursor.peek().is_("WHEN") and not in_case(clauses[: cursor.at])):
        cursor.next()
    cursor.expect("WHEN", "NOT", "MATCHED", "THEN", "INSERT")
    later = [t for at, t in enumerate(clauses[cursor.at :], cursor.at) if t.is_("WHEN") and not in_case(clauses[:at])]
    if later:
        raise syntax_error(later[0])
