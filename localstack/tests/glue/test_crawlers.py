"""The crawlers' API: definitions, states, schedules, history."""

import json
import uuid
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError
from groundwork_aws.glue.models import Crawler
from groundwork_aws.glue.runs import begin, execute
from tests.glue.conftest import fails_with, parquet_bytes

ORDERS = {"order_id": ["a"]}
NIGHTLY = "cron(0 2 * * ? *)"


# --- definitions ------------------------------------------------------------------------------------------------------


def test_GL_10_crawler_is_answered_with_its_defaults(glue, crawler, bucket, database):
    found = glue.get_crawler(Name=crawler("orders/", Description="bronze"))["Crawler"]
    assert found["Targets"] == {"S3Targets": [{"Path": f"s3://{bucket}/orders/"}]}
    assert (found["DatabaseName"], found["Description"], found["Version"]) == (database, "bronze", 1)
    assert found["SchemaChangePolicy"] == {
        "UpdateBehavior": "UPDATE_IN_DATABASE",
        "DeleteBehavior": "DEPRECATE_IN_DATABASE",
    }
    assert found["RecrawlPolicy"] == {"RecrawlBehavior": "CRAWL_EVERYTHING"}
    assert (found["State"], found["CrawlElapsedTime"]) == ("READY", 0)


def test_GL_02_last_crawl_is_absent_before_the_first_run(glue, crawler):
    assert "LastCrawl" not in glue.get_crawler(Name=crawler("orders/"))["Crawler"]


def test_GL_09_version_counts_updates(glue, crawler):
    name = crawler("orders/")
    glue.update_crawler(Name=name, Description="one")
    glue.update_crawler(Name=name, TablePrefix="two")
    found = glue.get_crawler(Name=name)["Crawler"]
    assert (found["Version"], found["Description"], found["TablePrefix"]) == (3, "one", "two")


@pytest.mark.guess
def test_role_is_answered_by_path_and_name(aws, glue, crawler, role):
    arn = aws("iam").get_role(RoleName=role)["Role"]["Arn"]
    assert glue.get_crawler(Name=crawler("orders/", Role=arn))["Crawler"]["Role"] == role


def test_GL_08_role_that_is_missing_is_refused(crawler, unique):
    with fails_with("InvalidInputException") as error:
        crawler("orders/", Role=f"arn:aws:iam::000000000000:role/{unique}")
    assert "Service is unable to assume provided role. Please verify role's TrustPolicy." in str(error.value)


def test_GL_08_role_that_does_not_trust_glue_is_refused(aws, crawler, unique):
    statement = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    aws("iam").create_role(RoleName=unique, AssumeRolePolicyDocument=policy)
    with fails_with("InvalidInputException") as error:
        crawler("orders/", Role=unique)
    assert "does not trust glue.amazonaws.com" in str(error.value)


def test_crawler_that_exists_is_refused(crawler):
    crawler("orders/")
    with fails_with("AlreadyExistsException"):
        crawler("orders/")


def test_crawler_missing_is_not_found(glue, unique):
    for operation in ("get_crawler", "update_crawler", "delete_crawler", "start_crawler", "stop_crawler"):
        with fails_with("EntityNotFoundException"):
            getattr(glue, operation)(Name=unique)
    for operation in ("start_crawler_schedule", "stop_crawler_schedule", "update_crawler_schedule", "list_crawls"):
        with fails_with("EntityNotFoundException"):
            getattr(glue, operation)(CrawlerName=unique)


DELTA = {"DeltaTables": ["s3://lake/orders"], "CreateNativeDeltaTable": True}


@pytest.mark.parametrize(
    ("definition", "named"),
    [
        ({"Targets": {}}, "Targets"),
        ({"Targets": {"JdbcTargets": [{"Path": "shop/%"}]}}, "JdbcTargets"),
        ({"Targets": {"S3Targets": [{"Path": "lake/orders"}]}}, "lake/orders"),
        ({"Targets": {"S3Targets": [{"Path": "s3://lake", "SampleSize": 250}]}}, "SampleSize"),
        ({"Targets": {"S3Targets": [{"Path": "s3://lake", "ConnectionName": "vpc"}]}}, "ConnectionName"),
        ({"Targets": {"S3Targets": [{"Path": "s3://lake", "Exclusions": ["{a"]}]}}, "{a"),
        ({"SchemaChangePolicy": {"UpdateBehavior": "MERGE"}}, "updateBehavior"),
        ({"RecrawlPolicy": {"RecrawlBehavior": "CRAWL_EVENT_MODE"}}, "CRAWL_EVENT_MODE"),
        ({"LineageConfiguration": {"CrawlerLineageSettings": "ENABLE"}}, "CrawlerLineageSettings"),
        ({"LakeFormationConfiguration": {"UseLakeFormationCredentials": True}}, "UseLakeFormationCredentials"),
        ({"Configuration": "{"}, "not JSON"),
        ({"Configuration": "{}"}, "Version"),
        ({"Configuration": '{"Version": 1.0, "Grouping": {"TableGroupingPolicy": "x"}}'}, "TableGroupingPolicy"),
        ({"Configuration": '{"Version": 1.0, "Sampling": {}}'}, "Sampling"),
        ({"Schedule": "rate(1 hour)"}, "rate"),
    ],
)
def test_definition_that_would_not_be_honoured_is_refused(crawler, definition, named):
    with fails_with("InvalidInputException") as error:
        crawler("orders/", **definition)
    assert named in str(error.value)


