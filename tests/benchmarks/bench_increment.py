"""An increment through the whole platform: from the last commit at the source until the marts have it.

    .groundwork/venvs/cli/bin/python -m tests.benchmarks.bench_increment [--rounds 2] [--scales 0.1 1]

A platform of its own, as processes, with generated data of each scale (1 is Olist's size, 100,000 orders). After the
full load, each round lets a shop make 10,000 row changes in all tables and then runs the DAG: the seconds are those
from the end of the shop to the end of ``groundwork run``, the tasks' those of its output. The first round warms up.
The target is at most 120 s on two cores, and at most a fifth more with tables of ten times the size.
"""

# environment: cli

import argparse
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.isolation import groundwork, isolated_environment

RATE, SECONDS = 2000, 5
LONG = 3  # seconds of a task that is worth a word


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--scales", type=float, nargs="+", default=[0.1, 1.0])
    options = parser.parse_args()
    medians = [measure(scale, options.rounds) for scale in options.scales]
    for scale, median in zip(options.scales[1:], medians[1:], strict=True):
        print(f"scale {scale:g} takes x{median / medians[0]:.2f} of scale {options.scales[0]:g}")


def measure(scale: float, rounds: int) -> float:
    """Print each round and give back the median of the seconds."""
    with tempfile.TemporaryDirectory(prefix="bench-increment-") as folder:
        Path(folder).chmod(0o755)
        environment = {**isolated_environment(Path(folder)), "SCALE": str(scale), "OLIST_CSV_DIR": ""}
        try:
            called(environment, "up")
            print(f"scale {scale:g}: full load {long_tasks(called(environment, 'run'))}", flush=True)
            seconds = [increment(environment, scale, number) for number in range(rounds + 1)][1:]
        finally:
            groundwork(environment, "down")
    median = statistics.median(seconds)
    print(f"scale {scale:g}: {RATE * SECONDS:,} row changes, commit to marts {median:.0f} s", flush=True)
    return median


def increment(environment: dict[str, str], scale: float, number: int) -> float:
    called(environment, "simulate", "--rate", str(RATE), "--seconds", str(SECONDS), "--seed", str(number))
    started = time.monotonic()
    said = called(environment, "run")
    seconds = time.monotonic() - started
    print(f"scale {scale:g}, round {number}: {seconds:.1f} s, {long_tasks(said)}", flush=True)
    return seconds


def called(environment: dict[str, str], *arguments: str) -> str:
    done = groundwork(environment, *arguments, timeout=3600)
    if done.returncode != 0:
        sys.exit(f"groundwork {' '.join(arguments)} failed:\n{done.stderr}")
    return done.stderr + done.stdout


def long_tasks(said: str) -> str:
    tasks = re.findall(r"✓ ([\w.]+) +(\d+) s", said)
    return ", ".join(f"{name} {seconds} s" for name, seconds in tasks if int(seconds) >= LONG)


if __name__ == "__main__":
    main()
