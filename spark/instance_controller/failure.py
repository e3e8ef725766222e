"""Why a step failed, read from its exit code and the ends of its stderr and stdout.

EMR shows it as a step's FailureDetails: a Reason where the cause is one it knows, else "Unknown Error", and a Message
that is the line of the exception. Spark's launcher writes a Python driver's stderr into its own stdout, so a
traceback is usually there. https://docs.aws.amazon.com/emr/latest/APIReference/API_FailureDetails.html
"""

import re
import signal

UNKNOWN = "Unknown Error"
# Reason by what the message says
REASONS = {
    "FileAlreadyExistsException": "Output directory already exists.",
    "PATH_ALREADY_EXISTS": "Output directory already exists.",
}
TRACEBACK = "Traceback (most recent call last):"
JAVA_MAIN = re.compile(r'Exception in thread "[^"]+" (.+)')
CAUSED_BY = re.compile(r"Caused by: (.+)")
NOISE = re.compile(r"\d\d/\d\d/\d\d \d\d:\d\d:\d\d |WARNING: Using incubator modules")
LONGEST = 1024


def explain(exit_code: int, outputs: dict[str, str]) -> dict[str, str]:
    """Reason, Message and the Log it was found in, of a command that ended with this code.

    ``outputs`` is the text of each log, first the one that is asked first.
    """
    lines = {log: [line for line in text.splitlines() if line.strip()] for log, text in outputs.items()}
    found = first(lines, exception_line)
    if not found:
        log, last = first(lines, last_line) or (next(iter(lines)), None)
        found = log, f"{ending(exit_code)}; the last line of its {log}: {last}" if last else f"{ending(exit_code)}."
    log, message = found
    reason = next((reason for sign, reason in REASONS.items() if sign in message), UNKNOWN)
    return {"Reason": reason, "Message": message[:LONGEST], "Log": log}


def first(lines: dict[str, list[str]], search) -> tuple[str, str] | None:
    found = ((log, search(text)) for log, text in lines.items())
    return next(((log, line) for log, line in found if line), None)


def exception_line(lines: list[str]) -> str | None:
    """The last Python exception; where that only wraps Java's, or there is none, Java's innermost cause."""
    python = python_exception(lines)
    if python and "Py4JJavaError" not in python:
        return python
    causes = matches(CAUSED_BY, lines) or matches(JAVA_MAIN, lines)
    if causes:
        return causes[-1]
    # Py4J puts Java's exception on the line after its own.
    return lines[lines.index(python) + 1].removeprefix(": ") if python in lines[:-1] else python


def python_exception(lines: list[str]) -> str | None:
    """The first line after the last traceback's frames, which are indented."""
    if TRACEBACK not in lines:
        return None
    last = len(lines) - lines[::-1].index(TRACEBACK)
    return next((line for line in lines[last:] if not line.startswith(" ")), None)


def ending(exit_code: int) -> str:
    number = exit_code - 128
    if number in signal.valid_signals():
        return f"The process was killed by signal {number} ({signal.Signals(number).name})"
    return f"The process ended with exit code {exit_code}"


def last_line(lines: list[str]) -> str | None:
    return next((line.strip() for line in reversed(lines) if not NOISE.match(line)), None)


def matches(pattern: re.Pattern, lines: list[str]) -> list[str]:
    return [match.group(1) for match in map(pattern.match, lines) if match]
