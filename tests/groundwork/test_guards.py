"""What keeps a command from the wrong account: each guard says in one line what is wrong and what to do."""

import socket

import pytest
from botocore.stub import Stubber

from groundwork import aws
from groundwork.deployment import guards
from groundwork.settings import UserError, read_environment
from groundwork.settings import settings as read_settings
from tests.isolation import groundwork, isolated_environment

# Credentials that no account has, and nowhere to find others.
NOBODY = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere"}
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SOMEBODY = {**NOBODY, "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET}


@pytest.fixture
def environment(tmp_path):
    return {**isolated_environment(tmp_path), "TARGET": "production", "CONFIRM": "production"}


def refused(environment, *arguments) -> str:
    done = groundwork(environment, *arguments)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stdout + done.stderr
    [line] = done.stderr.strip().splitlines()
    return line


def test_a_local_endpoint_is_refused_before_anybody_asks_there(environment):
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        line = refused({**environment, **SOMEBODY, "AWS_ENDPOINT_URL": url}, "destroy")
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert url in line
    assert "unset AWS_ENDPOINT_URL" in line


def test_without_credentials_it_says_how_to_get_some(environment):
    line = refused({**environment, **NOBODY}, "run")
    assert "Unable to locate credentials" in line
    assert "aws sso login" in line


def test_a_profile_that_is_not_there_is_named(environment):
    assert "nobody's" in refused({**environment, **NOBODY, "AWS_PROFILE": "nobody's"}, "status")


def test_an_unknown_environment_is_named_with_those_that_there_are(environment):
    line = refused({**environment, "TARGET": "staging"}, "deploy")
    assert "staging" in line
    assert "local, production" in line


def test_the_local_environment_is_not_deployed_to_an_account(environment):
    assert "make local-up" in refused({**environment, **SOMEBODY, "TARGET": "local"}, "deploy")


def test_what_runs_in_an_account_is_not_brought_up_here(environment):
    assert "TARGET=local" in refused({**environment, **SOMEBODY}, "up")


@pytest.fixture
def account(monkeypatch):
    """A process that is pointed at an account, as far as its environment says."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    region = read_environment("production")["region"]
    with aws.environment({**SOMEBODY, "AWS_DEFAULT_REGION": region}):
        yield


def test_without_an_endpoint_of_ones_own_nothing_is_refused(account):
    guards.check_endpoints()


def test_a_local_endpoint_of_one_service_is_refused(account):
    with (
        aws.environment({"AWS_ENDPOINT_URL_S3": "http://localhost:9000"}),
        pytest.raises(UserError, match="s3 would be asked at http://localhost:9000"),
    ):
        guards.check_endpoints()


def test_a_local_endpoint_in_the_configuration_is_refused(account, tmp_path):
    (tmp_path / "config").write_text("[default]\nendpoint_url = http://host.docker.internal:4566\n")
    with (
        aws.environment({"AWS_CONFIG_FILE": str(tmp_path / "config")}),
        pytest.raises(UserError, match="~/.aws/config"),
    ):
        guards.check_endpoints()


def test_expired_credentials_are_told_in_a_line(account):
    with Stubber(aws.client("sts")) as sts:
        sts.add_client_error("get_caller_identity", "ExpiredToken", "The security token is expired")
        with pytest.raises(UserError, match=r"^AWS takes no credentials of yours .*expired.*aws sso login") as refusal:
            guards.check_identity(read_settings())
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "::1", "10.1.2.3", "localhost", "localstack", "s3.localhost.localstack.cloud"]
)
def test_an_address_that_is_not_public_is_local(host):
    assert guards.is_local(host)


@pytest.mark.parametrize("host", ["s3.us-east-1.amazonaws.com", "vpce-1.dms.us-east-1.vpce.amazonaws.com"])
def test_an_address_of_aws_is_not_local(host):
    assert not guards.is_local(host)


@pytest.mark.parametrize("given", [None, "", "local", "Production"])
def test_without_the_environments_name_nothing_is_done(monkeypatch, given):
    monkeypatch.delenv("CONFIRM", raising=False)
    if given is not None:
        monkeypatch.setenv("CONFIRM", given)
    with pytest.raises(UserError, match="CONFIRM=production"):
        guards.confirm("production", "Destroy it?")


def test_with_the_environments_name_it_goes_on(monkeypatch):
    monkeypatch.setenv("CONFIRM", "production")
    guards.confirm("production", "Destroy it?")
