"""COPY from Parquet through the Data API (AWS_FIDELITY 7.2)."""

from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

ORDERS = pa.table(
    {
        "order_id": pa.array(["a", "b", "ü"]),
        "items": pa.array([1, 2, None], pa.int32()),
        "price": pa.array([Decimal("1.50"), Decimal("-2.25"), None], pa.decimal128(10, 2)),
        "bought": pa.array([datetime(2017, 7, 1, 12, 30, 0, 123456), None, datetime(1969, 12, 31)], pa.timestamp("us")),
        "day": pa.array([date(2017, 7, 1), None, date(1900, 1, 1)], pa.date32()),
    }
)
COLUMNS = "order_id varchar(128) not null, items int, price decimal(10,2), bought timestamp, day date"


def test_RS_CP_09_a_batch_loads_a_table_from_a_manifest(warehouse, schema, copy_role, put_parquet, put_manifest):
    first, second = put_parquet("orders/1.parquet", ORDERS), put_parquet("orders/2.parquet", ORDERS.slice(0, 1))
    manifest = put_manifest("orders.manifest", first, second)
    for _ in range(2):
        answer = warehouse.batch(
            f"CREATE SCHEMA IF NOT EXISTS {schema}",
            f"CREATE TABLE IF NOT EXISTS {schema}.orders ({COLUMNS}, primary key (order_id)) diststyle auto",
            f"DELETE FROM {schema}.orders",
            f"COPY {schema}.orders FROM '{manifest}' IAM_ROLE '{copy_role}' FORMAT PARQUET MANIFEST",
            f"GRANT USAGE ON SCHEMA {schema} TO PUBLIC",
        )
        assert answer["Status"] == "FINISHED", answer
    assert answer["SubStatements"][3]["ResultRows"] == 4
    assert warehouse.rows(f"select * from {schema}.orders where order_id <> 'a' order by order_id") == [
        ["b", 2, "-2.25", None, None],
        ["ü", None, None, "1969-12-31 00:00:00", "1900-01-01"],
    ]
    assert (
        warehouse.rows(f"select bought::varchar from {schema}.orders where order_id = 'a'")
        == [["2017-07-01 12:30:00.123456"]] * 2
    )
