"""What proves the platform is itself proved: it kills what it says, sees what listens, and counts what was tested."""

import socket
import subprocess
import sys
from dataclasses import replace
from itertools import islice

import pytest

from groundwork.install import ROOT
from groundwork.proofs import faults, page, records, scorecard, soak, sockets, victims
from groundwork.settings import settings as read_settings

CHILD = """
import socket, time
server = socket.create_server(("127.0.0.3", 0))
print(server.getsockname()[1], flush=True)
time.sleep(600)
"""
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


@pytest.fixture
def settings(tmp_path):
    return replace(read_settings(), state=tmp_path)


@pytest.fixture
def parent():
    """A process whose child listens, and what the child says its port is."""
    process = subprocess.Popen([sys.executable, "-c", PARENT, CHILD], stdout=subprocess.PIPE, text=True)
    yield process, int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()


def test_what_a_service_started_is_found_by_its_depth_and_its_sockets_are_seen(parent):
    process, port = parent
    assert sockets.listening(process.pid) == {f"127.0.0.3:{port}"}
    assert victims.descendants(process.pid, 0) == [process.pid]
    [child] = victims.descendants(process.pid, 1)
    assert child != process.pid
    assert victims.descendants(process.pid, 2) == []
    subprocess.run(["kill", "-9", str(child)], check=True)
    process.wait(timeout=120)


def test_an_address_of_ipv6_is_readable():
    try:
        listening = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error}")
    with listening as server:
        assert f"[::1]:{server.getsockname()[1]}" in {address for _, address in sockets.listed()}


def test_the_seed_decides_who_is_killed_when_and_each_kind_has_its_turn():
    kinds = [victims.Victim(name, name) for name in "abcde"]
    first, again, other = (list(islice(soak.plan(kinds, seed), 10)) for seed in (1, 1, 2))
    assert first == again != other
    assert {victim.name for victim, _ in first[:5]} == {victim.name for victim, _ in first[5:]} == set("abcde")


def test_the_scorecard_adds_up_the_soaks_of_all_seeds_and_tells_what_was_not_repaired(settings):
    kills = [soak.Kill(name, 1.0, ("silver",), up, "failed", up * 10) for name, up in (("a", 5.0), ("b", 7.0))]
    went = soak.Soak(1, 20, "processes", "now", kills, 100, 60, None, True)
    records.keep(settings, "soak-1", went.as_json())
    records.keep(settings, "soak-2", replace(went, seed=2, equal=False, failure="`run` does not\nrepair").as_json())
    figures = {figure.name: figure for figure in scorecard.soaks(settings)}
    assert (figures["Kills"].value, figures["Kills"].good) == ("4", False)
    assert figures["Kinds of process killed"].value == "2"
    assert figures["Soaks that ended equal"].value == "1 of 2"
    assert figures["What a run did not repair"].value == "`run` does not"
    assert (figures["Services back, p50"].value, figures["Recovery, p50"].value) == ("6.0 s", "60.0 s")
    assert figures["Row changes meanwhile"].value == "200"


def test_percentiles_are_of_what_was_measured():
    assert soak.quantile([], 95) is None
    assert soak.quantile([7.0], 50) == 7.0
    assert soak.quantile([1.0, 2.0, 3.0, 4.0, 5.0], 50) == 3.0
    assert soak.quantile([1.0, 2.0, 3.0, 4.0, 5.0], 95) == 4.8


def test_every_letter_that_a_test_names_is_a_fault_of_the_list(settings):
    listed = {fault.id for fault in faults.faults(settings)}
    assert set(faults.tests_by_fault(ROOT)) <= listed
    assert len(listed) == 86


@pytest.mark.parametrize(
    "name, ids",
    [
        ("test_A5_A17_killed_it_comes_whole", ["A5", "A17"]),
        ("test_DMS_S3_17_D1_D2_new_files", ["D1", "D2"]),
        ("test_the_A5_is_a_paper", ["A5"]),
        ("test_GA5_no_letter_of_its_own", []),
    ],
)
def test_a_fault_is_named_by_letter_and_number(name, ids):
    assert faults.IN_NAME.findall(name) == ids


def test_the_outcome_of_a_fault_is_the_worst_of_its_tests(settings):
    """Out of what pytest really leaves."""
    file = settings.state / "test_some.py"
    file.write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('n', [1, 2])\ndef test_A1_(n): assert n == 1\n"
        "def test_A2_(): pass\n"
        "def test_A3_(): pytest.skip('not here')\n"
    )
    results = settings.state / "proofs" / "junit" / "spark.xml"
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml", results, file]
    assert subprocess.run(run, cwd=settings.state, capture_output=True).returncode == 1
    named = {f"A{n}": [f"test_A{n}_"] for n in (1, 2, 3, 4)}
    went = faults.outcomes(settings)
    assert [faults.fault(f"A{n}", "", named, went).state for n in (1, 2, 3, 4, 5)] == [
        "failed", "passed", "not run", "not run", "no test",
    ]  # fmt: skip
    [figure] = [figure for figure in scorecard.tests(settings) if figure.name == "spark"]
    assert figure.value.startswith("2 of 3 in")


def test_stories_of_spark_and_of_the_platform_are_counted_each_by_its_folder(settings):
    """Both components call their test ``test_story``: one that failed must not be taken for another."""
    stories = {"spark/tests/scenarios": "A9_late", "tests/scenarios": "A2_F2_killed"}
    junit = settings.state / "proofs" / "junit"
    junit.mkdir(parents=True)
    for (folder, story), component, child in zip(
        stories.items(), ("spark", "scenarios"), ("", "<failure/>"), strict=True
    ):
        (settings.state / folder / story).mkdir(parents=True)
        cases = f'<testcase name="test_story[{story}]"/><testcase name="test_of_both">{child}</testcase>'
        (junit / f"{component}.xml").write_text(f'<testsuite time="1" timestamp="now">{cases}</testsuite>')
    named, went = faults.tests_by_fault(settings.state), faults.outcomes(settings)
    assert dict(named) == {
        "A9": ["test_story[A9_late]"], "A2": ["test_story[A2_F2_killed]"], "F2": ["test_story[A2_F2_killed]"],
    }  # fmt: skip
    assert faults.fault("A9", "", named, went).state == faults.fault("F2", "", named, went).state == "passed"
    assert went["test_of_both"] == "failed"


def test_the_page_says_what_is_not_known_and_escapes_what_it_shows():
    figure = {"group": "Speed", "name": "x < y", "value": None, "target": "<= 5 s", "good": None, "source": "`make x`"}
    fault = {"id": "A1", "what": 'it\'s "killed"', "state": "passed"}
    card = {"written": "now", "machine": "a machine", "figures": [figure], "faults": [fault], "soaks": []}
    text = page.page(card)
    assert "x &lt; y" in text
    assert "not known" in text
    assert "target: &lt;= 5 s" in text
