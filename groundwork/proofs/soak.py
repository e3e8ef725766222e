"""The random-kill soak: while a shop works on the source, one process after another is killed, anywhere in a run.

After each kill ``groundwork up`` must bring the platform back, after so many of them ``groundwork run`` must succeed,
and in the end source, bronze, silver and warehouse must be equal. The seed decides which process is killed when: each
kind once, in random order, then each once again. A run that was under way at a kill may fail of it; one that began
after it may not.
"""

import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path

import psycopg

from groundwork.install import ROOT
from groundwork.local import runtimes
from groundwork.pipeline import runs
from groundwork.pipeline.airflow_api import airflow_of
from groundwork.proofs import records
from groundwork.proofs.victims import Victim, kill, victims
from groundwork.queries import reconcile
from groundwork.settings import Settings, UserError
from seed_data import simulator
from seed_data.csv_folder import SeedError

Say = Callable[[str], None]
LONGEST_WAIT = 40  # seconds into a run, before the kill
PATIENCE = 600  # seconds for a process of the wanted kind to appear: the rest of a run, and the next one's first step
BACK = 3  # what the source may need to be back, before the shop opens again


@dataclass(frozen=True)
class Kill:
    """``during`` are the tasks that ran then, ``up`` the seconds until the services were back.

    ``recovered`` are those until a run had succeeded, after what else was killed in a row.

    ``hit_run`` is what became of the run under way: ``success``, ``failed``, or None where there was none any more.
    """

    victim: str
    at: float
    during: tuple[str, ...]
    up: float
    hit_run: str | None = None
    recovered: float = 0.0


@dataclass
class Soak:
    """What is told of a soak, also of one that is not over."""

    seed: int
    rate: float
    runtime: str
    started: str
    kills: list[Kill] = field(default_factory=list)
    row_changes: int = 0
    seconds: float = 0.0
    failure: str | None = None
    equal: bool | None = None
    differences: list[dict] = field(default_factory=list)

    def as_json(self) -> dict:
        return {**asdict(self), "recovery_seconds": percentiles([kill.recovered for kill in self.kills])}


def soak(settings: Settings, minutes: float, seed: int, rate: float, in_a_row: int, say: Say) -> Soak:
    """Kill for so many minutes, ``in_a_row`` processes before a run must succeed, then compare.

    The result is kept after each recovery.

    What a run does not repair while the shop is at work ends it early, and is told. Raises UserError where even the
    last run fails.
    """
    told = Soak(seed, rate, runtimes.current(settings).NAME, records.now())
    started = time.monotonic()
    with Shop(settings.source_dsn, rate, seed) as shop:
        try:
            planned = plan(victims(settings), seed)
            while time.monotonic() - started < minutes * 60:
                told.kills += kill_and_recover(settings, islice(planned, in_a_row), started, say)
                keep(settings, told, shop, started)
        except UserError as error:
            told.failure = str(error)
            say(f"✗ {error}")
    say(f"the shop is closed after {shop.row_changes:,} row changes; the last run and the comparison")
    log = settings.logs / "soak.log"
    if airflow_of(settings).active_run(runs.DAG):
        groundwork("run", log=log, may_fail=True)
    groundwork("run", log=log)
    result = reconcile.reconcile_platform(settings)
    told.equal = result.equal
    told.differences = [{"table": t.name, **asdict(d)} for t in result.tables for d in t.differences if tells(d)]
    keep(settings, told, shop, started)
    return told


def tells(difference: reconcile.Difference) -> bool:
    """Whether it names rows: where keys are missing, every column's checksum differs too, and says no more."""
    return difference.aspect == reconcile.ROWS or bool(difference.keys)


def plan(candidates: list[Victim], seed: int):
    """Whom to kill, and how many seconds into a run: endless, all kinds in each round."""
    dice = random.Random(seed)
    while True:
        for victim in dice.sample(candidates, len(candidates)):
            yield victim, dice.uniform(0, LONGEST_WAIT)


def kill_and_recover(
    settings: Settings, planned: Iterable[tuple[Victim, float]], started: float, say: Say
) -> list[Kill]:
    """Kill one after another, then do what a user does. Raises UserError where that does not help."""
    log, state = settings.logs / "soak.log", None
    kills = [kill_one(settings, victim, wait, started, say) for victim, wait in planned]
    if airflow_of(settings).active_run(runs.DAG):
        state = "success" if groundwork("run", log=log, may_fail=True) else "failed"
    if state != "success":
        groundwork("run", log=log)
    recovered = time.monotonic() - started
    say(
        f"  recovered in {recovered - kills[-1].at:.0f} s{', the run that was hit failed' if state == 'failed' else ''}"
    )
    return [replace(kill, hit_run=state, recovered=round(recovered - kill.at, 1)) for kill in kills]


