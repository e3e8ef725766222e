"""What holds for every model: it is described, it names its grain, its columns are those that it has."""

import json

import pytest
from groundwork_contracts import load_contracts

from groundwork.queries import dbt_sources


@pytest.fixture(scope="module")
def catalog(dbt, warehouse):
    """The project as dbt documents it: models described, and the columns that the warehouse has."""
    dbt("run")
    dbt("docs", "generate")
    manifest = json.loads((dbt.target / "manifest.json").read_text())
    return manifest, json.loads((dbt.target / "catalog.json").read_text())


def test_every_model_names_its_grain_and_describes_every_column(catalog):
    manifest, columns = catalog
    models = {key: node for key, node in manifest["nodes"].items() if node["resource_type"] == "model"}
    assert len(models) == 20
    for key, model in models.items():
        described = {name for name, column in model["columns"].items() if column["description"]}
        assert "One row per" in model["description"], model["name"]
        assert described == set(columns["nodes"][key]["columns"]), model["name"]


def test_the_sources_are_those_of_the_contracts():
    written = dbt_sources.sources(load_contracts().values())
    assert dbt_sources.FILE.read_text() == written, "run python -m groundwork.queries.dbt_sources"
