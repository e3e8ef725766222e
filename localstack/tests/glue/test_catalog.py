"""The Data Catalog through boto3: databases, tables, versions, partitions, tags."""

import pytest
from tests.glue.conftest import fails_with


@pytest.fixture
def orders(glue, database):
    """A table with two partition keys."""
    glue.create_table(DatabaseName=database, TableInput=table_input("orders", PartitionKeys=KEYS))
    return {"DatabaseName": database, "TableName": "orders"}


KEYS = [{"Name": "year", "Type": "int"}, {"Name": "state", "Type": "string"}]


def table_input(name, **more):
    storage = {"Columns": [{"Name": "order_id", "Type": "string"}], "Location": f"s3://lake/{name}/"}
    return {"Name": name, "TableType": "EXTERNAL_TABLE", "StorageDescriptor": storage, **more}


# --- databases ---


@pytest.mark.usefixtures("scheduled")
def test_database_names_are_lower_case(glue, unique):
    glue.create_database(DatabaseInput={"Name": unique.upper(), "Description": "the lake"})
    found = glue.get_database(Name=unique.title())["Database"]
    assert (found["Name"], found["Description"], found["CatalogId"]) == (unique, "the lake", "000000000000")


def test_database_that_exists_is_refused(glue, database):
    with fails_with("AlreadyExistsException") as error:
        glue.create_database(DatabaseInput={"Name": database.upper()})
    assert error.value.response["Error"]["Message"] == "Database already exists."


def test_database_is_updated_and_keeps_its_create_time(glue, database):
    before = glue.get_database(Name=database)["Database"]
    glue.update_database(Name=database, DatabaseInput={"Name": database, "Description": "new"})
    after = glue.get_database(Name=database)["Database"]
    assert (after["Description"], after["CreateTime"]) == ("new", before["CreateTime"])


def test_database_missing_is_not_found(glue, unique):
    calls = [
        lambda: glue.get_database(Name=unique),
        lambda: glue.update_database(Name=unique, DatabaseInput={"Name": unique}),
        lambda: glue.delete_database(Name=unique),
        lambda: glue.get_tables(DatabaseName=unique),
        lambda: glue.create_table(DatabaseName=unique, TableInput=table_input("orders")),
    ]
    for call in calls:
        with fails_with("EntityNotFoundException") as error:
            call()
        assert error.value.response["Error"]["Message"] == f"Database {unique} not found."


def test_database_takes_its_tables_with_it(glue, orders):
    glue.delete_database(Name=orders["DatabaseName"])
    glue.create_database(DatabaseInput={"Name": orders["DatabaseName"]})
    assert glue.get_tables(DatabaseName=orders["DatabaseName"])["TableList"] == []


def test_databases_come_in_pages(glue, unique):
    names = [f"{unique}_{n}" for n in range(3)]
    for name in names:
        glue.create_database(DatabaseInput={"Name": name})
    pages = list(glue.get_paginator("get_databases").paginate(PaginationConfig={"PageSize": 1}))
    assert all(len(one["DatabaseList"]) == 1 for one in pages)
    assert set(names) <= {one["DatabaseList"][0]["Name"] for one in pages}


def test_another_catalog_is_not_found(glue, database):
    with fails_with("EntityNotFoundException"):
        glue.get_database(CatalogId="999999999999", Name=database)


# --- tables ---


def test_table_is_answered_as_it_was_given(glue, database):
    given = table_input("Orders", Owner="owner", Parameters={"classification": "parquet"}, PartitionKeys=KEYS)
    glue.create_table(DatabaseName=database, TableInput=given)
    table = glue.get_table(DatabaseName=database, Name="ORDERS")["Table"]
    assert {key: table[key] for key in given} == {**given, "Name": "orders"}
    assert (table["DatabaseName"], table["VersionId"], table["Retention"]) == (database, "0", 0)
    assert table["CreateTime"] == table["UpdateTime"]


def test_table_that_exists_is_refused(glue, database, orders):
    with fails_with("AlreadyExistsException"):
        glue.create_table(DatabaseName=database, TableInput=table_input("ORDERS"))


