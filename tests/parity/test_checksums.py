"""PostgreSQL, Athena and Redshift compute the same checksums of the same rows, each with its own SQL."""

import io
import random
import time
from datetime import date, datetime, timedelta
from decimal import Decimal

import boto3
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from groundwork_contracts import parse_contract

from groundwork.local import services
from groundwork.queries.checksums import ATHENA, POSTGRES, REDSHIFT
from groundwork.queries.reconcile import Stage, ask_source, compare, find_keys, fingerprint

COLUMNS = {
    # column: (the contract's type, Parquet's type, Glue's type)
    "id": ("varchar(32)", pa.string(), "string"),
    "n": ("integer", pa.int32(), "int"),
    "score": ("smallint", pa.int16(), "smallint"),
    "note": ("text", pa.string(), "string"),
    "price": ("numeric(10,2)", pa.decimal128(10, 2), "decimal(10,2)"),
    "day": ("date", pa.date32(), "date"),
    "at": ("timestamp", pa.timestamp("us"), "timestamp"),
    "latitude": ("double precision", pa.float64(), "double"),
}
NAME = "parity"


def table_rows() -> list[tuple]:
    """Values on which engines could disagree, then many ordinary ones."""
    chance = random.Random(7)
    moment = datetime(2017, 10, 2, 10, 56, 33)
    rows = [
        ("a", 1, 5, "açaí 😀", Decimal("58.90"), date(2017, 10, 2), moment, -23.54562128115268),
        ("a", 2, 1, "", Decimal("0.00"), date(2018, 2, 28), datetime(2018, 1, 1), 0.0),
        ("a", 3, 0, None, Decimal("-0.05"), date(2016, 2, 29), None, -5e-10),
        ("b", 1, -1, 'line\r\n\nbreak, "quoted" |', Decimal("99999999.99"), None, moment, 1.5e-9),
        ("b", 2, None, " blank ", None, date(1969, 12, 31), datetime(1969, 12, 31, 23, 59, 59), 2.5e-9),
        ("b", 3, 2, "NULL", Decimal("10.00"), date(2017, 1, 1), moment, None),
    ]
    for n in range(300):
        price, seconds = Decimal(chance.randrange(10**6)) / 100, chance.randrange(10**8)
        rows.append(
            (f"{n:032x}", n, n % 6, f"note {n}", price.quantize(Decimal("0.01")), date(2017, 1, 1) + timedelta(n),
             moment + timedelta(seconds=seconds), chance.uniform(-34, 5))
        )  # fmt: skip
    return rows


@pytest.fixture(scope="module")
def contract():
    properties = [{"name": c, "physicalType": kind, "description": ""} for c, (kind, _, _) in COLUMNS.items()]
    properties[0]["primaryKeyPosition"], properties[1]["primaryKeyPosition"] = 1, 2
    custom = [{"property": "csvFile", "value": ""}, {"property": "quarantineThresholdPercent", "value": 1}]
    table = {"physicalName": f"public.{NAME}", "customProperties": custom, "properties": properties}
    return parse_contract({"schema": [table], "description": {"purpose": ""}})


@pytest.fixture(scope="module")
def aws(tmp_path_factory, postgres_server):
    state = tmp_path_factory.mktemp("state")
    service = services.localstack(services.free_port(), state, postgres_server.dsn(), "http://127.0.0.1:1", "unused")
    with services.running(service, state / "localstack.log"):
        session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=services.REGION)
        yield lambda name: session.client(name, endpoint_url=f"http://127.0.0.1:{service.port}")


@pytest.fixture(scope="module")
def source(postgres_server) -> Stage:
    with psycopg.connect(postgres_server.dsn()) as connection:
        columns = ", ".join(f"{name} {kind}" for name, (kind, _, _) in COLUMNS.items())
        connection.execute(f"CREATE TABLE {NAME} ({columns})")
        with connection.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {NAME} VALUES ({', '.join(['%s'] * len(COLUMNS))})", table_rows())
    return Stage(POSTGRES, lambda sql: ask_source(postgres_server.dsn(), sql), lambda c: NAME)


