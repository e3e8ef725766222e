"""Progress lines on stderr, which EMR keeps as the step's ``stderr``."""

import sys
import time


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S', time.gmtime())} {text}", file=sys.stderr, flush=True)
