"""Hold templates to ``rules.guard``: ``python guard.py TEMPLATE...`` prints what breaks a rule and exits with 1.

https://docs.aws.amazon.com/cfn-guard/latest/ug/what-is-guard.html
"""

import sys
from pathlib import Path

from guardpycfn import validate_with_guard

RULES = Path(__file__).with_name("rules.guard")


def main(templates: list[str]) -> int:
    broken = [(name, rule, why) for name in templates for rule, why in broken_rules(Path(name).read_text()).items()]
    for name, rule, why in broken:
        print(f"{name}: {rule}: {'; '.join(why)}")
    return 1 if broken else 0


def broken_rules(template: str) -> dict[str, list[str]]:
    """What the template breaks: by rule, the checks that failed. Raises ValueError when Guard cannot tell."""
    return {rule: failures(node) for rule, node in evaluate(template).items() if status(node) == "FAIL"}


def evaluate(template: str) -> dict[str, dict]:
    """Guard's report by rule: a tree of checks, each with its status."""
    # Only the verbose report is whole: of the short one the wheel loses the beginning when it is short enough.
    report = validate_with_guard(template, RULES.read_text(), verbose=True)
    if not report["success"]:
        raise ValueError(report["error"])
    return {node["container"]["RuleCheck"]["name"]: node for node in report["result"]["children"]}


def status(rule: dict) -> str:
    """PASS, FAIL, or SKIP where the template has nothing that the rule is about."""
    return rule["container"]["RuleCheck"]["status"]


def failures(node: dict) -> list[str]:
    """The text of every check below the node that failed, or what its author wrote instead."""
    check = (node.get("container") or {}).get("ClauseValueCheck")
    if check and check != "Success":
        detail = next(iter(check.values()))
        return [(detail or {}).get("custom_message") or node["context"].strip()]
    # A filter or a condition that lets nothing through is no failure.
    below = [c for c in node.get("children", []) if not {"Filter", "WhenCondition"} & set(c.get("container") or {})]
    return list(dict.fromkeys(text for child in below for text in failures(child)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
