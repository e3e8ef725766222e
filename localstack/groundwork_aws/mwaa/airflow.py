"""The Airflow that runs already and stands for an MWAA environment. Its URL holds the user and the password."""

import json
import urllib.request
from http import HTTPMethod
from urllib.error import HTTPError
from urllib.parse import unquote, urlencode, urlsplit


class Unreachable(Exception):
    """No Airflow answers at this address."""


def version(url: str) -> str:
    """The version of the Airflow at this URL, by its own API. Raises Unreachable."""
    try:
        return send(url, HTTPMethod.GET, "/api/v2/version")[1]["version"]
    except KeyError as error:
        raise Unreachable(f"no Airflow answers at {address(url)}: {error}") from error


def ask(url: str, method: str, path: str, query: dict | None, body: dict | None) -> tuple[int, dict]:
    """Status and answer of a request to the REST API, made as the user of the URL. Raises Unreachable."""
    parts = urlsplit(url)
    login = {"username": unquote(parts.username or ""), "password": unquote(parts.password or "")}
    status, answer = send(url, HTTPMethod.POST, "/auth/token", login)
    if status >= 400:
        return status, answer
    parameters = f"?{urlencode(query, doseq=True)}" if query else ""
    return send(url, method, f"/api/v2{path}{parameters}", body, answer["access_token"])


def send(url: str, method: str, path: str, body: dict | None = None, token: str | None = None) -> tuple[int, dict]:
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(f"http://{address(url)}{path}", data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        text = error.read().decode(errors="replace")
        return error.code, json.loads(text) if text.startswith("{") else {"detail": text}
    except (OSError, ValueError) as error:
        raise Unreachable(f"no Airflow answers at {address(url)}: {error}") from error


def address(url: str) -> str:
    """Host and port, which is how MWAA names a web server."""
    return urlsplit(url).netloc.rpartition("@")[2]
