"""DMS table mappings: which tables a task takes, which rows of them, and what they and their columns become.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TableMapping.html

Honoured are selection rules (include, exclude, explicit, table type, load order, source filters) and the
transformation rules of ``ACTIONS``. Every other rule type, action or key of a rule raises MappingError with the name of
what is not done.
"""

import json
import re
from dataclasses import dataclass, field

SELECTION_KEYS = {"rule-type", "rule-id", "rule-name", "object-locator", "rule-action", "filters", "load-order"}
TRANSFORMATION_KEYS = {
    "rule-type", "rule-id", "rule-name", "rule-target", "object-locator", "rule-action", "value", "old-value",
    "expression", "data-type",
}  # fmt: skip
RENAMING = {
    "rename": lambda name, rule: rule.value,
    "convert-lowercase": lambda name, rule: name.lower(),
    "convert-uppercase": lambda name, rule: name.upper(),
    "add-prefix": lambda name, rule: rule.value + name,
    "add-suffix": lambda name, rule: name + rule.value,
    "remove-prefix": lambda name, rule: name.removeprefix(rule.value),
    "remove-suffix": lambda name, rule: name.removesuffix(rule.value),
    "replace-prefix": lambda name, rule: replace_prefix(name, rule),
    "replace-suffix": lambda name, rule: replace_suffix(name, rule),
}
WITHOUT_VALUE = {"convert-lowercase", "convert-uppercase", "remove-column", "include-column"}
COLUMN_ACTIONS = {"remove-column", "include-column", "add-column"}
ACTIONS = set(RENAMING) | COLUMN_ACTIONS


class MappingError(ValueError):
    """The document is not one that DMS takes, or asks for something that is not done here."""


@dataclass(frozen=True)
class Filter:
    """A condition on one column; the alternatives are ORed."""

    column: str
    conditions: tuple[dict, ...]


@dataclass(frozen=True)
class Selection:
    rule_id: int
    action: str
    schema: str
    table: str
    table_type: str = "table"
    load_order: int = 0
    filters: tuple[Filter, ...] = ()

    def matches(self, schema: str, table: str, is_view: bool) -> bool:
        if self.table_type != "all" and is_view != (self.table_type == "view"):
            return False
        if self.action == "explicit":
            return (schema, table) == (self.schema, self.table)
        return like(schema, self.schema) and like(table, self.table)


@dataclass(frozen=True)
class Transformation:
    rule_id: int
    target: str
    action: str
    schema: str
    table: str = "%"
    column: str = "%"
    value: str = ""
    old_value: str = ""
    expression: str = ""
    data_type: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Mappings:
    """``selections`` and ``transformations`` in the order of their rule ids."""

    selections: tuple[Selection, ...]
    transformations: tuple[Transformation, ...]

    def selected(self, schema: str, table: str, is_view: bool = False) -> Selection | None:
        """The rule that takes a table, or None. An exclude wins over every include, wherever it stands.

        Of several includes the one with filters is taken, then the lowest rule id.
        """
        rules = [s for s in self.selections if s.matches(schema, table, is_view)]
        if any(s.action == "exclude" for s in rules):
            return None
        return min(rules, key=lambda s: (not s.filters, s.rule_id), default=None)

    def target_name(self, schema: str, table: str) -> tuple[str, str]:
        """Schema and table as the target calls them: they are the folders in S3."""
        schema_rules = (t for t in self.transformations if t.target == "schema" and like(schema, t.schema))
        return renamed(schema, schema_rules), renamed(table, self._of_table("table", schema, table))

    def target_column(self, schema: str, table: str, column: str) -> str | None:
        """The column's name in the target, or None when it is dropped."""
        rules = [t for t in self._of_table("column", schema, table) if t.action != "add-column"]
        mine = [t for t in rules if like(column, t.column)]
        if any(t.action == "include-column" for t in rules) and not any(t.action == "include-column" for t in mine):
            return None
        first = mine[0] if mine else None
        if first and first.action == "remove-column":
            return None
        return renamed(column, (t for t in mine if t.action in RENAMING))

    def added_columns(self, schema: str, table: str) -> list[Transformation]:
        return [t for t in self._of_table("column", schema, table) if t.action == "add-column"]

    def _of_table(self, target: str, schema: str, table: str) -> list[Transformation]:
        rules = (t for t in self.transformations if t.target == target)
        return [t for t in rules if like(schema, t.schema) and like(table, t.table)]


