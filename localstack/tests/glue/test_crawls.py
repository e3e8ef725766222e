"""What a crawl does, through the API: real Parquet on S3 in, catalog entries out."""

ORDERS = {"Op": ["I"], "order_id": ["a"], "price": [1.5]}


def columns(table):
    return {column["Name"]: column["Type"] for column in table["StorageDescriptor"]["Columns"]}


def test_GL_14_parquet_table_is_named_after_its_folder(crawler, put_parquet, run, tables):
    put_parquet("shop/Order-Items/LOAD00000001.parquet", **ORDERS)
    assert run(crawler("shop/Order-Items", TablePrefix="Bronze_"))["Status"] == "SUCCEEDED"
    (table,) = tables().values()
    assert table["Name"] == "bronze_order_items"
    assert columns(table) == {"op": "string", "order_id": "string", "price": "double"}
