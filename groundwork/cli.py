"""The ``groundwork`` command; ``make`` calls it."""

import functools
import subprocess
import sys
from typing import Annotated, NoReturn

import typer
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError
from rich.table import Table

from groundwork import console
from groundwork.console import print_json, say
from groundwork.install import InstallError
from groundwork.local import runtimes
from groundwork.local.runtimes import containers
from groundwork.settings import Settings, UserError, settings

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
            remedy = "`make local-up` brings the platform up" if settings().here else "are you connected?"
            fail(f"AWS does not answer at {error.kwargs['endpoint_url']}: {remedy}")
        except (BotoCoreError, ClientError) as error:
            fail(f"AWS: {error}")

    return wrapped


def fail(text: str) -> NoReturn:
    console.progress.print(f"✗ {text}", style="red", markup=False, soft_wrap=True)
    raise typer.Exit(1) from None


@command
def up() -> None:
    """Bring the platform up: services, stacks, seeded source. Doing it again changes nothing."""
    bring_up(prefer_containers=True)
    say("the platform is up")
    where_to_look()


@command
def down() -> None:
    """End the platform's services and keep their data."""
    runtime = runtimes.current(this_machine())
    say(f"the platform is down ({runtime.NAME})" if runtime.down(settings()) else "nothing was running")


@command
def reset() -> None:
    """End the services and remove their data; what is installed stays."""
    runtime = runtimes.current(this_machine())
    runtime.reset(settings())
    say(f"the platform's data is gone ({runtime.NAME}); `make local-up` makes it anew")


@command
def images() -> None:
    """Build the images of the containers runtime and show their sizes."""
    if problem := containers.engine_problem():
        raise UserError(f"{problem.text}: {problem.remedy}")
    containers.build(settings(), say)
    sizes = containers.images(settings())
    table = Table("image", "MB", caption=f"{sum(sizes.values()) / 1e6:,.0f} MB, layers that they share counted twice")
    for name, size in sizes.items():
        table.add_row(name, f"{size / 1e6:,.0f}")
    console.results.print(table)


@command
def env() -> None:
    """Write the generated credentials into .env, which Docker Compose reads."""
    settings()


@command
def prepare_databases() -> None:
    """Make the databases and roles that the services expect; the container `databases` does this."""
    from groundwork.local import databases

    databases.prepare(settings())


@command
def set_up() -> None:
    """Deploy the stacks and seed the source of services that are up; the container `set-up` does this."""
    from groundwork.deployment import set_up

    set_up.set_up(reach_aws(), say)


@command
def deploy() -> None:
    """Deploy the environment that TARGET names to AWS, after showing what would change and what it costs."""
    from groundwork.deployment import changes, costs, guards
    from groundwork.deployment import set_up as setting_up

    target = account_of_target()
    if planned := changes.changes(target):
        changes.show(planned)
        costs.show(costs.estimate(target.parameters))
        guards.confirm(target.environment, f"Deploy {target.environment}?")
    setting_up.set_up(target, say)
    say(f"{target.environment} is deployed: `make run TARGET={target.environment}` runs the pipeline")


@command
def seed() -> None:
    """Fill the source and test DMS's connections."""
    from groundwork.deployment import set_up as setting_up

    setting_up.fill(reach_aws(), say)


@command
def destroy() -> None:
    """Take the environment that TARGET names away from AWS, after showing what goes."""
    from groundwork.deployment import destroy as destruction
    from groundwork.deployment import guards

    target = account_of_target()
    if going := destruction.doomed(target):
        console.results.print("This goes, with all its data:", *going, sep="\n  ", soft_wrap=True)
        guards.confirm(target.environment, f"Destroy {target.environment}?")
    destruction.destroy(target, say)


@command
def rehearse() -> None:
    """Deploy the environment that TARGET names on LocalStack, and destroy it there."""
    from groundwork.deployment import rehearsal

    rehearsal.rehearse(settings(), say)


@command
def cost(as_json: Json = False) -> None:
    """Show what the environment that TARGET names costs on AWS: idle, per run, left on for a month."""
    from groundwork.deployment import costs

    estimate = costs.estimate(settings().parameters)
    if as_json:
        print_json(costs.as_json(estimate))
    else:
        costs.show(estimate)


