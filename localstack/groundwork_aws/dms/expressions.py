"""The expressions of add-column rules, as far as they are honest here, brought into PostgreSQL's SQL
(for a full load) or evaluated by Arrow (for changes).

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TableMapping.SelectionTransformation.Expressions.html

DMS evaluates SQLite. Understood are text and number literals, ``$column``, the ``$AR_H_`` headers of a full load, and
``||`` between them; everything else raises MappingError rather than mean something else in PostgreSQL.
"""

import re

import pyarrow as pa
import pyarrow.compute as pc

from groundwork_aws.dms.mappings import MappingError, Transformation, identifier
from groundwork_aws.dms.postgres import TEXT, UTC_MICROSECONDS, Column

TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)|\$(?P<name>\w+)|(?P<join>\|\|))\s*")
# What the headers hold while a table is loaded; the stream position and the change sequence belong to changes.
NOW = "(clock_timestamp() AT TIME ZONE 'UTC')"
HEADERS = {
    "AR_H_OPERATION": "'INSERT'",
    "AR_H_COMMIT_TIMESTAMP": NOW,
    "AR_H_TIMESTAMP": NOW,
    "AR_H_STREAM_POSITION": "''",
    "AR_H_CHANGE_SEQ": "''",
}
TYPES = {
    "string": ("text", TEXT), "wstring": ("text", TEXT), "boolean": ("boolean", pa.bool_()),
    "date": ("date", pa.date32()), "time": ("time", pa.time32("ms")),
    "datetime": ("timestamp", UTC_MICROSECONDS), "int1": ("smallint", pa.int8()),
    "int2": ("smallint", pa.int16()), "int4": ("integer", pa.int32()), "int8": ("bigint", pa.int64()),
    "real4": ("real", pa.float32()), "real8": ("double precision", pa.float64()),
}  # fmt: skip


def added_column(rule: Transformation, source_columns: set[str]) -> Column:
    """The column that an add-column rule makes. Raises MappingError."""
    kind = rule.data_type["type"]
    if kind == "numeric":
        precision, scale = int(rule.data_type.get("precision") or 28), int(rule.data_type.get("scale") or 6)
        sql_type, arrow = f"numeric({precision},{scale})", pa.decimal128(precision, scale)
    elif kind in TYPES:
        sql_type, arrow = TYPES[kind]
    else:
        raise MappingError(f"rule {rule.rule_id}: the data-type {kind!r} of an added column is not supported here")
    return Column(rule.value, kind.upper(), f"({translated(rule, source_columns)})::{sql_type}", arrow)


def sql_type(column: Column) -> str:
    """The SQL type of an added column."""
    return column.expression.rpartition("::")[2].partition("(")[0]


def added_values(rule: Transformation, names: dict[str, pa.Array]) -> pa.Array:
    """What the rule's expression gives for changes, as texts: ``names`` holds those of ``$column`` and ``$AR_H_…``."""
    count = len(next(iter(names.values())))
    values = []
    for match in operands(rule):
        if match["name"] is not None:
            values.append(names[match["name"]])
        else:
            text = match["number"] or match["text"][1:-1].replace("''", "'")
            values.append(pa.repeat(pa.scalar(text, pa.string()), count))
    return values[0] if len(values) == 1 else pc.binary_join_element_wise(*values, "")


def translated(rule: Transformation, source_columns: set[str]) -> str:
    sql = [operand(rule, match, source_columns) for match in operands(rule)]
    return sql[0] if len(sql) == 1 else " || ".join(f"({o})::text" for o in sql)


def operands(rule: Transformation) -> list[re.Match]:
    """What stands between the expression's ``||``."""
    matches = list(tokens(rule))
    if len(matches) % 2 == 0 or any((m["join"] is not None) != (i % 2 == 1) for i, m in enumerate(matches)):
        raise refusal(rule)
    return matches[::2]


def tokens(rule: Transformation):
    position = 0
    while position < len(rule.expression):
        match = TOKEN.match(rule.expression, position)
        if not match:
            raise refusal(rule)
        yield match
        position = match.end()


def operand(rule: Transformation, match: re.Match, source_columns: set[str]) -> str:
    if match["name"] is None:
        return match["text"] or match["number"]
    if match["name"] in HEADERS:
        return HEADERS[match["name"]]
    if match["name"] in source_columns:
        return identifier(match["name"])
    raise MappingError(f"rule {rule.rule_id}: the expression names ${match['name']}, which is no column of the table")


def refusal(rule: Transformation) -> MappingError:
    return MappingError(
        f"rule {rule.rule_id}: the expression {rule.expression!r} is not supported here: only literals, $column, "
        f"{', '.join('$' + name for name in HEADERS)} and || are"
    )
