"""What the platform prepares on its database servers."""

import psycopg

from groundwork.local.databases import create_database


def test_database_is_made_once(postgres_server):
    create_database(postgres_server.dsn(), "made_once")
    create_database(postgres_server.dsn(), "made_once")
    with psycopg.connect(postgres_server.dsn("made_once")) as connection:
        assert connection.execute("SELECT current_database()").fetchall() == [("made_once",)]
