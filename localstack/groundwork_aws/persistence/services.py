"""The services whose state is kept, and where it is: in LocalStack's stores, in moto's backends, in our own stores.

All that the platform's templates make on a laptop is among them. Others are not: EventBridge and SQS have more than
their stores, and Kinesis a process of its own. Of CloudWatch the alarms are kept, not the metrics.
"""

from importlib import import_module

from localstack.services.cloudformation.stores import cloudformation_stores
from localstack.services.plugins import SERVICE_PLUGINS, Service
from localstack.services.stores import AccountRegionBundle
from localstack.state import AssetDirectory, StateContainer, StateVisitor

from groundwork_aws.persistence.pickling import dumps

# The services that this plug-in brings, and the folder of each.
OURS = {
    "athena": "athena", "budgets": "budgets", "ce": "cost_explorer", "dms": "dms", "emr": "emr", "glue": "glue",
    "mwaa": "mwaa", "rds": "rds", "redshift-data": "redshift_data", "redshift-serverless": "redshift_serverless",
}  # fmt: skip
LOCALSTACKS = {
    "cloudformation", "cloudwatch", "ec2", "iam", "kms", "logs", "s3", "secretsmanager", "sns", "ssm", "sts",
}  # fmt: skip
KEPT = LOCALSTACKS | OURS.keys()
# What goes on behind the requests changes these.
CHANGE_BY_THEMSELVES = {"cloudformation", *OURS}
# They come with nearly everything that is done, and to lose those of the last second harms nobody.
OF_NO_HURRY = {"AssumeRole", "PutLogEvents", "PutMetricData"}
READS = ("Describe", "Get", "Head", "List", "BatchGet", "Search", "Select", "Filter", "Lookup", "Simulate", "Validate")


def changes(service: str, operation: str) -> bool:
    """Whether a request may have changed the service's state."""
    return service in CHANGE_BY_THEMSELVES or not operation.startswith(READS)


def stack_in_progress() -> bool:
    """Whether a stack is being made, changed or deleted: then the services' states do not fit together."""
    return any(
        stack.status.endswith("_IN_PROGRESS") and stack.status != "REVIEW_IN_PROGRESS"
        for _, _, store in list(cloudformation_stores.iter_stores())
        for stack in list(store.stacks_v2.values())
    )


def state_of(name: str) -> bytes:
    """Raises RuntimeError when it changes meanwhile."""
    return dumps(containers(SERVICE_PLUGINS.get_service(name)))


def restore(name: str, state: list) -> None:
    """Load and start the service, with the state: nobody has asked it anything before."""
    service = SERVICE_PLUGINS.get_service(name)
    for container, saved in zip(containers(service), state, strict=True):
        fill(container, saved)
    service.lifecycle_hook.on_after_state_load()
    SERVICE_PLUGINS.require(name)


def containers(service: Service) -> list[StateContainer]:
    if folder := OURS.get(service.name()):
        return [getattr(import_module(f"groundwork_aws.{folder}.models"), f"{folder}_stores")]
    collected = Containers()
    service.accept_state_visitor(collected)
    return collected.found


class Containers(StateVisitor):
    """Collects what a service shows, but for its folders of files."""

    def __init__(self) -> None:
        self.found: list[StateContainer] = []

    def visit(self, state_container: StateContainer) -> None:
        if not isinstance(state_container, AssetDirectory):
            self.found.append(state_container)


def fill(container: dict, saved: dict) -> None:
    """Others hold the container itself, so it stays."""
    dict.clear(container)
    dict.update(container, saved)
    if isinstance(container, AccountRegionBundle):
        container._universal = saved._universal
