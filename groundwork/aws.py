"""How this tool talks to AWS: through boto3, at the endpoint and with the credentials of the environment."""

import os
from functools import cache

import boto3

from groundwork.services import aws_environment
from groundwork.settings import settings


def use_local_endpoint() -> None:
    """Point every AWS client of this process at the platform on this machine."""
    os.environ.update(aws_environment(settings().ports.localstack, settings().hosts.localstack, "operator"))


@cache
def client(service: str):
    return boto3.client(service)


def variable(name: str) -> str:
    """A value that the stacks published for the DAGs, from the Parameter Store. Raises ParameterNotFound."""
    path = f"/groundwork/{settings().environment}/variables/{name}"
    return client("ssm").get_parameter(Name=path)["Parameter"]["Value"]
