"""The platform's figures in one place: ``docs/scorecard.json``, and ``docs/scorecard.html`` out of it.

Every figure is read from what a command has left: the results of the tests, of the soaks and the last reconciliation,
dbt's manifest, the checks of the templates. One that nobody has measured here has no value, and says which command
measures it.
"""

import json
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from groundwork.install import venv
from groundwork.local import runtimes
from groundwork.local.runtimes import processes
from groundwork.proofs import faults
from groundwork.proofs import soak as soaking
from groundwork.proofs.records import machine, read, read_all
from groundwork.proofs.sockets import listening
from groundwork.settings import Settings

SOAKS = "soak-*"
KILLS_WANTED = 50


@dataclass(frozen=True)
class Figure:
    """``value`` is None where it is not known, and ``source`` then says why; ``good`` where there is no target."""

    group: str
    name: str
    value: str | None
    target: str = ""
    good: bool | None = None
    source: str = ""


def scorecard(settings: Settings) -> dict:
    """All figures, and the faults with the tests that stand for them."""
    figures = [figure for group in GROUPS for figure in group(settings)]
    return {
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "figures": [asdict(figure) for figure in figures],
        "faults": [asdict(fault) for fault in faults.faults(settings)],
        "soaks": read_all(settings, SOAKS),
    }


def unknown(group: str, name: str, why: str, target: str = "") -> Figure:
    return Figure(group, name, None, target, None, why)


# --- what was run -----------------------------------------------------------------------------------------------------


def convergence(settings: Settings) -> Iterator[Figure]:
    group, found = "Convergence", read(settings, "reconcile")
    name, target = "Tables with equal rows, keys and column checksums", "all"
    if not found:
        yield unknown(group, name, "no reconciliation was kept: `make reconcile`", target)
        return
    tables = found["tables"]
    equal = sum(t["equal"] for t in tables)
    yield Figure(group, name, f"{equal} of {len(tables)}", target, found["equal"], f"`make reconcile`, {found['when']}")
    rows = {stage: sum(t["rows"][stage] for t in tables) for stage in tables[0]["rows"]}
    yield Figure(group, "Rows compared", f"{rows['source']:,}", source="rows of the source in that reconciliation")
    yield Figure(
        group, "Rows in quarantine", f"{rows['quarantine']:,}", source="each with its rule in quarantine_<table>"
    )


def soaks(settings: Settings) -> Iterator[Figure]:
    group, found = "Random kills", read_all(settings, SOAKS)
    if not found:
        yield unknown(group, "Kills survived", "no soak was run: `make soak`", f">= {KILLS_WANTED} over all seeds")
        return
    seeds = ", ".join(f"{soak['seed']} ({soak['runtime']}, {soak['started']})" for soak in found)
    source = f"`make soak`, seeds {seeds}, {found[-1]['machine']}"
    kills = [kill for soak in found for kill in soak["kills"]]
    equal, failures = sum(bool(soak["equal"]) for soak in found), [s["failure"] for s in found if s["failure"]]
    enough, kinds = len(kills) >= KILLS_WANTED, len({kill["victim"] for kill in kills})
    yield Figure(group, "Kills", str(len(kills)), f">= {KILLS_WANTED} over all seeds", enough, source)
    yield Figure(group, "Kinds of process killed", str(kinds), source=source)
    yield Figure(group, "Soaks that ended equal", f"{equal} of {len(found)}", "all", equal == len(found))
    for failure in failures:
        yield Figure(group, "What a run did not repair", failure.splitlines()[0], "nothing", False, source)
    for percent, seconds in soaking.percentiles([kill["up"] for kill in kills]).items():
        yield Figure(group, f"Services back, {percent}", f"{seconds} s", source="from the kill until `up` has ended")
    for percent, seconds in soaking.percentiles([kill["recovered"] for kill in kills]).items():
        why = "from the kill until a run has succeeded, with what else was killed in a row before it"
        yield Figure(group, f"Recovery, {percent}", f"{seconds} s", source=why)
    changes = sum(soak["row_changes"] for soak in found)
    yield Figure(group, "Row changes meanwhile", f"{changes:,}", source=source)


def fault_tests(settings: Settings) -> Iterator[Figure]:
    found = faults.faults(settings)
    for letter, title in faults.groups(settings).items():
        states = Counter(fault.state for fault in found if fault.group == letter)
        name, total = f"{letter}: {title}", states.total()
        tested = total - states["no test"]
        if states["not run"] == tested:
            why = f"{tested} of {total} have a test of that name, which was not run since: `make test`, `make e2e-test`"
            yield unknown("Fault tests", name, why, "all")
            continue
        others = ", ".join(f"{states[state]} {state}" for state in ("failed", "not run", "no test") if states[state])
        passed = states["passed"]
        yield Figure("Fault tests", name, f"{passed} of {total}", "all", passed == total, others)


def tests(settings: Settings) -> Iterator[Figure]:
    group, names = "Tests", ("cli", "security", "localstack", "spark", "dbt", "airflow", "e2e")
    for name in names:
        result = faults.junit(settings, name)
        if result is None:
            yield unknown(
                group, name, "`make e2e-test` keeps it" if name == "e2e" else "`make test` keeps it", "all pass"
            )
        else:
            run = len(result.outcomes) - result.counted("skipped")
            value = f"{result.counted('passed')} of {run} in {result.seconds:.0f} s"
            yield Figure(group, name, value, "all pass", result.counted("passed") == run, f"{result.when}, {machine()}")


