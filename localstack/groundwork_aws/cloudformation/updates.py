"""Updates that are not carried out fail the stack.

By itself LocalStack leaves a resource of most of its own types as it was, and calls a stack UPDATE_COMPLETE whatever
became of its resources. Here such a stack ends as UPDATE_FAILED; unlike AWS, nothing is rolled back.
"""

from localstack.aws.api.cloudformation import ChangeSetType, StackStatus
from localstack.runtime import hooks
from localstack.services.cloudformation.engine.v2.change_set_model_executor import ChangeSetModelExecutor
from localstack.services.cloudformation.resource_provider import (
    OperationStatus,
    ProgressEvent,
    ResourceProvider,
    ResourceProviderExecutor,
    ResourceRequest,
)
from localstack.utils.patch import patch


@hooks.on_infra_start()
def fail_updates_that_are_not_made() -> None:
    @patch(ResourceProviderExecutor.execute_action)
    def execute_action(of_localstack, self, resource_provider, raw_payload):
        return of_localstack(self, FailingClosed(resource_provider), raw_payload)

    @patch(ChangeSetModelExecutor.execute)
    def execute(of_localstack, self):
        stack = self._change_set.stack
        is_update = stack.status == StackStatus.UPDATE_IN_PROGRESS
        result = of_localstack(self)
        if is_update and result.failure_message:
            stack.set_stack_status(StackStatus.UPDATE_FAILED, reason=result.failure_message)
            if self._change_set.change_set_type == ChangeSetType.CREATE:
                # UpdateStack runs as one of these. It does not look at the result, but it does see an exception.
                raise UpdateFailed(result.failure_message)
        return result


class UpdateFailed(Exception):
    """A resource could not be updated; the text is its reason."""


class FailingClosed:
    """A resource provider whose update is made, or fails."""

    def __init__(self, provider: ResourceProvider):
        self.provider = provider

    def __getattr__(self, name: str):
        return getattr(self.provider, name)

    def update(self, request: ResourceRequest) -> ProgressEvent:
        try:
            return self.provider.update(request)
        except NotImplementedError:
            return unchanged_or_failed(request)


def unchanged_or_failed(request: ResourceRequest) -> ProgressEvent:
    previous, wanted = request.previous_state or {}, request.desired_state
    changed = sorted(name for name in wanted if wanted[name] != previous.get(name))
    if not changed:
        return ProgressEvent(status=OperationStatus.SUCCESS, resource_model=previous)
    return ProgressEvent(
        status=OperationStatus.FAILED,
        resource_model=previous,
        message=f"{request.resource_type}: LocalStack cannot change {', '.join(changed)} of a resource that exists: "
        "delete the stack first",
    )
