"""Clusters on disk, so that a restart of LocalStack loses none: the steps go on meanwhile, beside the controller.

One JSON file a cluster, in ``<folder>/<account>/<region>/<cluster>.json``.
"""

import json
from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime
from pathlib import Path

from groundwork_aws.emr.cluster import Cluster, Step

# What has no meaning in another process.
NOT_KEPT = {"changed", "idle_since"}


class Archive:
    def __init__(self, folder: Path):
        self.folder = folder

    def save(self, cluster: Cluster) -> None:
        """Write a cluster unless its file says the same already. The file is replaced as a whole."""
        region, account = cluster.arn.split(":")[3:5]
        file = self.folder / account / region / f"{cluster.id}.json"
        text = json.dumps(values(cluster), default=values)
        if file.is_file() and file.read_text() == text:
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(".new")
        unfinished.write_text(text)
        unfinished.replace(file)

    def load(self) -> Iterator[tuple[str, str, Cluster]]:
        """Account, region and cluster, in the order of their creation."""
        found = [(*file.parts[-3:-1], read(file.read_text())) for file in self.folder.glob("*/*/*.json")]
        yield from sorted(found, key=lambda each: each[2].timeline["CreationDateTime"])


def values(thing: Cluster | Step | datetime) -> dict | str:
    if isinstance(thing, datetime):
        return thing.isoformat()
    return {f.name: getattr(thing, f.name) for f in fields(thing) if f.name not in NOT_KEPT}


def read(text: str) -> Cluster:
    content = json.loads(text)
    steps = [Step(**{**step, "timeline": times(step["timeline"])}) for step in content.pop("steps")]
    return Cluster(**{**content, "timeline": times(content["timeline"]), "steps": steps})


def times(timeline: dict[str, str]) -> dict[str, datetime]:
    return {name: datetime.fromisoformat(moment) for name, moment in timeline.items()}
