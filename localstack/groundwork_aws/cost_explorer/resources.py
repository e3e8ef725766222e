"""The CloudFormation types of Cost Explorer's anomaly detection."""

import json

from groundwork_aws.cloudformation.resource import Resource, picked, plugin


class AnomalyMonitor(Resource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-ce-anomalymonitor.html"""

    TYPE = "AWS::CE::AnomalyMonitor"
    SERVICE = "ce"
    RECORDED = frozenset({"MonitorDimension", "MonitorName", "MonitorSpecification", "MonitorType"})

    def create_resource(self, client, model, request):
        wanted = with_structure(picked(model, self.RECORDED), "MonitorSpecification")
        return picked(client.create_anomaly_monitor(AnomalyMonitor=wanted), ["MonitorArn"])

    def update_resource(self, client, model, previous, request):
        client.update_anomaly_monitor(**picked(model, ("MonitorArn", "MonitorName")))
        return {}

    def delete_resource(self, client, model):
        client.delete_anomaly_monitor(MonitorArn=model["MonitorArn"])


class AnomalySubscription(Resource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-ce-anomalysubscription.html"""

    TYPE = "AWS::CE::AnomalySubscription"
    SERVICE = "ce"
    RECORDED = frozenset({"Frequency", "MonitorArnList", "Subscribers", "SubscriptionName", "ThresholdExpression"})

    def create_resource(self, client, model, request):
        answer = client.create_anomaly_subscription(AnomalySubscription=self.in_api_spelling(model))
        return picked(answer, ["SubscriptionArn"])

    def update_resource(self, client, model, previous, request):
        client.update_anomaly_subscription(SubscriptionArn=model["SubscriptionArn"], **self.in_api_spelling(model))
        return {}

    def delete_resource(self, client, model):
        client.delete_anomaly_subscription(SubscriptionArn=model["SubscriptionArn"])

    def in_api_spelling(self, model: dict) -> dict:
        return with_structure(picked(model, self.RECORDED), "ThresholdExpression")


def with_structure(model: dict, name: str) -> dict:
    """CloudFormation takes an expression as a string of JSON, the API as its structure."""
    return {**model, name: json.loads(model[name])} if name in model else model


AnomalyMonitorPlugin = plugin(AnomalyMonitor)
AnomalySubscriptionPlugin = plugin(AnomalySubscription)
