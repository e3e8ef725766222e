"""What an environment costs on AWS: for as long as it is there, and for each run of the pipeline.

The prices are those of ``cloudformation/prices.yaml``, the quantities those of the templates and of the environment's
parameters. Left out is what depends on the data: storage on S3 (0.023 dollars per GB and month), logs, transfer.
"""

from dataclasses import asdict, dataclass
from datetime import date

import yaml
from rich.table import Table

from groundwork.console import results
from groundwork.deployment.iam.templates import Tagged
from groundwork.install import ROOT
from groundwork.settings import UserError

FOLDER = ROOT / "cloudformation"
HOURS = {"hour": 1, "day": 24, "month": 730}
MONTH = HOURS["month"]


@dataclass(frozen=True)
class Cost:
    """So many of something; ``hourly`` and ``per_run`` are dollars for all of them, of which one is zero."""

    stack: str
    service: str
    what: str
    number: float
    hourly: float
    per_run: float
    checked: date | None
    source: str


@dataclass(frozen=True)
class Estimate:
    date: date
    region: str
    costs: list[Cost]

    @property
    def hourly(self) -> float:
        return sum(cost.hourly for cost in self.costs)

    @property
    def monthly(self) -> float:
        return self.hourly * MONTH

    @property
    def per_run(self) -> float:
        return sum(cost.per_run for cost in self.costs)


def estimate(parameters: dict) -> Estimate:
    """Raises UserError where the price file knows no price of a size that the parameters ask for."""
    prices = yaml.safe_load((FOLDER / "prices.yaml").read_text())
    there = [cost for stack in parameters["stacks"] for cost in costs_of(stack, parameters, prices["resources"])]
    runs = [cost_of_run(price, parameters) for price in prices["run"]]
    return Estimate(prices["date"], prices["region"], there + runs)


def costs_of(stack: str, parameters: dict, prices: dict[str, list[dict]]) -> list[Cost]:
    """A cost for each price that a resource of the stack has, those of the same price together."""
    resources = yaml.load((FOLDER / "templates" / f"{stack}.yaml").read_text(), Tagged)["Resources"].values()
    costs = []
    for kind, list_of_prices in prices.items():
        for price in list_of_prices:
            has = price.get("where", {}).items()
            number = sum(r["Type"] == kind and has <= r.get("Properties", {}).items() for r in resources)
            if number:
                number *= parameters[price["times"]] if "times" in price else 1
                number *= 2 if parameters.get(price.get("doubled")) else 1
                hourly = number * usd(price, parameters) / HOURS[price["unit"]]
                costs.append(cost(stack, price, number, hourly=hourly))
    return costs


def cost_of_run(price: dict, parameters: dict) -> Cost:
    number = parameters[price["times"]] if "times" in price else 1
    if "nodes" in price:
        number = 1 + parameters[price["nodes"]]  # the primary node comes on top
    hours = price.get("minutes", 60) / 60
    return cost("a run", price, number, per_run=number * hours * usd(price, parameters))


def cost(stack: str, price: dict, number: float, hourly: float = 0, per_run: float = 0) -> Cost:
    what = f"{price['minutes']} {price['what']}" if "minutes" in price else price["what"]
    return Cost(stack, price["service"], what, number, hourly, per_run, price.get("checked"), price["source"])


def usd(price: dict, parameters: dict) -> float:
    if "by" not in price:
        return price["usd"]
    wanted = parameters[price["by"]]
    if wanted not in price["usd"]:
        raise UserError(
            f"cloudformation/prices.yaml has no price of {price['by']}={wanted}: it knows {', '.join(price['usd'])}; "
            f"add it from {price['source']}"
        )
    return price["usd"][wanted]


def as_json(estimate: Estimate) -> dict:
    totals = {"hourly": estimate.hourly, "monthly": estimate.monthly, "per_run": estimate.per_run}
    return {
        "date": estimate.date,
        "region": estimate.region,
        "usd": totals,
        "costs": [asdict(c) for c in estimate.costs],
    }


def show(estimate: Estimate) -> None:
    table = Table("stack", "service", "what", "USD an hour", "a month", "a run", title="What it costs on AWS")
    for column in table.columns[3:]:
        column.justify = "right"
    for cost in estimate.costs:
        mark = "" if cost.checked else " *"
        table.add_row(
            cost.stack, cost.service, f"{cost.number:g} × {cost.what}{mark}",
            money(cost.hourly, 4), money(cost.hourly * MONTH, 2), money(cost.per_run, 3),
        )  # fmt: skip
    table.add_section()
    table.add_row("all", "", "", money(estimate.hourly, 3), money(estimate.monthly, 2), money(estimate.per_run, 2))
    results.print(table)
    results.print(
        f"Left on for a month with a run a day: {estimate.monthly + 30 * estimate.per_run:,.0f} USD.\n"
        f"Prices of {estimate.date} in {estimate.region}, without tax, data and transfer; those with * were not "
        "compared again on that day. What counts is AWS's bill.",
        soft_wrap=True,
    )


def money(usd: float, digits: int) -> str:
    return f"{usd:,.{digits}f}" if usd else ""
