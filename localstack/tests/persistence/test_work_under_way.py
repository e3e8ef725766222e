"""LocalStack is killed while a query, a crawl, a statement and a deployment are under way."""

import json
import time

import pytest
from botocore.exceptions import ClientError

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
RESOURCES = {
    f"P{n}": {"Type": "AWS::SSM::Parameter", "Properties": {"Name": f"/busy/{n}", "Type": "String", "Value": "v"}}
    for n in range(60)
}


def test_work_that_was_under_way_is_ended_and_a_deployment_leaves_no_trace(localstack):
    client = localstack.client
    crawler, statement, query = a_crawler(client), a_long_statement(client), a_long_query(client)
    client("glue").start_crawler(Name=crawler)
    client("cloudformation").create_stack(StackName="busy", TemplateBody=json.dumps({"Resources": RESOURCES}))
    localstack.kill_and_start()

    status = client("athena").get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]
    assert (status["State"], "restarted" in status["StateChangeReason"]) == ("FAILED", True)
    found = client("glue").get_crawler(Name=crawler)["Crawler"]
    assert (found["State"], found["LastCrawl"]["Status"]) == ("READY", "FAILED")
    described = client("redshift-data").describe_statement(Id=statement)
    assert (described["Status"], "restarted" in described["Error"]) == ("FAILED", True)

    with pytest.raises(ClientError, match="does not exist"):
        client("cloudformation").describe_stacks(StackName="busy")
    assert client("ssm").get_parameters_by_path(Path="/busy")["Parameters"] == []
    client("cloudformation").create_stack(StackName="busy", TemplateBody=json.dumps({"Resources": RESOURCES}))
    client("cloudformation").get_waiter("stack_create_complete").wait(StackName="busy", WaiterConfig={"Delay": 1})
    client("glue").start_crawler(Name=crawler)


def a_long_query(client) -> str:
    numbers = "unnest(sequence(1, 100000))"
    sql = f"select count(*) from {numbers} a(x), {numbers} b(y), {numbers} c(z) where x * y * z % 7 = 3"
    results = {"OutputLocation": "s3://busy-results/"}
    id = client("athena").start_query_execution(QueryString=sql, ResultConfiguration=results)["QueryExecutionId"]
    until(lambda: client("athena").get_query_execution(QueryExecutionId=id)["QueryExecution"]["Status"], "RUNNING")
    return id


def a_crawler(client) -> str:
    """One that has a hundred tables to find."""
    client("s3").create_bucket(Bucket="busy-results")
    client("iam").create_role(RoleName="busy-crawler", AssumeRolePolicyDocument=json.dumps(TRUST))
    client("glue").create_database(DatabaseInput={"Name": "busy"})
    for number in range(100):
        client("s3").put_object(Bucket="busy-results", Key=f"tables/t{number}/a.parquet", Body=b"PAR1")
    targets = {"S3Targets": [{"Path": f"s3://busy-results/tables/t{number}/"} for number in range(100)]}
    client("glue").create_crawler(Name="busy", Role="busy-crawler", DatabaseName="busy", Targets=targets)
    return "busy"


def a_long_statement(client) -> str:
    client("redshift-serverless").create_namespace(namespaceName="busy", dbName="busy", manageAdminPassword=True)
    client("redshift-serverless").create_workgroup(namespaceName="busy", workgroupName="busy")
    asked = client("redshift-data").execute_statement(
        Sql="select count(*) from pg_class a, pg_class b, pg_class c, pg_class d, pg_class e",
        WorkgroupName="busy",
        Database="busy",
    )
    until(lambda: client("redshift-data").describe_statement(Id=asked["Id"]), "STARTED")
    return asked["Id"]


def until(ask, state: str) -> None:
    deadline = time.monotonic() + 120
    while state not in (found := ask()).values():
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
