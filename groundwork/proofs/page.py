"""The scorecard as one HTML file: its own style, no script, nothing fetched."""

from collections.abc import Iterator
from html import escape
from itertools import groupby

STYLE = """
:root { --ink: #1c2430; --soft: #667085; --line: #e4e7ec; --ground: #f7f8fa; --card: #fff;
  --good: #137a4b; --bad: #b42318; --open: #9a6700; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #98a2b3; --line: #2b3340; --ground: #11151c;
  --card: #181e27; --good: #4cc38a; --bad: #ff8a7a; --open: #e2b340; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 3rem 1.25rem 5rem; max-width: 64rem; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.9rem; letter-spacing: -.02em; }
h2 { margin: 2.5rem 0 .6rem; font-size: 1.05rem; }
p, .from { color: var(--soft); }
p { margin: .3rem 0 0; }
table { width: 100%; border-collapse: collapse; background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; overflow: hidden; }
td { padding: .5rem .8rem; border-top: 1px solid var(--line); vertical-align: top; }
tr:first-child td { border-top: 0; }
td:first-child { width: 34%; }
td.value { width: 22%; font-variant-numeric: tabular-nums; font-weight: 600; white-space: pre-wrap; }
.from { font-size: .85rem; overflow-wrap: anywhere; }
.good { color: var(--good); } .bad { color: var(--bad); } .open { color: var(--open); }
td.value.open { font-weight: 400; }
pre { margin: 0; font-size: .75rem; font-weight: 400; overflow-x: auto; }
.faults { display: flex; flex-wrap: wrap; gap: 4px; margin-top: .8rem; }
.fault { width: 2.9rem; padding: .3rem 0; border-radius: 5px; text-align: center; font-size: .8rem;
  border: 1px solid var(--line); background: var(--card); color: var(--soft); }
.fault.passed { background: var(--good); border-color: var(--good); color: var(--card); }
.fault.failed { background: var(--bad); border-color: var(--bad); color: var(--card); }
.fault.waiting { border-color: var(--open); color: var(--open); }
"""


def page(card: dict) -> str:
    return "\n".join(["<!doctype html>", *lines(card)]) + "\n"


def lines(card: dict) -> Iterator[str]:
    yield '<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    yield f"<title>Groundwork: scorecard</title><style>{STYLE}</style>"
    yield "<h1>Scorecard</h1>"
    yield f"<p>{escape(card['written'])} · {escape(card['machine'])} · written by <code>make scorecard</code>.</p>"
    yield "<p>What nobody has measured on this machine is “not known”, with what would measure it.</p>"
    for group, figures in groupby(card["figures"], key=lambda figure: figure["group"]):
        yield f"<h2>{escape(group)}</h2><table>"
        yield from (row(figure) for figure in figures)
        yield "</table>"
        if group == "Fault tests":
            yield from squares(card["faults"])
        if group == "Random kills":
            for soak in card["soaks"]:
                yield from kills(soak)
    yield "</html>"


def row(figure: dict) -> str:
    mark = {True: "good", False: "bad", None: ""}[figure["good"]] if figure["value"] is not None else "open"
    value = "not known" if figure["value"] is None else figure["value"]
    shown = f"<pre>{escape(value)}</pre>" if "\n" in value else escape(value)
    target = f"<br>target: {escape(figure['target'])}" if figure["target"] else ""
    return (
        f"<tr><td>{escape(figure['name'])}</td><td class='value {mark}'>{shown}</td>"
        f"<td class=from>{escape(figure['source'])}{target}</td></tr>"
    )


def squares(faults: list[dict]) -> Iterator[str]:
    """One per fault, green where its tests passed; what it is shows when one points at it."""
    yield "<div class=faults>"
    for fault in faults:
        kind = {"passed": "passed", "failed": "failed", "not run": "waiting"}.get(fault["state"], "")
        title = escape(f"{fault['what']}: {fault['state']}", quote=True)
        yield f"<span class='fault {kind}' title='{title}'>{fault['id']}</span>"
    yield "</div><p>Green: its tests passed · amber: not run since · plain: no test has its name.</p>"


def kills(soak: dict) -> Iterator[str]:
    yield f"<h2>Each kill of seed {soak['seed']}</h2><table>"
    for kill in soak["kills"]:
        during = ", ".join(kill["during"]) or "no task"
        hit = "; the run that was hit failed, the next one repaired" if kill["hit_run"] == "failed" else ""
        yield (
            f"<tr><td>{escape(kill['victim'])}</td><td class=value>{kill['recovered']:.0f} s</td>"
            f"<td class=from>at {kill['at']:.0f} s, during {escape(during)}{hit}</td></tr>"
        )
    yield "</table>"
