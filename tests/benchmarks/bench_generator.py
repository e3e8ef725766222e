"""The generator's speed and memory beside its limit: pyarrow writing the same columns as CSV.

Run as ``python tests/benchmarks/bench_generator.py [SCALE]``. Both write to the same disk; the limit makes none of the
data, it only writes columns that are in memory already. The floor is 200,000 rows/s.
"""

# environment: cli
# environment: cli

import resource
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
from groundwork_contracts import load_contracts

from seed_data.generator import generate

CONTRACT_FILES = load_contracts()


def main(scale: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        rows = sum(generate(scale, 42, folder, CONTRACT_FILES).values())
        generator = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        limit = sum(write_again(Path(folder) / c.csv_file) for c in CONTRACT_FILES.values())
    print(f"generator          {rows / generator:>12,.0f} rows/s   {generator:6.2f} s   peak {peak} MB")
    print(f"limit: pyarrow csv {rows / limit:>12,.0f} rows/s   {limit:6.2f} s")
    print(f"generator / limit  {generator / limit:12.2f}   ({rows:,} rows, scale {scale:g})")


def write_again(file: Path) -> float:
    """Seconds that pyarrow takes to write a file's table, types and all, beside it."""
    options = pa.csv.ParseOptions(newlines_in_values=True)
    table = pa.csv.read_csv(file, parse_options=options)
    started = time.perf_counter()
    pa.csv.write_csv(table, file.with_suffix(".limit"))
    return time.perf_counter() - started


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
