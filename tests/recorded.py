"""AWS's answers as they were recorded: boto3's client holds each request against the service's model first."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.stub import Stubber

from groundwork import aws

VARIABLES = {"AWS_ACCESS_KEY_ID": "1", "AWS_SECRET_ACCESS_KEY": "1", "AWS_DEFAULT_REGION": "us-east-1"}


@contextmanager
def recorded_answers(service: str) -> Iterator[Stubber]:
    """Within the block the service gives the answers that are added to it, each of which must be asked for."""
    with aws.environment(VARIABLES), Stubber(aws.client(service)) as stub:
        yield stub
        stub.assert_no_pending_responses()
