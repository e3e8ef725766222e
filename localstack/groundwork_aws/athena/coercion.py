"""Trino's rules of types where DuckDB's are laxer or differ: decimals that stay decimals, dates that stay dates,
no comparison of text with numbers, and no use of a column's alias before it exists.

The types are DuckDB's own: the operands of a SELECT are put to its binder over tables without rows.
https://trino.io/docs/current/functions/decimal.html
"""

from collections.abc import Callable, Iterator

import duckdb
from sqlglot import exp

from groundwork_aws.athena.errors import failed

Probe = Callable[[str], list]

COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)
ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Mod)
SETTLED = (*COMPARISONS, *ARITHMETIC, exp.Div)
SYMBOLS = {exp.EQ: "=", exp.NEQ: "<>", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<=", exp.Add: "+",
           exp.Sub: "-", exp.Mul: "*", exp.Mod: "%"}  # fmt: skip
AGGREGATES = {"sum", "avg", "count", "min", "max", "any_value", "count_if", "approx_count_distinct", "array_agg",
              "stddev_samp", "var_samp", "arg_max_null", "arg_min_null", "bool_and", "bool_or",
              "approx_quantile"}  # fmt: skip
WHOLE = {"tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19, "hugeint": 19}
NUMBERS = {*WHOLE, "decimal", "float", "double"}
INSTANTS = {"date", "timestamp", "timestamp with time zone"}


def settle(tree: exp.Query, probe: Probe, position: Callable[[exp.Expression], tuple[int, int] | None]) -> None:
    """Rewrite the query so that its types are Trino's. Raises QueryFailed where Trino would refuse to combine them."""
    for select in innermost_first(tree):
        check_aliases(select, probe, position)
        nodes = [n for n in own_nodes(select) if isinstance(n, SETTLED) or is_call(n, "avg")]
        for node in reversed(nodes):
            settle_node(node, select, probe, position)


def settle_node(node: exp.Expression, select: exp.Select, probe: Probe, position) -> None:
    operands = list(node.expressions) if isinstance(node, exp.Anonymous) else [node.this, node.expression]
    types = types_of(operands, select, probe)
    if types is None:
        return
    if isinstance(node, (*COMPARISONS, *ARITHMETIC)):
        check_operands(node, operands, types, position)
    if is_call(node, "avg") and types[0].id == "decimal":
        node.replace(exp.Cast(this=node.copy(), to=decimal(*precision_and_scale(types[0]))))
    elif isinstance(node, exp.Div):
        node.replace(division(node, types))
    elif isinstance(node, (exp.Add, exp.Sub)) and {t.id for t in types} == {"date", "interval"}:
        node.replace(exp.Cast(this=exp.Paren(this=node.copy()), to=exp.DataType.build("date")))


def division(node: exp.Div, types: list) -> exp.Expression:
    """A division by zero fails, or is infinite where the numbers are floating."""
    floating = {"float", "double"} & {kind.id for kind in types}
    divided = node.copy()
    harmless = isinstance(node.expression, exp.Literal) and float(node.expression.this or 0)
    # within try() DuckDB's NULL is what Trino makes of the failure
    tried = any(is_call(n, "try") for n in ancestors(node)) and not floating
    if not harmless and not tried:
        name = "trino_divide_double" if floating else "trino_divide"
        divided = exp.Anonymous(this=name, expressions=[divided.this, divided.expression])
    wanted = quotient(*types)
    return exp.Cast(this=divided, to=wanted) if wanted else divided


def quotient(dividend, divisor) -> exp.DataType | None:
    """Trino's type of a division of decimals: decimal(p1 + s2 + max(s2 - s1, 0), max(s1, s2))."""
    if "decimal" not in (dividend.id, divisor.id) or not {dividend.id, divisor.id} <= {"decimal", *WHOLE}:
        return None
    (p1, s1), (_, s2) = precision_and_scale(dividend), precision_and_scale(divisor)
    return decimal(min(38, p1 + s2 + max(s2 - s1, 0)), max(s1, s2))


def precision_and_scale(kind) -> tuple[int, int]:
    if kind.id == "decimal":
        return kind.children[0][1], kind.children[1][1]
    return WHOLE[kind.id], 0


def decimal(precision: int, scale: int) -> exp.DataType:
    return exp.DataType.build(f"decimal({precision}, {scale})")


def check_operands(node: exp.Expression, operands: list, types: list, position) -> None:
    kinds = [family(kind) for kind in types]
    text_with_other = "text" in kinds and kinds[0] != kinds[1] and "unknown" not in kinds
    if not text_with_other:
        return
    symbol = SYMBOLS.get(type(node), "IS DISTINCT FROM")
    names = f"{trino_name(types[0])} {symbol} {trino_name(types[1])}"
    raise failed("TYPE_MISMATCH", f"Cannot apply operator: {names}", position(node))


def family(kind) -> str:
    if kind.id in ("null", '"null"', "sqlnull"):
        return "unknown"
    if kind.id == "varchar":
        return "text"
    return "number" if kind.id in NUMBERS else "instant" if kind.id in INSTANTS else kind.id


def trino_name(kind) -> str:
    return "bigint" if kind.id == "hugeint" else str(kind).lower()


# --- asking the binder -----------------------------------------------------------------------------------------------


def types_of(operands: list[exp.Expression], select: exp.Select, probe: Probe) -> list | None:
    """The operands' types; None where they hang on the query around this one, whose columns the binder is not shown."""
    try:
        return probe(probe_query([measured(o) for o in operands], select))
    except duckdb.Error:
        return None


def measured(operand: exp.Expression) -> exp.Expression:
    """An expression of the operand's type that needs no GROUP BY."""
    has_aggregate = any(is_call(n, *AGGREGATES) for n in operand.find_all(exp.Anonymous))
    plain = operand.copy()
    return plain if has_aggregate else exp.Anonymous(this="any_value", expressions=[plain])


def probe_query(expressions: list[exp.Expression], select: exp.Select) -> str:
    query = exp.Select(expressions=expressions)
    for name in ("from_", "joins", "laterals"):
        part = select.args.get(name)
        if part:
            query.set(name, [p.copy() for p in part] if isinstance(part, list) else part.copy())
    clauses = visible_ctes(select)
    prefix = "".join(f"{c.sql(dialect='duckdb')}, " for c in clauses).rstrip(", ")
    return f"{prefix}|{query.sql(dialect='duckdb')}"


def visible_ctes(select: exp.Expression) -> list[exp.CTE]:
    """The WITH queries that a SELECT may name, in the order in which they are defined."""
    found, node, inside = [], select, None
    while node is not None:
        clause = node.args.get("with_")
        if clause:
            before = clause.expressions
            if inside in before:
                before = before[: before.index(inside)]
            found = [*before, *found]
        if isinstance(node, exp.CTE):
            inside = node
        node = node.parent
    return found


def check_aliases(select: exp.Select, probe: Probe, position) -> None:
    """An alias is known to ORDER BY alone; DuckDB would let the rest of the query use it too."""
    aliases = {e.alias.lower() for e in select.expressions if isinstance(e, exp.Alias)}
    ordering = {id(n) for o in select.find_all(exp.Order) if o.parent is select for n in o.walk()}
    used = {
        n.name.lower(): n
        for n in own_nodes(select)
        if isinstance(n, exp.Column) and not n.table and n.name.lower() in aliases and id(n) not in ordering
    }
    for name, column in used.items():
        try:
            probe(probe_query([measured(column)], select))
        except duckdb.BinderException as error:
            if "Ambiguous" not in str(error) and not inside_lambda(column):
                raise failed("COLUMN_NOT_FOUND", f"Column '{name}' cannot be resolved", position(column)) from error


def inside_lambda(column: exp.Expression) -> bool:
    return column.find_ancestor(exp.Lambda) is not None


# --- walking ---------------------------------------------------------------------------------------------------------


def innermost_first(node: exp.Expression) -> Iterator[exp.Select]:
    """Every SELECT after those that it reads from."""
    clause = node.args.get("with_")
    children = list(node.iter_expressions())
    for child in [clause, *(c for c in children if c is not clause)] if clause else children:
        yield from innermost_first(child)
    if isinstance(node, exp.Select):
        yield node


def ancestors(node: exp.Expression) -> Iterator[exp.Expression]:
    while node.parent is not None:
        node = node.parent
        yield node


def own_nodes(select: exp.Select) -> list[exp.Expression]:
    """The nodes of this SELECT itself, not of the queries within it, from the outside in."""
    found, stack = [], list(select.iter_expressions())
    while stack:
        node = stack.pop(0)
        if isinstance(node, (exp.Query, exp.With)):
            continue
        found.append(node)
        stack.extend(node.iter_expressions())
    return found


def is_call(node: exp.Expression, *names: str) -> bool:
    return isinstance(node, exp.Anonymous) and node.name.lower() in names
