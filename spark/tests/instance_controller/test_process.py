"""A step's command, as the controller runs it."""

import signal
import subprocess
import sys

import pytest
from instance_controller import process


@pytest.mark.parametrize("before", [signal.SIG_DFL, signal.SIG_IGN])
def test_EMR_S_05_a_step_can_be_interrupted_wherever_the_platform_was_started(before):
    """A platform that was started in the background of a shell has inherited that interrupts are ignored."""
    running = subprocess.Popen(
        [sys.executable, process.__file__, "bash", "-c", "trap 'exit 7' INT; echo; while true; do sleep 0.1; done"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, before),
    )  # fmt: skip
    running.stdout.readline()
    running.stdin.write("SIGINT\n")
    running.stdin.flush()
    assert running.wait(120) == 7
