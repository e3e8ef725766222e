"""Progress lines, which users read in the step's ``stdout``: ``spark-submit`` sends a Python job's stderr there too."""

import time


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S', time.gmtime())} {text}", flush=True)
