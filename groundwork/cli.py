"""The ``groundwork`` command; ``make`` calls it."""

import functools
import shutil
import subprocess
import sys
from typing import Annotated, NoReturn

import typer
from botocore.exceptions import EndpointConnectionError
from rich.table import Table

from groundwork import console
from groundwork.console import print_json, say
from groundwork.install import InstallError
from groundwork.settings import UserError, settings

app = typer.Typer(
    help="An AWS data platform that runs whole on a laptop and deploys to AWS unchanged.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for a program to read.")]


def command(function):
    """A command of the CLI whose UserError becomes its text and exit status 1."""

    @app.command(help=function.__doc__.splitlines()[0])
    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except (UserError, InstallError) as error:
            fail(str(error))
        except EndpointConnectionError as error:
            fail(f"AWS does not answer at {error.kwargs['endpoint_url']}: `make local-up` brings the platform up")

    return wrapped


def fail(text: str) -> NoReturn:
    console.progress.print(f"✗ {text}", style="red", markup=False, soft_wrap=True)
    raise typer.Exit(1) from None


@command
def up() -> None:
    """Bring the platform up: services, stacks, seeded source. Doing it again changes nothing."""
    bring_up()
    say("the platform is up")
    where_to_look()


@command
def down() -> None:
    """End the platform's services and keep the databases."""
    from groundwork.runtimes import processes

    say("the platform is down" if processes.down(settings()) else "nothing was running")


@command
def reset() -> None:
    """End the services and remove their data; what is installed stays."""
    from groundwork.runtimes import processes

    processes.down(settings())
    for name in ("tls", "source", "warehouse", "localstack", "spark", "airflow", "logs", "seed", "dms", "emr"):
        shutil.rmtree(settings().state / name, ignore_errors=True)
    say("the platform's data is gone; `make local-up` makes it anew")


@command
def run() -> None:
    """Run the pipeline once and show how it goes."""
    from groundwork import pipeline
    from groundwork.aws import use_local_endpoint

    use_local_endpoint()
    outcome = pipeline.run(settings())
    say(f"the run succeeded in {outcome.seconds:.0f} s")


@command
def demo() -> None:
    """Bring the platform up, run the pipeline, and show what came out of it."""
    from groundwork import pipeline, report

    bring_up()
    outcome = pipeline.run(settings())
    report.show(report.collect(settings()), outcome.stages)
    where_to_look()


@command
def status(as_json: Json = False) -> None:
    """Show what is up, what is deployed and how the last run went."""
    from groundwork.status import status as collect

    state = collect(settings())
    if as_json:
        print_json(state)
    else:
        show_status(state)
    if not all(service["up"] for service in state["services"]):
        raise typer.Exit(1)


@command
def doctor(as_json: Json = False) -> None:
    """Check that this machine can run the platform; each problem comes with its remedy."""
    from groundwork.doctor import examine

    checks = examine(settings())
    if as_json:
        print_json([vars(check) for check in checks])
    else:
        colours = {"OK": "green", "WARN": "yellow", "FAIL": "red"}
        for check in checks:
            console.results.print(
                f"[{colours[check.level]}]{check.level:<4}[/] {check.name:<12} {check.text}", soft_wrap=True
            )
            if check.remedy:
                console.results.print(f"     {'':<12} → {check.remedy}", soft_wrap=True)
    if any(check.level == "FAIL" for check in checks):
        raise typer.Exit(1)