@pytest.mark.guess
def test_GL_18_native_delta_and_manifest_exclude_each_other(crawler):
    with fails_with("InvalidInputException") as error:
        crawler(Targets={"DeltaTargets": [{**DELTA, "WriteManifest": True}]})
    assert "exclude each other" in str(error.value)


def test_GL_18_symlink_manifest_is_refused(crawler):
    with fails_with("InvalidInputException") as error:
        crawler(Targets={"DeltaTargets": [{**DELTA, "CreateNativeDeltaTable": False, "WriteManifest": True}]})
    assert "CreateNativeDeltaTable" in str(error.value)


def test_GL_10_crawling_new_folders_only_wants_log_policies(glue, crawler):
    only_new = {"RecrawlBehavior": "CRAWL_NEW_FOLDERS_ONLY"}
    with fails_with("InvalidInputException") as error:
        crawler("orders/", RecrawlPolicy=only_new)
    assert "can have only LOG DeleteBehavior value and LOG UpdateBehavior value" in str(error.value)
    policy = {"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"}
    name = crawler("orders/", RecrawlPolicy=only_new, SchemaChangePolicy=policy)
    assert glue.get_crawler(Name=name)["Crawler"]["RecrawlPolicy"] == only_new


def test_classifier_cannot_be_found(crawler):
    with fails_with("EntityNotFoundException"):
        crawler("orders/", Classifiers=["mine"])


def test_crawlers_are_listed_by_name_by_tag_and_in_pages(glue, crawler, unique):
    name = crawler("orders/", Tags={"made-by": unique})
    assert glue.list_crawlers(Tags={"made-by": unique})["CrawlerNames"] == [name]
    answer = glue.batch_get_crawlers(CrawlerNames=[name, "nobody"])
    assert ([c["Name"] for c in answer["Crawlers"]], answer["CrawlersNotFound"]) == ([name], ["nobody"])
    pages = glue.get_paginator("get_crawlers").paginate(PaginationConfig={"PageSize": 1})
    assert name in [page["Crawlers"][0]["Name"] for page in pages]


def test_deleted_crawler_is_gone_with_its_tags(glue, crawler):
    name = crawler("orders/", Tags={"layer": "bronze"})
    glue.delete_crawler(Name=name)
    assert name not in glue.list_crawlers()["CrawlerNames"]
    crawler("orders/")
    assert glue.get_tags(ResourceArn=f"arn:aws:glue:us-east-1:000000000000:crawler/{name}")["Tags"] == {}


# --- running ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many_files(aws):
    """A bucket with enough to read that a test can look at the crawler while it runs."""
    name = f"glue-many-{uuid.uuid4().hex[:8]}"
    aws("s3").create_bucket(Bucket=name)
    for n in range(200):
        aws("s3").put_object(Bucket=name, Key=f"orders/year={n}/a.parquet", Body=parquet_bytes(**ORDERS))
    return name


@pytest.fixture
def long_crawl(crawler, many_files):
    return crawler(Targets={"S3Targets": [{"Path": f"s3://{many_files}/orders/"}]})


def test_GL_01_AF_GL_1_running_is_visible_before_start_returns(glue, long_crawl, run):
    glue.start_crawler(Name=long_crawl)
    found = glue.get_crawler(Name=long_crawl)["Crawler"]
    assert (found["State"], "LastCrawl" in found) == ("RUNNING", False)
    assert run.wait(long_crawl)["Status"] == "SUCCEEDED"


class Watched(Crawler):
    """Remembers the states it was in: STOPPING is too short to be seen through the API each time."""

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if name == "state":
            self.__dict__.setdefault("states", []).append(value)


@pytest.mark.guess
def test_GL_01_stopping_is_passed_at_the_end_of_every_crawl(aws, glue, crawler):
    watched = Watched(glue.get_crawler(Name=crawler("orders/"))["Crawler"])
    clients = SimpleNamespace(s3=aws("s3"), glue=glue, logs=aws("logs"))
    execute(clients, watched, begin(watched))
    assert watched.states == ["READY", "RUNNING", "STOPPING", "READY"]
    assert watched.last_finished.status == "SUCCEEDED"


