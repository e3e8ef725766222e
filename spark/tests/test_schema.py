import pytest
from groundwork_spark.schema import BronzeSchemaError, check_bronze_schema, fits, silver_schema, spark_type
from pyspark.sql import types as t
from samples import VISITS, make_column

pytestmark = pytest.mark.usefixtures("spark")  # which parses the types' names


def bronze_schema(columns: str = VISITS) -> dict[str, set[t.DataType]]:
    return {field.name: {field.dataType} for field in t.StructType.fromDDL(columns)}


def test_silver_has_the_contracts_columns_in_order_then_the_partition(visits):
    assert silver_schema(visits).simpleString() == (
        "struct<id:string,at:timestamp,zip:string,price:decimal(10,2),score:smallint,device:string,paid:boolean,"
        "at_month:string>"
    )


def test_every_contract_has_types_that_spark_knows(contracts):
    assert len(contracts) == 9
    for contract in contracts.values():
        assert len(silver_schema(contract)) >= len(contract.columns)


def test_an_unknown_type_is_refused_by_name():
    with pytest.raises(ValueError, match="area: silver has no type for 'polygon'"):
        spark_type(make_column("area", "polygon"))


def test_bronze_as_dms_writes_it_is_accepted(visits):
    assert check_bronze_schema(visits, bronze_schema()) == []


def test_a_column_that_the_contract_lacks_is_reported(visits):
    assert check_bronze_schema(visits, bronze_schema(VISITS + ", colour string")) == ["colour"]


def test_a_missing_column_is_refused_by_table_and_name(visits):
    with pytest.raises(BronzeSchemaError, match="visits: .*it has no column 'zip'"):
        check_bronze_schema(visits, bronze_schema(VISITS.replace("zip string, ", "")))


def test_D1_a_column_that_may_be_null_may_be_missing(visits):
    assert check_bronze_schema(visits, bronze_schema(VISITS.replace(", paid string", ""))) == []


def test_D2_a_renamed_column_is_refused_by_both_names(visits):
    with pytest.raises(BronzeSchemaError, match="it has no column 'paid'; it has 'is_paid', which the contract does"):
        check_bronze_schema(visits, bronze_schema(VISITS.replace("paid string", "is_paid string")))


def test_changes_need_their_sequence(visits):
    with pytest.raises(BronzeSchemaError, match="it has no column 'change_seq'"):
        check_bronze_schema(visits, bronze_schema(), changes=True)


def test_D3_two_types_of_a_column_must_both_fit(visits):
    both = bronze_schema() | {"score": {t.ShortType(), t.IntegerType()}}
    with pytest.raises(BronzeSchemaError, match="'score' is int, which cannot become smallint"):
        check_bronze_schema(visits, both)


def test_D3_a_type_wider_than_the_contracts_is_refused_by_table_and_name(visits):
    with pytest.raises(BronzeSchemaError, match="visits: .*'score' is bigint, which cannot become smallint"):
        check_bronze_schema(visits, bronze_schema(VISITS.replace("score smallint", "score bigint")))


@pytest.mark.parametrize(
    "bronze, silver, expected",
    [
        ("smallint", "int", True),
        ("bigint", "int", False),
        ("decimal(8,2)", "decimal(10,2)", True),
        ("decimal(10,4)", "decimal(10,2)", False),
        ("decimal(10,0)", "decimal(10,2)", False),
        ("string", "boolean", True),
        ("string", "date", False),
    ],
)
def test_a_type_fits_where_no_value_can_be_lost(bronze, silver, expected):
    assert fits(t._parse_datatype_string(bronze), t._parse_datatype_string(silver)) is expected
