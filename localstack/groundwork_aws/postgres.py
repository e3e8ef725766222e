"""A PostgreSQL server that runs already and stands for one of AWS's databases."""

from dataclasses import dataclass

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo


@dataclass(frozen=True)
class PostgresServer:
    """``dsn`` connects as a superuser."""

    dsn: str

    @property
    def address(self) -> str:
        return conninfo_to_dict(self.dsn).get("host", "127.0.0.1")

    @property
    def port(self) -> int:
        return int(conninfo_to_dict(self.dsn).get("port", 5432))

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """A superuser's connection that commits by itself. Raises psycopg.OperationalError when the server is away."""
        return psycopg.connect(make_conninfo(self.dsn, dbname=database), autocommit=True, connect_timeout=10)
