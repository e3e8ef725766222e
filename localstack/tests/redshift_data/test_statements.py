"""The Data API (AWS_FIDELITY 7.1)."""

import time
import uuid

import pytest
from botocore.exceptions import ClientError
from groundwork_aws.redshift_data.parameters import BadParameters, bind


def code_of(error) -> str:
    return error.value.response["Error"]["Code"]


def test_RS_D_01_RS_D_03_RS_D_04_a_statement_ends_finished_with_its_figures(warehouse):
    answer = warehouse.run("select 1 as one union all select 2")
    uuid.UUID(answer["Id"])
    assert (answer["Status"], answer["ResultRows"], answer["HasResultSet"]) == ("FINISHED", 2, True)
    assert answer["QueryString"] == "select 1 as one union all select 2"
    assert 0 < answer["Duration"] < 60e9
    assert answer["ResultSize"] == 2
    assert answer["RedshiftPid"] > 0


def test_RS_D_02_the_user_is_the_callers_identity_or_the_secrets(aws, warehouse):
    assert warehouse.run("select 1")["DbUser"] == "IAM:root"
    assert warehouse.rows("select session_user") == [["IAM:root"]]
    namespace = aws("redshift-serverless").get_namespace(namespaceName="data-api-tests")["namespace"]
    secret = namespace["adminPasswordSecretArn"]
    answer = warehouse.run("select current_user", SecretArn=secret)
    assert answer["SecretArn"] == secret
    assert "ClusterIdentifier" not in answer
    records = warehouse.client.get_statement_result(Id=answer["Id"])["Records"]
    assert records == [[{"stringValue": "data_api_admin"}]]


def test_RS_D_02_a_secret_with_a_wrong_password_fails_the_statement(aws, warehouse, unique):
    secret = aws("secretsmanager").create_secret(
        Name=unique, SecretString='{"username": "data_api_admin", "password": "wrong"}'
    )
    assert "password authentication failed" in warehouse.error("select 1", SecretArn=secret["ARN"])


@pytest.mark.parametrize(
    "sql, expected",
    [
        ("select 1::smallint, 2, 3::bigint", [1, 2, 3]),
        ("select 1.5::real, 2.5::float", [1.5, 2.5]),
        ("select 1.50::decimal(10,2), date '2017-07-01', true", ["1.50", "2017-07-01", True]),
        ("select timestamp '2017-07-01 10:00:00', timestamp '2017-07-01 10:00:00.5'",
         ["2017-07-01 10:00:00", "2017-07-01 10:00:00.5"]),
        ("select null::int, 'é'::char(3)", [None, "é  "]),
    ],
)  # fmt: skip
def test_RS_D_06_values_come_in_the_field_of_their_type(warehouse, sql, expected):
    assert warehouse.rows(sql) == [expected]


def test_RS_D_06_decimals_and_dates_are_strings(warehouse):
    answer = warehouse.run("select 1.5::decimal(4,1) as price, null as nothing, 7 as n")
    result = warehouse.client.get_statement_result(Id=answer["Id"])
    assert result["Records"] == [[{"stringValue": "1.5"}, {"isNull": True}, {"longValue": 7}]]
    assert [(c["name"], c["typeName"]) for c in result["ColumnMetadata"]][::2] == [("price", "numeric"), ("n", "int4")]
    assert result["TotalNumRows"] == 1


def test_RS_D_06_a_long_result_comes_in_pages(warehouse):
    answer = warehouse.run("select generate_series(1, 2500)")
    pages = list(warehouse.client.get_paginator("get_statement_result").paginate(Id=answer["Id"]))
    assert len(pages) == 3
    assert [r[0]["longValue"] for page in pages for r in page["Records"]] == list(range(1, 2501))


def test_RS_D_05_parameters_are_values_and_are_not_in_the_shown_sql(warehouse):
    sql = "select :a::int + 1, :b, ':c' where :a = '1'"
    values = [{"name": "a", "value": "1"}, {"name": "b", "value": "it's \\ :a"}]
    assert warehouse.rows(sql, Parameters=values) == [[2, "it's \\ :a", ":c"]]
    assert warehouse.run(sql, Parameters=values)["QueryString"] == sql


@pytest.mark.parametrize(
    "parameters, reason",
    [
        ([{"name": "a", "value": "1"}, {"name": "z", "value": "1"}], "unused"),
        ([{"name": "z", "value": "1"}], "no value"),
    ],
)
def test_RS_D_05_parameters_that_do_not_fit_are_refused(warehouse, parameters, reason):
    with pytest.raises(ClientError, match=reason) as error:
        warehouse.start("select :a", Parameters=parameters)
    assert code_of(error) == "ValidationException"


def test_RS_D_05_an_empty_value_is_refused():
    with pytest.raises(BadParameters, match="Parameter a has an empty value"):
        bind(["select :a"], [{"name": "a", "value": ""}])


@pytest.mark.guess
def test_RS_D_07_a_statement_without_rows_has_no_result(warehouse, schema):
    answer = warehouse.run(f"create table {schema}.t (a int)")
    assert (answer["HasResultSet"], answer["ResultSize"]) == (False, -1)
    with pytest.raises(ClientError) as error:
        warehouse.client.get_statement_result(Id=answer["Id"])
    assert code_of(error) == "ResourceNotFoundException"
    with pytest.raises(ClientError) as error:
        warehouse.client.describe_statement(Id=str(uuid.uuid4()))
    assert code_of(error) == "ResourceNotFoundException"


