"""Ends what a service that died has left behind, as the end of its container would.

A killed service's children live on without it: Airflow's scheduler leaves its executor's workers, and a task that such
a worker goes on with is started once more by the next scheduler. supervisord runs this file as an event listener
(http://supervisord.org/events.html) and tells it of each service that exited.
"""

import os
import signal
import sys

from supervisor.childutils import eventdata, listener


def main() -> None:
    while True:
        _, payload = listener.wait()
        service, _ = eventdata(payload + "\n")
        if end_group(int(service["pid"])):
            text = f"ended what {service['processname']} (process {service['pid']}) has left"
            print(text, file=sys.stderr, flush=True)
        listener.ok()


def end_group(leader: int) -> bool:
    """Kill what is left of a process group, each service has its own. False where nothing is."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    main()
