"""What PostgreSQL's types become in Parquet (AWS_FIDELITY 1.6), field by field."""

from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest

TIME_OF_DAY = time(10, 56, 33, 123000)

# column: (SQL type, literal, value read back, physical type, converted type)
TYPES = {
    "a_smallint": ("smallint", "7", 7, "INT32", "INT_16"),
    "a_integer": ("integer", "7", 7, "INT32", "NONE"),
    "a_bigint": ("bigint", "7", 7, "INT64", "NONE"),
    "a_numeric": ("numeric(15,2)", "-12.34", Decimal("-12.34"), "FIXED_LEN_BYTE_ARRAY", "DECIMAL"),
    "a_unbounded": ("numeric", "0.611111104488373", Decimal("0.611111"), "FIXED_LEN_BYTE_ARRAY", "DECIMAL"),
    "a_wide": ("numeric(50,2)", "1.50", "1.50", "BYTE_ARRAY", "UTF8"),
    "a_money": ("money", "12.5", Decimal("12.5000"), "FIXED_LEN_BYTE_ARRAY", "DECIMAL"),
    "a_real": ("real", "1.5", 1.5, "FLOAT", "NONE"),
    "a_double": ("double precision", "1.1", 1.1, "DOUBLE", "NONE"),
    "a_char": ("char(5)", "'ab'", "ab", "BYTE_ARRAY", "UTF8"),
    "a_varchar": ("varchar(9)", "'são'", "são", "BYTE_ARRAY", "UTF8"),
    "a_text": ("text", "'line\nbreak'", "line\nbreak", "BYTE_ARRAY", "UTF8"),
    "a_json": ("json", "'{\"a\":1}'", '{"a":1}', "BYTE_ARRAY", "UTF8"),
    "a_jsonb": ("jsonb", "'{\"a\":1}'", '{"a": 1}', "BYTE_ARRAY", "UTF8"),
    "a_array": ("int[]", "'{1,2}'", "{1,2}", "BYTE_ARRAY", "UTF8"),
    "a_xml": ("xml", "'<a/>'", "<a/>", "BYTE_ARRAY", "UTF8"),
    "a_bytea": ("bytea", "'\\x00ff'", b"\x00\xff", "BYTE_ARRAY", "NONE"),
    "a_boolean": ("boolean", "true", "true", "BYTE_ARRAY", "UTF8"),
    "a_uuid": (
        "uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "BYTE_ARRAY", "UTF8",
    ),
    "a_date": ("date", "'2017-10-02'", date(2017, 10, 2), "INT32", "DATE"),
    "a_time": ("time", "'10:56:33.123456'", TIME_OF_DAY, "INT32", "TIME_MILLIS"),
    "a_timestamp": (
        "timestamp", "'2017-10-02 10:56:33.123456'", datetime(2017, 10, 2, 10, 56, 33, 123456, UTC), "INT64",
        "TIMESTAMP_MICROS",
    ),
    "a_timestamptz": (
        "timestamptz", "'2017-10-02 10:56:33-03'", datetime(2017, 10, 2, 13, 56, 33, tzinfo=UTC), "INT64",
        "TIMESTAMP_MICROS",
    ),
    "a_inet": ("inet", "'10.0.0.1'", "10.0.0.1", "BYTE_ARRAY", "UTF8"),
    "a_bit": ("bit(3)", "B'101'", "101", "BYTE_ARRAY", "UTF8"),
    "a_point": ("point", "'(1,2)'", "(1,2)", "BYTE_ARRAY", "UTF8"),
    "a_range": ("int4range", "'[1,5)'", "[1,5)", "BYTE_ARRAY", "UTF8"),
    "a_enum": ("mood", "'glad'", "glad", "BYTE_ARRAY", "UTF8"),
    "a_domain": ("cents", "5", 5, "INT32", "NONE"),
    "a_interval": (
        "interval", "'1 year 2 months 3 days 4 hours 5 minutes 6 seconds'",
        "1 YEAR, 2 MONTHS, 3 DAYS, 4 HOURS, 5 MINUTES, 6 SECONDS", "BYTE_ARRAY", "UTF8",
    ),
}  # fmt: skip


