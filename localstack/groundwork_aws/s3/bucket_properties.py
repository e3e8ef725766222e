"""Properties of ``AWS::S3::Bucket`` that LocalStack takes and does not apply.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-s3-bucket.html

Applied here: ``BucketEncryption``, ``PublicAccessBlockConfiguration``, ``OwnershipControls``. Without the first one, no
object of the lake would be encrypted with the platform's key, and nothing would show who may not use that key.
"""

from localstack.runtime import hooks
from localstack.services.s3.resource_providers.aws_s3_bucket import S3BucketProvider
from localstack.utils.patch import patch


@hooks.on_infra_start()
def complete_buckets() -> None:
    @patch(S3BucketProvider.create)
    def create(made_by_localstack, self, request):
        progress = made_by_localstack(self, request)
        apply(request.aws_client_factory.s3, progress.resource_model)
        return progress


def apply(s3, model: dict) -> None:
    bucket = model["BucketName"]
    if encryption := model.get("BucketEncryption"):
        rules = [api_rule(rule) for rule in encryption["ServerSideEncryptionConfiguration"]]
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})
    if block := model.get("PublicAccessBlockConfiguration"):
        s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    if controls := model.get("OwnershipControls"):
        s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=controls)


def api_rule(rule: dict) -> dict:
    """An encryption rule of a template as the API takes it."""
    default = {"ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"]}
    return {**default, **{k: rule[k] for k in ("BucketKeyEnabled",) if k in rule}}