def test_table_missing_is_not_found(glue, database):
    calls = [
        lambda: glue.get_table(DatabaseName=database, Name="nothing"),
        lambda: glue.update_table(DatabaseName=database, TableInput=table_input("nothing")),
        lambda: glue.delete_table(DatabaseName=database, Name="nothing"),
        lambda: glue.get_partitions(DatabaseName=database, TableName="nothing"),
    ]
    for call in calls:
        with fails_with("EntityNotFoundException") as error:
            call()
        assert error.value.response["Error"]["Message"] == "Table nothing not found."


def test_table_with_a_column_twice_is_refused(glue, database):
    twice = table_input("orders", PartitionKeys=[{"Name": "ORDER_ID", "Type": "string"}])
    with fails_with("InvalidInputException"):
        glue.create_table(DatabaseName=database, TableInput=twice)


def test_table_parameters_that_would_be_ignored_are_refused(glue, database):
    index = [{"IndexName": "by_state", "Keys": ["state"]}]
    with fails_with("InvalidInputException") as error:
        glue.create_table(DatabaseName=database, TableInput=table_input("orders"), PartitionIndexes=index)
    assert "PartitionIndexes" in str(error.value)


def test_table_update_counts_versions_and_keeps_the_old_ones(glue, database):
    glue.create_table(DatabaseName=database, TableInput=table_input("orders", Parameters={"step": "0"}))
    for step in ("1", "2"):
        glue.update_table(DatabaseName=database, TableInput=table_input("orders", Parameters={"step": step}))
    versions = glue.get_table_versions(DatabaseName=database, TableName="orders")["TableVersions"]
    assert [(v["VersionId"], v["Table"]["Parameters"]["step"]) for v in versions] == [
        ("2", "2"),
        ("1", "1"),
        ("0", "0"),
    ]
    old = glue.get_table_version(DatabaseName=database, TableName="orders", VersionId="1")["TableVersion"]
    assert old["Table"]["Parameters"]["step"] == "1"


def test_table_update_without_archive_forgets_the_old_version(glue, database):
    glue.create_table(DatabaseName=database, TableInput=table_input("orders"))
    glue.update_table(DatabaseName=database, TableInput=table_input("orders"), SkipArchive=True)
    versions = glue.get_table_versions(DatabaseName=database, TableName="orders")["TableVersions"]
    assert [v["VersionId"] for v in versions] == ["1"]


def test_tables_are_listed_by_expression_in_pages(glue, database):
    for name in ("orders", "order_items", "sellers"):
        glue.create_table(DatabaseName=database, TableInput=table_input(name))
    first = glue.get_tables(DatabaseName=database, Expression="order.*", MaxResults=1)
    second = glue.get_tables(DatabaseName=database, Expression="order.*", MaxResults=1, NextToken=first["NextToken"])
    assert [t["Name"] for t in first["TableList"] + second["TableList"]] == ["order_items", "orders"]
    assert "NextToken" not in second


def test_a_page_token_of_nobody_is_refused(glue, database):
    with fails_with("InvalidInputException"):
        glue.get_tables(DatabaseName=database, NextToken="nonsense")


def test_tables_deleted_in_a_batch_report_those_that_were_missing(glue, database, orders):
    answer = glue.batch_delete_table(DatabaseName=database, TablesToDelete=["ORDERS", "nothing"])
    assert [(e["TableName"], e["ErrorDetail"]["ErrorCode"]) for e in answer["Errors"]] == [
        ("nothing", "EntityNotFoundException")
    ]
    assert glue.get_tables(DatabaseName=database)["TableList"] == []


# --- partitions ---


@pytest.fixture
def partitioned(glue, orders):
    """orders with partitions of 2016, 2017 and 2018."""
    inputs = [{"Values": [year, state]} for year, state in (("2016", "RJ"), ("2017", "SP"), ("2018", "SP"))]
    assert glue.batch_create_partition(**orders, PartitionInputList=inputs)["Errors"] == []
    return orders


