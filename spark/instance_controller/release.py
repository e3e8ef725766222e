"""Which EMR release this installation is, read from the installation itself.

https://docs.aws.amazon.com/emr/latest/ReleaseGuide/emr-release-components.html
"""

import json
import platform
import re
import subprocess
import urllib.request
from pathlib import Path

# What a release ships; Java by its major, Python by its minor version.
RELEASES = {
    "emr-spark-8.1.0": {
        "Spark": {"4.1.1"},
        "Delta": {"4.2.0"},
        "Hadoop": {"3.4.2"},
        "Java": {"17", "21"},
        "Python": {"3.11", "3.13"},
    },
}
APPLICATIONS = ("Spark", "Delta", "Hadoop")


class NoSuchRelease(Exception):
    """The installation is not what any release ships; the text says what differs."""


def read(spark_home: Path, jars: Path, java: Path) -> dict:
    """The release label, its applications with their versions, and Java's and Python's. Raises NoSuchRelease."""
    versions = {
        "Spark": jar_version(spark_home / "jars", r"spark-core_[\d.]+-([\d.]+)\.jar"),
        "Delta": jar_version(jars, r"delta-spark_[\d.]+_[\d.]+-([\d.]+)\.jar"),
        "Hadoop": jar_version(spark_home / "jars", r"hadoop-client-api-([\d.]+)\.jar"),
        "Java": java_version(java),
        "Python": platform.python_version(),
    }
    return {
        "release_label": label_of(versions),
        "applications": {name: versions[name] for name in APPLICATIONS},
        "java": versions["Java"],
        "python": versions["Python"],
    }


def label_of(versions: dict[str, str]) -> str:
    """The label of the release that ships these versions. Raises NoSuchRelease."""
    differences = []
    for label, shipped in RELEASES.items():
        wrong = [name for name, allowed in shipped.items() if not any(matches(versions[name], v) for v in allowed)]
        if not wrong:
            return label
        differences.append(
            f"{label} ships "
            + ", ".join(f"{name} {'/'.join(sorted(shipped[name]))}, here is {versions[name]}" for name in wrong)
        )
    raise NoSuchRelease("no EMR release ships what is installed: " + "; ".join(differences))


def matches(version: str, shipped: str) -> bool:
    return version == shipped or version.startswith(shipped + ".")


def jar_version(folder: Path, pattern: str) -> str:
    found = [match.group(1) for match in (re.fullmatch(pattern, jar.name) for jar in folder.glob("*.jar")) if match]
    if len(found) != 1:
        raise NoSuchRelease(f"{folder} must hold exactly one jar named like {pattern}; it holds {len(found)}")
    return found[0]


def java_version(program: Path) -> str:
    answer = subprocess.run([program, "-version"], capture_output=True, text=True, check=True).stderr
    found = re.search(r'version "([\d.]+)', answer)
    if found is None:
        raise NoSuchRelease(f"{program} -version gives no version: {answer.strip()}")
    return found.group(1)


def alive_workers(master_page: str) -> int:
    """How many workers the Spark master counts as alive; 0 when the master does not answer."""
    try:
        with urllib.request.urlopen(f"{master_page}/json/", timeout=2) as response:
            workers = json.load(response)["workers"]
    except OSError:
        return 0
    return sum(worker["state"] == "ALIVE" for worker in workers)
