"""State of AWS Budgets."""

from localstack.services.stores import AccountRegionBundle, BaseStore, CrossRegionAttribute


class BudgetsStore(BaseStore):
    # {"budget": Budget, "notifications": NotificationWithSubscribers} by the budget's name
    budgets: dict[str, dict] = CrossRegionAttribute(default=dict)


budgets_stores = AccountRegionBundle("budgets", BudgetsStore, validate=False)
