"""The command on a machine where something is wrong: it names the thing and the remedy, and starts nothing."""

import json
import platform
import socket
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

from groundwork import install
from groundwork.local import doctor
from groundwork.local.services import port_is_open
from groundwork.settings import given_credentials, read_credentials
from tests.isolation import groundwork, isolated_environment


@pytest.fixture
def environment(tmp_path):
    return isolated_environment(tmp_path)


def test_a_healthy_machine_passes_the_doctor(environment):
    done = groundwork(environment, "doctor", "--json")
    assert done.returncode == 0, done.stdout
    assert {"java", "memory", "disk", "ports", "data"} <= {check["name"] for check in json.loads(done.stdout)}


def test_a_taken_port_stops_up_before_anything_starts(environment):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = groundwork({**environment, "GROUNDWORK_PORT_WAREHOUSE": port}, "up")
    assert done.returncode == 1
    assert port in done.stderr
    assert "warehouse" in done.stderr
    assert "GROUNDWORK_PORT_WAREHOUSE=" in done.stderr
    assert not port_is_open(int(environment["GROUNDWORK_PORT_SUPERVISOR"]))


@pytest.fixture
def program() -> Path:
    """A real Java, found before a test hides it."""
    return Path(install.machine_java() or install.wheel_program())


@pytest.fixture
def no_java(monkeypatch, tmp_path):
    """A machine without Java, on which nothing is installed yet."""
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    monkeypatch.setenv("PATH", str(nothing))
    monkeypatch.setenv("JAVA_HOME", str(nothing))
    monkeypatch.setattr(install, "INSTALLED", tmp_path)


def test_no_java_where_no_wheel_serves_says_how_to_get_one(no_java, monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    check = doctor.check_java()
    assert (check.level, check.text) == ("FAIL", "no Java 17 or 21")
    assert "openjdk-17" in check.remedy
    with pytest.raises(install.InstallError, match="openjdk-17"):
        install.install_java()


def test_no_java_is_no_hindrance_where_a_wheel_serves(no_java):
    check = doctor.check_java()
    assert check.level == "OK"
    assert "make install" in check.text
    with pytest.raises(install.InstallError, match="make install"):
        install.java()


def test_java_from_a_wheel_is_used_where_the_machine_has_none(program, no_java, tmp_path):
    install.write_java_wrapper(program, install.wheel_java())
    assert install.java() == str(tmp_path / "java" / "bin" / "java")
    assert str(tmp_path / "java") in doctor.check_java().text


def test_java_from_a_wheel_starts_without_the_module_that_it_lacks(tmp_path, program):
    options = ["--add-modules=jdk.incubator.vector", "-Dx=two words"]
    started = [program, *options, "-XshowSettings:properties", "-version"]
    assert "incubator" in subprocess.run(started, capture_output=True, text=True).stderr
    wrapper = tmp_path / "a home" / "bin" / "java"
    install.write_java_wrapper(program, wrapper)
    done = subprocess.run([wrapper, *started[1:]], capture_output=True, text=True)
    assert done.returncode == 0
    assert "x = two words" in done.stderr
    assert "incubator" not in done.stderr


@pytest.mark.parametrize(
    "variable, value, words",
    [
        ("GROUNDWORK_PORT_SOURCE", "none", "GROUNDWORK_PORT_SOURCE=none"),
        ("SCALE", "large", "SCALE=large"),
        ("OLIST_CSV_DIR", "/nowhere/at/all", "/nowhere/at/all"),
    ],
)
def test_a_wrong_setting_is_named(environment, variable, value, words):
    done = groundwork({**environment, variable: value}, "doctor")
    assert done.returncode == 1
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["query", "athena", "SELECT 1"], ["run"], ["reconcile"]], ids=lambda a: a[0])
def test_a_command_that_needs_the_platform_says_how_to_bring_it_up(environment, arguments):
    done = groundwork(environment, *arguments)
    assert done.returncode == 1
    assert "make local-up" in done.stderr
    assert "Traceback" not in done.stderr


def test_credentials_are_generated_once_for_their_owner_only(tmp_path):
    file = tmp_path / ".env"
    credentials = read_credentials(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(set(vars(credentials).values())) == len(fields(credentials))
    assert read_credentials(file) == credentials


def test_a_credential_that_env_lacks_is_added_to_what_is_there(tmp_path):
    file = tmp_path / ".env"
    file.write_text("# mine\nGROUNDWORK_SOURCE_SUPERUSER=mine\n")
    assert read_credentials(file).source_superuser == "mine"
    assert file.read_text().startswith("# mine\n")
    assert "GROUNDWORK_WAREHOUSE_DBT=" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_container_has_the_credentials_that_it_is_given_and_no_others():
    given = given_credentials({"GROUNDWORK_WAREHOUSE_DBT": "secret", "HOME": "/"})
    assert (given.warehouse_dbt, given.source_superuser) == ("secret", "")
    assert given_credentials({"HOME": "/"}) is None


def test_too_little_disk_is_refused_with_what_is_missing(monkeypatch):
    monkeypatch.setattr(doctor, "NEEDED_DISK_GIB", 10**6)
    check = doctor.check_disk()
    assert check.level == "FAIL"
    assert "GROUNDWORK_STATE_DIR" in check.remedy
