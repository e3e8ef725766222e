"""A small lake for Athena's tests: a database of Parquet and Delta tables of three rows, and a way to run queries."""

import io
import json
import time
import uuid
from datetime import datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ORDERS = pa.table(
    {
        "order_id": ["a1", "b2", "c3"],
        "customer": ["ana", None, ""],
        "price": pa.array([Decimal("10.50"), Decimal("0.99"), Decimal("120.00")], pa.decimal128(10, 2)),
        "items": pa.array([1, 2, 3], pa.int32()),
        "weight": [0.25, 1e10, None],
        "purchased_at": pa.array(
            [datetime(2017, 7, 9, 21, 57, 5), datetime(2018, 1, 2, 3, 4, 5), None], pa.timestamp("us")
        ),
    }
)
ORDERS_COLUMNS = [
    ("order_id", "string"), ("customer", "string"), ("price", "decimal(10,2)"), ("items", "int"),
    ("weight", "double"), ("purchased_at", "timestamp"),
]  # fmt: skip
PARQUET = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
}


class Lake:
    """The database ``shop`` over a bucket of its own."""

    def __init__(self, aws) -> None:
        self.s3, self.glue, self.athena = aws("s3"), aws("glue"), aws("athena")
        self.bucket = f"lake-{uuid.uuid4().hex[:10]}"
        self.database = f"shop_{uuid.uuid4().hex[:6]}"
        self.s3.create_bucket(Bucket=self.bucket)
        self.glue.create_database(DatabaseInput={"Name": self.database})

    def put_parquet(self, key: str, table: pa.Table, **options) -> int:
        body = io.BytesIO()
        pq.write_table(table, body, **options)
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body.getvalue())
        return len(body.getvalue())

    def create_table(self, name: str, columns, keys=(), parameters=None, storage=PARQUET, location=None) -> None:
        self.glue.create_table(
            DatabaseName=self.database,
            TableInput={
                "Name": name,
                "TableType": "EXTERNAL_TABLE",
                "Parameters": parameters or {"classification": "parquet"},
                "PartitionKeys": [{"Name": n, "Type": t} for n, t in keys],
                "StorageDescriptor": {
                    "Columns": [{"Name": n, "Type": t} for n, t in columns],
                    "Location": location or f"s3://{self.bucket}/{name}/",
                    **storage,
                },
            },
        )

    def add_partition(self, table: str, values: list[str], folder: str) -> None:
        self.glue.create_partition(
            DatabaseName=self.database,
            TableName=table,
            PartitionInput={"Values": values, "StorageDescriptor": {"Location": f"s3://{self.bucket}/{folder}"}},
        )

    def put_delta(self, name: str, fields: list[tuple[str, str]], partitions: dict[str, pa.Table], key: str) -> None:
        """A Delta table partitioned by the string ``key``, one file per partition."""
        schema = [{"name": n, "type": t, "nullable": True, "metadata": {}} for n, t in [*fields, (key, "string")]]
        log = [
            {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}},
            {
                "metaData": {
                    "id": str(uuid.uuid4()),
                    "format": {"provider": "parquet", "options": {}},
                    "schemaString": json.dumps({"type": "struct", "fields": schema}),
                    "partitionColumns": [key],
                    "configuration": {},
                    "createdTime": 0,
                }
            },
        ]
        for value, rows in partitions.items():
            path = f"{key}={value}/part-0.parquet"
            size = self.put_parquet(f"{name}/{path}", rows)
            values = {"path": path, "partitionValues": {key: value}, "size": size, "modificationTime": 0}
            log.append({"add": {**values, "dataChange": True}})
        body = "\n".join(json.dumps(action) for action in log)
        self.s3.put_object(Bucket=self.bucket, Key=f"{name}/_delta_log/{0:020}.json", Body=body)

    # --- queries ---

    def start(self, sql: str, **arguments) -> str:
        arguments = {"QueryExecutionContext": {"Database": self.database}} | arguments
        if "WorkGroup" not in arguments:
            arguments.setdefault("ResultConfiguration", {"OutputLocation": f"s3://{self.bucket}/results/"})
        return self.athena.start_query_execution(QueryString=sql, **arguments)["QueryExecutionId"]

    def run(self, sql: str, **arguments) -> dict:
        """The query execution when it has ended, however it ended."""
        identifier = self.start(sql, **arguments)
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            execution = self.athena.get_query_execution(QueryExecutionId=identifier)["QueryExecution"]
            if execution["Status"]["State"] not in ("QUEUED", "RUNNING"):
                return execution
            time.sleep(0.02)
        raise TimeoutError(sql)

    def query(self, sql: str, **arguments) -> list[list[str | None]]:
        """The rows of a query that succeeds, the header among them."""
        execution = self.run(sql, **arguments)
        assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
        found = self.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
        return [[cell.get("VarCharValue") for cell in row["Data"]] for row in found["ResultSet"]["Rows"]]

    def value(self, expression: str) -> str | None:
        return self.query(f"SELECT {expression}")[1][0]

    def reason(self, sql: str) -> str:
        """Why a query fails."""
        execution = self.run(sql)
        assert execution["Status"]["State"] == "FAILED", execution["Status"]
        return execution["Status"]["StateChangeReason"]

    def read(self, uri: str) -> bytes:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()


@pytest.fixture(scope="session")
def lake(aws):
    lake = Lake(aws)
    lake.put_parquet("orders/part-0.parquet", ORDERS)
    lake.create_table("orders", ORDERS_COLUMNS)
    return lake
