"""What a run brought forth: rows per table at every stage, quarantined rows by rule, and five answers out of the marts.

`collect` asks the platform and gives plain data, which ``as_json`` prints; `render` turns it into tables and bars.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from groundwork_contracts import load_contracts
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from groundwork import console
from groundwork.settings import Settings

Ask = Callable[[str], list[list]]
BAR_WIDTH = 28
STATES_SHOWN, CATEGORIES_SHOWN = 12, 10


@dataclass(frozen=True)
class Report:
    """``rows`` is per stage and table, ``quarantined`` per table and rule, ``answers`` per mart a list of rows."""

    rows: dict[str, dict[str, int]]
    quarantined: dict[str, dict[str, int]]
    answers: dict[str, list[dict[str, str | None]]]


@dataclass(frozen=True)
class Question:
    """A mart that answers a question: its columns to show, the one drawn as a bar, and what orders the rows."""

    text: str
    mart: str
    columns: tuple[str, ...]
    bar: str
    order: str
    limit: int = 1000

    @property
    def sql(self) -> str:
        return f"select {', '.join(self.columns)} from marts.{self.mart} order by {self.order} limit {self.limit}"


QUESTIONS = (
    Question(
        "How much is sold in each month?",
        "revenue_by_month",
        ("month_start_date", "order_count", "revenue"),
        bar="revenue",
        order="month_start_date",
    ),
    Question(
        "Where do deliveries come late?",
        "delivery_delay_by_state",
        ("customer_state", "delivered_order_count", "average_delivery_days", "late_percent"),
        bar="late_percent",
        order="delivered_order_count desc",
        limit=STATES_SHOWN,
    ),
    Question(
        "What does a late delivery cost in reviews?",
        "review_score_by_delay",
        ("delay_bucket", "review_count", "average_review_score"),
        bar="average_review_score",
        order="delay_bucket_number",
    ),
    Question(
        "Which categories sell best?",
        "top_categories",
        ("category_name_english", "item_count", "revenue"),
        bar="revenue",
        order="revenue_rank",
        limit=CATEGORIES_SHOWN,
    ),
    Question(
        "How many customers come back?",
        "repeat_customers",
        ("order_count", "customer_count", "customer_percent", "revenue"),
        bar="customer_percent",
        order="order_count",
    ),
)
STAR = ("dim_customers", "dim_dates", "dim_products", "dim_sellers", "fct_orders", "fct_order_items")


# --- the queries ------------------------------------------------------------------------------------------------------


def collect(settings: Settings) -> Report:
    """Ask the source, the lake and the warehouse of the platform in use. Raises UserError when one does not answer."""
    from groundwork.queries import query, reconcile

    tables = sorted(load_contracts(settings.root / "contracts" / "olist"))
    return ask_all(
        tables,
        source=lambda sql: reconcile.ask_source(settings.source_dsn, sql),
        athena=lambda sql: query.athena(sql).rows,
        warehouse=lambda sql: query.warehouse(sql).rows,
    )


def ask_all(tables: list[str], source: Ask, athena: Ask, warehouse: Ask) -> Report:
    """All queries side by side; each engine counts its stage's tables in one of them."""
    counts = {
        "source": (source, {t: f"shop.{t}" for t in tables}),
        "bronze": (athena, {t: f"olist_bronze.{t}" for t in tables}),
        "silver": (athena, {t: f"olist_silver.{t}" for t in tables}),
        "quarantine": (athena, {t: f"olist_silver.quarantine_{t}" for t in tables}),
        "warehouse": (warehouse, {t: f"silver.{t}" for t in tables}),
        "marts": (warehouse, {t: f"marts.{t}" for t in (*STAR, *(q.mart for q in QUESTIONS))}),
    }
    with ThreadPoolExecutor(4) as pool:
        rows = {stage: pool.submit(ask, count_query(names)) for stage, (ask, names) in counts.items()}
        rules = pool.submit(athena, rules_query(tables))
        answers = {question: pool.submit(warehouse, question.sql) for question in QUESTIONS}
    return Report(
        rows={stage: {table: int(n) for table, n in sorted(found.result())} for stage, found in rows.items()},
        quarantined=nested(rules.result()),
        answers={
            question.mart: [dict(zip(question.columns, row, strict=True)) for row in found.result()]
            for question, found in answers.items()
        },
    )


