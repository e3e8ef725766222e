"""The documentation is true: what it names exists, what exists is named, what is generated is current."""

import re
import sys
from dataclasses import fields

import pytest

from groundwork.cli import app
from groundwork.install import ROOT
from groundwork.settings import Ports

sys.path.insert(0, str(ROOT / "tests"))
import fidelity  # noqa: E402

README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TARGETS = re.findall(r"^([a-z0-9-]+):.*## (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_every_make_target_that_a_page_names_exists():
    known = {name for name, _ in TARGETS}
    assert {"demo", "test", "local-up", "e2e-test", "help"} <= known
    for page in PAGES:
        named = set(re.findall(r"(?:`|\$ )make ([a-z][a-z0-9-]*)", page.read_text()))
        assert named <= known, page


def test_the_readme_links_to_pages_that_exist():
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


@pytest.mark.parametrize("command", app.registered_commands, ids=lambda c: c.name or c.callback.__name__)
def test_a_command_has_help(command):
    assert command.help


def test_every_setting_is_documented():
    text = (ROOT / "docs" / "settings.md").read_text()
    for field in fields(Ports):
        assert f"`GROUNDWORK_PORT_{field.name.upper()}` | {field.default} |" in text, field.name
    sources = "".join(f.read_text() for f in [*(ROOT / "groundwork").rglob("*.py"), ROOT / "Makefile"])
    for variable in set(re.findall(r'environ(?:\.get\(|\[)"([A-Z_]+)"', sources)) - {"PYENV_ROOT"}:
        assert variable in text, variable


def test_the_fidelity_page_is_current():
    assert fidelity.PAGE.read_text() == fidelity.page(), "run `make fidelity`"


def test_a_test_names_only_rules_that_are_listed():
    assert set(fidelity.tests_by_rule()) <= set(fidelity.rules())


def test_no_code_branches_on_being_local():
    branch = re.compile(r"if .*(is_local|local_mode|== ?[\"']local[\"'])")
    for folder in ("airflow", "cloudformation", "dbt", "localstack/groundwork_aws", "seed_data", "spark"):
        for file in (ROOT / folder).rglob("*"):
            if file.suffix in (".py", ".sql", ".yaml", ".yml") and "tests" not in file.parts:
                assert not branch.search(file.read_text()), file
