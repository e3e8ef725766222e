"""Airflow's REST API, as far as a run of the pipeline needs it.

https://airflow.apache.org/docs/apache-airflow/stable/stable-rest-api-ref.html

One that runs on this machine is asked over HTTP, one of MWAA through MWAA's API, which reaches a private web server too
(https://docs.aws.amazon.com/mwaa/latest/userguide/access-mwaa-apache-airflow-rest-api.html).
"""

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime

import requests
from botocore.exceptions import ClientError
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from groundwork.aws import client
from groundwork.deployment.deploy import has_airflow
from groundwork.local.airflow import ADMIN
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


class Airflow(ABC):
    """What is asked of an Airflow, wherever it runs; ``url`` is that of its pages.

    Who follows a run looks every ``poll`` seconds, and waits ``patience`` seconds for a DAG to be found.
    """

    url: str
    poll: float
    patience: int

    @abstractmethod
    def request(self, method: str, path: str, query: dict | None = None, body: dict | None = None) -> dict:
        """The answer to a request below ``/api/v2``. Raises UserError when Airflow does not answer, or refuses."""

    def trigger(self, dag: str) -> str:
        """Start a run of an unpaused DAG; returns the run's id."""
        self.request("PATCH", f"/dags/{dag}", body={"is_paused": False})
        return self.request("POST", f"/dags/{dag}/dagRuns", body={"logical_date": None})["dag_run_id"]

    def active_run(self, dag: str) -> str | None:
        runs = self.request("GET", f"/dags/{dag}/dagRuns", {"state": ["running", "queued"]})["dag_runs"]
        return runs[0]["dag_run_id"] if runs else None

    def latest_run(self, dag: str) -> dict | None:
        runs = self.request("GET", f"/dags/{dag}/dagRuns", {"order_by": "-run_after", "limit": 1})["dag_runs"]
        return runs[0] if runs else None

    def run_state(self, dag: str, run: str) -> str:
        return self.request("GET", f"/dags/{dag}/dagRuns/{run}")["state"]

    def tasks(self, dag: str, run: str) -> list[Task]:
        answer = self.request("GET", f"/dags/{dag}/dagRuns/{run}/taskInstances", {"limit": 200})
        return [
            Task(t["task_id"], t["state"], moment(t["start_date"]), moment(t["end_date"]), t["try_number"])
            for t in answer["task_instances"]
        ]

    def log_tail(self, dag: str, run: str, task: Task, lines: int = 15) -> str:
        path = f"/dags/{dag}/dagRuns/{run}/taskInstances/{task.id}/logs/{max(task.attempt, 1)}"
        events = self.request("GET", path)["content"]
        return "\n".join([text for event in events if (text := text_of(event))][-lines:])

    def import_errors(self) -> list[dict]:
        return self.request("GET", "/importErrors")["import_errors"]


class OwnAirflow(Airflow):
    """A session with the Airflow on this machine."""

    poll, patience = 1, 120

    def __init__(self, settings: Settings):
        self.url = f"http://{settings.hosts.airflow}:{settings.ports.airflow}"
        self.session = requests.Session()
        # A busy machine may let one question wait too long; asking again harms nothing.
        self.session.mount("http://", HTTPAdapter(max_retries=Retry(connect=0, read=3, allowed_methods=["GET"])))
        login = {"username": ADMIN, "password": settings.credentials.airflow_admin}
        token = self.send("POST", "/auth/token", None, login)
        self.session.headers["Authorization"] = f"Bearer {token['access_token']}"

    def request(self, method: str, path: str, query: dict | None = None, body: dict | None = None) -> dict:
        return self.send(method, f"/api/v2{path}", query, body)

    def send(self, method: str, path: str, query: dict | None, body: dict | None) -> dict:
        try:
            response = self.session.request(method, self.url + path, params=query, json=body, timeout=30)
        except (requests.ConnectionError, requests.Timeout):
            raise UserError(
                f"Airflow does not answer at {self.url}: `make local-up` starts it, `make status` shows the rest"
            ) from None
        if not response.ok:
            raise UserError(f"Airflow refused {method} {path} ({response.status_code}): {response.text[:300]}")
        return response.json()


class ManagedAirflow(Airflow):
    """The environment's Airflow on MWAA."""

    # It looks for new files every five minutes.
    poll, patience = 10, 900

    def __init__(self, settings: Settings):
        self.name = f"groundwork-{settings.environment}"
        try:
            self.url = f"https://{client('mwaa').get_environment(Name=self.name)['Environment']['WebserverUrl']}"
        except client("mwaa").exceptions.ResourceNotFoundException:
            raise UserError(f"there is no MWAA environment {self.name}: `make deploy-production` makes it") from None

    def request(self, method: str, path: str, query: dict | None = None, body: dict | None = None) -> dict:
        given = {"QueryParameters": query, "Body": body}
        request = {name: value for name, value in given.items() if value is not None}
        try:
            return client("mwaa").invoke_rest_api(Name=self.name, Method=method, Path=path, **request)[
                "RestApiResponse"
            ]
        except ClientError as error:
            answer = error.response.get("RestApiResponse", error.response["Error"].get("Message"))
            raise UserError(f"Airflow on MWAA refused {method} {path}: {str(answer)[:300]}") from error


def airflow_of(settings: Settings) -> Airflow:
    return ManagedAirflow(settings) if has_airflow(settings) else OwnAirflow(settings)


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def text_of(event) -> str:
    """What a person reads of a log event; nothing of what dbt tells of its progress, lines of JSON."""
    if not isinstance(event, dict):
        return str(event)
    text = str(event.get("event", ""))
    if text.startswith('{"data"'):
        told = [json.loads(line)["info"] for line in text.splitlines() if line.startswith('{"data"')]
        return "\n".join(line["msg"] for line in told if line["level"] in ("warn", "error"))
    details = event.get("error_detail") or []
    reasons = [f"{d.get('exc_type')}: {d.get('exc_value')}" for d in details]
    return "\n".join([text, *reasons])
