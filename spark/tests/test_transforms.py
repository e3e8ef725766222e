from datetime import datetime
from decimal import Decimal

import pytest
from chispa import assert_df_equality
from groundwork_spark import transforms

AT = datetime(2017, 7, 9, 21, 57, 5)
TYPED = "id string, at timestamp, zip string, price decimal(10,2), score smallint, device string, paid boolean"
POSITION = "_file string, _row bigint, _arrived timestamp"
GOOD = {"id": "a", "at": AT, "zip": "01012", "price": Decimal("1.50"), "score": 5, "device": "phone", "paid": True}


def rows(spark, *changes: dict):
    return spark.createDataFrame([{**GOOD, "_op": "I", **change} for change in changes], f"{TYPED}, _op string")


def test_typed_gives_the_contracts_columns_and_types(spark, visits):
    bronze = spark.createDataFrame(
        [(None, "2026-11-22 12:00:00.000001", None, "true", "phone", 5, Decimal("1.50"), "01012", AT, "a", "x", 0, AT)],
        "Op string, dms_timestamp string, change_seq string, paid string, device string, score smallint, "
        f"price decimal(8,2), zip string, at timestamp, id string, {POSITION}",
    )
    expected = spark.createDataFrame(
        [(*GOOD.values(), "I", "2026-11-22 12:00:00.000001", "", "x", 0, AT)],
        f"{TYPED}, _op string, _at string, _seq string, {POSITION}",
    )
    assert_df_equality(bronze.transform(transforms.typed(visits)), expected, ignore_nullable=True)


def test_typed_refuses_a_boolean_that_is_neither_true_nor_false(spark, visits):
    bronze = spark.createDataFrame(
        [(*list(GOOD.values())[:-1], "perhaps", "I", "", "", "", 0, AT)],
        f"{TYPED.replace('boolean', 'string')}, Op string, dms_timestamp string, change_seq string, {POSITION}",
    )
    with pytest.raises(Exception, match="perhaps"):
        bronze.transform(transforms.typed(visits)).collect()


def test_checked_names_the_first_broken_rule(spark, visits):
    cases = [
        ({}, None, None),
        ({"id": None}, "id.required", "id is missing"),
        ({"id": "abcde"}, "id.max_length", "id is 'abcde', which is longer than 4 characters"),
        ({"id": "ação"}, None, None),
        ({"zip": "1012"}, "zip.pattern", "zip is '1012', which does not match ^[0-9]{5}$"),
        ({"zip": None}, None, None),
        ({"price": Decimal("-0.01")}, "price.minimum", "price is '-0.01', which is below 0"),
        ({"price": Decimal("0.00")}, None, None),
        ({"score": 6}, "score.maximum", "score is '6', which is above 5"),
        ({"device": "fax"}, "device.valid_values", "device is 'fax', which is none of phone, desktop"),
        ({"device": "fax", "zip": "x"}, "zip.pattern", "zip is 'x', which does not match ^[0-9]{5}$"),
    ]
    checked = rows(spark, *(change for change, _, _ in cases)).transform(transforms.checked(visits))
    assert [(row["_rule"], row["_reason"]) for row in checked.collect()] == [case[1:] for case in cases]


def test_a_reason_shows_the_beginning_of_a_long_value(spark, visits):
    row = rows(spark, {"id": "x" * 5000}).transform(transforms.checked(visits)).first()
    assert row["_reason"] == f"id is '{'x' * 100}', which is longer than 4 characters"


def test_not_a_number_is_above_any_maximum(spark, contracts):
    place = spark.createDataFrame(
        [("I", "01012", float("nan"), -46.6, "sao paulo", "SP")],
        "_op string, geolocation_zip_code_prefix string, geolocation_lat double, geolocation_lng double, "
        "geolocation_city string, geolocation_state string",
    )
    checked = place.transform(transforms.checked(contracts["geolocation"]))
    assert checked.first()["_rule"] == "geolocation_lat.maximum"


def positioned(spark, *values):
    columns = f"id string, score int, _op string, _at string, _seq string, {POSITION}"
    return spark.createDataFrame(values, columns)


def newest(contract, versions) -> list[tuple]:
    rows = versions.transform(transforms.keep_newest(contract)).select("id", "score").collect()
    return sorted(tuple(row) for row in rows)


def test_keep_newest_takes_the_row_that_dms_wrote_last(spark, visits):
    versions = positioned(
        spark,
        ("a", 1, "I", "2026-11-22 12:00:00.000002", "", "f", 0, AT),
        ("a", 2, "I", "2026-11-22 12:00:00.000001", "", "f", 1, AT),
        ("b", 3, "I", "2026-11-22 12:00:00.000000", "", "f", 2, AT),
    )
    assert newest(visits, versions) == [("a", 1), ("b", 3)]


def test_keep_newest_breaks_ties_by_file_then_position(spark, visits):
    versions = positioned(
        spark,
        ("a", 1, "I", "t", "", "LOAD00000001.parquet", 9, AT),
        ("a", 2, "I", "t", "", "LOAD00000002.parquet", 3, AT),
        ("a", 3, "I", "t", "", "LOAD00000002.parquet", 4, AT),
    )
    assert newest(visits, versions) == [("a", 3)]


def test_A10_the_change_sequence_comes_before_the_time(spark, visits):
    versions = positioned(
        spark,
        ("a", 1, "I", "2026-11-22 12:00:09", "", "LOAD00000001.parquet", 0, AT),
        ("a", 2, "U", "2026-11-22 12:00:00", "2", "f", 0, AT),
        ("a", 3, "U", "2026-11-22 12:00:00", "1", "f", 1, AT),
    )
    assert newest(visits, versions) == [("a", 2)]


def test_rows_without_a_key_are_kept_for_the_quarantine(spark, visits):
    versions = positioned(spark, (None, 1, "I", "t", "", "f", 0, AT), (None, 2, "I", "t", "", "f", 1, AT))
    assert len(newest(visits, versions)) == 2


def test_a_table_without_a_key_keeps_equal_rows_of_different_changes(spark, contracts):
    inserts = positioned(
        spark,
        ("a", 1, "I", "t", "1", "f", 0, AT),
        ("a", 1, "I", "t", "2", "f", 1, AT),
        ("a", 1, "I", "t", "2", "g", 1, AT),
        ("a", 1, "D", "t", "3", "g", 1, AT),
    )
    assert newest(contracts["geolocation"], inserts) == [("a", 1), ("a", 1)]


def test_partitioned_adds_the_month_after_the_contracts_columns(spark, visits):
    silver = rows(spark, {}, {"at": datetime(2018, 1, 1)}, {"at": None}).transform(transforms.partitioned(visits))
    assert silver.columns == [*GOOD, "at_month"]
    assert sorted(str(row["at_month"]) for row in silver.collect()) == ["2017-07", "2018-01", "None"]


def test_rejected_rows_carry_why_and_where(spark, visits):
    located = rows(spark, {}, {"score": 9}).selectExpr("*", "'s3://b/f' as _file", "7L as _row")
    quarantine = located.transform(transforms.checked(visits)).transform(transforms.rejected(visits))
    expected = spark.createDataFrame(
        [(*{**GOOD, "score": 9}.values(), "score.maximum", "score is '9', which is above 5", "s3://b/f", 7)],
        f"{TYPED}, _rule string, _reason string, _file string, _row bigint",
    )
    assert_df_equality(quarantine, expected, ignore_nullable=True)
