"""What kind a statement is, by how it begins.

https://docs.aws.amazon.com/athena/latest/APIReference/API_QueryExecution.html (StatementType)
"""

import re
from dataclasses import dataclass

from groundwork_aws.athena import dialect
from groundwork_aws.athena.errors import SyntaxRefused

COMMENT = re.compile(r"\s+|--[^\n]*(\n|$)|/\*.*?\*/", re.S)


@dataclass(frozen=True)
class Statement:
    """``kind`` is DML, DDL or UTILITY; ``action`` what is done, as SubstatementType says it."""

    sql: str
    kind: str
    action: str


def classify(sql: str) -> Statement:
    """Raises SyntaxRefused for a statement that does not parse or is of no type that is run here."""
    text = without_comments(sql).rstrip().removesuffix(";").rstrip()
    first = re.match(r"[a-z]+|\(|", text.lower())[0]
    if first in ("select", "with", "values", "("):
        dialect.parse(text)
        return Statement(text, "DML", "SELECT")
    raise SyntaxRefused("Queries of this type are not supported")


def without_comments(sql: str) -> str:
    """The statement from its first word on."""
    while found := COMMENT.match(sql):
        if not found[0]:
            break
        sql = sql[found.end() :]
    return sql
