"""State of Cost Explorer's anomaly detection."""

from localstack.services.stores import AccountRegionBundle, BaseStore, CrossRegionAttribute


class CostExplorerStore(BaseStore):
    # AnomalyMonitor and AnomalySubscription by ARN
    monitors: dict[str, dict] = CrossRegionAttribute(default=dict)
    subscriptions: dict[str, dict] = CrossRegionAttribute(default=dict)


cost_explorer_stores = AccountRegionBundle("ce", CostExplorerStore, validate=False)