@command
def simulate(
    rate: Annotated[float, typer.Option(help="Row changes a second.")] = 200,
    seconds: Annotated[float, typer.Option(help="How long, at that rate.")] = 60,
    seed: Annotated[int, typer.Option(help="The same one on the same source does the same.")] = 1,
) -> None:
    """Let a shop work on the source of this machine: orders, reviews, prices, deletions; Ctrl-C ends it."""
    from seed_data import simulator
    from seed_data.csv_folder import SeedError

    def show(tally: simulator.Tally) -> None:
        say(f"{tally.total:,} row changes, {tally.total / tally.seconds:,.0f} a second")

    dsn = this_machine().source_dsn
    try:
        tally = simulator.simulate(dsn, rate, seconds, seed, show, simulator.until_interrupted())
    except SeedError as error:
        raise UserError(str(error)) from error
    console.results.print("\n".join(simulator.summary(tally)), markup=False, highlight=False)


@command
def run() -> None:
    """Run the pipeline once and show how it goes."""
    from groundwork.pipeline import runs

    outcome = runs.run(reach_aws())
    say(f"the run succeeded in {outcome.seconds:.0f} s")


@command
def demo() -> None:
    """Bring the platform up, run the pipeline, and show what came out of it."""
    from groundwork.pipeline import report, runs

    bring_up(prefer_containers=False)
    outcome = runs.run(settings())
    report.show(report.collect(settings()), outcome.stages)
    where_to_look()


@command
def status(as_json: Json = False) -> None:
    """Show what is up, what is deployed and how the last run went."""
    from groundwork.pipeline.status import status as collect

    state = collect(reach_aws())
    if as_json:
        print_json(state)
    else:
        show_status(state)
    if not all(service["up"] for service in state["services"]):
        raise typer.Exit(1)


@command
def doctor(as_json: Json = False) -> None:
    """Check this machine, or the account of TARGET, and what DMS says of the source; problems come with remedies."""
    from groundwork.aws import connect
    from groundwork.deployment import doctor as account
    from groundwork.local import doctor as machine
    from groundwork.pipeline.assessment import check_source

    connect()
    if settings().here:
        runtime, _ = runtimes.to_start(settings(), prefer_containers=True)
        checks, deployed = machine.examine(settings(), runtime), runtime.is_running(settings())
    else:
        checks = account.examine(settings())
        deployed = not any(check.name in ("endpoint", "account") and check.level == "FAIL" for check in checks)
    if deployed:
        checks += check_source()
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
    from groundwork.queries import query as queries

    if engine not in queries.ENGINES:
        raise UserError(f"there is no engine {engine}: give one of {', '.join(queries.ENGINES)}")
    reach_aws()
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
    from groundwork.proofs import records
    from groundwork.queries import reconcile as reconciliation

    this_machine()
    reach_aws()
    result = reconciliation.reconcile_platform(settings())
    records.keep(settings(), "reconcile", reconciliation.as_json(result))
    if as_json:
        print_json(reconciliation.as_json(result))
    else:
        reconciliation.show(result)
    if not result.equal:
        raise typer.Exit(1)


@command
def soak(
    minutes: Annotated[float, typer.Option(help="How long processes are killed.")] = 10,
    seed: Annotated[int, typer.Option(help="Decides which process is killed when.")] = 1,
    rate: Annotated[float, typer.Option(help="The shop's row changes a second meanwhile.")] = 20,
    kills: Annotated[int, typer.Option(min=1, help="How many are killed in a row, before a run must succeed.")] = 1,
) -> None:
    """Kill the platform's processes at random while a shop works on the source; in the end all stages must be equal."""
    from groundwork.proofs import soak as soaking

    this_machine()
    reach_aws()
    told = soaking.soak(settings(), minutes, seed, rate, kills, say)
    console.results.print("\n".join(soaking.summary(told)), markup=False, highlight=False, soft_wrap=True)
    if told.failure or not told.equal:
        raise typer.Exit(1)


@command
def scorecard() -> None:
    """Write docs/scorecard.json and docs/scorecard.html: what the last runs of tests, soak and checks have shown."""
    from groundwork.proofs import scorecard as scorecards

    say(f"written: {scorecards.write(this_machine())}")


@command
def iam_report(as_json: Json = False) -> None:
    """Hold the platform's calls against the roles' policies: what AWS would deny, what no call needed."""
    from groundwork.deployment.iam import parity, report

    found = parity.parity_of_platform(reach_aws())
    if as_json:
        print_json(report.as_json(found))
    else:
        report.show(found)
    if found.denied or found.unknown:
        raise typer.Exit(1)


@command
def logs(
    service: Annotated[str, typer.Argument(help="A service, as `groundwork status` names it.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as the log grows.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of the last lines.")] = 50,
) -> None:
    """Show a service's log."""
    command = runtimes.current(settings()).log_command(settings(), service, follow, lines)
    sys.exit(subprocess.call(command, cwd=settings().root))