@pytest.fixture
def loaded(replication, source, schema):
    """The one file of a table with every type: a row of values and a row of NULLs."""
    source.execute("CREATE TYPE mood AS ENUM ('glad'); CREATE DOMAIN cents AS int")
    columns = ", ".join(f"{name} {sql}" for name, (sql, *_) in TYPES.items())
    values = ", ".join(literal for _, literal, *_ in TYPES.values())
    source.execute(f"CREATE TABLE everything ({columns}); INSERT INTO everything VALUES ({values})")
    source.execute("INSERT INTO everything (a_integer) VALUES (NULL)")
    made = replication()
    assert made.run()["Status"] == "stopped", made.describe()
    return made.parquet(made.objects()[0])


def test_DMS_T_02_every_type_has_its_parquet_type_and_value(loaded):
    row, nulls = loaded.read().to_pylist()
    types = {
        c.name: (row[c.name], c.physical_type, c.converted_type)
        for c in (loaded.schema.column(i) for i in range(len(loaded.schema)))
    }
    assert types == {name: tuple(expected) for name, (_, _, *expected) in TYPES.items()}
    assert set(nulls.values()) == {None}


@pytest.mark.parametrize("column, length", [("a_numeric", 7), ("a_unbounded", 12), ("a_money", 16)])
def test_DMS_W_14_a_decimal_has_the_smallest_fixed_length(loaded, column, length):
    assert next(c for c in map(loaded.schema.column, range(len(TYPES))) if c.name == column).length == length


def test_DMS_W_14_the_footer_is_that_of_dms(loaded):
    assert loaded.metadata.created_by == "AWS"
    assert loaded.metadata.metadata is None
    assert loaded.schema.to_arrow_schema().metadata is None
    assert str(loaded.schema).splitlines()[1].endswith("schema {")


def test_DMS_T_01_a_boolean_stays_one_where_the_source_maps_it(replication, source, schema):
    source.execute("CREATE TABLE flags (flag boolean); INSERT INTO flags VALUES (true), (NULL), (false)")
    made = replication(source={"PostgreSQLSettings": {"MapBooleanAsBoolean": True}})
    made.run()
    assert made.parquet(made.objects()[0]).read()["flag"].to_pylist() == [True, None, False]


@pytest.mark.guess
def test_DMS_T_infinity_becomes_the_last_and_the_first_second(replication, source, schema):
    source.execute("CREATE TABLE t (at timestamp, day date); INSERT INTO t VALUES ('infinity', 'infinity')")
    source.execute("INSERT INTO t VALUES ('-infinity', '-infinity'), ('2017-10-02', '2017-10-02')")
    made = replication()
    made.run()
    table = made.parquet(made.objects()[0]).read()
    assert table["at"].cast("int64").to_pylist() == [253402300799000000, -210863520000000000, 1506902400000000]
    assert table["day"].cast("int32").to_pylist() == [2932896, -2440550, 17441]


def test_DMS_T_03_DMS_T_04_a_lob_is_cut_to_the_limit_and_the_task_log_says_so(aws, replication, source, schema):
    source.execute("CREATE TABLE t (id int, comment text, raw bytea)")
    source.execute("INSERT INTO t VALUES (1, repeat('é', 600), decode(repeat('ab', 1100), 'hex')), (2, 'short', 'x')")
    made = replication(settings={"TargetMetadata": {"LobMaxSize": 1}, "Logging": {"EnableLogging": True}})
    assert made.run()["Status"] == "stopped"
    rows = made.parquet(made.objects()[0]).read().to_pylist()
    assert (rows[0]["comment"], len(rows[0]["raw"])) == ("é" * 512, 1024)
    assert (rows[1]["comment"], rows[1]["raw"]) == ("short", b"x")
    messages = [
        e["message"]
        for e in aws("logs").get_log_events(
            logGroupName="dms-tasks-tests", logStreamName=f"dms-task-{made.task.rpartition(':')[2]}"
        )["events"]
    ]
    assert any("2 values were cut to LobMaxSize" in m and "]W:" in m for m in messages), messages


def test_DMS_T_03_the_task_fails_where_it_must_not_cut_a_lob(replication, source, schema):
    source.execute("CREATE TABLE t (comment text); INSERT INTO t VALUES (repeat('x', 600))")
    made = replication(
        settings={"TargetMetadata": {"LobMaxSize": 1}},
        source={"PostgreSQLSettings": {"FailTasksOnLobTruncation": True}},
    )
    task = made.run()
    assert task["Status"] == "failed"
    assert "column comment holds a value longer than LobMaxSize" in task["LastFailureMessage"]
    assert made.objects() == []