def test_RS_D_07_csv_results_have_an_operation_of_their_own(warehouse):
    answer = warehouse.run("select 1 as a, 'x,y' as b, null as c", ResultFormat="CSV")
    result = warehouse.client.get_statement_result_v2(Id=answer["Id"])
    assert result["Records"] == [{"CSVRecords": 'a,b,c\r\n1,"x,y",\r\n'}]
    with pytest.raises(ClientError, match="CSV"):
        warehouse.client.get_statement_result(Id=answer["Id"])


def test_RS_D_08_a_client_token_makes_one_statement(warehouse):
    token = str(uuid.uuid4())
    assert len({warehouse.start("select 1", ClientToken=token) for _ in range(3)}) == 1


@pytest.mark.parametrize(
    "request_, reason",
    [
        ({"Sql": "select 1", "Database": "data_api_tests"}, "ClusterIdentifier and WorkgroupName"),
        ({"Sql": "select 1", "WorkgroupName": "data-api-tests"}, "Database"),
        ({"Sql": "select 1", "WorkgroupName": "nobody", "Database": "dev"}, "nobody"),
        ({"Sql": "select '" + "x" * 102400 + "'", "WorkgroupName": "data-api-tests", "Database": "dev"}, "100 KB"),
    ],
)
def test_RS_D_02_a_request_that_names_no_database_is_refused(warehouse, request_, reason):
    with pytest.raises(ClientError, match=reason) as error:
        warehouse.client.execute_statement(**request_)
    assert code_of(error) == "ValidationException"


@pytest.mark.guess
def test_RS_D_09_a_running_statement_is_cancelled(warehouse):
    id = warehouse.start("select count(*) from pg_class a, pg_class b, pg_class c, pg_class d, pg_class e")
    while warehouse.client.describe_statement(Id=id)["Status"] in ("SUBMITTED", "PICKED"):
        time.sleep(0.01)
    assert warehouse.client.cancel_statement(Id=id)["Status"] is True
    assert warehouse.wait(id)["Status"] == "ABORTED"
    with pytest.raises(ClientError) as error:
        warehouse.client.cancel_statement(Id=id)
    assert code_of(error) == "ValidationException"


@pytest.mark.guess
def test_RS_D_10_a_failed_batch_leaves_nothing(warehouse, schema):
    answer = warehouse.batch(
        f"create table {schema}.t (a int)", f"insert into {schema}.t values (1)", "select 1/0", "select 1"
    )
    assert answer["Status"] == "FAILED"
    assert [s["Status"] for s in answer["SubStatements"]] == ["FINISHED", "FINISHED", "FAILED", "ABORTED"]
    assert [s["Id"] for s in answer["SubStatements"]] == [f"{answer['Id']}:{n}" for n in (1, 2, 3, 4)]
    assert answer["SubStatements"][2]["Error"] == answer["Error"] == "ERROR: division by zero"
    assert "does not exist" in warehouse.error(f"select * from {schema}.t")


def test_RS_D_10_a_part_of_a_batch_has_its_own_result(warehouse):
    answer = warehouse.batch("select 1 as a", "select 2 as b")
    result = warehouse.client.get_statement_result(Id=f"{answer['Id']}:1")
    assert result["Records"] == [[{"longValue": 1}]]
    with pytest.raises(ClientError, match="batch"):
        warehouse.client.get_statement_result(Id=answer["Id"])
    assert warehouse.client.describe_statement(Id=f"{answer['Id']}:2")["QueryString"] == "select 2 as b"


def test_RS_D_11_an_error_has_the_servers_words_and_the_position(warehouse):
    assert warehouse.error("select * from nowhere") == 'ERROR: relation "nowhere" does not exist\n  Position: 15'
    assert warehouse.error("selec 1") == 'ERROR: syntax error at or near "selec"\n  Position: 1'
    assert warehouse.error("select 1; select 2") == "ERROR: cannot insert multiple commands into a prepared statement"


def test_RS_D_12_a_session_keeps_its_temporary_tables(warehouse):
    first = warehouse.run("create table #t as (select 7 as a)", SessionKeepAliveSeconds=60)
    assert warehouse.rows("select a from #t", SessionId=first["SessionId"]) == [[7]]
    assert "does not exist" in warehouse.error("select a from #t")


@pytest.mark.guess
def test_RS_D_12_a_session_runs_one_statement_at_a_time(warehouse):
    first = warehouse.run("select 1", SessionKeepAliveSeconds=60)
    slow = warehouse.start(
        "select count(*) from pg_class a, pg_class b, pg_class c, pg_class d", SessionId=first["SessionId"]
    )
    with pytest.raises(ClientError) as error:
        warehouse.start("select 1", SessionId=first["SessionId"])
    assert code_of(error) == "ActiveStatementsExceededException"
    warehouse.client.cancel_statement(Id=slow)
    assert warehouse.wait(slow)["Status"] == "ABORTED"
    assert warehouse.rows("select 2", SessionId=first["SessionId"]) == [[2]]


def test_RS_D_12_a_session_ends_when_nobody_uses_it(warehouse):
    first = warehouse.run("select 1", SessionKeepAliveSeconds=1)
    time.sleep(1.2)
    with pytest.raises(ClientError, match="expired"):
        warehouse.start("select 1", SessionId=first["SessionId"])


def test_RS_D_04_statements_are_listed_newest_first(warehouse, unique):
    first = warehouse.run("select 1", StatementName=unique)["Id"]
    second = warehouse.batch("select 1", "select 2", StatementName=unique)["Id"]
    failed = warehouse.run("select nothing", StatementName=unique)["Id"]
    listed = warehouse.client.list_statements(StatementName=unique)["Statements"]
    assert [s["Id"] for s in listed] == [second, first]
    listed = warehouse.client.list_statements(StatementName=unique, Status="ALL")["Statements"]
    assert [s["Id"] for s in listed] == [failed, second, first]
