"""Airflow's REST API, as far as a run of the pipeline needs it.

https://airflow.apache.org/docs/apache-airflow/stable/stable-rest-api-ref.html
"""

import json
from dataclasses import dataclass
from datetime import datetime

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from groundwork.airflow_services import ADMIN
from groundwork.settings import Settings, UserError


@dataclass(frozen=True)
class Task:
    """A task of a run: ``state`` is Airflow's (None while it waits for others); times are UTC."""

    id: str
    state: str | None
    started: datetime | None
    ended: datetime | None
    attempt: int

    @property
    def seconds(self) -> float | None:
        return (self.ended - self.started).total_seconds() if self.started and self.ended else None


class Airflow:
    """A logged-in session. Raises UserError when Airflow does not answer."""

    def __init__(self, settings: Settings):
        self.url = f"http://{settings.hosts.airflow}:{settings.ports.airflow}"
        self.session = requests.Session()
        # A busy machine may let one question wait too long; asking again harms nothing.
        self.session.mount("http://", HTTPAdapter(max_retries=Retry(connect=0, read=3, allowed_methods=["GET"])))
        token = self.request("POST", "/auth/token", {"username": ADMIN, "password": settings.credentials.airflow_admin})
        self.session.headers["Authorization"] = f"Bearer {token['access_token']}"

    def trigger(self, dag: str) -> str:
        """Start a run of an unpaused DAG; returns the run's id."""
        self.request("PATCH", f"/api/v2/dags/{dag}", {"is_paused": False})
        return self.request("POST", f"/api/v2/dags/{dag}/dagRuns", {"logical_date": None})["dag_run_id"]

    def active_run(self, dag: str) -> str | None:
        runs = self.request("GET", f"/api/v2/dags/{dag}/dagRuns?state=running&state=queued")["dag_runs"]
        return runs[0]["dag_run_id"] if runs else None

    def latest_run(self, dag: str) -> dict | None:
        runs = self.request("GET", f"/api/v2/dags/{dag}/dagRuns?order_by=-run_after&limit=1")["dag_runs"]
        return runs[0] if runs else None

    def run_state(self, dag: str, run: str) -> str:
        return self.request("GET", f"/api/v2/dags/{dag}/dagRuns/{run}")["state"]

    def tasks(self, dag: str, run: str) -> list[Task]:
        answer = self.request("GET", f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances?limit=200")
        return [
            Task(t["task_id"], t["state"], moment(t["start_date"]), moment(t["end_date"]), t["try_number"])
            for t in answer["task_instances"]
        ]

    def log_tail(self, dag: str, run: str, task: Task, lines: int = 15) -> str:
        path = f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task.id}/logs/{max(task.attempt, 1)}"
        events = self.request("GET", path)["content"]
        return "\n".join([text for event in events if (text := text_of(event))][-lines:])

    def import_errors(self) -> list[dict]:
        return self.request("GET", "/api/v2/importErrors")["import_errors"]

    def request(self, method: str, path: str, body: dict | None = None) -> dict:
        try:
            response = self.session.request(method, self.url + path, json=body, timeout=30)
        except (requests.ConnectionError, requests.Timeout):
            raise UserError(
                f"Airflow does not answer at {self.url}: `make local-up` starts it, `make status` shows the rest"
            ) from None
        if not response.ok:
            raise UserError(f"Airflow refused {method} {path} ({response.status_code}): {response.text[:300]}")
        return response.json()


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def text_of(event) -> str:
    """What a person reads of a log event; nothing of what dbt tells of its progress, each line a JSON object."""
    if not isinstance(event, dict):
        return str(event)
    text = str(event.get("event", ""))
    if text.startswith('{"data"'):
        told = json.loads(text)["info"]
        return told["msg"] if told["level"] in ("warn", "error") else ""
    details = event.get("error_detail") or []
    reasons = [f"{d.get('exc_type')}: {d.get('exc_value')}" for d in details]
    return "\n".join([text, *reasons])
