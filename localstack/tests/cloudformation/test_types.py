"""The types that record what has nothing to act on here: checked, described back through their API, and deleted."""

import json

import pytest
from botocore.exceptions import ClientError
from tests.cloudformation.test_resource import deploy

ACCOUNT = "000000000000"
VPC = {"Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.7.0.0/16"}}}


def delete(aws, name: str) -> None:
    aws("cloudformation").delete_stack(StackName=name)
    aws("cloudformation").get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1})


def update(aws, name: str, resources: dict) -> None:
    aws("cloudformation").update_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}))
    aws("cloudformation").get_waiter("stack_update_complete").wait(StackName=name, WaiterConfig={"Delay": 1})


def physical(aws, name: str) -> dict[str, str]:
    resources = aws("cloudformation").describe_stack_resources(StackName=name)["StackResources"]
    return {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in resources}


def budget(name: str, amount: float) -> dict:
    return {
        "Budget": {
            "Type": "AWS::Budgets::Budget",
            "Properties": {
                "Budget": {
                    "BudgetName": name,
                    "BudgetType": "COST",
                    "TimeUnit": "MONTHLY",
                    "BudgetLimit": {"Amount": amount, "Unit": "USD"},
                },
                "NotificationsWithSubscribers": [
                    {
                        "Notification": {
                            "NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 80,
                        },
                        "Subscribers": [{"SubscriptionType": "SNS", "Address": "arn:aws:sns:us-east-1:0:alarms"}],
                    }
                ],
            },
        }
    }  # fmt: skip


def test_a_budget_is_described_back_changed_and_deleted(aws, unique):
    stack = deploy(aws, unique, budget(unique, 50))
    assert stack["status"] == "CREATE_COMPLETE", stack
    described = aws("budgets").describe_budget(AccountId=ACCOUNT, BudgetName=unique)["Budget"]
    assert described["BudgetLimit"] == {"Amount": "50", "Unit": "USD"}
    assert described["CalculatedSpend"]["ActualSpend"]["Amount"] == "0.0"
    notifications = aws("budgets").describe_notifications_for_budget(AccountId=ACCOUNT, BudgetName=unique)
    assert notifications["Notifications"][0]["Threshold"] == 80
    update(aws, unique, budget(unique, 60))
    described = aws("budgets").describe_budget(AccountId=ACCOUNT, BudgetName=unique)["Budget"]
    assert described["BudgetLimit"]["Amount"] == "60"
    delete(aws, unique)
    with pytest.raises(aws("budgets").exceptions.NotFoundException):
        aws("budgets").describe_budget(AccountId=ACCOUNT, BudgetName=unique)


def test_a_budget_without_a_limit_is_refused(aws, unique):
    wrong = {"BudgetName": unique, "BudgetType": "COST", "TimeUnit": "MONTHLY"}
    with pytest.raises(aws("budgets").exceptions.InvalidParameterException):
        aws("budgets").create_budget(AccountId=ACCOUNT, Budget=wrong)


def anomalies(unique: str, frequency: str = "IMMEDIATE") -> dict:
    threshold = {
        "Dimensions": {
            "Key": "ANOMALY_TOTAL_IMPACT_ABSOLUTE", "MatchOptions": ["GREATER_THAN_OR_EQUAL"], "Values": ["10"],
        }
    }  # fmt: skip
    return {
        "Monitor": {
            "Type": "AWS::CE::AnomalyMonitor",
            "Properties": {"MonitorName": unique, "MonitorType": "DIMENSIONAL", "MonitorDimension": "SERVICE"},
        },
        "Subscription": {
            "Type": "AWS::CE::AnomalySubscription",
            "Properties": {
                "SubscriptionName": unique,
                "Frequency": frequency,
                "MonitorArnList": [{"Ref": "Monitor"}],
                "Subscribers": [{"Type": "SNS", "Address": "arn:aws:sns:us-east-1:000000000000:alarms"}],
                "ThresholdExpression": json.dumps(threshold),
            },
        },
    }


