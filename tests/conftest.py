"""A real PostgreSQL for the tests, and a new database in it for each of them."""

import itertools
import signal
from collections.abc import Iterator

import psycopg
import pytest
from groundwork_contracts import Contract, load_contracts

from groundwork.install import ROOT
from groundwork.local.postgres.server import Server
from groundwork.local.services import running_postgres

numbers = itertools.count(1)
# A script that runs the tests in its background lets them ignore interrupts, and so would the commands that they start
# and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def contracts() -> dict[str, Contract]:
    return load_contracts(ROOT / "contracts" / "olist")


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory) -> Iterator[Server]:
    with running_postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture
def database(postgres_server) -> str:
    """The DSN of an empty database."""
    name = f"test_{next(numbers)}"
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgres_server.dsn(name)