@command
def query(
    engine: Annotated[str, typer.Argument(help="athena or warehouse")],
    sql: Annotated[str, typer.Argument(help="One statement in the engine's dialect.")],
    limit: Annotated[int, typer.Option(help="Rows to show.")] = 100,
    as_json: Json = False,
) -> None:
    """Ask Athena (raw SQL over bronze and silver) or the warehouse (Redshift's dialect)."""
    from groundwork import query as queries
    from groundwork.aws import use_local_endpoint

    if engine not in queries.ENGINES:
        raise UserError(f"there is no engine {engine}: give one of {', '.join(queries.ENGINES)}")
    use_local_endpoint()
    answer = queries.ENGINES[engine](sql, limit)
    if as_json:
        print_json([dict(zip(answer.columns, row, strict=True)) for row in answer.rows])
        return
    table = Table(*answer.columns)
    for row in answer.rows:
        table.add_row(*["[dim]NULL[/dim]" if cell is None else cell for cell in row])
    console.results.print(table)


@command
def reconcile(as_json: Json = False) -> None:
    """Compare source, bronze, silver and warehouse: counts, keys and a checksum of every column."""
    from groundwork import reconcile as reconciliation
    from groundwork.aws import use_local_endpoint

    use_local_endpoint()
    result = reconciliation.reconcile_platform(settings())
    if as_json:
        print_json(reconciliation.as_json(result))
    else:
        reconciliation.show(result)
    if not result.equal:
        raise typer.Exit(1)


@command
def logs(
    service: Annotated[str, typer.Argument(help="A service, as `groundwork status` names it.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as the log grows.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of the last lines.")] = 50,
) -> None:
    """Show a service's log."""
    file = settings().logs / f"{service}.log"
    if not file.is_file():
        there = sorted(f.stem for f in settings().logs.glob("*.log"))
        raise UserError(
            f"there is no log of {service}; there are: {', '.join(there) or 'none, the platform was never up'}"
        )
    sys.exit(subprocess.call(["tail", f"-n{lines}", *(["-f"] if follow else []), str(file)]))


def bring_up() -> None:
    """What `up` and `demo` share: services, stacks, source, connections."""
    from groundwork import deploy, seed, topology
    from groundwork.aws import use_local_endpoint
    from groundwork.doctor import examine
    from groundwork.runtimes import processes

    problems = [check for check in examine(settings()) if check.level == "FAIL"]
    if problems:
        raise UserError("\n".join(f"{p.name}: {p.text}\n  → {p.remedy}" for p in problems))
    use_local_endpoint()

    def meanwhile() -> None:
        deploy.deploy_stacks(settings(), say)
        topology.admit_dbt(settings())
        seed.seed(settings(), say)
        deploy.upload_artifacts(settings(), say)
        deploy.test_connections(say)

    processes.up(settings(), say, meanwhile)


def show_status(state: dict) -> None:
    table = Table("service", "", "port", "")
    for service in state["services"]:
        mark = "[green]up[/green]" if service["up"] else "[red]down[/red]"
        table.add_row(service["name"], mark, str(service["port"] or ""), service["description"])
    console.results.print(table)
    for stack in state["stacks"]:
        console.results.print(f"stack {stack['name']:<32} {stack['status']}")
    last = state["last_run"]
    console.results.print(f"last run {last['dag_run_id']}: {last['state']}" if last else "no run of the pipeline yet")


def where_to_look() -> None:
    from groundwork.airflow_services import ADMIN

    ports, credentials = settings().ports, settings().credentials
    lines = [
        "",
        "Where to look next",
        f"  Airflow    http://127.0.0.1:{ports.airflow}  (user {ADMIN}, password {credentials.airflow_admin})",
        f"  Spark      http://127.0.0.1:{ports.spark_master_ui}",
        '  Athena     make query ENGINE=athena SQL="SELECT order_status, count(*) FROM olist_silver.orders GROUP BY 1"',
        '  Warehouse  make query ENGINE=warehouse SQL="SELECT * FROM marts.fct_orders LIMIT 5"',
        f"  AWS        AWS_ENDPOINT_URL=http://127.0.0.1:{ports.localstack} aws s3 ls   (any key, region us-east-1)",
    ]
    console.results.print("\n".join(lines), soft_wrap=True, markup=False)


if __name__ == "__main__":
    app()
