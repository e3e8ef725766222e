"""The CloudFormation types of Cost Explorer's anomaly detection."""

import json

from groundwork_aws.cloudformation.resource import Resource, picked, plugin


class AnomalyMonitor(Resource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-ce-anomalymonitor.html"""

    TYPE = "AWS::CE::AnomalyMonitor"
    SERVICE = "ce"
    RECORDED = frozenset({"MonitorDimension", "MonitorName", "MonitorType"})

    def create_resource(self, client, model, request):
        return client.create_anomaly_monitor(AnomalyMonitor=picked(model, self.RECORDED))

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
        return client.create_anomaly_subscription(AnomalySubscription=self.in_api_spelling(model))

    def update_resource(self, client, model, previous, request):
        client.update_anomaly_subscription(SubscriptionArn=model["SubscriptionArn"], **self.in_api_spelling(model))
        return {}

    def delete_resource(self, client, model):
        client.delete_anomaly_subscription(SubscriptionArn=model["SubscriptionArn"])

    def in_api_spelling(self, model: dict) -> dict:
        """CloudFormation takes the expression as a string of JSON, the API as its structure."""
        wanted = picked(model, self.RECORDED)
        if "ThresholdExpression" in wanted:
            wanted["ThresholdExpression"] = json.loads(wanted["ThresholdExpression"])
        return wanted


AnomalyMonitorPlugin = plugin(AnomalyMonitor)
AnomalySubscriptionPlugin = plugin(AnomalySubscription)
