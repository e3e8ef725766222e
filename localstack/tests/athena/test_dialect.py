"""Trino's functions and types on the engine alone: each call's text is what Athena prints."""

from pathlib import Path

import pytest
from groundwork_aws.athena import dialect, results
from groundwork_aws.athena.engine import Engine, Run
from groundwork_aws.athena.errors import QueryFailed


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return Engine("127.0.0.1:9", "test", "us-east-1", Path(tmp_path_factory.mktemp("scratch")), workers=1)


@pytest.fixture
def evaluate(engine):
    """``evaluate("1 + 1")`` is the value as the CSV has it."""

    def value(expression: str) -> str | None:
        with engine.bound(f"SELECT {expression}", "", None, None, Run()) as (connection, query, relation):
            text, _ = results.printed(query, relation.columns, relation.types)
            return connection.execute(text).fetchone()[0]

    return value


# Expressions with the values that Trino's documentation gives, or that follow from it.
VALUES = {
    # how values are printed
    "1e10": "1.0E10",
    "0.1e0": "0.1",
    "1e7": "1.0E7",
    "9999999.5e0": "9999999.5",
    "1.5e-5": "1.5E-5",
    "123456789.125e0": "1.23456789125E8",
    "-2.5e20": "-2.5E20",
    "100e0": "100.0",
    "nan()": "NaN",
    "1e0 / 0": "Infinity",
    "true": "true",
    "decimal '1.50'": "1.50",
    "timestamp '2017-07-09 21:57:05'": "2017-07-09 21:57:05.000",
    "timestamp '2017-07-09 21:57:05.12'": "2017-07-09 21:57:05.120",
    "cast(timestamp '2017-07-09 21:57:05' as varchar)": "2017-07-09 21:57:05.000",
    "date '2017-07-09'": "2017-07-09",
    "array[1, 2, null]": "[1, 2, null]",
    "array['a b', 'c']": "[a b, c]",
    "to_utf8('abc')": "61 62 63",
    "cast(1e10 as varchar)": "1.0E10",
    # types
    "7 / 2": "3",
    "-7 / 2": "-3",
    "7 / 2e0": "3.5",
    "1.0 / 3": "0.3",
    "date '2017-01-31' + interval '1' month": "2017-02-28",
    "cast('123' as varchar(2))": "12",
    "try_cast('x' as integer)": None,
    "try(1 / 0)": None,
    "concat('a', null)": None,
    "greatest(1, null)": None,
    # the checksum of a reconciliation
    "from_base(substr(to_hex(md5(to_utf8('abc'))), 1, 8), 16)": str(0x90015098),
    "from_base(substr(to_hex(md5(to_utf8(cast(42 as varchar)))), 1, 8), 16)": str(0xA1D0C6E8),
    "from_base(substr(to_hex(md5(to_utf8(cast(decimal '1.50' as varchar)))), 1, 8), 16)": str(0xA6ACBD7F),
    "from_base('ff', 16)": "255",
    "to_hex(md5(to_utf8('abc')))": "900150983CD24FB0D6963F7D28E17F72",
    # dates
    "date_format(timestamp '2017-07-09 21:57:05', '%Y-%m-%d %H:%i:%s')": "2017-07-09 21:57:05",
    "date_format(timestamp '2017-07-09 21:57:05', '%M %e, %y %T')": "July 9, 17 21:57:05",
    "date_parse('2017-07-09', '%Y-%m-%d')": "2017-07-09 00:00:00.000",
    "format_datetime(timestamp '2017-07-09 21:57:05', 'yyyy-MM')": "2017-07",
    "date_diff('day', date '2017-01-01', date '2017-02-01')": "31",
    "date_diff('month', date '2017-01-31', date '2017-02-01')": "0",
    "date_add('day', 1, date '2017-01-31')": "2017-02-01",
    "date_add('hour', -1, timestamp '2017-01-01 00:00:00')": "2016-12-31 23:00:00.000",
    "date_trunc('month', timestamp '2017-07-09 21:57:05')": "2017-07-01 00:00:00.000",
    "day_of_week(date '2017-07-09')": "7",
    "year(date '2017-07-09')": "2017",
    "from_unixtime(0)": "1970-01-01 00:00:00.000 UTC",
    "to_unixtime(timestamp '1970-01-01 00:01:00')": "60.0",
    # texts
    "regexp_like('orders', '^ord')": "true",
    "regexp_extract('a1b2', '[0-9]')": "1",
    "regexp_extract('ab', '[0-9]')": None,
    "regexp_replace('a1b2', '([a-z])', '$1-')": "a-1b-2",
    "split_part('a,b', ',', 2)": "b",
    "split_part('a,b', ',', 3)": None,
    "strpos('abc', 'c')": "3",
    "json_extract_scalar('{\"a\": {\"b\": 1}}', '$.a.b')": "1",
    "json_extract_scalar('{\"a\": {\"b\": 1}}', '$.a')": None,
    # collections
    "cardinality(array[1, 2])": "2",
    "element_at(array[1, 2], 2)": "2",
    "element_at(array[1, 2], 3)": None,
    "contains(array[1, 2], 2)": "true",
    "array_join(array[1, 2], '-')": "1-2",
    "transform(array[1, 2], x -> x + 1)": "[2, 3]",
    "filter(array[1, 2], x -> x > 1)": "[2]",
}


