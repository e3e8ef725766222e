"""Become one service of the platform: what a container runs.

``python -m groundwork.local.serve spark-master`` turns into that service, with the command and the environment that
``groundwork.local.topology`` gives it, and leaves for Docker's health check what ``groundwork.local.health`` asks.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from groundwork.local import topology
from groundwork.local.services import Service
from groundwork.settings import Settings, settings

HEALTH = Path("/tmp/health.json")


def main() -> None:
    parser = argparse.ArgumentParser(prog="serve", description=__doc__.splitlines()[0])
    parser.add_argument("name", help="a service of the platform, or airflow-migrate, which ends when Airflow is ready")
    name = parser.parse_args().name
    if name == "airflow-migrate":
        topology.airflow(settings()).prepare()
        return
    services = {service.name: service for service in services_beside(name, settings())}
    if name not in services:
        sys.exit(f"serve: there is no service {name}")
    become(services[name])


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
    HEALTH.write_text(json.dumps({"url": service.health, "component": service.component}))
    service.directory.mkdir(parents=True, exist_ok=True)
    os.chdir(service.directory)
    os.execve(service.command[0], service.command, {**os.environ, **service.environment})


if __name__ == "__main__":
    main()
