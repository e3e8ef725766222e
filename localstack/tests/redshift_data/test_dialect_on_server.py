"""What the dialect gate makes of Redshift's SQL gives Redshift's answers on the server (AWS_FIDELITY 7.3 and 7.4)."""

import hashlib

import pytest


@pytest.mark.parametrize(
    "expression, expected",
    [
        ("datediff(year, '2017-12-31'::date, '2018-01-01'::date)", 1),
        ("datediff(month, '2017-01-31'::date, '2017-02-01'::date)", 1),
        ("datediff(quarter, '2017-03-31'::date, '2017-04-01'::date)", 1),
        ("datediff(week, '2017-07-01'::date, '2017-07-02'::date)", 1),
        ("datediff(day, '2017-07-01 23:59:59'::timestamp, '2017-07-02 00:00:00'::timestamp)", 1),
        ("datediff(hour, '2017-07-01 10:59:59'::timestamp, '2017-07-01 11:00:00'::timestamp)", 1),
        ("datediff(minute, '2017-07-01 10:00:59'::timestamp, '2017-07-01 10:00:00'::timestamp)", 0),
        ("datediff(second, '2017-07-01'::timestamp, '2017-06-30 23:59:58'::timestamp)", -2),
        ("datediff(day, null::date, '2017-07-01'::date)", None),
        ("dateadd(month, 1, '2017-01-31'::date)", "2017-02-28 00:00:00"),
        ("dateadd('hour', -1, '2017-01-01'::timestamp)", "2016-12-31 23:00:00"),
        ("date_trunc('month', '2017-07-15'::date)", "2017-07-01 00:00:00"),
        ("dateadd(year, 1, date_trunc('year', '2017-07-15'::date))", "2018-01-01 00:00:00"),
        ("date_trunc('hour', '2017-07-15 10:30:00'::timestamp)", "2017-07-15 10:00:00"),
        ("last_day('2016-02-10'::date)", "2016-02-29"),
        ("add_months('2017-02-28'::date, 1)", "2017-03-31 00:00:00"),
        ("months_between('2017-03-31'::date, '2017-02-28'::date)", 1.0),
        ("next_day('2017-07-04'::date, 'Tuesday')", "2017-07-11"),
        ("next_day('2017-07-04'::date, 'wed')", "2017-07-05"),
        ("convert_timezone('UTC', 'America/Sao_Paulo', '2017-07-01 12:00:00'::timestamp)", "2017-07-01 09:00:00"),
        ("trunc('2017-07-01 12:00:00'::timestamp)", "2017-07-01"),
        ("trunc(-1.987::decimal(5,3), 1)", "-1.9"),
        ("date_part(dow, '2017-07-02'::date)", 0.0),
        ("getdate() - sysdate < interval '1 day'", True),
        ("len('né')", 2),
        ("charindex('b', 'abc')", 2),
        ("decode(null::int, 1, 'one', null, 'none', 'other')", "none"),
        ("nvl2(null::int, 1, 2)", 2),
        ("strtol('-ff', 16)", -255),
        ("strtol('0xff', 16)", 255),
        ("strtol('101', 2)", 5),
        ("strtol(substring(md5('x'), 1, 8), 16)", int(hashlib.md5(b"x").hexdigest()[:8], 16)),
        ("strtol(substring(md5('olist'), 3, 15), 16)", int(hashlib.md5(b"olist").hexdigest()[2:17], 16)),
        ("sha2('x', 256)", hashlib.sha256(b"x").hexdigest()),
        ("regexp_replace('a1b2', '\\\\d', '#')", "a#b#"),
        ("regexp_count('a1b2', '[0-9]')", 2),
        ("split_part('a,b', ',', 2)", "b"),
        ("json_extract_path_text('{\"a\": {\"b\": 1}}', 'a', 'b')", "1"),
        ("is_valid_json('{\"a\": 1}') and not is_valid_json('{a}')", True),
        ("7 / 2", 3),
        ("'a' || null", None),
        ("cast(cast(round(1.005 * 1e9) as bigint) as varchar)", "1005000000"),
        ("to_char('2017-07-01 02:03:04'::timestamp, 'YYYY-MM-DD HH24:MI:SS')", "2017-07-01 02:03:04"),
    ],
)  # fmt: skip
def test_RS_Q_09_RS_Q_10_RS_Q_11_functions_answer_as_redshifts_do(warehouse, expression, expected):
    assert warehouse.rows(f"select {expression}") == [[expected]]


