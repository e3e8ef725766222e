"""The platform is up (``make e2e-test`` sees to that); the pipeline runs once before the first test."""

import pytest

from groundwork import aws, pipeline
from groundwork.settings import settings as read_settings


@pytest.fixture(scope="session")
def settings():
    aws.use_local_endpoint()
    return read_settings()


@pytest.fixture(scope="session")
def outcome(settings):
    """The finished run of the pipeline."""
    return pipeline.run(settings)
