"""Fill the source: with Kaggle's CSVs where a folder of them is given, else with generated ones of the same shape.

It is the database of the environment's own stack where it has one, else the one on this machine. A database that the
user brought is not touched.
"""

import json
from collections.abc import Callable
from pathlib import Path

from groundwork_contracts import Contract, load_contracts
from psycopg.conninfo import make_conninfo

from groundwork.aws import client
from groundwork.deployment.deploy import stacks_of
from groundwork.settings import Settings, UserError
from seed_data import generator, loader
from seed_data.csv_folder import SeedError


def seed(settings: Settings, say: Callable[[str], None]) -> None:
    """Make the replication user and load the data. Doing it again changes nothing. Raises UserError."""
    if not settings.here and not has_database(settings):
        say("the source is a database of your own: docs/deploy.md says what DMS needs there")
        return
    contracts = load_contracts(settings.root / "contracts" / "olist")
    try:
        folder = settings.olist_csv_dir or generated(settings, contracts, say)
        dsn = owner_dsn(settings)
        loaded = loader.load(folder, dsn, contracts, lambda step: show(step, say))
        loader.create_dms_role(dsn, replication_password(settings))
    except SeedError as error:
        raise UserError(str(error)) from error
    rows = sum(loaded.rows.values())
    say(
        f"source seeded with {rows:,} rows in {len(loaded.rows)} tables"
        if loaded.changed
        else f"source holds its {rows:,} rows already"
    )


def generated(settings: Settings, contracts: dict[str, Contract], say: Callable[[str], None]) -> Path:
    """The folder of the generated CSVs of this scale and seed, made unless it is there."""
    folder = settings.state / "seed" / f"scale-{settings.scale:g}-seed-{settings.seed}"
    if not folder.is_dir():
        unfinished = folder.with_name(folder.name + ".new")
        rows = generator.generate(settings.scale, settings.seed, unfinished, contracts)
        unfinished.rename(folder)
        say(f"generated {sum(rows.values()):,} rows of Olist's shape (scale {settings.scale:g}, seed {settings.seed})")
    return folder


def has_database(settings: Settings) -> bool:
    return "database" in stacks_of(settings)


def owner_dsn(settings: Settings) -> str:
    if not has_database(settings):
        return settings.source_dsn
    found = client("rds").describe_db_instances(DBInstanceIdentifier=f"groundwork-{settings.environment}")
    instance = found["DBInstances"][0]
    secret = client("secretsmanager").get_secret_value(SecretId=instance["MasterUserSecret"]["SecretArn"])
    return make_conninfo(
        host=instance["Endpoint"]["Address"], port=instance["Endpoint"]["Port"], dbname=instance["DBName"],
        user=instance["MasterUsername"], password=json.loads(secret["SecretString"])["password"], sslmode="require",
    )  # fmt: skip


def replication_password(settings: Settings) -> str:
    secret = client("secretsmanager").get_secret_value(SecretId=f"groundwork-{settings.environment}-source")
    return json.loads(secret["SecretString"])["password"]


def show(step: loader.Progress, say: Callable[[str], None]) -> None:
    if step.rows is not None:
        say(f"  [dim]{step.table:<36} {step.rows:>12,} rows[/dim]")
