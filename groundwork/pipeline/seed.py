"""Fill the source: with Kaggle's CSVs where a folder of them is given, else with generated ones of the same shape.

The source of an environment whose Airflow is on MWAA is in a private network: there the DAG ``seed_source`` loads the
files, from the artifacts bucket. A database that the user brought is not touched.
"""

import json
from collections.abc import Callable
from pathlib import Path

from groundwork_contracts import Contract, load_contracts

from groundwork.aws import client, variable
from groundwork.deployment.deploy import has_airflow, put_if_changed, stacks_of
from groundwork.pipeline import runs
from groundwork.settings import Settings, UserError
from seed_data import generator, loader
from seed_data.csv_folder import SeedError, check_folder

DAG = "seed_source"
PREFIX = "seed/"

Say = Callable[[str], None]


def seed(settings: Settings, say: Say) -> None:
    """Load the data and make the replication user. Doing it again changes nothing. Raises UserError."""
    contracts = load_contracts(settings.root / "contracts" / "olist")
    try:
        if not has_airflow(settings):
            load(settings, folder_of(settings, contracts, say), contracts, say)
        elif "database" in stacks_of(settings):
            load_by_task(settings, folder_of(settings, contracts, say), contracts, say)
        else:
            say("the source is a database of your own: docs/deploy.md says what DMS needs there")
    except SeedError as error:
        raise UserError(str(error)) from error


def folder_of(settings: Settings, contracts: dict[str, Contract], say: Say) -> Path:
    return settings.olist_csv_dir or generated(settings, contracts, say)


def generated(settings: Settings, contracts: dict[str, Contract], say: Say) -> Path:
    """The folder of the generated CSVs of this scale and seed, made unless it is there."""
    folder = settings.state / "seed" / f"scale-{settings.scale:g}-seed-{settings.seed}"
    if not folder.is_dir():
        unfinished = folder.with_name(folder.name + ".new")
        rows = generator.generate(settings.scale, settings.seed, unfinished, contracts)
        unfinished.rename(folder)
        say(f"generated {sum(rows.values()):,} rows of Olist's shape (scale {settings.scale:g}, seed {settings.seed})")
    return folder


def load(settings: Settings, folder: Path, contracts: dict[str, Contract], say: Say) -> None:
    loaded = loader.load(folder, settings.source_dsn, contracts, lambda step: show(step, say))
    loader.create_dms_role(settings.source_dsn, replication_password(settings))
    rows = sum(loaded.rows.values())
    say(
        f"source seeded with {rows:,} rows in {len(loaded.rows)} tables"
        if loaded.changed
        else f"source holds its {rows:,} rows already"
    )


def load_by_task(settings: Settings, folder: Path, contracts: dict[str, Contract], say: Say) -> None:
    check_folder(folder, contracts.values())
    bucket = variable("artifacts_bucket")
    for contract in contracts.values():
        if put_if_changed(bucket, PREFIX + contract.csv_file, (folder / contract.csv_file).read_bytes()):
            say(f"  [dim]{contract.csv_file} uploaded[/dim]")
    runs.run(settings, DAG)
    say("source seeded")


def replication_password(settings: Settings) -> str:
    secret = client("secretsmanager").get_secret_value(SecretId=f"groundwork-{settings.environment}-source")
    return json.loads(secret["SecretString"])["password"]


def show(step: loader.Progress, say: Say) -> None:
    if step.rows is not None:
        say(f"  [dim]{step.table:<36} {step.rows:>12,} rows[/dim]")