def latency(settings: Settings) -> Iterator[Figure]:
    why = "DMS's CDCLatencyTarget is in CloudWatch while a task runs; no command keeps its distribution"
    yield unknown("Speed", "Commit to bronze, p50 and p95", why, "CdcMaxBatchInterval + 1 s")
    benches = sorted((settings.state / "proofs" / "bench").glob("*.txt"))
    if not benches:
        yield unknown("Speed", "Benchmarks", "none was run here: `make bench`; the README has the last ones published")
    for file in benches:
        when = datetime.fromtimestamp(file.stat().st_mtime, UTC).isoformat(timespec="seconds")
        yield Figure("Speed", file.stem, file.read_text().strip(), source=f"`make bench`, {when}")


# --- what is written --------------------------------------------------------------------------------------------------


def fidelity(settings: Settings) -> Iterator[Figure]:
    text = (settings.root / "docs" / "fidelity.md").read_text()
    tested, guess, missing = re.search(r"^(\d+) tested · (\d+) our guess · (\d+) not done", text, re.M).groups()
    source = "docs/fidelity.md"
    yield Figure("Fidelity to AWS", "Rules tested", tested, source=source)
    yield Figure("Fidelity to AWS", "Rules that are our guess", guess, source=source)
    yield Figure("Fidelity to AWS", "Rules not done", missing, source=f"{source} says why")


def models(settings: Settings) -> Iterator[Figure]:
    file, group = settings.state / "airflow" / "dbt" / "manifest.json", "Models"
    if not file.is_file():
        yield unknown(group, "dbt", "no manifest: `make local-up` makes it", "100 % of the marts")
        return
    nodes = json.loads(file.read_text())["nodes"].values()
    marts = [n for n in nodes if n["resource_type"] == "model" and "marts" in n["fqn"]]
    tested = {parent for n in nodes if n["resource_type"] == "test" for parent in n["depends_on"]["nodes"]}
    columns = [column for m in marts for column in m["columns"].values()]
    for name, found, total in (
        ("Marts with a test", sum(m["unique_id"] in tested for m in marts), len(marts)),
        ("Marts with an enforced contract", sum(m["config"]["contract"]["enforced"] for m in marts), len(marts)),
        ("Columns of the marts with a description", sum(bool(c["description"]) for c in columns), len(columns)),
    ):
        yield Figure(group, name, f"{found} of {total}", "all", found == total, "dbt's manifest")


def templates(settings: Settings) -> Iterator[Figure]:
    group, files = "Templates and code", [str(f) for f in sorted(settings.root.glob("cloudformation/templates/*.yaml"))]
    cli, security = venv("cli") / "bin", venv("security") / "bin"
    yield findings(group, "ruff", settings.root, [cli / "ruff", "check", "--output-format=concise", "--quiet", "."])
    yield findings(group, "cfn-lint", settings.root, [cli / "cfn-lint", "--format", "parseable", *files])
    if not security.is_dir():
        yield unknown(group, "Guard, checkov", "not installed: `make lint` installs them", "0")
        return
    guard = settings.root / "cloudformation" / "security" / "guard.py"
    yield findings(group, "Guard, our rules", settings.root, [security / "python", guard, *files])
    yield checkov(group, settings.root, security)


def findings(group: str, name: str, root: Path, command: list) -> Figure:
    done = subprocess.run([str(word) for word in command], cwd=root, capture_output=True, text=True)
    found = len([line for line in done.stdout.splitlines() if line.strip()])
    if done.returncode and not found:
        return unknown(group, f"{name}: findings", f"it failed: {done.stderr.strip()[-200:]}", "0")
    return Figure(group, f"{name}: findings", str(found), "0", not found, "run for this page")


def checkov(group: str, root: Path, security: Path) -> Figure:
    command = [security / "checkov", "--directory", "cloudformation/templates", "--framework", "cloudformation"]
    done = subprocess.run(
        [*map(str, command), "--skip-download", "-o", "json"], cwd=root, capture_output=True, text=True
    )
    try:
        summary = json.loads(done.stdout)["summary"]
    except (ValueError, KeyError, TypeError):
        return unknown(group, "checkov: findings", f"it failed: {done.stderr.strip()[-200:]}", "0")
    value = f"{summary['failed']} ({summary['passed']} checks passed, {summary['skipped']} skipped with a reason)"
    return Figure(group, "checkov: findings", value, "0", not summary["failed"], "run for this page")


def sockets(settings: Settings) -> Iterator[Figure]:
    group, name = "This machine", "Listening sockets not on 127.0.0.1"
    if not processes.is_running(settings):
        up = runtimes.running(settings)
        why = "containers publish theirs by docker-compose.yml" if up else "the platform is not up: `make local-up`"
        yield unknown(group, name, why, "0")
        return
    found = listening(processes.rpc(settings).supervisor.getPID())
    elsewhere = sorted(
        socket for socket in found if not socket.startswith(("127.0.0.1:", "[::1]:", "[::ffff:127.0.0.1]:"))
    )
    text = f"of {len(found)} sockets of the platform that was up" + (f": {', '.join(elsewhere)}" if elsewhere else "")
    yield Figure(group, name, str(len(elsewhere)), "0", not elsewhere, text)


def not_measured(settings: Settings) -> Iterator[Figure]:
    yield unknown(
        "This machine", "CVEs in locked dependencies", "needs a vulnerability database; none is in the locks", "0 high"
    )
    yield unknown("This machine", "Consecutive green end-to-end runs", "nothing counts them", ">= 20 of 20")


GROUPS: tuple[Callable[[Settings], Iterator[Figure]], ...] = (
    convergence, soaks, fault_tests, tests, fidelity, models, templates, latency, sockets, not_measured,
)  # fmt: skip


def write(settings: Settings) -> Path:
    """Write both files, and give back the page's."""
    from groundwork.proofs.page import page

    card = scorecard(settings)
    folder = settings.root / "docs"
    (folder / "scorecard.json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    (folder / "scorecard.html").write_text(page(card))
    return folder / "scorecard.html"
