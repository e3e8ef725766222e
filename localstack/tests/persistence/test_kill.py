"""LocalStack is killed (SIGKILL) and started again: what was answered before holds afterwards."""

import hashlib
import json
import time
from collections.abc import Callable

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
TEMPLATE = {
    "Parameters": {"Size": {"Type": "String", "Default": "small"}},
    "Resources": {
        "Key": {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": {"Version": "2012-10-17", "Statement": []}}},
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {
            "BucketName": "kept-stack",
            "BucketEncryption": {"ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {
                "SSEAlgorithm": "aws:kms", "KMSMasterKeyID": {"Fn::GetAtt": ["Key", "Arn"]}}}]},
        }},
        "Secret": {"Type": "AWS::SecretsManager::Secret", "Properties": {"Name": "kept", "GenerateSecretString": {}}},
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "kept", "AssumeRolePolicyDocument": TRUST}},
        "Size": {"Type": "AWS::SSM::Parameter", "Properties": {
            "Name": "/kept/size", "Type": "String", "Value": {"Ref": "Size"}}},
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.9.0.0/16"}},
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "kept", "KmsMasterKeyId": {"Ref": "Key"}}},
        "Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": {
            "AlarmName": "kept", "Namespace": "AWS/DMS", "MetricName": "CDCLatencySource", "Statistic": "Maximum",
            "Period": 300, "EvaluationPeriods": 1, "Threshold": 600, "ComparisonOperator": "GreaterThanThreshold",
            "AlarmActions": [{"Ref": "Topic"}]}},
        "Database": {"Type": "AWS::Glue::Database", "Properties": {
            "CatalogId": "000000000000", "DatabaseInput": {"Name": "kept"}}},
        "WorkGroup": {"Type": "AWS::Athena::WorkGroup", "Properties": {"Name": "kept", "WorkGroupConfiguration": {
            "ResultConfiguration": {"OutputLocation": {"Fn::Sub": "s3://${Bucket}/results/"}}}}},
    },
    "Outputs": {"Secret": {"Value": {"Ref": "Secret"}}},
}  # fmt: skip


def test_what_was_answered_before_a_kill_is_answered_after_it(localstack):
    answers = {**objects(localstack.client("s3")), **stack(localstack), **catalog(localstack)}
    before = {name: said(ask) for name, ask in answers.items()}
    localstack.kill()
    (localstack.state / "objects" / "half-deleted").rmdir()  # as if killed within DeleteBucket
    localstack.start()
    for name, ask in answers.items():
        assert said(ask) == before[name], name
    localstack.client("s3").put_object(Bucket="half-deleted", Key="a", Body=b"still there")
    assert "Uploads" not in localstack.client("s3").list_multipart_uploads(Bucket="kept")
    the_stack_can_be_changed(localstack.client("cloudformation"))


def said(ask: Callable[[], dict]) -> dict:
    return {name: value for name, value in ask().items() if name != "ResponseMetadata"}


def objects(s3) -> dict[str, Callable]:
    s3.create_bucket(Bucket="kept")
    s3.put_bucket_tagging(Bucket="kept", Tagging={"TagSet": [{"Key": "owner", "Value": "shop"}]})
    s3.put_object(
        Bucket="kept", Key="größe/a b.txt", Body=b"first", Metadata={"by": "me"}, Tagging="a=1",
        ContentType="text/plain", ServerSideEncryption="AES256",
    )  # fmt: skip
    s3.put_object(
        Bucket="kept", Key="größe/a b.txt", Body=b"second", Metadata={"by": "you"}, ChecksumAlgorithm="SHA256"
    )
    s3.put_object_tagging(Bucket="kept", Key="größe/a b.txt", Tagging={"TagSet": [{"Key": "b", "Value": "2"}]})
    s3.copy_object(Bucket="kept", Key="copy", CopySource="kept/größe/a b.txt")
    s3.put_object(Bucket="kept", Key="deleted", Body=b"x")
    s3.delete_object(Bucket="kept", Key="deleted")
    in_parts(s3)
    s3.create_bucket(Bucket="half-deleted")
    s3.create_bucket(Bucket="versions")
    s3.put_object(Bucket="versions", Key="a", Body=b"older than versioning")
    s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"2", b"3"):
        last = s3.put_object(Bucket="versions", Key="a", Body=body)
    s3.delete_object(Bucket="versions", Key="a", VersionId=last["VersionId"])
    s3.delete_object(Bucket="versions", Key="a")
    return {
        "buckets": s3.list_buckets,
        "bucket's tags": lambda: s3.get_bucket_tagging(Bucket="kept"),
        "keys": lambda: s3.list_objects_v2(Bucket="kept"),
        "object": lambda: read(s3, Key="größe/a b.txt"),
        "tags": lambda: s3.get_object_tagging(Bucket="kept", Key="größe/a b.txt"),
        "copy": lambda: read(s3, Key="copy"),
        "in parts": lambda: read(s3, Key="parts"),
        "second part": lambda: read(s3, Key="parts", PartNumber=2),
        "versions": lambda: s3.list_object_versions(Bucket="versions"),
        "old version": lambda: read(s3, Bucket="versions", Key="a", VersionId="null"),
    }


