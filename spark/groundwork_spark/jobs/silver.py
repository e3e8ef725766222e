r"""Bronze to silver: every table of the contracts, side by side in one application.

    spark-submit --py-files s3://ARTIFACTS/spark/groundwork_spark.zip s3://ARTIFACTS/spark/silver.py \
        --bronze s3://BRONZE/olist/shop --silver s3://SILVER/olist [--tables orders,customers] \
        [--loaded '{"orders": 12}'] [--maintain]

Progress goes to stdout, then a summary in one line of JSON, also kept in ``<silver>/_runs/latest.json``, then the
reasons of a failure. Nothing is written before every table's bronze has passed its schema check. After that each table
stands for itself: one that fails leaves its silver as it was, the others are committed, and the application ends with
exit code 1.
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from importlib.resources import as_file, files

from groundwork_contracts import Contract, load_contracts
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from groundwork_spark import bronze, export, maintenance, silver
from groundwork_spark.lake import Lake
from groundwork_spark.lock import Locked, writer_lock
from groundwork_spark.log import say
from groundwork_spark.quarantine import TooManyRejected
from groundwork_spark.schema import BronzeSchemaError
from groundwork_spark.session import start_session
from groundwork_spark.silver import Outcome
from groundwork_spark.storage import File, Storage

# More tables than cores at a time: one plans or commits while another computes.
TABLES_AT_A_TIME = 4
EXPECTED_ERRORS = (bronze.BronzeError, BronzeSchemaError, TooManyRejected, OSError, PySparkException, Py4JJavaError)
# `[FAILED_READ_FILE.NO_HINT] Encountered error while reading file …`, which can be deep in a job's stack trace.
SPARK_ERROR = re.compile(r"\[[A-Z][A-Z0-9_.]+\] .*")


def main(arguments: list[str]) -> None:
    contracts = bundled_contracts()
    options = parse_arguments(arguments, contracts)
    spark = start_session("silver")
    try:
        lake = Lake(spark, Storage(spark), options.silver)
        with writer_lock(lake.storage, lake.silver, spark.sparkContext.applicationId):
            chosen = {name: contracts[name] for name in options.tables}
            maintain = options.maintain or maintenance.is_due(lake.storage, lake.silver)
            summary = run(lake, options.bronze, chosen, options.loaded, maintain)
    except (bronze.BronzeError, Locked, OSError) as error:
        sys.exit(f"silver: {error}")
    finally:
        spark.stop()
    print(json.dumps(summary), flush=True)
    failures = [table["error"] for table in summary["tables"] if table["error"]]
    if failures:
        sys.exit("silver: " + "\nsilver: ".join(failures))


def bundled_contracts() -> dict[str, Contract]:
    """The contracts that travel with the job, by table."""
    with as_file(files("groundwork_contracts") / "olist") as folder:
        return load_contracts(folder)


def parse_arguments(arguments: list[str], contracts: dict[str, Contract]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bronze", required=True, type=folder, help="the schema's folder in bronze")
    parser.add_argument("--silver", required=True, type=folder, help="the folder of silver's tables")
    parser.add_argument("--tables", type=lambda names: names.split(","), help="these tables only, with commas between")
    parser.add_argument("--loaded", type=versions, help="JSON: silver's version of each table that the warehouse has")
    parser.add_argument("--maintain", action="store_true", help="compact files and remove old ones now, not once a day")
    options = parser.parse_args(arguments)
    options.tables = options.tables or list(contracts)
    unknown = set(options.tables) - set(contracts)
    if unknown:
        parser.error(f"no contract for {', '.join(sorted(unknown))}; there are {', '.join(contracts)}")
    return options


def folder(url: str) -> str:
    return url.rstrip("/")


def versions(text: str) -> dict[str, int]:
    loaded = json.loads(text)
    if not isinstance(loaded, dict) or not all(isinstance(version, int) for version in loaded.values()):
        raise ValueError(text)
    return loaded


def run(
    lake: Lake,
    bronze_folder: str,
    contracts: dict[str, Contract],
    loaded: dict[str, int] | None = None,
    maintain: bool = False,
) -> dict:
    """Refresh these tables and return the summary, which is also kept in silver.

    What the warehouse lacks is exported where ``loaded`` says what it has; an empty dictionary is an empty warehouse.
    """
    started = time.monotonic()
    listed, until = bronze.list_settled(lake.storage, bronze_folder, contracts)
    # The largest first: a table that starts last should not be the one that takes longest.
    names = sorted(contracts, key=lambda name: -sum(file.size for file in listed[name]))
    say(f"{len(names)} tables, {sum(map(len, listed.values()))} files in {bronze_folder}, changes to {until or 'none'}")
    sources, errors = side_by_side(lambda name: look(lake, bronze_folder, contracts[name], listed[name], until), names)
    outcomes = {}
    if not errors:
        outcomes, errors = side_by_side(lambda name: silver.refresh(lake, sources[name], maintain), names)
    if maintain and not errors:
        maintenance.note(lake.storage, lake.silver)
    if loaded is not None and outcomes:
        errors |= export_changes(lake, {name: contracts[name] for name in outcomes}, loaded)
    for name in names:
        if name not in outcomes:
            status = "failed" if name in errors else "untouched"
            outcomes[name] = Outcome(table=name, status=status, error=errors.get(name))
    summary = {
        "status": "failed" if errors else "succeeded",
        "seconds": round(time.monotonic() - started, 2),
        "tables": [asdict(outcomes[name]) for name in contracts],
    }
    lake.storage.write(f"{lake.silver}/_runs/latest.json", json.dumps(summary, indent=1))
    return summary


def export_changes(lake: Lake, contracts: dict[str, Contract], loaded: dict[str, int]) -> dict[str, str]:
    """Export what the warehouse lacks of these tables. Returns the errors."""
    tables, errors = side_by_side(
        lambda name: export.write_table(lake, contracts[name], loaded.get(name)), list(contracts)
    )
    export.write_latest(lake.storage, lake.silver, tables)
    return errors


def look(lake: Lake, bronze_folder: str, contract: Contract, files: list[File], until: str) -> silver.Source:
    return silver.look(lake, contract, f"{bronze_folder}/{contract.table}", files, until)


def side_by_side[T](action: Callable[[str], T], names: list[str]) -> tuple[dict[str, T], dict[str, str]]:
    """Do the action for every table, some at a time. Returns what came of it, and the errors, by table."""
    results, errors = {}, {}
    with ThreadPoolExecutor(TABLES_AT_A_TIME) as pool:
        running = {name: pool.submit(action, name) for name in names}
    for name, future in running.items():
        error = future.exception()
        if error is None:
            results[name] = future.result()
        elif isinstance(error, EXPECTED_ERRORS):
            errors[name] = explain(name, error)
            say(f"{name}: failed")
        else:
            raise error
    return results, errors


def explain(table: str, error: Exception) -> str:
    """One line that names the table; of Spark's errors the one that has an error class, which names the file."""
    text = error.java_exception.toString() if isinstance(error, Py4JJavaError) else str(error)
    classified = SPARK_ERROR.search(text)
    line = classified.group() if classified else text.strip().splitlines()[0]
    if "[FAILED_READ_FILE" in line:
        line += " Load the table again to replace the file"
    return line if line.startswith(f"{table}:") else f"{table}: {line}"


if __name__ == "__main__":
    main(sys.argv[1:])
