"""The base of every CloudFormation type that the plug-in adds.

A type declares which of its properties the service honours (``HONOURED``) and which have nothing to act on locally and
are kept and described back (``RECORDED``, listed in ``docs/fidelity.md``). A template that uses any other property
fails, as does one that breaks the type's registry schema, which comes with cfn-lint.

https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html
"""

import json
from functools import cache
from importlib.resources import files

import jsonschema
from botocore.exceptions import ClientError
from localstack.services.cloudformation.resource_provider import (
    CloudFormationResourceProviderPlugin,
    OperationStatus,
    ProgressEvent,
    ResourceProvider,
    ResourceRequest,
)


class Refused(Exception):
    """The template asks for something that the service would not do; the text is the event's reason."""


class Resource(ResourceProvider):
    """One CloudFormation type on top of its service's API, called through boto3 as a user would call it.

    ``create_resource`` returns the model with its identifier and read-only attributes; ``is_ready`` is asked until it
    is true; ``update_resource`` gets the wanted and the previous model; ``delete_resource`` starts the deletion and
    ``is_gone`` is asked until it is true. All of them may raise ClientError, whose message becomes the event's reason.
    """

    TYPE: str
    SERVICE: str
    HONOURED: frozenset[str] = frozenset()
    RECORDED: frozenset[str] = frozenset()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if hasattr(cls, "TYPE"):
            cls.SCHEMA = registry_schema(cls.TYPE)

    # --- what a type writes ---

    def create_resource(self, client, model: dict, request: ResourceRequest) -> dict:
        raise Refused(f"{self.TYPE} cannot be created")

    def update_resource(self, client, model: dict, previous: dict, request: ResourceRequest) -> dict:
        raise Refused(f"{self.TYPE} cannot be updated in place: replace it")

    def delete_resource(self, client, model: dict) -> None:
        raise Refused(f"{self.TYPE} cannot be deleted")

    def is_ready(self, client, model: dict) -> bool:
        return True

    def is_gone(self, client, model: dict) -> bool:
        return True

    # --- what LocalStack calls, again and again while the answer is IN_PROGRESS ---

    def create(self, request: ResourceRequest) -> ProgressEvent:
        return self._step(request, self._create)

    def update(self, request: ResourceRequest) -> ProgressEvent:
        return self._step(request, self._update)

    def delete(self, request: ResourceRequest) -> ProgressEvent:
        return self._step(request, self._delete)

    def _create(self, client, request: ResourceRequest) -> tuple[dict, bool]:
        model = request.desired_state
        if not request.custom_context.get("started"):
            model = self.checked(model)
            model = {**model, **self.create_resource(client, model, request)}
        return model, self.is_ready(client, model)

    def _update(self, client, request: ResourceRequest) -> tuple[dict, bool]:
        model = request.desired_state
        if not request.custom_context.get("started"):
            previous = request.previous_state or {}
            model = self.checked(model)
            self.check_create_only(model, previous)
            kept = {name: previous[name] for name in self.read_only_names() if name in previous}
            model = {**kept, **model, **self.update_resource(client, {**kept, **model}, previous, request)}
        return model, self.is_ready(client, model)

    def _delete(self, client, request: ResourceRequest) -> tuple[dict, bool]:
        model = request.desired_state
        if not request.custom_context.get("started"):
            try:
                self.delete_resource(client, model)
            except ClientError as error:
                if "NotFound" not in error.response["Error"]["Code"]:
                    raise
        return model, self.is_gone(client, model)

    def _step(self, request: ResourceRequest, action) -> ProgressEvent:
        client = getattr(request.aws_client_factory, self.SERVICE.replace("-", "_"))
        try:
            model, done = action(client, request)
        except Refused as error:
            return failure(request, str(error))
        except ClientError as error:
            details = error.response["Error"]
            return failure(request, f"{details['Message']} (Service: {self.SERVICE}, Error Code: {details['Code']})")
        status = OperationStatus.SUCCESS if done else OperationStatus.IN_PROGRESS
        return ProgressEvent(status=status, resource_model=model, custom_context={"started": True})

    # --- checks ---

    def checked(self, model: dict) -> dict:
        """The model with CloudFormation's strings turned into the schema's types. Raises Refused."""
        model = coerce({k: v for k, v in model.items() if v is not None}, self.SCHEMA, self.SCHEMA)
        validator = jsonschema.Draft7Validator(self.SCHEMA)
        for error in sorted(validator.iter_errors(model), key=lambda e: list(e.absolute_path)):
            where = "/".join(str(p) for p in error.absolute_path)
            raise Refused(f"Model validation failed (#{'/' + where if where else ''}: {error.message})")
        silent = set(model) - self.HONOURED - self.RECORDED - self.read_only_names()
        if silent:
            raise Refused(
                f"{self.TYPE}: {', '.join(sorted(silent))} would be ignored here: the plug-in does not honour it"
            )
        return model

    def check_create_only(self, model: dict, previous: dict) -> None:
        # LocalStack updates in place even where CloudFormation replaces, so a silent half-update is refused.
        names = {p.split("/")[2] for p in self.SCHEMA.get("createOnlyProperties", []) if p.count("/") == 2}
        changed = sorted(n for n in names if n in previous and n in model and model[n] != previous[n])
        if changed:
            raise Refused(
                f"{self.TYPE}: a change of {', '.join(changed)} needs a replacement, "
                "which LocalStack does not do: delete the stack first"
            )

    def read_only_names(self) -> set[str]:
        return {p.split("/")[2] for p in self.SCHEMA.get("readOnlyProperties", [])}


def picked(model: dict, names) -> dict:
    return {name: model[name] for name in names if name in model}


def generated_name(request: ResourceRequest) -> str:
    return f"{request.stack_name}-{request.logical_resource_id}".lower()


def failure(request: ResourceRequest, message: str) -> ProgressEvent:
    return ProgressEvent(status=OperationStatus.FAILED, resource_model=request.desired_state, message=message)


@cache
def registry_schema(type_name: str) -> dict:
    """The registry's schema of a resource type, as cfn-lint ships it for us-east-1."""
    schemas = files("cfnlint") / "data" / "schemas"
    index = json.loads((schemas / "providers" / "us-east-1.json").read_text())
    return json.loads((schemas / "resources" / f"{index[type_name]}.json").read_text())


def coerce(value, schema: dict, root: dict):
    """CloudFormation takes ``"true"`` for a boolean, ``"5"`` for a number and ``5`` for a string: do the same."""
    schema = resolve(schema, root)
    kind = schema.get("type")
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        return {k: coerce(v, properties[k], root) if k in properties else v for k, v in value.items()}
    if isinstance(value, list):
        return [coerce(v, schema.get("items", {}), root) for v in value]
    if kind == "boolean" and str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    if kind == "integer" and isinstance(value, str) and value.lstrip("-").isdigit():
        return int(value)
    if kind == "string" and isinstance(value, (bool, int, float)):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return value


def resolve(schema: dict, root: dict) -> dict:
    while "$ref" in schema:
        target = root
        for part in schema["$ref"].lstrip("#/").split("/"):
            target = target[part]
        schema = target
    return schema


def plugin(resource: type[Resource]) -> type[CloudFormationResourceProviderPlugin]:
    """The plug-in class by which LocalStack finds a type; pyproject's entry points name it by its type."""

    def load(self) -> None:
        self.factory = resource

    return type(
        f"{resource.__name__}Plugin", (CloudFormationResourceProviderPlugin,), {"name": resource.TYPE, "load": load}
    )
