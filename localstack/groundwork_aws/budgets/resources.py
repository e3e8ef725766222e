"""Budgets' CloudFormation type."""

from groundwork_aws.cloudformation.resource import Resource, generated_name, plugin


class Budget(Resource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-budgets-budget.html"""

    TYPE = "AWS::Budgets::Budget"
    SERVICE = "budgets"
    RECORDED = frozenset({"Budget", "NotificationsWithSubscribers"})

    def create_resource(self, client, model, request):
        budget = in_api_spelling({"BudgetName": generated_name(request), **model["Budget"]})
        client.create_budget(
            AccountId=request.account_id,
            Budget=budget,
            NotificationsWithSubscribers=model.get("NotificationsWithSubscribers", []),
        )
        # The account is kept beside it, for a deletion is told only the model.
        own = {"Id": budget["BudgetName"], "AccountId": request.account_id}
        return {**own, "Budget": {**model["Budget"], "BudgetName": budget["BudgetName"]}}

    def update_resource(self, client, model, previous, request):
        budget = {**model["Budget"], "BudgetName": model["Id"]}
        client.update_budget(AccountId=request.account_id, NewBudget=in_api_spelling(budget))
        return {"Budget": budget, "AccountId": request.account_id}

    def delete_resource(self, client, model):
        client.delete_budget(AccountId=model["AccountId"], BudgetName=model["Id"])


def in_api_spelling(budget: dict) -> dict:
    """CloudFormation takes numbers for amounts, the API strings."""
    if "BudgetLimit" not in budget:
        return budget
    limit = budget["BudgetLimit"]
    return {**budget, "BudgetLimit": {**limit, "Amount": str(limit["Amount"])}}


BudgetPlugin = plugin(Budget)
