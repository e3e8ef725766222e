"""Glue's CloudFormation types, deployed as stacks."""

import json

import pytest
from botocore.exceptions import WaiterError

CRAWLER = {
    "Type": "AWS::Glue::Crawler",
    "Properties": {
        "Name": "NAME",
        "Role": "ROLE",
        "DatabaseName": {"Ref": "Database"},
        "TablePrefix": "bronze_",
        "Schedule": {"ScheduleExpression": "cron(0 2 * * ? *)"},
        "Configuration": json.dumps({"Version": 1.0, "Grouping": {"TableLevelConfiguration": "3"}}),
        "Targets": {"S3Targets": [{"Path": "s3://lake/shop/orders", "SampleSize": "2"}]},
        "SchemaChangePolicy": {"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"},
        "Tags": {"layer": "bronze"},
    },
}


@pytest.fixture
def deploy(aws, unique):
    """``deploy(template)`` creates or updates the test's stack; ``deploy.remove()`` deletes it."""
    client = aws("cloudformation")

    def create_or_update(resources):
        body = json.dumps({"Resources": resources})
        known = [s["StackName"] for s in client.describe_stacks()["Stacks"]]
        action = "update" if unique in known else "create"
        getattr(client, f"{action}_stack")(StackName=unique, TemplateBody=body)
        try:
            settle(f"stack_{action}_complete")
        except WaiterError:
            events = client.describe_stack_events(StackName=unique)["StackEvents"]
            raise AssertionError([e.get("ResourceStatusReason") for e in events]) from None

    def settle(waiter):
        client.get_waiter(waiter).wait(StackName=unique, WaiterConfig={"Delay": 0.2, "MaxAttempts": 100})

    def remove():
        client.delete_stack(StackName=unique)
        settle("stack_delete_complete")

    create_or_update.remove = remove
    return create_or_update


@pytest.fixture
def resources(unique, role):
    """A database and a crawler, in which a test may change what it wants."""
    text = json.dumps(CRAWLER).replace("NAME", unique).replace("ROLE", role).replace('\\"3\\"', "3")
    database = {
        "Type": "AWS::Glue::Database",
        "Properties": {"CatalogId": {"Ref": "AWS::AccountId"}, "DatabaseInput": {"Name": unique}},
    }
    return {"Database": database, "Crawler": json.loads(text)}


def test_stack_makes_a_database_and_a_crawler_and_takes_them_away(deploy, resources, glue, unique):
    deploy(resources)
    crawler = glue.get_crawler(Name=unique)["Crawler"]
    assert crawler["DatabaseName"] == glue.get_database(Name=unique)["Database"]["Name"] == unique
    assert crawler["Schedule"] == {"ScheduleExpression": "cron(0 2 * * ? *)", "State": "SCHEDULED"}
    assert crawler["Targets"]["S3Targets"] == [{"Path": "s3://lake/shop/orders", "SampleSize": 2}]
    arn = f"arn:aws:glue:us-east-1:000000000000:crawler/{unique}"
    assert glue.get_tags(ResourceArn=arn)["Tags"] == {"layer": "bronze"}

    deploy.remove()
    assert unique not in glue.list_crawlers()["CrawlerNames"]
    assert unique not in [database["Name"] for database in glue.get_databases()["DatabaseList"]]


def test_stack_updates_a_crawler_and_a_database_in_place(deploy, resources, glue, unique):
    deploy(resources)
    properties = resources["Crawler"]["Properties"]
    del properties["Schedule"], properties["SchemaChangePolicy"], properties["Configuration"]
    properties["Tags"] = {"team": "data"}
    properties["Targets"] = {"DeltaTargets": [{"DeltaTables": ["s3://lake/orders"], "CreateNativeDeltaTable": "true"}]}
    resources["Database"]["Properties"]["DatabaseInput"]["Description"] = "the lake"
    deploy(resources)

    crawler = glue.get_crawler(Name=unique)["Crawler"]
    assert "Schedule" not in crawler
    assert crawler["Version"] == 2
    assert crawler["SchemaChangePolicy"]["UpdateBehavior"] == "UPDATE_IN_DATABASE"
    assert crawler["Targets"]["DeltaTargets"][0]["CreateNativeDeltaTable"] is True
    arn = f"arn:aws:glue:us-east-1:000000000000:crawler/{unique}"
    assert glue.get_tags(ResourceArn=arn)["Tags"] == {"team": "data"}
    assert glue.get_database(Name=unique)["Database"]["Description"] == "the lake"


def test_stack_with_a_target_that_is_not_crawled_fails_and_says_so(deploy, resources):
    resources["Crawler"]["Properties"]["Targets"] = {"JdbcTargets": [{"Path": "shop/%"}]}
    with pytest.raises(AssertionError, match="JdbcTargets is not supported"):
        deploy(resources)
