"""The parity of calls and policies, for people and for programs."""

from collections import defaultdict
from dataclasses import asdict

import yaml
from rich.table import Table

from groundwork import console
from groundwork.deployment.iam.parity import Denied, Parity


def as_json(parity: Parity) -> dict:
    return asdict(parity)


def denials(denied: list[Denied]) -> str:
    """Each denial with the statement that would allow it."""
    return "\n".join(
        f"{d.role} may not {d.action} on {d.resource} ({d.calls} calls of {d.operation}): {d.reason}\n"
        f"  would be allowed by {one_line(d.statement)}"
        for d in denied
    )


def one_line(statement: dict) -> str:
    """As templates write it."""
    return yaml.safe_dump(statement, default_flow_style=True, sort_keys=False, width=1000).strip()


def show(parity: Parity) -> None:
    calls = Table("role", "calls", "denied", "unused", title="Calls of this platform, held against the roles' policies")
    for role, times in parity.roles.items():
        denied = sum(d.calls for d in parity.denied if d.role == role)
        unused = sum(u.role == role and not u.kept for u in parity.unused)
        calls.add_row(role, f"{times:,}", f"[red]{denied:,}[/red]" if denied else "", str(unused or ""))
    console.results.print(calls)
    if parity.denied:
        console.results.print("[red]AWS would deny[/red]")
        console.results.print(denials(parity.denied), markup=False, emoji=False, soft_wrap=True)
    for text in parity.unknown:
        console.results.print(f"[red]nobody has said what it needs:[/red] {text}", soft_wrap=True)
    if parity.unused:
        console.results.print("[bold]permissions that no call needed[/bold]")
        console.results.print("\n".join(unused_lines(parity)), markup=False, emoji=False, soft_wrap=True)
    if parity.not_examined:
        console.results.print(f"roles that nothing acted in: {', '.join(parity.not_examined)}", soft_wrap=True)
    without = ", ".join(f"{name} ({times:,} calls)" for name, times in parity.without_role.items())
    console.results.print(f"principals without a role in the templates: {without or 'none'}", soft_wrap=True)


def unused_lines(parity: Parity) -> list[str]:
    """A line for each statement and reason; those that nobody explains come first."""
    lines: dict[tuple, list[str]] = defaultdict(list)
    for u in sorted(parity.unused, key=lambda u: (u.kept is not None, u.role, u.statement)):
        lines[u.role, u.statement, u.kept].append(u.permission)
    return [
        f"{role} {statement}: {', '.join(permissions)}" + (f"\n  stays: {kept}" if kept else "")
        for (role, statement, kept), permissions in lines.items()
    ]
