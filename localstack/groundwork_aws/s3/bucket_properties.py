"""Properties of ``AWS::S3::Bucket`` that LocalStack takes and does not apply.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-s3-bucket.html

They are applied here, or the stack fails. Without encryption, no object of the lake would be under the platform's key,
and nothing would show who may not use that key. LocalStack keeps lifecycle rules and logging, and acts on neither.
"""

from localstack.runtime import hooks
from localstack.services.cloudformation.resource_provider import OperationStatus, ProgressEvent
from localstack.services.s3.resource_providers.aws_s3_bucket import S3BucketProvider
from localstack.utils.patch import patch

BY_LOCALSTACK = {
    "AccessControl", "BucketName", "CorsConfiguration", "NotificationConfiguration", "ObjectLockConfiguration",
    "ObjectLockEnabled", "Tags", "VersioningConfiguration", "WebsiteConfiguration",
}  # fmt: skip
# A template's name of what a lifecycle rule says, and its place in the API's rule.
LIFECYCLE = {
    "Id": ("ID",),
    "Status": ("Status",),
    "Prefix": ("Filter", "Prefix"),
    "ExpirationInDays": ("Expiration", "Days"),
    "NoncurrentVersionExpiration": ("NoncurrentVersionExpiration",),
    "AbortIncompleteMultipartUpload": ("AbortIncompleteMultipartUpload",),
}


class Unsupported(Exception):
    """What a template says and this S3 does not do."""


@hooks.on_infra_start()
def complete_buckets() -> None:
    @patch(S3BucketProvider.create)
    def create(made_by_localstack, self, request):
        try:
            calls = calls_for(request.desired_state)
        except Unsupported as error:
            return ProgressEvent(status=OperationStatus.FAILED, resource_model={}, message=str(error))
        progress = made_by_localstack(self, request)
        apply(request.aws_client_factory.s3, progress.resource_model["BucketName"], calls)
        return progress

    @patch(S3BucketProvider.update)
    def update(refused_by_localstack, self, request):
        """A property that is applied here is changed; that one is taken away, or another changed, stays refused."""
        before, wanted = request.previous_state, request.desired_state
        changed = {name: value for name, value in wanted.items() if before.get(name) != value}
        if set(changed) - set(APPLIED) or (set(before) & set(APPLIED)) - set(wanted):
            return refused_by_localstack(self, request)
        try:
            calls = calls_for(changed)
        except Unsupported as error:
            return ProgressEvent(status=OperationStatus.FAILED, resource_model={}, message=str(error))
        apply(request.aws_client_factory.s3, before["BucketName"], calls)
        return ProgressEvent(status=OperationStatus.SUCCESS, resource_model={**before, **changed})


def apply(s3, bucket: str, calls: list[tuple[str, dict]]) -> None:
    for operation, arguments in calls:
        getattr(s3, operation)(Bucket=bucket, **arguments)


def calls_for(properties: dict) -> list[tuple[str, dict]]:
    """The calls that apply the properties, as a client's method and its arguments. Raises Unsupported."""
    if others := set(properties) - BY_LOCALSTACK - set(APPLIED):
        raise Unsupported(f"AWS::S3::Bucket: {', '.join(sorted(others))} would have no effect here")
    return [APPLIED[name](value) for name, value in properties.items() if name in APPLIED]


def encryption(value: dict) -> tuple[str, dict]:
    rules = [
        {
            "ApplyServerSideEncryptionByDefault" if k == "ServerSideEncryptionByDefault" else k: v
            for k, v in rule.items()
        }
        for rule in value["ServerSideEncryptionConfiguration"]
    ]
    return "put_bucket_encryption", {"ServerSideEncryptionConfiguration": {"Rules": rules}}


def lifecycle(value: dict) -> tuple[str, dict]:
    return "put_bucket_lifecycle_configuration", {
        "LifecycleConfiguration": {"Rules": [lifecycle_rule(rule) for rule in value["Rules"]]}
    }


def lifecycle_rule(rule: dict) -> dict:
    if others := set(rule) - set(LIFECYCLE):
        raise Unsupported(f"AWS::S3::Bucket: a lifecycle rule's {', '.join(sorted(others))} would have no effect here")
    result = {"Filter": {"Prefix": ""}}
    for name, value in rule.items():
        *outer, last = LIFECYCLE[name]
        target = result.setdefault(outer[0], {}) if outer else result
        target[last] = value
    return result


def logging(value: dict) -> tuple[str, dict]:
    status = {"TargetBucket": value["DestinationBucketName"], "TargetPrefix": value.get("LogFilePrefix", "")}
    return "put_bucket_logging", {"BucketLoggingStatus": {"LoggingEnabled": status}}


APPLIED = {
    "BucketEncryption": encryption,
    "LifecycleConfiguration": lifecycle,
    "LoggingConfiguration": logging,
    "OwnershipControls": lambda value: ("put_bucket_ownership_controls", {"OwnershipControls": value}),
    "PublicAccessBlockConfiguration": lambda value: (
        "put_public_access_block",
        {"PublicAccessBlockConfiguration": value},
    ),
}
