"""How Athena words what went wrong with a query.

``SyntaxRefused`` is answered by StartQueryExecution itself, a ``QueryFailed`` ends a running query in FAILED.
https://docs.aws.amazon.com/athena/latest/ug/error-reference.html
"""

import re
from dataclasses import dataclass

import duckdb

SYSTEM, USER = 1, 2
# ErrorType by the code a StateChangeReason starts with
ERROR_TYPES = {
    "HIVE_BAD_DATA": 1001,
    "HIVE_CANNOT_OPEN_SPLIT": 1001,
    "TYPE_MISMATCH": 1000,
    "TABLE_NOT_FOUND": 1000,
    "COLUMN_NOT_FOUND": 1004,
    "SCHEMA_NOT_FOUND": 1004,
    "FAILED: SemanticException": 1003,
    "HIVE_PATH_ALREADY_EXISTS": 401,
    "RESULT_WRITE": 401,
    "GENERIC_INTERNAL_ERROR": 100,
}


class SyntaxRefused(Exception):
    """The statement is not one that Athena parses; the text is InvalidRequestException's message."""


@dataclass
class QueryFailed(Exception):
    """A query's end in FAILED. ``reason`` is the StateChangeReason."""

    reason: str
    category: int = USER
    type: int = 1000

    def athena_error(self) -> dict:
        return {"ErrorCategory": self.category, "ErrorType": self.type, "Retryable": False, "ErrorMessage": self.reason}


def failed(code: str, message: str, position: tuple[int, int] | None = None) -> QueryFailed:
    """A failure worded ``CODE: line l:c: message``."""
    where = f"line {position[0]}:{position[1]}: " if position else ""
    category = SYSTEM if ERROR_TYPES.get(code) == 100 else USER
    return QueryFailed(f"{code}: {where}{message}", category, ERROR_TYPES.get(code, 1000))


def from_duckdb(error: duckdb.Error, locate) -> QueryFailed:
    """Athena's words for an error of DuckDB's; ``locate(name)`` finds where an identifier stands in the query."""
    text = str(error).split("\n\nLINE ")[0]
    message = text.split(": ", 1)[-1].splitlines()[0] if ": " in text else text
    for pattern, make in RULES:
        found = re.search(pattern, text)
        if found:
            return make(found, locate)
    if isinstance(error, (duckdb.HTTPException, duckdb.IOException)):
        return failed("GENERIC_INTERNAL_ERROR", message)
    return failed(CODES.get(type(error).__name__, "GENERIC_INTERNAL_ERROR"), message)


def column_not_found(found: re.Match, locate) -> QueryFailed:
    name = found[1].split(".")[-1]
    position, written = locate(name)
    return failed("COLUMN_NOT_FOUND", f"Column '{written}' cannot be resolved", position)


def bad_file(found: re.Match, locate) -> QueryFailed:
    return failed("HIVE_BAD_DATA", f"Not valid Parquet file: {found[1]} expected magic number: PAR1")


RULES = [
    (r'Referenced column "([^"]+)" not found', column_not_found),
    (r'does not have a column named "([^"]+)"', column_not_found),
    (r'Referenced column "([^"]+)" was not found', column_not_found),
    (r'Referenced table "([^"]+)" not found', lambda m, locate: failed(
        "COLUMN_NOT_FOUND", f"Column '{locate(m[1])[1]}' cannot be resolved", locate(m[1])[0])),
    (r'Ambiguous reference to column name "([^"]+)"', lambda m, locate: failed(
        "AMBIGUOUS_NAME", f"Column '{m[1]}' is ambiguous", locate(m[1])[0])),
    (r"[Nn]o magic bytes found at end of file '([^']+)'", bad_file),
    (r"file '([^']+)' too small to be a Parquet file", bad_file),
    (r"column \"([^\"]+)\" must appear in the GROUP BY", lambda m, locate: failed(
        "EXPRESSION_NOT_AGGREGATE", f"'{m[1]}' must be an aggregate expression or appear in GROUP BY clause",
        locate(m[1])[0])),
]  # fmt: skip

CODES = {
    "BinderException": "TYPE_MISMATCH",
    "ConversionException": "INVALID_CAST_ARGUMENT",
    "OutOfRangeException": "NUMERIC_VALUE_OUT_OF_RANGE",
    "InvalidInputException": "INVALID_FUNCTION_ARGUMENT",
    "OutOfMemoryException": "EXCEEDED_LOCAL_MEMORY_LIMIT",
    "ParserException": "SYNTAX_ERROR",
    "NotImplementedException": "NOT_SUPPORTED",
}
