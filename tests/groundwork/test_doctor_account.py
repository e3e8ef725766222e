"""What the doctor says of an account's quotas, by Service Quotas' recorded answers, and of example values."""

import pytest

from groundwork.deployment.doctor import QUOTAS, Quota, check_parameters, check_quota, vcpus_of_a_run
from groundwork.settings import read_environment, settings
from tests.recorded import recorded_answers

VPCS = Quota("VPCs", "vpc", "L-F678F1CE", lambda parameters: 1, lambda: 4)
ASKED = {"ServiceCode": "vpc", "QuotaCode": "L-F678F1CE"}


@pytest.fixture
def service_quotas():
    with recorded_answers("service-quotas") as stub:
        yield stub


@pytest.mark.parametrize("limit, level, remedy", [(5, "OK", ""), (4, "FAIL", "L-F678F1CE")])
def test_what_is_used_and_what_is_added_is_held_against_the_quota(service_quotas, limit, level, remedy):
    service_quotas.add_response("get_service_quota", {"Quota": {"Value": limit}}, ASKED)
    check = check_quota(VPCS, adds=1)
    assert (check.level, check.text) == (level, f"VPCs: 5 of {limit}")
    assert remedy in check.remedy


def test_a_quota_that_nobody_tells_is_a_warning_with_the_page_to_look_at(service_quotas):
    service_quotas.add_client_error("get_service_quota", "AccessDeniedException")
    check = check_quota(VPCS, adds=1)
    assert (check.level, "not known (AccessDeniedException)" in check.text) == ("WARN", True)
    assert check.remedy.endswith("/services/vpc/quotas/L-F678F1CE")


def test_a_run_takes_the_primary_node_and_those_that_may_be_on_demand():
    assert vcpus_of_a_run({"emr_instance_type": "m5.xlarge", "emr_maximum_on_demand_instances": 2}) == 12
    assert all(quota.adds(read_environment("production")) > 0 for quota in QUOTAS)


def test_values_that_are_examples_still_are_named():
    class Production:
        environment, parameters = "production", read_environment("production")

    assert [check.text.split()[0] for check in check_parameters(Production)] == ["alarm_email", "github_repository"]
    assert list(check_parameters(settings())) == []
