import psycopg
import pytest


@pytest.fixture
def source(source_server):
    """A superuser's connection to the PostgreSQL that stands for the instance."""
    with psycopg.connect(source_server.dsn(), autocommit=True) as connection:
        yield connection