def values(answer):
    return [partition["Values"] for partition in answer["Partitions"]]


@pytest.mark.parametrize(
    ("expression", "years"),
    [
        ("year = 2017", ["2017"]),
        ("year > 2016 AND state = 'SP'", ["2017", "2018"]),
        ("year IN (2016, 2018)", ["2016", "2018"]),
        ("year BETWEEN 2016 AND 2017", ["2016", "2017"]),
        ("NOT (year = 2016 OR state <> 'SP')", ["2017", "2018"]),
        ("state LIKE 'R%'", ["2016"]),
        ("year > 300", ["2016", "2017", "2018"]),
        ("state > 'SP'", []),
    ],
)
def test_partitions_are_found_by_expression(glue, partitioned, expression, years):
    assert [v[0] for v in values(glue.get_partitions(**partitioned, Expression=expression))] == years


@pytest.mark.parametrize("expression", ["order_id = 'a'", "year + 1 = 2017", "year ==", "upper(state) = 'SP'"])
def test_partitions_expression_that_is_not_done_is_refused(glue, partitioned, expression):
    with fails_with("InvalidInputException"):
        glue.get_partitions(**partitioned, Expression=expression)


def test_partitions_come_in_pages(glue, partitioned):
    pages = glue.get_paginator("get_partitions").paginate(**partitioned, PaginationConfig={"PageSize": 2})
    assert [len(one["Partitions"]) for one in pages] == [2, 1]


def test_partition_with_too_few_values_is_refused(glue, orders):
    with fails_with("InvalidInputException"):
        glue.create_partition(**orders, PartitionInput={"Values": ["2017"]})


def test_partition_batch_reports_those_that_exist(glue, partitioned):
    inputs = [{"Values": ["2018", "SP"]}, {"Values": ["2019", "SP"]}]
    errors = glue.batch_create_partition(**partitioned, PartitionInputList=inputs)["Errors"]
    assert [(e["PartitionValues"], e["ErrorDetail"]["ErrorCode"]) for e in errors] == [
        (["2018", "SP"], "AlreadyExistsException")
    ]
    assert len(values(glue.get_partitions(**partitioned))) == 4


def test_partition_is_updated_and_deleted(glue, partitioned):
    glue.update_partition(**partitioned, PartitionValueList=["2018", "SP"], PartitionInput={"Values": ["2018", "MG"]})
    glue.delete_partition(**partitioned, PartitionValues=["2016", "RJ"])
    assert values(glue.get_partitions(**partitioned)) == [["2017", "SP"], ["2018", "MG"]]
    wanted = [{"Values": ["2017", "SP"]}, {"Values": ["1999", "SP"]}]
    errors = glue.batch_delete_partition(**partitioned, PartitionsToDelete=wanted)["Errors"]
    assert [e["PartitionValues"] for e in errors] == [["1999", "SP"]]
    assert values(glue.get_partitions(**partitioned)) == [["2018", "MG"]]
    with fails_with("EntityNotFoundException"):
        glue.get_partition(**partitioned, PartitionValues=["2017", "SP"])


# --- tags ---


def test_tags_are_added_and_removed(glue, unique):
    arn = f"arn:aws:glue:us-east-1:000000000000:database/{unique}"
    glue.create_database(DatabaseInput={"Name": unique}, Tags={"layer": "bronze"})
    glue.tag_resource(ResourceArn=arn, TagsToAdd={"team": "data"})
    assert glue.get_tags(ResourceArn=arn)["Tags"] == {"layer": "bronze", "team": "data"}
    glue.untag_resource(ResourceArn=arn, TagsToRemove=["layer"])
    assert glue.get_tags(ResourceArn=arn)["Tags"] == {"team": "data"}


def test_tags_of_nothing_are_not_found(glue, unique):
    with fails_with("EntityNotFoundException"):
        glue.get_tags(ResourceArn=f"arn:aws:glue:us-east-1:000000000000:crawler/{unique}")
