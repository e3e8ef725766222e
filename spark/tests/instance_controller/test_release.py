"""The release is what is installed."""

from importlib.metadata import version
from pathlib import Path

import pyspark
import pytest
from instance_controller import release

from groundwork.install import STATE, java

EMR_SPARK_8_1_0 = {"Spark": "4.1.1", "Delta": "4.2.0", "Hadoop": "3.4.2", "Java": "17.0.15", "Python": "3.13.0"}


def test_EMR_R_02_the_installation_is_of_a_release_whose_versions_it_has():
    found = release.read(Path(pyspark.__file__).parent, STATE / "jars", Path(java()))
    assert found["release_label"] == "emr-spark-8.1.0"
    assert found["applications"]["Spark"] == version("pyspark")
    assert found["applications"]["Delta"] == version("delta-spark")


@pytest.mark.parametrize(
    "name, other", [("Spark", "4.1.2"), ("Delta", "4.0.0"), ("Java", "11.0.2"), ("Python", "3.12.1")]
)
def test_EMR_R_02_an_installation_of_other_versions_is_no_release(name, other):
    with pytest.raises(release.NoSuchRelease, match=f"{name}.*{other}"):
        release.label_of({**EMR_SPARK_8_1_0, name: other})


def test_a_folder_without_the_jar_is_named(tmp_path):
    with pytest.raises(release.NoSuchRelease, match=str(tmp_path)):
        release.jar_version(tmp_path, r"spark-core-(.+)\.jar")
