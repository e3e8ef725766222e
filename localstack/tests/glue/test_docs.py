"""The reference page names every operation that is there, and no other."""

import re

from groundwork_aws.glue.provider import GlueProvider
from localstack.aws.skeleton import create_dispatch_table

from groundwork.install import ROOT


def test_reference_page_lists_the_operations():
    page = (ROOT / "docs" / "services" / "glue.md").read_text()
    table = page[page.index("## Operations") : page.index("CloudFormation:")]
    documented = set(re.findall(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b", table))
    assert documented == set(create_dispatch_table(GlueProvider()))
