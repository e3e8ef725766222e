"""Roles of stacks that the environment in use does not have: out of the templates, with their parameters resolved.

Airflow runs here without MWAA's stack; its role on AWS is written in that stack's template all the same. Parameters are
what Sceptre would give the stack: outputs of the stacks that are there, and the values of the environment, or of
production where the environment has none. Resolved are ``Ref``, ``Fn::GetAtt`` of a role's ``Arn`` and ``Fn::Sub``.
"""

import re
from pathlib import Path

import jinja2
import yaml

from groundwork.aws import client
from groundwork.deployment.iam.account import Role, managed_document
from groundwork.deployment.iam.conditions import UnknownElement, as_list
from groundwork.deployment.iam.policies import statements_of

PLACE = re.compile(r"\$\{([^!}][^}]*)\}")


class Tagged(yaml.SafeLoader):
    """Reads the short forms of templates (``!Sub x`` as ``{"Fn::Sub": "x"}``) and of Sceptre's configuration."""

    # Sceptre teaches SafeLoader, when it first reads a configuration, to make objects of its own of its tags.
    yaml_constructors = {
        tag: constructor
        for tag, constructor in yaml.SafeLoader.yaml_constructors.items()
        if not (tag or "").startswith("!")
    }


def read_tag(loader: yaml.Loader, tag: str, node: yaml.Node) -> dict:
    read = loader.construct_scalar if isinstance(node, yaml.ScalarNode) else loader.construct_sequence
    return {"Ref" if tag == "Ref" else f"Fn::{tag}": read(node)}


Tagged.add_multi_constructor("!", read_tag)


def roles_of_templates(folder: Path, environment: str) -> dict[str, Role]:
    """The roles in the templates of the parts that are not deployed, by ARN; ``folder`` is ``cloudformation``."""
    outputs = outputs_of(f"groundwork-{environment}-")
    parts = sorted({file.stem for file in (folder / "templates").glob("*.yaml")} - set(outputs))
    variables = read_environment(folder, "production") | read_environment(folder, environment)
    names = account_names()
    return {role.arn: role for part in parts for role in roles_of(part, folder, variables, outputs, names)}


def roles_of(part: str, folder: Path, variables: dict, outputs: dict, account: dict[str, str]) -> list[Role]:
    """``outputs`` are those of the stacks that are there, by part and name; ``account`` are the pseudo parameters."""
    template = yaml.load((folder / "templates" / f"{part}.yaml").read_text(), Tagged)
    names = account | parameters_of(part, folder, variables, outputs)
    for name, resource in template["Resources"].items():
        names[name] = f"{part}.{name}"
        if resource["Type"] == "AWS::IAM::Role":
            names[f"{name}.Arn"] = f"arn:aws:iam::{names['AWS::AccountId']}:role/{part}.{name}"
    resources = {
        name: resolved(resource["Properties"], names)
        for name, resource in template["Resources"].items()
        if resource["Type"] in ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy")
    }
    own_policies = {f"{part}.{name}": r["PolicyDocument"] for name, r in resources.items() if "PolicyDocument" in r}
    return [
        role_of(f"{part}.{name}", names[f"{name}.Arn"], properties, own_policies)
        for name, properties in resources.items()
        if "AssumeRolePolicyDocument" in properties
    ]


def role_of(name: str, arn: str, properties: dict, own_policies: dict[str, dict]) -> Role:
    documents = {policy["PolicyName"]: policy["PolicyDocument"] for policy in properties.get("Policies", [])}
    attached = properties.get("ManagedPolicyArns", [])
    documents |= {arn.rpartition("/")[2]: own_policies.get(arn) or managed_document(arn) for arn in attached}
    statements = [s for policy, document in documents.items() for s in statements_of(policy, document)]
    return Role(name, arn, statements, [p.rpartition("/")[2] for p in attached if ":iam::aws:" in p])


def resolved(value, names: dict[str, str]):
    """The value with its functions evaluated. Raises KeyError naming what has no value, and UnknownElement."""
    if isinstance(value, list):
        return [resolved(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    if "Ref" in value:
        return names[value["Ref"]]
    if "Fn::GetAtt" in value:
        return names[".".join(as_list(value["Fn::GetAtt"]))]
    if "Fn::Sub" in value:
        return PLACE.sub(lambda match: str(names[match[1]]), value["Fn::Sub"])
    if function := next((key for key in value if key.startswith("Fn::")), None):
        raise UnknownElement(f"{function} is not evaluated here")
    return {key: resolved(item, names) for key, item in value.items()}


def parameters_of(part: str, folder: Path, variables: dict, outputs: dict[str, dict[str, str]]) -> dict[str, str]:
    """What Sceptre gives the stack. An output of a stack that is not there has no value here."""
    text = jinja2.Template((folder / "config" / f"{part}.yaml").read_text()).render(var=variables)
    given = yaml.load(text, Tagged).get("parameters", {})
    return {name: output_of(value, outputs) if isinstance(value, dict) else value for name, value in given.items()}


def output_of(value: dict, outputs: dict[str, dict[str, str]]) -> str:
    stack, _, output = value["Fn::stack_output"].partition(".yaml::")
    return outputs.get(stack, {}).get(output, f"{stack}::{output}")


def read_environment(folder: Path, name: str) -> dict:
    return yaml.load((folder / "environments" / f"{name}.yaml").read_text(), Tagged)


def outputs_of(prefix: str) -> dict[str, dict[str, str]]:
    pages = client("cloudformation").get_paginator("describe_stacks").paginate()
    return {
        stack["StackName"].removeprefix(prefix): {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])}
        for page in pages
        for stack in page["Stacks"]
        if stack["StackName"].startswith(prefix)
    }


def account_names() -> dict[str, str]:
    return {
        "AWS::AccountId": client("sts").get_caller_identity()["Account"],
        "AWS::Partition": "aws",
        "AWS::Region": client("sts").meta.region_name,
    }
