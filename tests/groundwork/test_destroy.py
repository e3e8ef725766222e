"""Ending clusters, by EMR's recorded answers; the rest of a destruction is in tests/cloudformation."""

from dataclasses import replace

import pytest

from groundwork.deployment import destroy
from groundwork.settings import read_environment
from groundwork.settings import settings as read_settings
from tests.recorded import recorded_answers

ALIVE = {"ClusterStates": ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING", "TERMINATING"]}


@pytest.fixture
def emr():
    with recorded_answers("emr") as stub:
        yield stub


@pytest.fixture
def production():
    return replace(read_settings(), environment="production", parameters=read_environment("production"))


def test_clusters_of_the_environment_are_ended_and_waited_for(emr, production):
    ours = {"Id": "j-1", "Name": "groundwork-production-olist_pipeline-1"}
    theirs = {"Id": "j-2", "Name": "groundwork-productive"}
    emr.add_response("list_clusters", {"Clusters": [ours, theirs]}, ALIVE)
    emr.add_response("set_termination_protection", {}, {"JobFlowIds": ["j-1"], "TerminationProtected": False})
    emr.add_response("terminate_job_flows", {}, {"JobFlowIds": ["j-1"]})
    emr.add_response("list_clusters", {"Clusters": [theirs]}, ALIVE)
    said = []
    destroy.end_clusters(production, said.append)
    assert said == ["ending 1 EMR clusters"]


def test_without_clusters_nothing_is_ended(emr, production):
    emr.add_response("list_clusters", {"Clusters": []}, ALIVE)
    destroy.end_clusters(production, pytest.fail)