@pytest.mark.parametrize("expression", VALUES)
def test_a_value_is_what_trino_says(evaluate, expression):
    assert evaluate(expression) == VALUES[expression]


@pytest.mark.parametrize(
    "sql, reason",
    [
        ("SELECT 1 / 0", "Division by zero"),
        (
            "SELECT a FROM (VALUES 1) AS t(a) WHERE a = '1'",
            "TYPE_MISMATCH: line 1:40: Cannot apply operator: integer = varchar",
        ),
        (
            "SELECT a AS b FROM (VALUES 1) AS t(a) WHERE b = 1",
            "COLUMN_NOT_FOUND: line 1:45: Column 'b' cannot be resolved",
        ),
        (
            "SELECT a AS b FROM (VALUES 1) AS t(a) GROUP BY b",
            "COLUMN_NOT_FOUND: line 1:48: Column 'b' cannot be resolved",
        ),
        ("SELECT read_text('/etc/passwd')", "FUNCTION_NOT_FOUND: line 1:8: Function 'read_text' not registered"),
        ("SELECT date_format(now(), '%Q')", "FUNCTION_NOT_FOUND"),
        ("SELECT cast('x' AS integer)", "INVALID_CAST_ARGUMENT"),
    ],
)
def test_what_trino_refuses_is_refused(engine, sql, reason):
    with pytest.raises(QueryFailed) as caught, engine.bound(sql, "", None, None, Run()) as (connection, query, _):
        connection.execute(query).fetchall()
    assert reason in caught.value.reason


def test_averages_and_quotients_of_decimals_stay_decimals(evaluate):
    rows = "(VALUES decimal '1.00', decimal '2.50', decimal '3.00') AS t(price)"
    assert evaluate(f"avg(price) FROM {rows}") == "2.17"
    assert evaluate(f"sum(price) / count(*) FROM {rows}") == "2.17"
    assert evaluate(f"max(a) FROM (SELECT avg(price) AS a FROM {rows})") == "2.17"


def test_the_engine_cannot_read_the_machines_files(engine, tmp_path):
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    with engine.connection(Run()) as connection:
        for statement in (f"SELECT * FROM '{secret}'", "SET disabled_filesystems = ''", "INSTALL spatial"):
            with pytest.raises(Exception, match="disabled|locked"):
                connection.execute(statement)


def test_the_checksum_is_one_cheap_expression():
    sql = "SELECT sum(from_base(substr(to_hex(md5(to_utf8(a))), 1, 8), 16)) FROM (VALUES 'x') AS t(a)"
    translated = dialect.to_duckdb(dialect.parse(sql), sql, {}, lambda query: [])
    assert "CAST(('0x' || SUBSTR(MD5(a), 1, 8)) AS BIGINT)" in translated
