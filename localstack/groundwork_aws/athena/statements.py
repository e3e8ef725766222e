"""What a statement does, and to what: told by its first words, as Athena sends it to Hive's DDL or to Trino.

https://docs.aws.amazon.com/athena/latest/ug/ddl-reference.html
"""

import re
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp

from groundwork_aws.athena import dialect
from groundwork_aws.athena.errors import SyntaxRefused

COMMENT = re.compile(r"\s+|--[^\n]*(\n|$)|/\*.*?\*/", re.S)
NAME = r'(?:(?:`?"?(?P<db>\w+)"?`?)\.)?`?"?(?P<name>\w+)"?`?'
IF_EXISTS = r"(?P<if_exists>IF\s+EXISTS\s+)?"
IF_NOT_EXISTS = r"(?P<if_not_exists>IF\s+NOT\s+EXISTS\s+)?"

WORD = r'`?"?(?P<{}>\w+)"?`?'
QUERY = r"(?P<query>(?:SELECT|WITH|VALUES|\().*{})"

# (kind, action as SubstatementType says it, how the statement reads)
FORMS = [
    ("UTILITY", "SHOW_DATABASES", r"SHOW\s+(?:DATABASES|SCHEMAS)(?:\s+LIKE\s+'(?P<pattern>[^']*)')?"),
    ("UTILITY", "SHOW_TABLES", r"SHOW\s+TABLES(?:\s+(?:IN|FROM)\s+" + WORD.format("db") + ")?"
        r"(?:\s+(?:LIKE\s+)?'(?P<pattern>[^']*)')?"),
    ("UTILITY", "SHOW_COLUMNS", rf"SHOW\s+COLUMNS\s+(?:IN|FROM)\s+{NAME}(?:\s+(?:IN|FROM)\s+{WORD.format('in_db')})?"),
    ("UTILITY", "SHOW_CREATE_TABLE", rf"SHOW\s+CREATE\s+TABLE\s+{NAME}"),
    ("UTILITY", "SHOW_PARTITIONS", rf"SHOW\s+PARTITIONS\s+{NAME}"),
    ("UTILITY", "SHOW_TBLPROPERTIES", rf"SHOW\s+TBLPROPERTIES\s+{NAME}"),
    ("UTILITY", "DESCRIBE_TABLE", rf"(?:DESCRIBE|DESC)\s+{NAME}"),
    ("UTILITY", "EXPLAIN", rf"EXPLAIN\s+{QUERY.format('')}"),
    ("DDL", "CREATE_DATABASE", rf"CREATE\s+(?:DATABASE|SCHEMA)\s+{IF_NOT_EXISTS}{WORD.format('name')}"
        r"(?:\s+COMMENT\s+'(?P<comment>[^']*)')?(?:\s+LOCATION\s+'(?P<location>[^']*)')?"),
    ("DDL", "DROP_DATABASE", rf"DROP\s+(?:DATABASE|SCHEMA)\s+{IF_EXISTS}{WORD.format('name')}"
        r"(?:\s+RESTRICT|\s+(?P<cascade>CASCADE))?"),
    ("DDL", "DROP_TABLE", rf"DROP\s+TABLE\s+{IF_EXISTS}{NAME}"),
    ("DDL", "DROP_VIEW", rf"DROP\s+VIEW\s+{IF_EXISTS}{NAME}"),
    ("DDL", "CREATE_VIEW", rf"CREATE\s+(?P<replace>OR\s+REPLACE\s+)?VIEW\s+{NAME}\s+AS\s+{QUERY.format('')}"),
    ("DDL", "CREATE_TABLE", rf"CREATE\s+EXTERNAL\s+TABLE\s+{IF_NOT_EXISTS}{NAME}\b(?P<rest>.*)"),
    ("DML", "CREATE_TABLE_AS_SELECT", rf"CREATE\s+TABLE\s+{IF_NOT_EXISTS}{NAME}(?:\s+WITH\s*\((?P<options>.*?)\))?"
        rf"\s+AS\s+{QUERY.format('?')}(?P<no_data>\s+WITH\s+NO\s+DATA)?"),
    ("DML", "INSERT", rf"INSERT\s+INTO\s+{NAME}(?:\s*\((?P<columns>[\w\s,\"]+)\))?\s*{QUERY.format('')}"),
    ("DML", "UPDATE", rf"UPDATE\s+{NAME}\s.*"),
    ("DML", "DELETE", rf"DELETE\s+FROM\s+{NAME}(?:\s.*)?"),
    ("DML", "MERGE", rf"MERGE\s+INTO\s+{NAME}\s.*"),
]  # fmt: skip


@dataclass(frozen=True)
class Statement:
    """``kind`` is DML, DDL or UTILITY; ``parts`` the named pieces of the statement that were given."""

    sql: str
    kind: str
    action: str
    parts: dict[str, str] = field(default_factory=dict)

    @property
    def result_suffix(self) -> str:
        """What the result object's name ends with: a write has rows of its own elsewhere."""
        return ".csv" if self.action == "SELECT" else "" if self.kind == "DML" else ".txt"


