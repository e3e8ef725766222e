"""What a deployment would change: of each stack the change set that CloudFormation makes, before anything happens.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-changesets.html
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import yaml
from botocore.exceptions import ClientError
from rich.table import Column, Table
from sceptre.exceptions import SceptreException
from sceptre.plan.actions import StackActions
from sceptre.stack import Stack

from groundwork.aws import client
from groundwork.console import results
from groundwork.deployment import deploy
from groundwork.deployment.iam.templates import Tagged
from groundwork.settings import Settings

NAME = "groundwork-preview"
COLOURS = {"Add": "green", "Modify": "yellow", "Replace": "red", "Remove": "red"}


@dataclass(frozen=True)
class Change:
    """What becomes of a resource, or of so many resources of a type: ``action`` is CloudFormation's, or Replace."""

    stack: str
    action: str
    what: str


def changes(settings: Settings) -> list[Change]:
    """Nothing where everything is as the templates say."""
    plan = deploy.plan_of(settings, deploy.stacks_of(settings))
    plan.resolve("launch")
    ordered = [stack for batch in plan.launch_order for stack in sorted(batch, key=lambda s: s.external_name)]
    return [change for stack in ordered for change in changes_of(stack)]


def show(planned: list[Change]) -> None:
    table = Table(Column("stack", overflow="fold"), "change", "resource", title="What would change")
    for change in planned:
        colour = COLOURS.get(change.action, "yellow")
        table.add_row(change.stack, f"[{colour}]{change.action.lower()}[/{colour}]", change.what)
    results.print(table)


def changes_of(stack: Stack) -> Iterator[Change]:
    name = stack.external_name
    if deploy.status_of(name) in {None, *deploy.UNFINISHED}:
        resources = yaml.load(stack.template.body, Tagged)["Resources"].values()
        for kind, number in sorted(Counter(resource["Type"] for resource in resources).items()):
            yield Change(name, "Add", f"{number} × {kind}")
        return
    try:
        found = change_set(stack)
    except (ClientError, SceptreException) as error:
        yield Change(name, "Modify", f"known only when the stacks before it are deployed ({error})")
        return
    for change in found:
        resource = change["ResourceChange"]
        action = "Replace" if resource.get("Replacement") == "True" else resource["Action"]
        yield Change(name, action, f"{resource['LogicalResourceId']} ({resource['ResourceType']})")


def change_set(stack: Stack) -> list[dict]:
    """The changes of a change set that is made for this and deleted again; none where it changes nothing."""
    actions = StackActions(stack)
    which = {"StackName": stack.external_name, "ChangeSetName": NAME}
    actions.create_change_set(NAME)
    try:
        actions.wait_for_cs_completion(NAME)
        return client("cloudformation").describe_change_set(**which).get("Changes", [])
    finally:
        client("cloudformation").delete_change_set(**which)