def in_parts(s3) -> None:
    def upload(key: str) -> tuple[str, list[dict]]:
        id, parts = s3.create_multipart_upload(Bucket="kept", Key=key)["UploadId"], []
        for number, body in enumerate((b"a" * (5 << 20), b"the end"), 1):
            done = s3.upload_part(Bucket="kept", Key=key, UploadId=id, PartNumber=number, Body=body)
            parts.append({"PartNumber": number, "ETag": done["ETag"]})
        return id, parts

    id, parts = upload("parts")
    s3.complete_multipart_upload(Bucket="kept", Key="parts", UploadId=id, MultipartUpload={"Parts": parts})
    upload("unfinished")


def read(s3, Bucket: str = "kept", **which) -> dict:
    answer = s3.get_object(Bucket=Bucket, **which)
    return {**answer, "Body": hashlib.sha256(answer["Body"].read()).hexdigest()}


def stack(localstack) -> dict[str, Callable]:
    cloudformation = localstack.client("cloudformation")
    cloudformation.create_stack(StackName="kept", TemplateBody=json.dumps(TEMPLATE))
    ends(cloudformation, "CREATE_COMPLETE")
    localstack.client("s3").put_object(Bucket="kept-stack", Key="under the key", Body=b"x")
    sealed = localstack.client("kms").encrypt(KeyId=of_stack(cloudformation, "Key"), Plaintext=b"plain")
    client = localstack.client
    return {
        "stack": lambda: cloudformation.describe_stacks(StackName="kept"),
        "resources": lambda: cloudformation.describe_stack_resources(StackName="kept"),
        "events": lambda: cloudformation.describe_stack_events(StackName="kept"),
        "encryption": lambda: client("s3").get_bucket_encryption(Bucket="kept-stack"),
        "encrypted": lambda: client("s3").head_object(Bucket="kept-stack", Key="under the key"),
        "key": lambda: client("kms").decrypt(CiphertextBlob=sealed["CiphertextBlob"]),
        "secret": lambda: client("secretsmanager").get_secret_value(SecretId="kept"),
        "role": lambda: client("iam").get_role(RoleName="kept"),
        "parameter": lambda: client("ssm").get_parameter(Name="/kept/size"),
        "topic": lambda: client("sns").get_topic_attributes(TopicArn=of_stack(cloudformation, "Topic")),
        "alarm": lambda: client("cloudwatch").describe_alarms(AlarmNames=["kept"]),
        "vpcs": lambda: client("ec2").describe_vpcs(),
        "workgroup": lambda: client("athena").get_work_group(WorkGroup="kept"),
    }


def of_stack(cloudformation, resource: str) -> str:
    answer = cloudformation.describe_stack_resource(StackName="kept", LogicalResourceId=resource)
    return answer["StackResourceDetail"]["PhysicalResourceId"]


def ends(cloudformation, status: str, name: str = "kept") -> None:
    deadline = time.monotonic() + 240
    while (found := cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]) != status:
        assert found.endswith("_IN_PROGRESS") and time.monotonic() < deadline, found
        time.sleep(0.1)


def the_stack_can_be_changed(cloudformation) -> None:
    size = [{"ParameterKey": "Size", "ParameterValue": "large"}]
    cloudformation.update_stack(StackName="kept", TemplateBody=json.dumps(TEMPLATE), Parameters=size)
    ends(cloudformation, "UPDATE_COMPLETE")


def catalog(localstack) -> dict[str, Callable]:
    glue = localstack.client("glue")
    columns = [{"Name": "id", "Type": "bigint"}]
    table = {"Name": "orders", "StorageDescriptor": {"Columns": columns, "Location": "s3://kept/orders/"}}
    glue.create_table(DatabaseName="kept", TableInput={**table, "PartitionKeys": [{"Name": "day", "Type": "date"}]})
    glue.create_partition(
        DatabaseName="kept", TableName="orders",
        PartitionInput={"Values": ["2018-01-01"], "StorageDescriptor": table["StorageDescriptor"]},
    )  # fmt: skip
    return {
        "table": lambda: glue.get_table(DatabaseName="kept", Name="orders"),
        "partitions": lambda: glue.get_partitions(DatabaseName="kept", TableName="orders"),
    }
