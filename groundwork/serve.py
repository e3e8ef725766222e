"""Become one service of the platform: what a container runs, and how Docker sees that it is up.

``python -m groundwork.serve spark-master`` turns into that service, with the command and the environment that
``groundwork.topology`` gives it; ``--healthy`` exits 0 when it is up, else 1.
"""

import argparse
import os
import sys

from groundwork import topology
from groundwork.services import Service
from groundwork.settings import Settings, settings


def main() -> None:
    parser = argparse.ArgumentParser(prog="serve", description=__doc__.splitlines()[0])
    parser.add_argument("name", help="a service of the platform, or airflow-migrate, which ends when Airflow is ready")
    parser.add_argument("--healthy", action="store_true", help="exit 0 when it is up")
    options = parser.parse_args()
    if options.name == "airflow-migrate":
        topology.airflow(settings()).migrate()
        return
    services = {service.name: service for service in services_beside(options.name, settings())}
    if options.name not in services:
        sys.exit(f"serve: there is no service {options.name}")
    if options.healthy:
        sys.exit(not services[options.name].is_up())
    become(services[options.name])


def services_beside(name: str, settings: Settings) -> list[Service]:
    """The services of the image that holds this one; the other images' programs are not there."""
    if name == "localstack":
        return [topology.localstack(settings)]
    if name.startswith("airflow-"):
        return topology.airflow(settings).services()
    cluster = topology.spark_cluster(settings)
    cluster.configure()
    return cluster.services()


def become(service: Service) -> None:
    service.directory.mkdir(parents=True, exist_ok=True)
    os.chdir(service.directory)
    os.execve(service.command[0], service.command, {**os.environ, **service.environment})


if __name__ == "__main__":
    main()
