"""What a template says of a bucket holds for the bucket, or the stack fails."""

import json

import pytest
from botocore.exceptions import WaiterError


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


def test_lifecycle_and_logging_are_as_the_template_says(aws, deployed, bucket):
    """``bucket`` has the name of the deployed one; it is the logs' here."""
    rule = {"Id": "expire", "Status": "Enabled", "Prefix": "a/", "ExpirationInDays": 7,
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}}  # fmt: skip
    made = deployed(
        BucketName=f"{bucket}-lake",
        LifecycleConfiguration={"Rules": [rule]},
        LoggingConfiguration={"DestinationBucketName": bucket, "LogFilePrefix": "lake/"},
    )

    [found] = aws("s3").get_bucket_lifecycle_configuration(Bucket=f"{made}-lake")["Rules"]
    assert found == {
        "ID": "expire", "Status": "Enabled", "Filter": {"Prefix": "a/"}, "Expiration": {"Days": 7},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2},
    }  # fmt: skip
    logging = aws("s3").get_bucket_logging(Bucket=f"{made}-lake")["LoggingEnabled"]
    assert (logging["TargetBucket"], logging["TargetPrefix"]) == (bucket, "lake/")


def test_a_changed_lifecycle_is_applied_to_the_bucket_that_is_there(aws, deployed, unique):
    def rules(days: int) -> dict:
        return {"Rules": [{"Id": "expire", "Status": "Enabled", "ExpirationInDays": days}]}

    bucket = deployed(LifecycleConfiguration=rules(7))
    aws("s3").put_object(Bucket=bucket, Key="kept", Body=b"")
    template = {
        "Resources": {
            "Key": {"Type": "AWS::KMS::Key", "Properties": {"Description": unique}},
            "Bucket": {
                "Type": "AWS::S3::Bucket",
                "Properties": {"BucketName": unique, "LifecycleConfiguration": rules(30)},
            },
        }
    }
    aws("cloudformation").update_stack(StackName=unique, TemplateBody=json.dumps(template))
    aws("cloudformation").get_waiter("stack_update_complete").wait(StackName=unique, WaiterConfig={"Delay": 1})

    [rule] = aws("s3").get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert rule["Expiration"] == {"Days": 30}
    assert [o["Key"] for o in aws("s3").list_objects_v2(Bucket=bucket)["Contents"]] == ["kept"]


@pytest.mark.parametrize(
    ("properties", "named"),
    [
        ({"AccelerateConfiguration": {"AccelerationStatus": "Enabled"}}, "AccelerateConfiguration"),
        ({"LifecycleConfiguration": {"Rules": [{"Status": "Enabled", "TagFilters": []}]}}, "TagFilters"),
    ],
)
def test_what_would_have_no_effect_fails_the_stack(aws, deployed, unique, properties, named):
    with pytest.raises(WaiterError):
        deployed(**properties)
    events = aws("cloudformation").describe_stack_events(StackName=unique)["StackEvents"]
    reasons = [e.get("ResourceStatusReason", "") for e in events if e["ResourceStatus"] == "CREATE_FAILED"]
    assert any(f"{named} would have no effect here" in reason for reason in reasons), reasons
