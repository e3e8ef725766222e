"""Generates nine CSV files in the format of Kaggle's `olistbr/brazilian-ecommerce`, at any scale.

Run as ``python -m seed_data.generator --scale 0.1 --seed 42 --out FOLDER``. Scale 1 is about Olist's size: 99,441
orders and 1.55 million rows in all. The same seed and scale give the same bytes everywhere. The files keep the
quirks of the real ones: orders without items, review ids that stand for several orders, comments with line
breaks, two spellings of a city, points abroad, categories without a translation.
"""

import argparse
import itertools
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from groundwork_contracts import Contract, load_contracts

from seed_data.catalogue import catalogue_tables
from seed_data.csv_folder import SeedError
from seed_data.dice import Dice
from seed_data.market import Market
from seed_data.orders import order_tables
from seed_data.text import lines

BYTES_AT_FULL_SCALE = 125_000_000
SPARE_BYTES = 200_000_000
CHUNK = 50_000


def generate(
    scale: float,
    seed: int,
    out: Path | str,
    contracts: dict[str, Contract],
    progress: Callable[[str, int], None] = lambda table, rows: None,
) -> dict[str, int]:
    """Write the nine files into ``out`` and return the rows per table. ``progress`` gets each table's rows so far.

    Files of these names are replaced, all at the end: a run that breaks off leaves ``out`` as it was. Raises
    SeedError when the scale makes no sense or the disk is too small.
    """
    out = Path(out)
    if scale <= 0:
        raise SeedError(f"--scale {scale:g} is not above 0; 1 is Olist's size")
    out.mkdir(parents=True, exist_ok=True)
    check_disk(out, scale)
    unfinished = out / ".unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        rows = write_tables(Market(Dice(seed), scale), unfinished, contracts, progress)
        for contract in contracts.values():
            (unfinished / contract.csv_file).replace(out / contract.csv_file)
    finally:
        shutil.rmtree(unfinished)
    return rows


def write_tables(market: Market, folder: Path, contracts: dict[str, Contract], progress) -> dict[str, int]:
    rows = dict.fromkeys(contracts, 0)
    with ExitStack() as stack:
        files = {t: stack.enter_context((folder / c.csv_file).open("wb")) for t, c in contracts.items()}
        for table, contract in contracts.items():
            files[table].write((",".join(c.name for c in contract.columns) + "\n").encode())
        for table, columns in itertools.chain(catalogue_tables(market, CHUNK), order_tables(market, CHUNK)):
            files[table].write(lines(columns))
            rows[table] += len(columns[0])
            progress(table, rows[table])
    return rows


def check_disk(folder: Path, scale: float) -> None:
    needed, free = int(scale * BYTES_AT_FULL_SCALE) + SPARE_BYTES, shutil.disk_usage(folder).free
    if free < needed:
        raise SeedError(
            f"{folder} has {free / 1e9:.1f} GB free, but scale {scale:g} needs {needed / 1e9:.1f} GB.\n"
            "→ free some space, choose another folder with --out, or a smaller --scale"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="1 is about Olist's size (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=42, help="the same seed gives the same bytes (default: 42)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the nine files")
    arguments = parser.parse_args()
    started = time.monotonic()
    try:
        rows = generate(arguments.scale, arguments.seed, arguments.out, load_contracts(), show_progress)
    except SeedError as error:
        sys.exit(f"generator: {error}")
    elapsed = time.monotonic() - started
    print(f"\r{sum(rows.values()):,} rows in {elapsed:.1f} s ({sum(rows.values()) / elapsed:,.0f} rows/s)" + " " * 30)
    for table, count in rows.items():
        print(f"  {table:36}{count:>12,}")


def show_progress(table: str, rows: int) -> None:
    if sys.stdout.isatty():
        print(f"\r{table:36}{rows:>12,} rows", end="", flush=True)


if __name__ == "__main__":
    main()
