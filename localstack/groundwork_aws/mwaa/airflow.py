"""The Airflow that runs already and stands for an MWAA environment."""

import json
import urllib.request
from urllib.parse import urlsplit


class Unreachable(Exception):
    """No Airflow answers at this address."""


def version(url: str) -> str:
    """The version of the Airflow at this URL, by its own API. Raises Unreachable."""
    try:
        with urllib.request.urlopen(f"{url}/api/v2/version", timeout=10) as answer:
            return json.load(answer)["version"]
    except (OSError, ValueError, KeyError) as error:
        raise Unreachable(f"no Airflow answers at {url}: {error}") from error


def address(url: str) -> str:
    """Host and port, which is how MWAA names a web server."""
    return urlsplit(url).netloc