def classify(sql: str) -> Statement:
    """Raises SyntaxRefused for a statement that does not parse or is of no type that is run here."""
    text = without_comments(sql).rstrip().removesuffix(";").rstrip()
    if re.match(r"(SELECT|WITH|VALUES)\b|\(", text, re.I):
        dialect.parse(text)
        return Statement(text, "DML", "SELECT")
    for kind, action, form in FORMS:
        found = re.fullmatch(form, text, re.I | re.S)
        if found:
            parts = {name: value for name, value in found.groupdict().items() if value is not None}
            if "query" in parts:
                dialect.parse(parts["query"])
            return Statement(text, kind, action, parts)
    raise SyntaxRefused("Queries of this type are not supported")


EXECUTE = re.compile(r"EXECUTE\s+(?P<name>\w+)(?:\s+USING\s+(?P<values>.*))?", re.I | re.S)


def prepared_call(sql: str) -> tuple[str, list[str]] | None:
    """The prepared statement that EXECUTE names and the values that it is given; None for another statement."""
    found = EXECUTE.fullmatch(without_comments(sql).rstrip().removesuffix(";").rstrip())
    if not found:
        return None
    values, start, depth = [], 0, 0
    text = found["values"] or ""
    for token in dialect.tokens_of(text):
        depth += (token.text in "([") - (token.text in ")]")
        if token.text == "," and depth == 0:
            values.append(text[start : token.start])
            start = token.end + 1
    return found["name"], [v.strip() for v in [*values, text[start:]] if v.strip()]


def with_values(sql: str, values: list[str]) -> str:
    """The statement with its question marks replaced, in their order. Raises SyntaxRefused."""
    places = [t for t in dialect.tokens_of(sql) if t.token_type is sqlglot.TokenType.PLACEHOLDER]
    if len(places) != len(values):
        raise SyntaxRefused(f"Incorrect number of parameters: expected {len(places)} but found {len(values)}")
    for token, value in reversed(list(zip(places, values, strict=True))):
        check_value(value)
        sql = sql[: token.start] + value + sql[token.end + 1 :]
    return sql


def check_value(text: str) -> None:
    try:
        value = sqlglot.parse_one(text, read=dialect.Athena)
    except sqlglot.errors.SqlglotError as error:
        raise SyntaxRefused(f"Invalid parameter value: {text}") from error
    plain = value.this if isinstance(value, (exp.Neg, exp.Cast)) else value
    if not isinstance(plain, (exp.Literal, exp.Boolean, exp.Null)):
        raise SyntaxRefused(f"Invalid parameter value, which must be a literal: {text}")


def without_comments(sql: str) -> str:
    """The statement from its first word on."""
    while found := COMMENT.match(sql):
        if not found[0]:
            break
        sql = sql[found.end() :]
    return sql


@dataclass(frozen=True)
class TableDefinition:
    """CREATE EXTERNAL TABLE's clauses; types are Hive's."""

    columns: list[tuple[str, str]]
    partition_keys: list[tuple[str, str]]
    location: str
    properties: dict[str, str]
    stored_as: str
    serde: str


def table_definition(sql: str) -> TableDefinition:
    """Read a CREATE EXTERNAL TABLE statement. Raises SyntaxRefused."""
    try:
        tree = sqlglot.parse_one(sql, read="hive", error_level=sqlglot.ErrorLevel.IMMEDIATE)
    except sqlglot.errors.SqlglotError as error:
        raise SyntaxRefused(f"line 1:1: {str(error).splitlines()[0]}") from error
    if not isinstance(tree, exp.Create):
        raise SyntaxRefused("line 1:8: mismatched input 'EXTERNAL'. Expecting: 'OR', 'SCHEMA', 'TABLE', 'VIEW'")
    columns = tree.this.expressions if isinstance(tree.this, exp.Schema) else []
    partitioned = tree.find(exp.PartitionedByProperty)
    location = tree.find(exp.LocationProperty)
    stored_as = tree.find(exp.FileFormatProperty)
    serde = tree.find(exp.RowFormatSerdeProperty)
    return TableDefinition(
        columns=column_types(columns),
        partition_keys=column_types(partitioned.this.expressions if partitioned else []),
        location=location.this.name if location else "",
        properties={
            p.name.lower(): p.args["value"].name for p in tree.find_all(exp.Property) if type(p) is exp.Property
        },
        stored_as=stored_as.this.name.upper() if stored_as and stored_as.this.name else "",
        serde=serde.this.name if serde else "",
    )


def column_types(definitions: list) -> list[tuple[str, str]]:
    """Hive writes its types in small letters and without spaces."""
    return [(d.name.lower(), d.args["kind"].sql(dialect="hive").lower().replace(" ", "")) for d in definitions]
