"""The part of the Budgets API that keeps budgets: recorded and described back, for nothing costs money here.

https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_Operations_AWS_Budgets.html
"""

from localstack.aws.api import CommonServiceException, RequestContext, handler

from groundwork_aws.budgets.models import budgets_stores

NOTHING_SPENT = {"ActualSpend": {"Amount": "0.0", "Unit": "USD"}}
UNITS = {"DAILY", "MONTHLY", "QUARTERLY", "ANNUALLY", "CUSTOM"}
MOST_NOTIFICATIONS = 10


class BudgetsProvider:
    service = "budgets"
    version = "2016-10-20"

    @handler("CreateBudget", expand=False)
    def create_budget(self, context: RequestContext, request: dict) -> dict:
        budgets, budget = budgets_of(request["AccountId"], context), request["Budget"]
        notifications = request.get("NotificationsWithSubscribers", [])
        if budget["BudgetName"] in budgets:
            raise CommonServiceException(
                "DuplicateRecordException",
                f"Error creating budget: {budget['BudgetName']} - the budget already exists.",
            )
        check_budget(budget)
        if len(notifications) > MOST_NOTIFICATIONS:
            raise invalid(f"A budget has at most {MOST_NOTIFICATIONS} notifications.")
        budgets[budget["BudgetName"]] = {"budget": budget, "notifications": notifications}
        return {}

    @handler("DescribeBudget", expand=False)
    def describe_budget(self, context: RequestContext, request: dict) -> dict:
        found = find_budget(context, request)
        return {"Budget": {**found["budget"], "CalculatedSpend": NOTHING_SPENT}}

    @handler("UpdateBudget", expand=False)
    def update_budget(self, context: RequestContext, request: dict) -> dict:
        wanted = request["NewBudget"]
        found = find_budget(context, {**request, "BudgetName": wanted["BudgetName"]})
        check_budget(wanted)
        found["budget"] = wanted
        return {}

    @handler("DeleteBudget", expand=False)
    def delete_budget(self, context: RequestContext, request: dict) -> dict:
        find_budget(context, request)
        del budgets_of(request["AccountId"], context)[request["BudgetName"]]
        return {}

    @handler("DescribeNotificationsForBudget", expand=False)
    def describe_notifications_for_budget(self, context: RequestContext, request: dict) -> dict:
        return {"Notifications": [n["Notification"] for n in find_budget(context, request)["notifications"]]}


def budgets_of(account: str, context: RequestContext) -> dict[str, dict]:
    if account != context.account_id:
        raise CommonServiceException("AccessDeniedException", f"Account {account} is not the caller's.")
    return budgets_stores[account][context.region].budgets


def find_budget(context: RequestContext, request: dict) -> dict:
    name = request["BudgetName"]
    found = budgets_of(request["AccountId"], context).get(name)
    if found is None:
        raise CommonServiceException("NotFoundException", f"Unable to get budget: {name} - the budget doesn't exist.")
    return found


def check_budget(budget: dict) -> None:
    if budget["TimeUnit"] not in UNITS:
        raise invalid(f"TimeUnit must be one of {', '.join(sorted(UNITS))}.")
    if "BudgetLimit" not in budget and "PlannedBudgetLimits" not in budget and "AutoAdjustData" not in budget:
        raise invalid("A budget needs BudgetLimit, PlannedBudgetLimits or AutoAdjustData.")


def invalid(message: str) -> CommonServiceException:
    return CommonServiceException("InvalidParameterException", message)
