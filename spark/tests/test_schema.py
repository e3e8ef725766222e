import pytest
from groundwork_spark.schema import BronzeSchemaError, check_bronze_schema, fits, silver_schema, spark_type
from pyspark.sql import types as t
from samples import VISITS, make_column

pytestmark = pytest.mark.usefixtures("spark")  # which parses the types' names


def bronze_schema(columns: str = VISITS) -> t.StructType:
    return t.StructType.fromDDL(columns)


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


def test_d3_a_type_wider_than_the_contracts_is_refused_by_table_and_name(visits):
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
