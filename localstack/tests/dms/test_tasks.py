"""Tasks: their states, and what ends them."""


def test_DMS_ST_10_a_full_load_ends_in_stopped_with_its_files_in_s3(replication, source, schema):
    source.execute("CREATE TABLE orders (id int PRIMARY KEY, price numeric(10,2)); INSERT INTO orders VALUES (1, 9.99)")
    made = replication()
    task = made.run()
    assert (task["Status"], task["StopReason"]) == ("stopped", "Stop Reason FULL_LOAD_ONLY_FINISHED"), task
    assert made.keys() == [f"{schema}/orders/LOAD00000001.parquet"]
    assert made.parquet(made.keys()[0]).read().to_pylist() == [
        {"id": 1, "price": __import__("decimal").Decimal("9.99")}
    ]
