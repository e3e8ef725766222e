"""What a template says of a bucket holds for the bucket."""

import json

import pytest


@pytest.fixture
def deployed(aws, unique):
    """``deployed(**properties)`` is the name of a bucket made by a stack."""

    def deploy(**properties) -> str:
        key = {"Type": "AWS::KMS::Key", "Properties": {"Description": unique}}
        bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": unique, **properties}}
        template = {"Resources": {"Key": key, "Bucket": bucket}}
        aws("cloudformation").create_stack(StackName=unique, TemplateBody=json.dumps(template))
        aws("cloudformation").get_waiter("stack_create_complete").wait(StackName=unique, WaiterConfig={"Delay": 1})
        return unique

    return deploy


def test_objects_are_encrypted_with_the_key_of_the_template(aws, deployed):
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": {"Fn::GetAtt": ["Key", "Arn"]}}
    rules = [{"BucketKeyEnabled": True, "ServerSideEncryptionByDefault": default}]
    bucket = deployed(BucketEncryption={"ServerSideEncryptionConfiguration": rules})

    answer = aws("s3").put_object(Bucket=bucket, Key="k", Body=b"")

    key = aws("kms").describe_key(KeyId=answer["SSEKMSKeyId"])["KeyMetadata"]
    assert answer["ServerSideEncryption"] == "aws:kms"
    assert key["Description"] == bucket
    assert answer["BucketKeyEnabled"] is True


def test_public_access_and_ownership_are_as_the_template_says(aws, deployed):
    block = {"BlockPublicAcls": True, "BlockPublicPolicy": False}
    controls = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    bucket = deployed(PublicAccessBlockConfiguration=block, OwnershipControls=controls)

    found = aws("s3").get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert (found["BlockPublicAcls"], found["BlockPublicPolicy"]) == (True, False)
    assert aws("s3").get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"] == controls
