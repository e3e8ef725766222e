"""Roles out of templates whose stacks are not there, resolved as a deployment would."""

import pytest

from groundwork.deployment.iam.conditions import UnknownElement
from groundwork.deployment.iam.policies import Request, decide
from groundwork.deployment.iam.templates import resolved, roles_of
from groundwork.install import ROOT

ACCOUNT = {"AWS::AccountId": "111122223333", "AWS::Partition": "aws", "AWS::Region": "eu-west-1"}
TEMPLATE = """
Parameters:
  Bucket: {Type: String}
  Environment: {Type: String}
Resources:
  Reader:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Statement: {Effect: Allow, Principal: "*", Action: sts:AssumeRole}}
      ManagedPolicyArns: [!Ref Policy]
      Policies:
        - PolicyName: read
          PolicyDocument:
            Statement: {Effect: Allow, Action: s3:GetObject, Resource: !Sub "arn:${AWS::Partition}:s3:::${Bucket}/*"}
  Policy:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Statement: {Effect: Allow, Action: iam:PassRole, Resource: !GetAtt Writer.Arn}
  Writer:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Statement: {Effect: Allow, Principal: "*", Action: sts:AssumeRole}}
  Queue:
    Type: AWS::SQS::Queue
    Properties: {QueueName: !If [HasName, a, b]}
"""
CONFIG = """
parameters:
  Environment: "{{ var.environment }}"
  Bucket: !stack_output storage.yaml::LakeBucket
"""


@pytest.fixture
def roles(tmp_path):
    for folder, text in (("templates", TEMPLATE), ("config", CONFIG)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "lake.yaml").write_text(text)
    outputs = {"storage": {"LakeBucket": "the-lake"}}
    return {r.name: r for r in roles_of("lake", tmp_path, {"environment": "test"}, outputs, ACCOUNT)}


def test_parameters_are_the_outputs_of_other_stacks(roles):
    reader = roles["lake.Reader"]
    allowed = decide(Request(reader.arn, "s3:GetObject", "arn:aws:s3:::the-lake/a"), reader.statements)
    assert allowed.allowed
    assert [s.name for s in allowed.statements] == ["read[0]"]


def test_policies_of_the_template_are_attached_by_reference(roles):
    reader, writer = roles["lake.Reader"], roles["lake.Writer"]
    assert decide(Request(reader.arn, "iam:PassRole", writer.arn), reader.statements).allowed
    assert not decide(Request(writer.arn, "iam:PassRole", writer.arn), writer.statements).allowed


def test_a_function_that_is_not_evaluated_is_an_error():
    with pytest.raises(UnknownElement, match="Fn::If is not evaluated here"):
        resolved({"Resource": {"Fn::If": ["HasName", "a", "b"]}}, ACCOUNT)


def test_a_name_without_a_value_is_an_error():
    with pytest.raises(KeyError, match="Nothing"):
        resolved({"Fn::Sub": "${Nothing}"}, ACCOUNT)


def test_airflows_role_in_mwaas_template_resolves_without_its_stack():
    names = {**ACCOUNT, "AWS::StackName": "s"}
    variables = {"environment": "local"}
    [role] = roles_of("orchestration", ROOT / "cloudformation", variables, {}, names)
    assert role.name == "orchestration.Role"
    parameter = "arn:aws:ssm:eu-west-1:111122223333:parameter/groundwork/local/variables/environment"
    assert decide(Request(role.arn, "ssm:GetParameter", parameter), role.statements).allowed
    other = parameter.replace("variables/environment", "deployed")
    assert not decide(Request(role.arn, "ssm:GetParameter", other), role.statements).allowed
