"""Airflow on MWAA is asked by requests that the service's model allows, and its answers are those of Airflow."""

import json
from dataclasses import replace

import pytest

from groundwork.pipeline.airflow_api import ManagedAirflow, airflow_of, text_of
from groundwork.settings import UserError, read_environment
from groundwork.settings import settings as read_settings
from tests.recorded import recorded_answers

NAME = "groundwork-production"
ENVIRONMENT = {"Environment": {"Name": NAME, "WebserverUrl": "1.c2.us-east-1.airflow.amazonaws.com"}}


@pytest.fixture
def mwaa():
    """boto3's client with recorded answers: it holds each request against the service's model first."""
    with recorded_answers("mwaa") as stub:
        yield stub


@pytest.fixture
def airflow(mwaa) -> ManagedAirflow:
    mwaa.add_response("get_environment", ENVIRONMENT, {"Name": NAME})
    production = replace(read_settings(), environment="production", parameters=read_environment("production"))
    return airflow_of(production)


def expect(mwaa, method, path, answer, **request) -> None:
    mwaa.add_response(
        "invoke_rest_api",
        {"RestApiStatusCode": 200, "RestApiResponse": answer},
        {"Name": NAME, "Method": method, "Path": path, **request},
    )


def test_a_run_is_triggered(airflow, mwaa):
    expect(mwaa, "PATCH", "/dags/olist_pipeline", {}, Body={"is_paused": False})
    started = {"dag_run_id": "manual__1"}
    expect(mwaa, "POST", "/dags/olist_pipeline/dagRuns", started, Body={"logical_date": None})
    assert airflow.trigger("olist_pipeline") == "manual__1"
    assert airflow.url == "https://1.c2.us-east-1.airflow.amazonaws.com"


def test_a_run_under_way_is_found(airflow, mwaa):
    runs = {"dag_runs": [{"dag_run_id": "manual__1"}]}
    query = {"state": ["running", "queued"]}
    expect(mwaa, "GET", "/dags/olist_pipeline/dagRuns", runs, QueryParameters=query)
    assert airflow.active_run("olist_pipeline") == "manual__1"


def test_airflows_refusal_is_told(airflow, mwaa):
    mwaa.add_client_error(
        "invoke_rest_api", "RestApiClientException", modeled_fields={"RestApiStatusCode": 404,
                                                                     "RestApiResponse": {"detail": "DAG not found"}},
    )  # fmt: skip
    with pytest.raises(UserError, match=r"refused GET /dags/none/dagRuns.*DAG not found"):
        airflow.latest_run("none")


def test_without_an_environment_it_says_how_to_make_one(mwaa):
    mwaa.add_client_error("get_environment", "ResourceNotFoundException")
    production = replace(read_settings(), environment="production", parameters=read_environment("production"))
    with pytest.raises(UserError, match="make deploy-production"):
        airflow_of(production)


def test_of_several_lines_of_dbt_in_one_event_the_failures_are_shown():
    lines = [json.dumps({"data": {}, "info": {"level": level, "msg": level}}) for level in ("info", "warn", "error")]
    assert text_of({"event": "\n".join(lines)}) == "warn\nerror"
