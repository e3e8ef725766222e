"""What Docker is told of the platform: every service is watched, limited and reached from this machine only."""

import re
from dataclasses import fields

import pytest
import yaml

from groundwork.install import ROOT
from groundwork.local.runtimes import containers
from groundwork.settings import Hosts, Ports

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
ONCE = {"databases", "airflow-migrate", "set-up"}
DOCKERFILE = (ROOT / "containers" / "Dockerfile").read_text()
BASES = {"python:3.12-slim-bookworm", "python:3.13-slim-bookworm", "postgres:17-trixie"}
each_service = pytest.mark.parametrize("name", SERVICES)


@each_service
def test_a_service_is_limited_logged_and_has_no_privileges(name):
    service = SERVICES[name]
    assert service["mem_limit"]
    assert service["logging"]["options"]["max-size"]
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]


@each_service
def test_a_service_starts_again_when_it_dies_and_one_that_only_prepares_does_not(name):
    assert SERVICES[name]["restart"] == ("no" if name in ONCE else "unless-stopped")


@each_service
def test_a_service_waits_for_what_it_needs_to_be_well(name):
    conditions = {needed: wait["condition"] for needed, wait in SERVICES[name].get("depends_on", {}).items()}
    for needed, condition in conditions.items():
        assert condition == ("service_completed_successfully" if needed in ONCE else "service_healthy")
    assert conditions or name in ("source", "warehouse", "spark-master")


@pytest.mark.parametrize("name", set(SERVICES) - ONCE)
def test_a_service_has_a_health_check(name):
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_ports_are_those_of_the_settings_and_on_this_machine_only():
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    expected = [
        f"127.0.0.1:${{GROUNDWORK_PORT_{f.name.upper()}:-{f.default}}}:{f.default}"
        for f in fields(Ports)
        if f.name not in containers.INNER_PORTS
    ]
    assert sorted(published) == sorted(expected)


def test_every_host_of_the_settings_is_a_service():
    given = {f"GROUNDWORK_HOST_{f.name.upper()}" for f in fields(Hosts)}
    assert set(COMPOSE["x-hosts"]) == given
    assert set(COMPOSE["x-hosts"].values()) <= set(SERVICES)


def test_no_credential_is_written_down():
    for line in (ROOT / "docker-compose.yml").read_text().splitlines():
        if re.search(r"PASSWORD|SUPERUSER|SECRET|TOKEN|_KEY|_ADMIN|_DBT", line):
            assert "${GROUNDWORK_" in line, line


def test_images_stand_on_three_bases():
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", DOCKERFILE, re.MULTILINE))
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) - stages == BASES


def test_one_service_builds_each_image_and_none_is_pulled():
    built = [s["image"] for s in SERVICES.values() if "build" in s]
    assert sorted(built) == sorted({s["image"] for s in SERVICES.values()})
    assert {s["pull_policy"] for s in SERVICES.values()} == {"never"}


@pytest.mark.parametrize("name", sorted(s["build"]["target"] for s in SERVICES.values() if "build" in s))
def test_an_image_runs_as_an_ordinary_user_and_takes_over_no_installer(name):
    stage = re.search(rf"^FROM \S+ AS {name}$(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL).group(1)
    assert re.findall(r"^USER (\S+)", stage, re.MULTILINE)[-1] in ("groundwork", "postgres")
    assert "install.py" not in stage
    assert "/opt/groundwork/uv" not in stage
