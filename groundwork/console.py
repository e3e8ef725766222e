"""What the commands print: progress to stderr, results to stdout."""

import json
import sys
import time

from rich.console import Console

progress = Console(stderr=True, highlight=False)
results = Console(highlight=False)
started = time.monotonic()


def say(text: str) -> None:
    """One line of progress with the time since the command began."""
    elapsed = int(time.monotonic() - started)
    progress.print(f"[dim]{elapsed // 60}:{elapsed % 60:02}[/dim]  {text}", soft_wrap=True)


def print_json(value) -> None:
    json.dump(value, sys.stdout, indent=2, default=str)
    print()
