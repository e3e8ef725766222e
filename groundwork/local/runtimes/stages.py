"""The processes in the order in which they come up, and what is prepared between."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import trustme

from groundwork.local import databases, services, topology
from groundwork.local.services import Service
from groundwork.settings import Settings

CERTIFICATE, KEY = "server.crt", "server.key"  # where PostgreSQL looks for them, in its data directory


@dataclass(frozen=True)
class Stage:
    """Services that come up together, what they find when they start, and what the next stage finds.

    Both preparations are harmless when they are done again.
    """

    services: list[Service]
    beforehand: Callable[[], None] = lambda: None
    afterwards: Callable[[], None] = lambda: None


def platform_services(settings: Settings) -> list[Stage]:
    source, warehouse = topology.source_server(settings), topology.warehouse_server(settings)
    spark, airflow = topology.spark_cluster(settings), topology.airflow(settings)
    master, *rest_of_spark = spark.services()

    def prepare_folders() -> None:
        source.initialise()
        make_certificate(source.data)
        warehouse.initialise()
        spark.configure()

    def prepare_databases() -> None:
        databases.prepare(settings)
        airflow.prepare()

    return [
        Stage(
            [
                services.postgres("source", source),
                services.postgres("warehouse", warehouse),
                topology.localstack(settings),
                master,
            ],
            prepare_folders,
            prepare_databases,
        ),
        Stage([*rest_of_spark, *airflow.services()]),
    ]


def make_certificate(folder: Path) -> None:
    """A self-signed certificate for 127.0.0.1 and its key, made once."""
    if (folder / KEY).is_file():
        return
    issued = trustme.CA().issue_cert("127.0.0.1", "localhost")
    issued.cert_chain_pems[0].write_to_path(folder / CERTIFICATE)
    (folder / KEY).touch(mode=0o600)
    issued.private_key_pem.write_to_path(folder / KEY)