def count_query(names: dict[str, str]) -> str:
    return "\nunion all ".join(f"select '{label}', count(*) from {table}" for label, table in names.items())


def rules_query(tables: list[str]) -> str:
    return "\nunion all ".join(
        f"select '{t}', _rule, count(*) from olist_silver.quarantine_{t} group by _rule" for t in tables
    )


def nested(rows: list[list[str]]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for table, rule, count in sorted(rows):
        found.setdefault(table, {})[rule] = int(count)
    return found


# --- the rendering ----------------------------------------------------------------------------------------------------


def show(report: Report, stages: dict[str, float]) -> None:
    """Print the report; ``stages`` are seconds per stage of the run."""
    for part in render(report, stages):
        console.results.print(part)


def as_json(report: Report, stages: dict[str, float]) -> dict:
    return {**asdict(report), "seconds": stages}


def render(report: Report, stages: dict[str, float]) -> Iterator[RenderableType]:
    yield rows_table(report.rows)
    yield counted_table("Rows of the marts", ("mart", "rows"), report.rows["marts"])
    yield quarantine_table(report.quarantined)
    yield bars_table("Time per stage", ("stage", "seconds"), "seconds", [[s, f"{n:.1f}"] for s, n in stages.items()])
    for question in QUESTIONS:
        rows = [list(row.values()) for row in report.answers[question.mart]]
        yield bars_table(question.text, question.columns, question.bar, rows)


def rows_table(rows: dict[str, dict[str, int]]) -> Table:
    """A line per table of the source, a column per stage, and the sums."""
    stages = {stage: counts for stage, counts in rows.items() if stage != "marts"}
    table = Table(title="Rows per table at every stage", show_footer=True)
    table.add_column("", "all tables")
    for stage, counts in stages.items():
        table.add_column(stage, f"{sum(counts.values()):,}", justify="right")
    for name in stages["source"]:
        table.add_row(name, *(f"{counts[name]:,}" for counts in stages.values()))
    return table


def counted_table(title: str, columns: tuple[str, str], counts: dict[str, int]) -> Table:
    table = Table(title=title)
    table.add_column(columns[0])
    table.add_column(columns[1], justify="right")
    for name, count in counts.items():
        table.add_row(name, f"{count:,}")
    return table


def quarantine_table(quarantined: dict[str, dict[str, int]]) -> RenderableType:
    if not quarantined:
        return Text("No row was quarantined.")
    counts = {f"{table}: {rule}": n for table, rules in quarantined.items() for rule, n in rules.items()}
    return counted_table("Quarantined rows by rule", ("table: rule", "rows"), counts)


def bars_table(title: str, columns: tuple[str, ...], bar: str, rows: list[list[str | None]]) -> Table:
    """The rows with one column drawn as bars beside them; the longest bar is the largest value."""
    table = Table(title=title)
    for i, column in enumerate(columns):
        table.add_column(column.replace("_", " "), justify="right" if i else "left")
    table.add_column("", no_wrap=True)
    values = [float(row[columns.index(bar)] or 0) for row in rows]
    largest = max([0.0, *values])
    for row, value in zip(rows, values, strict=True):
        table.add_row(row[0], *(grouped(cell) for cell in row[1:]), Text(bar_of(value, largest), "cyan"))
    return table


def grouped(cell: str | None) -> str:
    """``13591643.70`` as ``13,591,643.70``."""
    if cell is None:
        return "–"
    whole, point, rest = cell.partition(".")
    return f"{int(whole):,}{point}{rest}" if whole.isdigit() else cell


def bar_of(value: float, largest: float) -> str:
    """A bar in eighths of a character."""
    eighths = round(value / largest * BAR_WIDTH * 8) if largest > 0 and value > 0 else 0
    return "█" * (eighths // 8) + ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8]