def test_RS_Q_12_RS_Q_14_listagg_median_and_qualify(warehouse, schema):
    warehouse.batch(
        f"create table {schema}.t (a varchar(3), b int)", f"insert into {schema}.t values ('x', 1), ('y', 3), ('x', 2)"
    )
    sql = f"select listagg(a, '-') within group (order by b desc), median(b) from {schema}.t"
    assert warehouse.rows(sql) == [["y-x-x", 2.0]]
    sql = f"select a, b from {schema}.t qualify row_number() over (partition by a order by b desc) = 1 order by a"
    assert warehouse.rows(sql) == [["x", 2], ["y", 3]]
    assert warehouse.rows(f"select top 1 b from {schema}.t order by b desc") == [[3]]
    assert warehouse.rows(f"select b from {schema}.t minus select 3 order by 1") == [[1], [2]]


def test_RS_Q_03_a_varchar_takes_bytes(warehouse, schema):
    warehouse.run(f"create table {schema}.t (a varchar(3))")
    assert warehouse.run(f"insert into {schema}.t values ('aé')")["Status"] == "FINISHED"
    error = "ERROR: value too long for type character varying(3)"
    assert warehouse.error(f"insert into {schema}.t values ('éé')") == error
    assert warehouse.error(f"insert into {schema}.t values ('abcd')") == error
    assert warehouse.run(f"alter table {schema}.t alter column a type varchar(4)").get("Error") is None
    assert warehouse.run(f"insert into {schema}.t values ('éé')").get("Error") is None
    assert warehouse.error(f"insert into {schema}.t values ('ééé')").endswith("varying(4)")


def test_RS_Q_05_duplicate_keys_are_accepted_and_nulls_are_not(warehouse, schema):
    warehouse.run(f"create table {schema}.t (a int not null, b int unique, primary key (a))")
    assert warehouse.run(f"insert into {schema}.t values (1, 1), (1, 1)")["ResultRows"] == 2
    error = warehouse.error(f"insert into {schema}.t values (null, 1)")
    assert error == "ERROR: Cannot insert a NULL value into column a"


def test_RS_Q_02_an_identity_counts_from_its_seed(warehouse, schema):
    warehouse.run(f"create table {schema}.t (id bigint identity(10, 5), a int) diststyle even")
    warehouse.run(f"insert into {schema}.t (a) values (1), (2)")
    assert warehouse.rows(f"select id from {schema}.t order by 1") == [[10], [15]]


def test_RS_Q_16_truncate_commits(warehouse, schema):
    warehouse.batch(f"create table {schema}.t (a int)", f"insert into {schema}.t values (1)")
    answer = warehouse.batch(f"insert into {schema}.t values (2)", f"truncate {schema}.t", "select 1/0")
    assert answer["Status"] == "FAILED"
    assert warehouse.rows(f"select count(*) from {schema}.t") == [[0]]


def test_RS_M_03_merge_refuses_two_sources_for_one_row(warehouse, schema):
    warehouse.batch(
        f"create table {schema}.t (a int, b int)",
        f"create table {schema}.u (a int, b int)",
        f"insert into {schema}.t values (1, 1)",
        f"insert into {schema}.u values (1, 2), (3, 4)",
    )
    merge = (
        f"merge into {schema}.t using {schema}.u on t.a = u.a when matched then update set b = u.b "
        "when not matched then insert (a, b) values (u.a, u.b)"
    )
    assert warehouse.run(merge)["ResultRows"] == 2
    assert warehouse.rows(f"select a, b from {schema}.t order by a") == [[1, 2], [3, 4]]
    warehouse.run(f"insert into {schema}.u values (1, 9)")
    assert warehouse.error(merge).startswith("ERROR: Found multiple matches to update the same tuple.")