@pytest.fixture(scope="module")
def lake(aws) -> Stage:
    """The rows as Parquet on S3, in Glue's catalog, read by Athena."""
    aws("s3").create_bucket(Bucket=NAME)
    schema = pa.schema([(name, kind) for name, (_, kind, _) in COLUMNS.items()])
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([dict(zip(COLUMNS, row, strict=True)) for row in table_rows()], schema), file)
    aws("s3").put_object(Bucket=NAME, Key="table/rows.parquet", Body=file.getvalue())
    aws("glue").create_database(DatabaseInput={"Name": NAME})
    parquet = "org.apache.hadoop.hive.ql.io.parquet"
    storage = {
        "Location": f"s3://{NAME}/table/",
        "Columns": [{"Name": name, "Type": kind} for name, (_, _, kind) in COLUMNS.items()],
        "InputFormat": f"{parquet}.MapredParquetInputFormat",
        "OutputFormat": f"{parquet}.MapredParquetOutputFormat",
        "SerdeInfo": {"SerializationLibrary": f"{parquet}.serde.ParquetHiveSerDe"},
    }
    table = {
        "Name": NAME,
        "TableType": "EXTERNAL_TABLE",
        "StorageDescriptor": storage,
    }
    aws("glue").create_table(DatabaseName=NAME, TableInput=table)
    athena = aws("athena")

    def run(sql: str) -> list[list]:
        output = {"OutputLocation": f"s3://{NAME}/results/"}
        query = athena.start_query_execution(QueryString=sql, ResultConfiguration=output)["QueryExecutionId"]
        status = wait(lambda: athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"], "State")
        assert status["State"] == "SUCCEEDED", status
        rows = athena.get_query_results(QueryExecutionId=query)["ResultSet"]["Rows"][1:]
        return [[cell.get("VarCharValue") for cell in row["Data"]] for row in rows]

    return Stage(ATHENA, run, lambda c: f"{NAME}.{NAME}")


@pytest.fixture(scope="module")
def warehouse(aws) -> Stage:
    """The rows in a Redshift table, through the Data API."""
    serverless, data = aws("redshift-serverless"), aws("redshift-data")
    serverless.create_namespace(
        namespaceName=NAME, dbName=f"{NAME}_db", adminUsername=f"{NAME}_admin", manageAdminPassword=True
    )
    serverless.create_workgroup(namespaceName=NAME, workgroupName=NAME)

    def execute(sql: str) -> str:
        statement = data.execute_statement(Sql=sql, WorkgroupName=NAME, Database=f"{NAME}_db")["Id"]
        state = wait(lambda: data.describe_statement(Id=statement), "Status")
        assert state["Status"] == "FINISHED", state
        return statement

    def run(sql: str) -> list[list]:
        records = data.get_statement_result(Id=execute(sql))["Records"]
        return [[None if "isNull" in field else next(iter(field.values())) for field in row] for row in records]

    kinds = {"text": "varchar(65535)"}
    columns = ", ".join(f'"{name}" {kinds.get(kind, kind)}' for name, (kind, _, _) in COLUMNS.items())
    execute(f"create table {NAME} ({columns})")
    values = ", ".join(f"({', '.join(map(literal, row))})" for row in table_rows())
    execute(f"insert into {NAME} values {values}")
    return Stage(REDSHIFT, run, lambda c: NAME)


def literal(value) -> str:
    if value is None:
        return "null"
    if isinstance(value, (int, float, Decimal)):
        return repr(value) if isinstance(value, float) else str(value)
    return "'" + str(value).replace("'", "''") + "'"


def wait(describe, key: str) -> dict:
    deadline = time.monotonic() + 240
    while (answer := describe())[key] in ("QUEUED", "RUNNING", "SUBMITTED", "PICKED", "STARTED"):
        assert time.monotonic() < deadline, answer
        time.sleep(0.05)
    return answer


def test_athena_hashes_as_postgresql_does(contract, source, lake):
    assert fingerprint(lake, contract) == fingerprint(source, contract)


def test_redshift_hashes_as_postgresql_does(contract, source, warehouse):
    assert fingerprint(warehouse, contract) == fingerprint(source, contract)


def test_differing_key_is_found_across_engines(contract, source, lake, postgres_server):
    stages = {"source": source, "bronze": lake, "silver": lake, "quarantine": lake, "warehouse": lake}
    with psycopg.connect(postgres_server.dsn()) as connection:
        connection.execute(f"UPDATE {NAME} SET price = price - 1 WHERE id = 'b' AND n = 1")
    try:
        found = {name: fingerprint(stages[name], contract) for name in stages}
        [difference] = [d for d in compare(found) if d.comparison == "source = bronze"]
        assert find_keys(contract, stages, difference).keys == ("b|1",)
    finally:
        with psycopg.connect(postgres_server.dsn()) as connection:
            connection.execute(f"UPDATE {NAME} SET price = price + 1 WHERE id = 'b' AND n = 1")
