"""What MWAA checks before it makes or changes an environment.

https://docs.aws.amazon.com/mwaa/latest/API/API_CreateEnvironment.html
"""

import re

from botocore.exceptions import ClientError
from localstack.aws.api import CommonServiceException, RequestContext
from localstack.aws.connect import connect_to

NAME = re.compile(r"[a-zA-Z][0-9a-zA-Z_-]{0,79}")
REQUIRED = ("DagS3Path", "ExecutionRoleArn", "NetworkConfiguration", "SourceBucketArn")
CLASSES = {"mw1.micro", "mw1.small", "mw1.medium", "mw1.large", "mw1.xlarge", "mw1.2xlarge"}
FILES = ("Plugins", "Requirements", "StartupScript")


def invalid(message: str) -> CommonServiceException:
    return CommonServiceException("ValidationException", message)


class RestApiException(CommonServiceException):
    """What Airflow refused or failed at, with Airflow's own answer."""

    def __init__(self, status: int, answer: dict):
        super().__init__(f"RestApi{'Server' if status >= 500 else 'Client'}Exception", "", status_code=400)
        self.RestApiStatusCode, self.RestApiResponse = status, answer


def check(context: RequestContext, environment: dict) -> None:
    """Raises ValidationException."""
    missing = [name for name in REQUIRED if not environment.get(name)]
    if missing:
        raise invalid(f"Required: {', '.join(missing)}.")
    if not NAME.fullmatch(environment["Name"]):
        raise invalid("Name must begin with a letter and have at most 80 letters, digits, hyphens or underscores.")
    if environment.get("EnvironmentClass", "mw1.small") not in CLASSES:
        raise invalid(f"EnvironmentClass must be one of {', '.join(sorted(CLASSES))}.")
    if environment.get("MinWorkers", 1) > environment.get("MaxWorkers", 10):
        raise invalid("MinWorkers must not be greater than MaxWorkers.")
    clients = connect_to(aws_access_key_id=context.account_id, region_name=context.region)
    check_network(clients.ec2, environment["NetworkConfiguration"])
    check_role(clients.iam, environment["ExecutionRoleArn"])
    check_bucket(clients.s3, environment)


def check_network(ec2, network: dict) -> None:
    """MWAA wants exactly two private subnets, in different zones."""
    ids = network.get("SubnetIds", [])
    try:
        subnets = ec2.describe_subnets(SubnetIds=ids)["Subnets"]
        ec2.describe_security_groups(GroupIds=network.get("SecurityGroupIds", []))
    except ClientError as error:
        raise invalid(error.response["Error"]["Message"]) from error
    if len(ids) != 2 or len({subnet["AvailabilityZone"] for subnet in subnets}) != 2:
        raise invalid("SubnetIds must be two subnets in different availability zones.")
    if not network.get("SecurityGroupIds"):
        raise invalid("SecurityGroupIds must name at least one security group.")


def check_role(iam, arn: str) -> None:
    try:
        iam.get_role(RoleName=arn.rpartition("/")[2])
    except ClientError as error:
        raise invalid(f"ExecutionRoleArn {arn}: {error.response['Error']['Message']}") from error


def check_bucket(s3, environment: dict) -> None:
    """The bucket must keep versions, and each file that is named must be there."""
    bucket = environment["SourceBucketArn"].rpartition(":")[2]
    try:
        versioning = s3.get_bucket_versioning(Bucket=bucket).get("Status")
    except ClientError as error:
        raise invalid(f"SourceBucketArn: bucket {bucket}: {error.response['Error']['Message']}") from error
    if versioning != "Enabled":
        raise invalid(f"SourceBucketArn: bucket {bucket} must have versioning enabled.")
    for kind in FILES:
        check_file(s3, bucket, environment.get(f"{kind}S3Path"), environment.get(f"{kind}S3ObjectVersion"), kind)


def check_file(s3, bucket: str, path: str | None, version: str | None, kind: str) -> None:
    if version and not path:
        raise invalid(f"{kind}S3ObjectVersion needs {kind}S3Path.")
    if not path:
        return
    try:
        s3.head_object(Bucket=bucket, Key=path, **({"VersionId": version} if version else {}))
    except ClientError as error:
        of = f" of version {version}" if version else ""
        raise invalid(f"{kind}S3Path: no object {path}{of} in bucket {bucket}.") from error
