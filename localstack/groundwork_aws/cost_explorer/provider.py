"""Cost Explorer's anomaly monitors and subscriptions: recorded and described back, for nothing costs money here.

https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_Operations_AWS_Cost_Explorer_Service.html
"""

import uuid

from localstack.aws.api import CommonServiceException, RequestContext, handler

from groundwork_aws.cost_explorer.models import CostExplorerStore, cost_explorer_stores

FREQUENCIES = {"DAILY", "IMMEDIATE", "WEEKLY"}


class CostExplorerProvider:
    service = "ce"
    version = "2017-10-25"

    @handler("CreateAnomalyMonitor", expand=False)
    def create_anomaly_monitor(self, context: RequestContext, request: dict) -> dict:
        arn = new_arn(context, "anomalymonitor")
        store_of(context).monitors[arn] = {**request["AnomalyMonitor"], "MonitorArn": arn}
        return {"MonitorArn": arn}

    @handler("GetAnomalyMonitors", expand=False)
    def get_anomaly_monitors(self, context: RequestContext, request: dict) -> dict:
        monitors = store_of(context).monitors
        wanted = request.get("MonitorArnList") or list(monitors)
        return {"AnomalyMonitors": [find_monitor(context, arn) for arn in wanted]}

    @handler("UpdateAnomalyMonitor", expand=False)
    def update_anomaly_monitor(self, context: RequestContext, request: dict) -> dict:
        find_monitor(context, request["MonitorArn"]).update(request)
        return {"MonitorArn": request["MonitorArn"]}

    @handler("DeleteAnomalyMonitor", expand=False)
    def delete_anomaly_monitor(self, context: RequestContext, request: dict) -> dict:
        find_monitor(context, request["MonitorArn"])
        del store_of(context).monitors[request["MonitorArn"]]
        return {}

    @handler("CreateAnomalySubscription", expand=False)
    def create_anomaly_subscription(self, context: RequestContext, request: dict) -> dict:
        wanted = request["AnomalySubscription"]
        check_subscription(context, wanted)
        arn = new_arn(context, "anomalysubscription")
        own = {"SubscriptionArn": arn, "AccountId": context.account_id}
        store_of(context).subscriptions[arn] = {**wanted, **own}
        return {"SubscriptionArn": arn}

    @handler("GetAnomalySubscriptions", expand=False)
    def get_anomaly_subscriptions(self, context: RequestContext, request: dict) -> dict:
        wanted = request.get("SubscriptionArnList") or list(store_of(context).subscriptions)
        found = [find_subscription(context, arn) for arn in wanted]
        monitor = request.get("MonitorArn")
        return {"AnomalySubscriptions": [s for s in found if not monitor or monitor in s["MonitorArnList"]]}

    @handler("UpdateAnomalySubscription", expand=False)
    def update_anomaly_subscription(self, context: RequestContext, request: dict) -> dict:
        found = find_subscription(context, request["SubscriptionArn"])
        check_subscription(context, {**found, **request})
        found.update(request)
        return {"SubscriptionArn": request["SubscriptionArn"]}

    @handler("DeleteAnomalySubscription", expand=False)
    def delete_anomaly_subscription(self, context: RequestContext, request: dict) -> dict:
        find_subscription(context, request["SubscriptionArn"])
        del store_of(context).subscriptions[request["SubscriptionArn"]]
        return {}


def store_of(context: RequestContext) -> CostExplorerStore:
    return cost_explorer_stores[context.account_id][context.region]


def new_arn(context: RequestContext, kind: str) -> str:
    return f"arn:aws:ce::{context.account_id}:{kind}/{uuid.uuid4()}"


def find_monitor(context: RequestContext, arn: str) -> dict:
    found = store_of(context).monitors.get(arn)
    if found is None:
        raise CommonServiceException("UnknownMonitorException", f"Anomaly monitor {arn} does not exist.")
    return found


def find_subscription(context: RequestContext, arn: str) -> dict:
    found = store_of(context).subscriptions.get(arn)
    if found is None:
        raise CommonServiceException("UnknownSubscriptionException", f"Anomaly subscription {arn} does not exist.")
    return found


def check_subscription(context: RequestContext, subscription: dict) -> None:
    for arn in subscription["MonitorArnList"]:
        find_monitor(context, arn)
    if subscription["Frequency"] not in FREQUENCIES:
        raise CommonServiceException("ValidationException", f"Frequency must be one of {', '.join(FREQUENCIES)}.")
    kinds = {subscriber["Type"] for subscriber in subscription["Subscribers"]}
    if "SNS" in kinds and subscription["Frequency"] != "IMMEDIATE":
        raise CommonServiceException("ValidationException", "SNS subscribers need the frequency IMMEDIATE.")
