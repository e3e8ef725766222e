"""What an environment costs follows from its templates, its parameters and the dated prices."""

import pytest
import yaml

from groundwork.deployment import costs
from groundwork.deployment.iam.templates import Tagged
from groundwork.install import ROOT
from groundwork.settings import UserError, read_environment

PRODUCTION = read_environment("production")
# What AWS does not charge for by itself; what passes through, is stored or is asked may cost.
FREE = {
    "AWS::Athena::NamedQuery", "AWS::Athena::WorkGroup", "AWS::Budgets::Budget", "AWS::CE::AnomalyMonitor",
    "AWS::CE::AnomalySubscription", "AWS::DMS::Endpoint", "AWS::DMS::ReplicationSubnetGroup",
    "AWS::DMS::ReplicationTask", "AWS::EC2::FlowLog", "AWS::EC2::InternetGateway", "AWS::EC2::Route",
    "AWS::EC2::RouteTable", "AWS::EC2::SecurityGroup", "AWS::EC2::SecurityGroupIngress", "AWS::EC2::Subnet",
    "AWS::EC2::SubnetRouteTableAssociation", "AWS::EC2::VPC", "AWS::EC2::VPCGatewayAttachment",
    "AWS::EMR::SecurityConfiguration", "AWS::Events::Rule", "AWS::Glue::Database", "AWS::IAM::InstanceProfile",
    "AWS::IAM::ManagedPolicy", "AWS::IAM::OIDCProvider", "AWS::IAM::Role", "AWS::KMS::Alias", "AWS::Logs::LogGroup",
    "AWS::RDS::DBParameterGroup", "AWS::RDS::DBSubnetGroup", "AWS::RedshiftServerless::Workgroup", "AWS::S3::Bucket",
    "AWS::S3::BucketPolicy", "AWS::SNS::Subscription", "AWS::SNS::Topic", "AWS::SNS::TopicPolicy",
    "AWS::SSM::Parameter",
}  # fmt: skip


def test_every_type_of_the_templates_has_a_price_or_is_free():
    prices = yaml.safe_load((costs.FOLDER / "prices.yaml").read_text())
    templates = [yaml.load(file.read_text(), Tagged) for file in (costs.FOLDER / "templates").glob("*.yaml")]
    used = {resource["Type"] for template in templates for resource in template["Resources"].values()}
    assert used == FREE | prices["resources"].keys()
    assert not FREE & prices["resources"].keys()


def test_every_price_says_where_it_is_from():
    for cost in costs.estimate(PRODUCTION).costs:
        assert cost.source.startswith("https://aws.amazon.com/")


def test_the_network_costs_its_gateway_address_and_interface_endpoints():
    estimate = costs.estimate({**PRODUCTION, "stacks": ["network", "egress"]})
    assert estimate.hourly == pytest.approx(0.045 + 0.005 + 5 * 0.01)
    assert estimate.monthly == pytest.approx(730 * 0.1)


def test_sizes_of_the_environment_change_the_estimate():
    small, large = (costs.estimate({**PRODUCTION, "mwaa_class": f"mw1.{size}"}) for size in ("small", "large"))
    assert large.hourly - small.hourly == pytest.approx(0.5)
    wide = costs.estimate({**PRODUCTION, "emr_minimum_instances": 5})
    assert wide.per_run - small.per_run == pytest.approx(3 * 20 / 60 * 0.24)


def test_a_standby_doubles_the_database():
    one, two = (costs.estimate({**PRODUCTION, "stacks": ["database"], "source_multi_az": m}) for m in (False, True))
    secret = 0.40 / 730
    assert two.hourly - secret == pytest.approx(2 * (one.hourly - secret))


def test_the_pages_quote_what_the_estimate_says():
    estimate = costs.estimate(PRODUCTION)
    page = (ROOT / "docs" / "deploy.md").read_text()
    assert f"{estimate.hourly:.2f} USD an hour, {estimate.monthly:.0f} USD a month" in page
    assert f"| a run | {estimate.per_run:.2f} USD" in page
    assert f"({estimate.hourly:.2f} USD an hour" in (ROOT / "README.md").read_text()
    for stack in ("orchestration", "egress", "replication", "database", "catalog"):
        monthly = sum(cost.hourly for cost in estimate.costs if cost.stack == stack) * costs.MONTH
        assert f"| `{stack}` | {monthly:.0f} USD |" in page


def test_a_size_without_a_price_is_refused_by_name():
    with pytest.raises(UserError, match=r"mwaa_class=mw1\.huge.*https://aws\.amazon\.com/managed-workflows"):
        costs.estimate({**PRODUCTION, "mwaa_class": "mw1.huge"})
