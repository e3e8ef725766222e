"""Each rule lets through what it should and stops what it should."""

import json
import re
from pathlib import Path

import pytest
import yaml
from guard import RULES, broken_rules, evaluate, main, status

EXAMPLES = yaml.safe_load(Path(__file__).with_name("examples.yaml").read_text())


def cases(expected: str) -> list:
    return [
        pytest.param(rule, example, id=f"{rule}-{number}")
        for rule, examples in EXAMPLES.items()
        for number, example in enumerate(examples[expected], 1)
    ]


def template(example: dict | list) -> str:
    """An example is a resource, several of them, or a whole template."""
    if "Parameters" in example:
        return json.dumps({**example, "Resources": {}})
    resources = example if isinstance(example, list) else [example]
    return json.dumps({"Resources": {f"R{n}": resource for n, resource in enumerate(resources)}})


@pytest.mark.parametrize("rule, example", cases("passes"))
def test_a_rule_lets_its_example_pass(rule, example):
    assert status(evaluate(template(example))[rule]) == "PASS"


@pytest.mark.parametrize("rule, example", cases("fails"))
def test_a_rule_stops_its_example(rule, example):
    assert broken_rules(template(example)).get(rule), "it must say which check failed"


def test_every_rule_has_examples():
    assert set(EXAMPLES) == set(re.findall(r"^rule (\w+)", RULES.read_text(), re.MULTILINE))


def test_templates_of_the_platform_break_no_rule(capsys):
    templates = sorted(Path(__file__).parents[2].glob("templates/*.yaml"))
    assert len(templates) > 10
    assert main([str(file) for file in templates]) == 0, capsys.readouterr().out


def test_a_template_that_cannot_be_read_is_no_success():
    with pytest.raises(ValueError):
        evaluate("Resources: [")