def parse(document: str) -> Mappings:
    """Read a TableMappings document. Raises MappingError."""
    try:
        rules = json.loads(document)["rules"]
        if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
            raise TypeError
    except (ValueError, KeyError, TypeError):
        raise MappingError('the document is not JSON of the form {"rules": [...]}') from None
    check_unique(rules)
    selections, transformations = [], []
    for rule in rules:
        match rule.get("rule-type"):
            case "selection":
                selections.append(selection(rule))
            case "transformation":
                transformations.append(transformation(rule))
            case other:
                raise MappingError(f"{name_of(rule)}: rule-type {other!r} is not supported here")
    if not any(s.action != "exclude" for s in selections):
        raise MappingError("at least one selection rule that includes tables is needed")
    return Mappings(tuple(sorted(selections, key=by_id)), tuple(sorted(transformations, key=by_id)))


def by_id(rule: Selection | Transformation) -> int:
    return rule.rule_id


def check_unique(rules: list[dict]) -> None:
    for key in ("rule-id", "rule-name"):
        values = [str(rule.get(key, "")) for rule in rules]
        for value in values:
            if not value or (key == "rule-id" and not value.isdigit()):
                raise MappingError(f"every rule needs a {'numeric ' if key == 'rule-id' else ''}{key}, not {value!r}")
            if values.count(value) > 1:
                raise MappingError(f"{key} {value!r} is used by more than one rule")


def selection(rule: dict) -> Selection:
    check_keys(rule, SELECTION_KEYS)
    action = one_of(rule, "rule-action", {"include", "exclude", "explicit"})
    locator = rule.get("object-locator", {})
    check_locator(rule, locator, {"schema-name", "table-name", "table-type"}, {"schema-name", "table-name"})
    exact = not any(c in locator["schema-name"] + locator["table-name"] for c in "%*?")
    if action == "explicit" and not exact:
        raise MappingError(f"{name_of(rule)}: explicit takes exact names, no wildcards")
    filters = tuple(source_filter(rule, f) for f in rule.get("filters") or [])
    if filters and (action == "exclude" or not exact):
        raise MappingError(f"{name_of(rule)}: filters need an include rule with exact schema and table names")
    order = str(rule.get("load-order", 0))
    if not order.isdigit():
        raise MappingError(f"{name_of(rule)}: load-order must be a positive integer, not {order!r}")
    table_type = locator.get("table-type", "table")
    if table_type not in ("table", "view", "all"):
        raise MappingError(f"{name_of(rule)}: table-type must be table, view or all, not {table_type!r}")
    names = locator["schema-name"], locator["table-name"]
    return Selection(int(rule["rule-id"]), action, *names, table_type, int(order), filters)


def transformation(rule: dict) -> Transformation:
    check_keys(rule, TRANSFORMATION_KEYS)
    target = one_of(rule, "rule-target", {"schema", "table", "column"})
    action = one_of(rule, "rule-action", ACTIONS)
    if action in COLUMN_ACTIONS and target != "column":
        raise MappingError(f"{name_of(rule)}: {action} needs the rule-target column")
    value = rule.get("value") or ""
    if action not in WITHOUT_VALUE and not value:
        raise MappingError(f"{name_of(rule)}: {action} needs a value")
    if action.startswith("replace-") and not rule.get("old-value"):
        raise MappingError(f"{name_of(rule)}: {action} needs an old-value")
    needed = ["schema-name", "table-name", "column-name"][: ["schema", "table", "column"].index(target) + 1]
    if action == "add-column":
        needed = needed[:2]
        if not rule.get("expression") or "type" not in (rule.get("data-type") or {}):
            raise MappingError(f"{name_of(rule)}: add-column needs an expression and a data-type")
    locator = rule.get("object-locator", {})
    check_locator(rule, locator, {"schema-name", "table-name", "column-name"}, set(needed))
    return Transformation(
        int(rule["rule-id"]), target, action, locator["schema-name"], locator.get("table-name", "%"),
        locator.get("column-name", "%"), value, rule.get("old-value") or "", rule.get("expression") or "",
        rule.get("data-type") or {},
    )  # fmt: skip


