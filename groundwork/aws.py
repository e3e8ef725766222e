"""How this tool talks to AWS: through boto3, at the endpoint and with the credentials of the environment."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import boto3

from groundwork.local.services import aws_environment
from groundwork.settings import Settings, settings


def connect() -> None:
    """Point every AWS client of this process at the environment that TARGET names."""
    os.environ.update(variables_of(settings()))


def variables_of(target: Settings) -> dict[str, str]:
    """What makes AWS clients find the environment.

    For one on this machine that is LocalStack. For any other it is the Region alone, and boto3 looks for credentials
    where it always does (https://boto3.amazonaws.com/v1/documentation/api/latest/guide/credentials.html).
    """
    if target.here:
        return aws_environment(target.ports.localstack, target.hosts.localstack, "operator")
    region = target.parameters["region"]
    return {"AWS_DEFAULT_REGION": region, "AWS_REGION": region}


@contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    """Within the block, AWS clients find what these variables say."""
    before = dict(os.environ)
    os.environ.update(variables)
    forget()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        forget()


def forget() -> None:
    """boto3 keeps what it read of the environment when it was first asked."""
    client.cache_clear()
    boto3.DEFAULT_SESSION = None


@cache
def client(service: str):
    return boto3.client(service)


def variable(name: str) -> str:
    """A value that the stacks published for the DAGs, from the Parameter Store. Raises ParameterNotFound."""
    path = f"/groundwork/{settings().environment}/variables/{name}"
    return client("ssm").get_parameter(Name=path)["Parameter"]["Value"]
