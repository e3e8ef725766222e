"""The faults of ``docs/faults.yaml``, the tests that carry their letter and number, and how those went last.

Results are JUnit's files, which pytest leaves in the state's folder: one per component, one of the end-to-end tests.
"""

import ast
import re
import xml.etree.ElementTree as xml
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import yaml

from groundwork.proofs import records
from groundwork.settings import Settings

IN_NAME = re.compile(r"(?:^test|_)_?([A-H]\d+)(?=_|$)")
COMPONENTS = ("cli", "security", "localstack", "spark", "dbt", "airflow", "e2e", "scenarios")


@dataclass(frozen=True)
class Fault:
    """``state`` is the worst of its tests': failed, not run, passed; ``no test`` where none has its name."""

    id: str
    what: str
    state: str
    tests: tuple[str, ...]

    @property
    def group(self) -> str:
        return self.id[0]


@dataclass(frozen=True)
class Results:
    """``cases`` is the outcome by the name of the test's function; of several cases the worst."""

    cases: dict[str, str]
    outcomes: tuple[str, ...]
    seconds: float
    when: str

    def counted(self, outcome: str) -> int:
        return self.outcomes.count(outcome)


WORST_FIRST = ("failed", "not run", "skipped", "passed")


def faults(settings: Settings) -> list[Fault]:
    named, went = tests_by_fault(settings.root), outcomes(settings)
    return [
        fault(f"{group}{number}", what, named, went)
        for group, facts in listed(settings.root).items()
        for number, what in facts["faults"].items()
    ]


def fault(id: str, what: str, named: dict[str, list[str]], went: dict[str, str]) -> Fault:
    tests = named.get(id, [])
    states = {went.get(test, "not run") for test in tests}
    state = next((s for s in WORST_FIRST if s in states), "no test")
    return Fault(id, what, "not run" if state == "skipped" else state, tuple(tests))


def groups(settings: Settings) -> dict[str, str]:
    return {group: facts["title"] for group, facts in listed(settings.root).items()}


def listed(root: Path) -> dict:
    return yaml.safe_load((root / "docs" / "faults.yaml").read_text())


def tests_by_fault(root: Path) -> dict[str, list[str]]:
    """The names of the test functions and of the stories, by the faults that they carry in their name."""
    found = defaultdict(list)
    for file in sorted([*root.glob("*/tests/**/test_*.py"), *root.glob("tests/**/test_*.py")]):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for id in IN_NAME.findall(node.name):
                    found[id].append(node.name)
    for story in sorted([*root.glob("*/tests/scenarios/*/"), *root.glob("tests/scenarios/*/")]):
        for id in IN_NAME.findall(f"test_{story.name}"):
            found[id].append(f"test_story[{story.name}]")
    return found


def outcomes(settings: Settings) -> dict[str, str]:
    """The outcome by the test's name; of two components that have tests of one name, the worse."""
    found: dict[str, str] = {}
    for component in COMPONENTS:
        if result := junit(settings, component):
            for name, went in result.cases.items():
                found[name] = worse(went, found.get(name, went))
    return found


def junit(settings: Settings, component: str) -> Results | None:
    """What pytest left of a component's tests; None where they were not run."""
    file = records.folder(settings) / "junit" / f"{component}.xml"
    if not file.is_file():
        return None
    [suite] = xml.parse(file).getroot().iter("testsuite")
    found = [(case.get("name"), outcome(case)) for case in suite.iter("testcase")]
    cases: dict[str, str] = {}
    for name, went in found:
        for key in {name, name.partition("[")[0]}:
            cases[key] = worse(went, cases.get(key, went))
    return Results(cases, tuple(went for _, went in found), float(suite.get("time")), suite.get("timestamp"))


def worse(*outcomes: str) -> str:
    return min(outcomes, key=WORST_FIRST.index)


def outcome(case: xml.Element) -> str:
    kinds = {child.tag for child in case}
    if kinds & {"failure", "error"}:
        return "failed"
    return "skipped" if "skipped" in kinds else "passed"