def reach_aws() -> Settings:
    """The environment's settings, once this process talks to its AWS: with an account, once the guards let it pass."""
    from groundwork.aws import connect
    from groundwork.deployment import guards

    connect()
    if not settings().here:
        guards.check_account(settings())
    return settings()


def account_of_target() -> Settings:
    """The settings of an environment that is in an account, which is shown."""
    if settings().here:
        raise UserError(f"{settings().environment} is on this machine (`make local-up`); TARGET=production is on AWS")
    from groundwork.aws import connect
    from groundwork.deployment import guards

    connect()
    say(f"account {guards.check_account(settings())}, region {settings().parameters['region']}")
    return settings()


def this_machine() -> Settings:
    """The settings of an environment whose services run here."""
    if not settings().here:
        raise UserError(f"{settings().environment} is on AWS: this is about what runs here, which is TARGET=local")
    return settings()


def bring_up(prefer_containers: bool) -> None:
    """What `up` and `demo` share: services, stacks, source, connections."""
    from groundwork.local.doctor import examine

    runtime, reason = runtimes.to_start(this_machine(), prefer_containers)
    say(f"runtime: {runtime.NAME} ({reason})")
    problems = [check for check in examine(settings(), runtime) if check.level == "FAIL"]
    if problems:
        raise UserError("\n".join(f"{p.name}: {p.text}\n  → {p.remedy}" for p in problems))
    reach_aws()
    runtime.up(settings(), say)


def show_status(state: dict) -> None:
    table = Table("service", "", "port", "")
    for service in state["services"]:
        mark = "[green]up[/green]" if service["up"] else "[red]down[/red]"
        table.add_row(service["name"], mark, str(service["port"] or ""), service["description"])
    if state["services"]:
        console.results.print(table)
    for stack in state["stacks"]:
        console.results.print(f"stack {stack['name']:<32} {stack['status']}")
    if state["replication"]:
        show_replication(state["replication"])
    last = state["last_run"]
    console.results.print(f"last run {last['dag_run_id']}: {last['state']}" if last else "no run of the pipeline yet")
    for stage in last["stages"] if last else []:
        took = f"{(stage['ended'] - stage['started']).total_seconds():6.0f} s" if stage["ended"] else ""
        ended = f"{stage['ended']:%Y-%m-%d %H:%M:%S} UTC" if stage["ended"] else ""
        console.results.print(f"  {stage['name']:<12} {stage['state']:<16} {took:>8}  {ended}".rstrip())


def show_replication(state: dict) -> None:
    lag = state["lag"]
    late, held = lag["target_seconds"], lag["wal_bytes"]
    console.results.print(
        f"replication {state['status']}: {'unknown' if late is None else f'{late:.0f} s'} from a commit to the lake, "
        f"{'unknown' if held is None else f'{held:,}'} bytes of WAL not consumed",
        soft_wrap=True,
    )
    if state["failure"]:
        console.results.print(f"[red]{state['failure']}[/red]")
    table = Table("table", "full load", caption="merged: the rows that silver's last run has read")
    for heading in ("inserts", "updates", "deletes", "ddl", "merged"):
        table.add_column(heading, justify="right")
    for row in state["tables"]:
        counts = [row[name] for name in ("inserts", "updates", "deletes", "ddls", "merged")]
        table.add_row(
            row["table"],
            row["state"].removeprefix("Table "),
            *("" if count is None else f"{count:,}" for count in counts),
        )
    console.results.print(table)


def where_to_look() -> None:
    from groundwork.local.airflow import ADMIN

    ports, credentials = settings().ports, settings().credentials
    lines = [
        "",
        "Where to look next",
        f"  Airflow    http://127.0.0.1:{ports.airflow}  (user {ADMIN}, password {credentials.airflow_admin})",
        f"  Spark      http://127.0.0.1:{ports.spark_master_ui}  (the steps that ended: http://127.0.0.1:{ports.spark_history})",
        '  Athena     make query ENGINE=athena SQL="SELECT order_status, count(*) FROM olist_silver.orders GROUP BY 1"',
        '  Warehouse  make query ENGINE=warehouse SQL="SELECT * FROM marts.fct_orders LIMIT 5"',
        f"  AWS        AWS_ENDPOINT_URL=http://127.0.0.1:{ports.localstack} aws s3 ls   (any key, region us-east-1)",
    ]
    console.results.print("\n".join(lines), soft_wrap=True, markup=False)


if __name__ == "__main__":
    app()