def test_GL_03_G1_crawler_that_runs_can_be_neither_started_nor_changed(glue, long_crawl, run):
    glue.start_crawler(Name=long_crawl)
    for operation in (glue.start_crawler, glue.update_crawler, glue.delete_crawler):
        with fails_with("CrawlerRunningException"):
            operation(Name=long_crawl)
    run.wait(long_crawl)


def test_GL_03_stopped_crawl_is_cancelled(glue, long_crawl, run, tables):
    refusal = "CrawlerNotRunningException"
    while refusal == "CrawlerNotRunningException":  # it had stopped before it was asked again
        glue.start_crawler(Name=long_crawl)
        glue.stop_crawler(Name=long_crawl)
        with pytest.raises(ClientError) as caught:
            glue.stop_crawler(Name=long_crawl)
        refusal = caught.value.response["Error"]["Code"]
        assert run.wait(long_crawl)["Status"] == "CANCELLED"
    assert refusal == "CrawlerStoppingException"
    assert tables() == {}
    assert glue.list_crawls(CrawlerName=long_crawl)["Crawls"][0]["State"] == "STOPPED"


def test_GL_03_idle_crawler_cannot_be_stopped(glue, crawler):
    with fails_with("CrawlerNotRunningException"):
        glue.stop_crawler(Name=crawler("orders/"))


def test_GL_04_metrics_are_complete_before_and_after_a_crawl(glue, crawler, put_parquet, run):
    put_parquet("orders/a.parquet", **ORDERS)
    name = crawler("orders/")
    (before,) = glue.get_crawler_metrics(CrawlerNameList=[name])["CrawlerMetricsList"]
    run(name)
    (after,) = glue.get_crawler_metrics(CrawlerNameList=[name])["CrawlerMetricsList"]
    counts = {"TimeLeftSeconds": 0.0, "StillEstimating": False, "TablesUpdated": 0, "TablesDeleted": 0}
    nothing = {"LastRuntimeSeconds": 0.0, "MedianRuntimeSeconds": 0.0, "TablesCreated": 0}
    assert before == {"CrawlerName": name, **counts, **nothing}
    assert after["LastRuntimeSeconds"] == after["MedianRuntimeSeconds"] > 0
    assert counts.items() <= after.items() and after["TablesCreated"] == 1


def test_GL_05_crawls_are_listed_with_states_of_their_own(glue, bucket, crawler, put_parquet, run):
    put_parquet("orders/a.parquet", **ORDERS)
    name = crawler("orders/")
    last = run(name)
    glue.update_crawler(Name=name, Targets={"S3Targets": [{"Path": f"s3://{bucket}-missing/"}]})
    run(name)
    failed, completed = glue.list_crawls(CrawlerName=name)["Crawls"]
    assert (failed["State"], completed["State"]) == ("FAILED", "COMPLETED")
    assert f"{bucket}-missing" in failed["ErrorMessage"]
    assert completed["MessagePrefix"] == last["MessagePrefix"] == completed["CrawlId"]
    assert (completed["LogGroup"], completed["LogStream"]) == ("/aws-glue/crawlers", name)
    assert completed["StartTime"] <= completed["EndTime"]
    assert json.loads(completed["Summary"]) == {"TABLE": {"ADD": {"Details": {"names": ["orders"]}}}}


# --- schedules --------------------------------------------------------------------------------------------------------


def schedule(glue, name):
    return glue.get_crawler(Name=name)["Crawler"].get("Schedule")


def test_GL_06_schedule_is_created_as_text_and_answered_as_an_object(glue, crawler):
    name = crawler("orders/", Schedule=NIGHTLY)
    assert schedule(glue, name) == {"ScheduleExpression": NIGHTLY, "State": "SCHEDULED"}


def test_GL_06_schedule_is_stopped_started_changed_and_taken_away(glue, crawler):
    name = crawler("orders/", Schedule=NIGHTLY)
    glue.stop_crawler_schedule(CrawlerName=name)
    assert schedule(glue, name) == {"ScheduleExpression": NIGHTLY, "State": "NOT_SCHEDULED"}
    with fails_with("SchedulerNotRunningException"):
        glue.stop_crawler_schedule(CrawlerName=name)
    glue.start_crawler_schedule(CrawlerName=name)
    with fails_with("SchedulerRunningException"):
        glue.start_crawler_schedule(CrawlerName=name)
    glue.update_crawler_schedule(CrawlerName=name, Schedule="cron(0 3 * * ? *)")
    assert schedule(glue, name) == {"ScheduleExpression": "cron(0 3 * * ? *)", "State": "SCHEDULED"}
    glue.update_crawler(Name=name, Schedule="")
    assert schedule(glue, name) is None
    with fails_with("NoScheduleException"):
        glue.start_crawler_schedule(CrawlerName=name)


def test_GL_07_schedule_more_often_than_every_five_minutes_is_refused(crawler):
    with fails_with("InvalidInputException") as error:
        crawler("orders/", Schedule="cron(0/4 * * * ? *)")
    assert "every 5 minutes" in str(error.value)