OPERATORS = {
    "lte": "{c} <= {v}", "ste": "{c} <= {v}", "gte": "{c} >= {v}", "eq": "{c} = {v}", "noteq": "{c} <> {v}",
    "between": "{c} BETWEEN {s} AND {e}", "notbetween": "{c} NOT BETWEEN {s} AND {e}", "null": "{c} IS NULL",
    "notnull": "{c} IS NOT NULL",
}  # fmt: skip


def source_filter(rule: dict, document: dict) -> Filter:
    conditions = document.get("filter-conditions") or []
    if document.get("filter-type") != "source" or not document.get("column-name") or not conditions:
        raise MappingError(f"{name_of(rule)}: a filter needs filter-type source, column-name and filter-conditions")
    for condition in conditions:
        operator = condition.get("filter-operator")
        if operator not in OPERATORS:
            raise MappingError(f"{name_of(rule)}: filter-operator {operator!r} is not one of {', '.join(OPERATORS)}")
        words = {"v": "value", "s": "start-value", "e": "end-value"}
        for letter, key in words.items():
            if "{" + letter + "}" in OPERATORS[operator] and condition.get(key) is None:
                raise MappingError(f"{name_of(rule)}: filter-operator {operator} needs {key}")
    return Filter(document["column-name"], tuple(conditions))


def where(filters: tuple[Filter, ...]) -> str:
    """The filters as a PostgreSQL condition: filters are ANDed, the conditions of one are ORed.

    https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.Filters.html: a negative operator drops
    NULLs, and one beside ``null`` selects nothing.
    """
    return " AND ".join(f"({one_filter(f)})" for f in filters)


def one_filter(filter: Filter) -> str:
    operators = {c["filter-operator"] for c in filter.conditions}
    if "null" in operators and operators & {"noteq", "notbetween", "notnull"}:
        return "false"
    return " OR ".join(
        OPERATORS[c["filter-operator"]].format(
            c=identifier(filter.column),
            v=literal(c.get("value")),
            s=literal(c.get("start-value")),
            e=literal(c.get("end-value")),
        )
        for c in filter.conditions
    )


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def like(name: str, pattern: str) -> bool:
    """DMS wildcards: ``%`` is any run and ``_`` any one character, without an escape; case counts."""
    parts = ({"%": ".*", "_": "."}.get(c, re.escape(c)) for c in pattern)
    return re.fullmatch("".join(parts), name, re.DOTALL) is not None


def renamed(name: str, rules) -> str:
    """The name under the first of the rules: DMS applies one action per object, that of the lowest rule id."""
    rule = next(iter(rules), None)
    return RENAMING[rule.action](name, rule) if rule else name


def replace_prefix(name: str, rule: Transformation) -> str:
    return rule.value + name[len(rule.old_value) :] if name.startswith(rule.old_value) else name


def replace_suffix(name: str, rule: Transformation) -> str:
    return name[: -len(rule.old_value)] + rule.value if name.endswith(rule.old_value) else name


def name_of(rule: dict) -> str:
    return f"rule {rule.get('rule-name') or rule.get('rule-id')}"


def one_of(rule: dict, key: str, allowed: set[str]) -> str:
    value = rule.get(key)
    if value not in allowed:
        raise MappingError(f"{name_of(rule)}: {key} {value!r} is not one of {', '.join(sorted(allowed))}")
    return value


def check_keys(rule: dict, known: set[str]) -> None:
    unknown = sorted(key for key in set(rule) - known if rule[key] not in (None, [], {}))
    if unknown:
        raise MappingError(f"{name_of(rule)}: {', '.join(unknown)} is not supported here")


def check_locator(rule: dict, locator: dict, known: set[str], needed: set[str]) -> None:
    missing, unknown = sorted(needed - set(locator)), sorted(set(locator) - known)
    if missing or unknown:
        what = f"misses {', '.join(missing)}" if missing else f"has {', '.join(unknown)}, which is not supported here"
        raise MappingError(f"{name_of(rule)}: its object-locator {what}")