def kill_one(settings: Settings, victim: Victim, wait: float, started: float, say: Say) -> Kill:
    """Kill in the middle of a run, and have ``groundwork up`` repair the services. Raises UserError."""
    airflow = airflow_of(settings)
    run = airflow.active_run(runs.DAG) or airflow.trigger(runs.DAG)
    time.sleep(wait)
    deadline = time.monotonic() + PATIENCE
    tasks = running_tasks(airflow, run)
    while not kill(settings, victim):
        if time.monotonic() > deadline:
            raise UserError(f"there was no {victim.name} to kill in {PATIENCE} s: does the run {run} get on?")
        if not airflow.active_run(runs.DAG):
            run = airflow.trigger(runs.DAG)
        time.sleep(0.5)
        tasks = running_tasks(airflow, run)
    killed = time.monotonic()
    groundwork("up", log=settings.logs / "soak.log")
    up = time.monotonic() - killed
    say(f"killed: {victim.name}, during {', '.join(tasks) or 'no task'}; up again in {up:.0f} s")
    return Kill(victim.name, round(killed - started, 1), tasks, round(up, 1))


def running_tasks(airflow, run: str) -> tuple[str, ...]:
    return tuple(sorted(t.id for t in airflow.tasks(runs.DAG, run) if t.state == "running"))


def groundwork(command: str, log: Path, may_fail: bool = False) -> bool:
    """Whether the command succeeded. Raises UserError with its last words where it may not fail."""
    with log.open("ab") as output:
        begin = output.tell()
        done = subprocess.run(
            [sys.executable, "-m", "groundwork.cli", command],
            cwd=ROOT,
            env=environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    if done.returncode and not may_fail:
        words = log.read_bytes()[begin:].decode(errors="replace").splitlines()[-25:]
        raise UserError(f"`groundwork {command}` does not repair the platform:\n" + "\n".join(words))
    return done.returncode == 0


def environment() -> dict[str, str]:
    """The caller's without ``make soak SEED=…``: to ``groundwork up`` that is the seed of other data for the source."""
    return {name: value for name, value in os.environ.items() if name != "SEED"}


class Shop:
    """A simulator in a thread of its own, which opens again when the source was lost."""

    def __init__(self, dsn: str, rate: float, seed: int):
        self.dsn, self.rate, self.seed = dsn, rate, seed
        self.tallies: list[simulator.Tally] = []
        self.closed = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)

    def __enter__(self) -> "Shop":
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.closed.set()
        self.thread.join()

    @property
    def row_changes(self) -> int:
        return sum(tally.total for tally in self.tallies)

    def work(self) -> None:
        while not self.closed.is_set():
            self.tallies.append(tally := simulator.Tally())
            try:
                simulator.simulate(
                    self.dsn, self.rate, float("inf"), self.seed, is_over=self.closed.is_set, tally=tally
                )
            except (SeedError, psycopg.Error):
                self.closed.wait(BACK)


# --- what is told -----------------------------------------------------------------------------------------------------


def keep(settings: Settings, told: Soak, shop: Shop, started: float) -> None:
    told.row_changes, told.seconds = shop.row_changes, round(time.monotonic() - started, 1)
    records.keep(settings, f"soak-{told.seed}", told.as_json())


def summary(told: Soak) -> list[str]:
    """What was killed and how long that took, and whether the stages are equal."""
    lines = [
        f"{kill.victim:24} {kill.recovered:6.0f} s  during {', '.join(kill.during) or 'no task'}" for kill in told.kills
    ]
    seconds = told.as_json()["recovery_seconds"]
    lines += [
        f"{len(told.kills)} kills (seed {told.seed}), {told.row_changes:,} row changes in {told.seconds:.0f} s"
        + (f"; recovered in {seconds['p50']} s (p50), {seconds['p95']} s (p95)" if told.kills else ""),
        *([f"ended early: {told.failure}"] if told.failure else []),
        "source, bronze, silver and warehouse are equal" if told.equal else "the stages are NOT equal:",
    ]
    for d in told.differences:
        lines.append(f"  {d['table']}: {d['aspect']} differs in {d['comparison']}: {d['left']} and {d['right']}")
        lines += [f"    {key}" for key in d["keys"]]
    return lines


def percentiles(seconds: list[float]) -> dict[str, float | None]:
    return {"p50": quantile(seconds, 50), "p95": quantile(seconds, 95)}


def quantile(values: list[float], percent: int) -> float | None:
    """The value that so many percent of them do not exceed; None of nothing."""
    if len(values) < 2:
        return values[0] if values else None
    return round(statistics.quantiles(values, n=100, method="inclusive")[percent - 1], 1)
