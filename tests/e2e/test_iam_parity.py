"""AWS would have allowed all that the run did: LocalStack does not ask, so the record of its calls is examined."""

import pytest

from groundwork.deployment.iam import report
from groundwork.deployment.iam.parity import Parity, parity_of_platform

# Who takes part in every run, and the services that assume their roles.
ACTING = {
    "account.LogsRole", "account.VpcRole", "catalog.CrawlerRole", "orchestration.Role", "processing.InstanceRole",
    "replication.BronzeRole", "replication.SecretRole", "warehouse.CopyRole",
    "dms.amazonaws.com", "dms.us-east-1.amazonaws.com", "glue.amazonaws.com", "redshift-serverless.amazonaws.com",
}  # fmt: skip


@pytest.fixture(scope="module")
def parity(demo, settings) -> Parity:
    return parity_of_platform(settings)


def test_every_part_of_the_platform_was_seen_acting_in_its_role(parity):
    assert set(parity.roles) >= ACTING


def test_aws_would_deny_none_of_the_calls(parity):
    assert not parity.denied, "\n" + report.denials(parity.denied)


def test_it_is_known_of_every_call_what_it_needs(parity):
    assert parity.unknown == []
