"""Run one step's command so that it never outlives the controller.

Started as a program of its own: ``process.py COMMAND [ARGUMENT ...]``. The command gets a process group of its own.
A line on standard input is the name of a signal for that group; the end of standard input, which also comes when the
controller is killed, ends the group for good. Exits with the command's code, or 128 + signal where one ended it.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading

NOT_FOUND = 127


def main(command: list[str]) -> int:
    # A shell's background job ignores it, and what it starts does too, but where there is a handler.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        print(f'Cannot run program "{command[0]}": {error.strerror}', file=sys.stderr)
        return NOT_FOUND
    threading.Thread(target=relay_signals, args=(child.pid,), daemon=True).start()
    code = child.wait()
    signal_group(child.pid, signal.SIGKILL)  # what the command left running in the background
    return code if code >= 0 else 128 - code


def relay_signals(group: int) -> None:
    for line in sys.stdin:
        signal_group(group, signal.Signals[line.strip()])
    signal_group(group, signal.SIGKILL)


def signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
        os.killpg(group, number)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)  # the thread that reads standard input would hold up an ordinary exit
