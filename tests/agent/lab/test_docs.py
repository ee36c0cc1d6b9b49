from __future__ import annotations

from pathlib import Path

import pytest

from agent.lab.scenario import Failover, LinkModel, Outage
from agent.lab.topology import LINKS, NAMESPACES, WIRES

DOCS = (Path(__file__).parents[3] / "docs" / "lab.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("key", [key for model in (LinkModel, Outage, Failover) for key in model.model_fields])
def test_every_key_of_the_scenario_is_explained(key: str) -> None:
    assert f"`{key.rstrip('_')}`" in DOCS or f".{key}`" in DOCS


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_every_namespace_is_drawn(namespace: str) -> None:
    assert namespace in DOCS


def test_every_address_in_the_table_exists() -> None:
    table = next(part for part in DOCS.split("\n\n") if part.startswith("| namespace"))
    addresses = {end.address.partition("/")[0] for wire in WIRES for end in wire.ends if end.address}
    named = {word.strip(" ,|") for word in table.split() if word[0].isdigit()}
    assert named <= addresses
    assert {str(end.ip) for link in LINKS for end in (link.site, link.azure)} <= named