def test_an_anomaly_subscription_is_described_back_and_deleted(aws, unique):
    stack = deploy(aws, unique, anomalies(unique))
    assert stack["status"] == "CREATE_COMPLETE", stack
    arns = physical(aws, unique)
    ce = aws("ce")
    [monitor] = ce.get_anomaly_monitors(MonitorArnList=[arns["Monitor"]])["AnomalyMonitors"]
    assert monitor["MonitorDimension"] == "SERVICE"
    [subscription] = ce.get_anomaly_subscriptions(MonitorArn=arns["Monitor"])["AnomalySubscriptions"]
    assert subscription["ThresholdExpression"]["Dimensions"]["Values"] == ["10"]
    delete(aws, unique)
    assert ce.get_anomaly_subscriptions(MonitorArn=arns["Monitor"])["AnomalySubscriptions"] == []
    with pytest.raises(ce.exceptions.UnknownMonitorException):
        ce.get_anomaly_monitors(MonitorArnList=[arns["Monitor"]])


def test_a_subscription_by_sns_must_be_immediate(aws, unique):
    stack = deploy(aws, unique, anomalies(unique, "DAILY"))
    assert "IMMEDIATE" in stack["reasons"], stack


def test_rules_between_two_security_groups_are_made_and_revoked(aws, unique):
    group = {"Type": "AWS::EC2::SecurityGroup", "Properties": {"GroupDescription": "x", "VpcId": {"Ref": "Vpc"}}}
    tls = {"IpProtocol": "tcp", "FromPort": 9443, "ToPort": 9443}
    groups = {**VPC, "Nodes": group, "Service": group}
    rules = {
        "In": {
            "Type": "AWS::EC2::SecurityGroupIngress",
            "Properties": {**tls, "GroupId": {"Ref": "Service"}, "SourceSecurityGroupId": {"Ref": "Nodes"}},
        },
        "Out": {
            "Type": "AWS::EC2::SecurityGroupEgress",
            "Properties": {**tls, "GroupId": {"Ref": "Nodes"}, "DestinationSecurityGroupId": {"Ref": "Service"}},
        },
    }
    stack = deploy(aws, unique, {**groups, **rules})
    assert stack["status"] == "CREATE_COMPLETE", stack
    ids = physical(aws, unique)
    assert peers(aws, ids["Service"], "IpPermissions") == {(9443, ids["Nodes"])}
    assert (9443, ids["Service"]) in peers(aws, ids["Nodes"], "IpPermissionsEgress")
    update(aws, unique, groups)
    assert peers(aws, ids["Service"], "IpPermissions") == set()
    delete(aws, unique)


def peers(aws, group: str, side: str) -> set:
    [found] = aws("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"]
    return {(rule.get("FromPort"), pair["GroupId"]) for rule in found[side] for pair in rule["UserIdGroupPairs"]}


def test_a_flow_log_is_described_back_and_deleted(aws, unique):
    role = {
        "Type": "AWS::IAM::Role",
        "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
    }
    log = {
        "Type": "AWS::EC2::FlowLog",
        "Properties": {
            "ResourceId": {"Ref": "Vpc"},
            "ResourceType": "VPC",
            "TrafficType": "ALL",
            "LogGroupName": unique,
            "DeliverLogsPermissionArn": {"Fn::GetAtt": ["Role", "Arn"]},
        },
    }
    stack = deploy(aws, unique, {**VPC, "Role": role, "Log": log})
    assert stack["status"] == "CREATE_COMPLETE", stack
    ids = physical(aws, unique)
    [found] = aws("ec2").describe_flow_logs(FlowLogIds=[ids["Log"]])["FlowLogs"]
    assert (found["ResourceId"], found["LogGroupName"]) == (ids["Vpc"], unique)
    delete(aws, unique)
    assert aws("ec2").describe_flow_logs(FlowLogIds=[ids["Log"]])["FlowLogs"] == []


def test_an_oidc_provider_is_described_back_and_deleted(aws, unique):
    provider = {
        "Type": "AWS::IAM::OIDCProvider",
        "Properties": {"Url": f"https://{unique}.example.com", "ClientIdList": ["sts.amazonaws.com"]},
    }
    stack = deploy(aws, unique, {"Provider": provider})
    assert stack["status"] == "CREATE_COMPLETE", stack
    arn = physical(aws, unique)["Provider"]
    found = aws("iam").get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert found["ClientIDList"] == ["sts.amazonaws.com"]
    delete(aws, unique)
    with pytest.raises(ClientError, match="NoSuchEntity"):
        aws("iam").get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
