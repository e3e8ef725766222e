"""Does a service answer? Asked while the platform comes up, by `make status`, and by Docker every few seconds.

``python health.py FILE`` exits 0 when the service answers whose URL and component the JSON file names. It imports
little, because Docker starts it so often.
"""

import http.client
import json
import sys
from pathlib import Path


def answers(url: str, component: str = "") -> bool:
    """The URL (of HTTP) answers 200; of Airflow's health, which is one page for all, what it says of the component."""
    address, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", f"/{path}")
        response = connection.getresponse()
        body = response.read()
        return response.status == 200 and (not component or json.loads(body)[component]["status"] == "healthy")
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(not answers(**json.loads(Path(sys.argv[1]).read_text())))
