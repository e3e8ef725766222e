"""Table mappings on their own: what is selected, what it becomes, and which documents are refused."""

import json

import pytest
from groundwork_aws.dms import mappings
from groundwork_aws.dms.mappings import MappingError
from tests.dms.conftest import document, include, transform


def parsed(*rules: dict) -> mappings.Mappings:
    return mappings.parse(document(*rules))


@pytest.mark.parametrize(
    "schema, table, taken",
    [("shop", "orders", True), ("shop", "Orders", False), ("shop", "order_items", False), ("other", "orders", False)],
)
def test_DMS_M_02_a_name_is_matched_exactly_and_by_case(schema, table, taken):
    assert (parsed(include("shop", "orders")).selected(schema, table) is not None) == taken


def test_DMS_M_02_percent_is_any_run_and_underscore_any_character():
    assert parsed(include("sh%", "order_items")).selected("shop", "orderXitems")
    assert not parsed(include("sh%", "order_items")).selected("shop", "order__items")
    assert not parsed(include("shop", "a.b")).selected("shop", "aXb")


def test_DMS_M_02_exclude_wins_wherever_it_stands():
    rules = parsed(include("shop", "audit", **{"rule-action": "exclude"}), include("shop"))
    assert [bool(rules.selected("shop", table)) for table in ("orders", "audit")] == [True, False]


def test_DMS_M_02_explicit_takes_no_wildcards():
    assert parsed(include("shop", "orders", **{"rule-action": "explicit"})).selected("shop", "orders")
    with pytest.raises(MappingError, match="explicit takes exact names"):
        parsed(include("shop", "%", **{"rule-action": "explicit"}))


@pytest.mark.parametrize("kind, taken", [("table", [True, False]), ("view", [False, True]), ("all", [True, True])])
def test_DMS_M_03_the_table_type_says_if_views_are_taken(kind, taken):
    rule = include("shop")
    rule["object-locator"]["table-type"] = kind
    assert [bool(parsed(rule).selected("shop", "orders", is_view)) for is_view in (False, True)] == taken


def conditions(*conditions: dict) -> dict:
    return {"filter-type": "source", "column-name": "price", "filter-conditions": list(conditions)}


@pytest.mark.parametrize(
    "condition, sql",
    [
        ({"filter-operator": "ste", "value": "5"}, "(\"price\" <= '5')"),
        ({"filter-operator": "gte", "value": "5"}, "(\"price\" >= '5')"),
        ({"filter-operator": "eq", "value": "it's"}, "(\"price\" = 'it''s')"),
        ({"filter-operator": "between", "start-value": "1", "end-value": "2"}, "(\"price\" BETWEEN '1' AND '2')"),
        (
            {"filter-operator": "notbetween", "start-value": "1", "end-value": "2"},
            "(\"price\" NOT BETWEEN '1' AND '2')",
        ),
        ({"filter-operator": "null"}, '("price" IS NULL)'),
    ],
    ids=lambda value: value["filter-operator"] if isinstance(value, dict) else "",
)
def test_DMS_M_05_a_filter_is_a_condition_at_the_source(condition, sql):
    rule = parsed(include("shop", "items", filters=[conditions(condition)])).selected("shop", "items")
    assert mappings.where(rule.filters) == sql


def test_DMS_M_05_filters_are_anded_and_their_conditions_ored():
    low, high = {"filter-operator": "lte", "value": "1"}, {"filter-operator": "gte", "value": "9"}
    rule = parsed(include("shop", "items", filters=[conditions(low, high), conditions(high)])).selected("shop", "items")
    assert mappings.where(rule.filters) == "(\"price\" <= '1' OR \"price\" >= '9') AND (\"price\" >= '9')"


def test_DMS_M_05_a_negative_operator_beside_null_selects_nothing():
    both = conditions({"filter-operator": "noteq", "value": "1"}, {"filter-operator": "null"})
    rule = parsed(include("shop", "items", filters=[both])).selected("shop", "items")
    assert mappings.where(rule.filters) == "(false)"


@pytest.mark.parametrize(
    "action, more, name",
    [
        ("rename", {"value": "sales"}, "sales"),
        ("convert-uppercase", {}, "ORDERS"),
        ("convert-lowercase", {}, "orders"),
        ("add-prefix", {"value": "raw_"}, "raw_Orders"),
        ("add-suffix", {"value": "_v1"}, "Orders_v1"),
        ("remove-prefix", {"value": "Ord"}, "ers"),
        ("remove-suffix", {"value": "ers"}, "Ord"),
        ("replace-prefix", {"value": "B", "old-value": "O"}, "Brders"),
        ("replace-suffix", {"value": "!", "old-value": "s"}, "Order!"),
    ],
)
def test_DMS_M_07_a_table_is_renamed(action, more, name):
    assert parsed(include("shop"), transform("table", action, "shop", **more)).target_name("shop", "Orders")[1] == name


def test_DMS_M_08_the_lowest_rule_id_is_applied_to_an_object():
    rules = parsed(
        include("shop"),
        transform("table", "rename", "shop", value="first"),
        transform("table", "convert-uppercase", "shop"),
    )
    assert rules.target_name("shop", "orders") == ("shop", "first")


def test_DMS_M_09_include_column_drops_all_that_are_not_listed():
    rules = parsed(include("shop"), transform("column", "include-column", "shop", column="id"))
    assert [rules.target_column("shop", "orders", column) for column in ("id", "price")] == ["id", None]


def test_remove_column_drops_it():
    rules = parsed(include("shop"), transform("column", "remove-column", "shop", column="secret%"))
    assert [rules.target_column("shop", "orders", column) for column in ("id", "secret_key")] == ["id", None]


@pytest.mark.parametrize(
    "text, reason",
    [
        ("{", "not JSON"),
        ("[]", "not JSON of the form"),
        ('{"rules": {}}', "not JSON of the form"),
        ('{"TableMappings": []}', "not JSON of the form"),
        ('{"rules": []}', "at least one selection rule"),
        (document(transform("table", "rename", "shop", value="x")), "at least one selection rule"),
        (document(include("shop"), include("shop", **{"rule-id": "1"})), "rule-id '1' is used by more than one"),
        (document(include("shop", **{"rule-id": "one"})), "numeric rule-id"),
        (document(include("shop", **{"rule-action": "take"})), "rule-action 'take'"),
        (document(include("shop", **{"load-order": "soon"})), "load-order"),
        (document(include("shop", filters=[conditions({"filter-operator": "null"})])), "exact schema and table names"),
        (document(include("shop", "t", filters=[conditions({"filter-operator": "like"})])), "filter-operator 'like'"),
        (document(include("shop", "t", filters=[conditions({"filter-operator": "eq"})])), "needs value"),
        (document(include("shop"), {"rule-type": "table-settings"}), "rule-type 'table-settings'"),
        (document(include("shop"), transform("column", "change-data-type", "shop", column="x")), "change-data-type"),
        (document(include("shop"), transform("table", "rename", "shop")), "rename needs a value"),
        (document(include("shop"), transform("table", "rename", "shop", value="x", extra=1)), "extra is not supported"),
        (json.dumps({"rules": [{**include("shop"), "rule-id": 1, "rule-name": "a", "object-locator": {}}]}), "misses"),
    ],
)
def test_DMS_M_01_E6_a_bad_document_is_refused_with_the_reason(text, reason):
    with pytest.raises(MappingError, match=reason):
        mappings.parse(text)
