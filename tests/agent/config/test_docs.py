"""What is written about the configuration is what the program does."""

from __future__ import annotations

import json
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from agent.config.document import parse_document
from agent.config.load import load_plan, plan_of
from agent.config.model import Configuration, section_at
from agent.plan import Plan
from docs.generate import EXAMPLE, json_schema, outputs

INSTALLED = Path(__file__).parents[3] / "systemd" / "eragent.yaml"


def plan_from(text: str) -> Plan:
    return plan_of(parse_document(text.encode(), file="eragent.yaml"), host_name="host").plan


@pytest.mark.parametrize("file", outputs(), ids=lambda file: file.name)
def test_the_reference_is_up_to_date(file: Path) -> None:
    assert file.read_text() == outputs()[file], "stale: run 'make generate'"


def test_the_reference_begins_with_a_valid_example() -> None:
    plan = plan_from(EXAMPLE)
    assert [probe.name for probe in plan.probes] == ["stamp", "ping"]
    assert EXAMPLE in next(text for file, text in outputs().items() if file.suffix == ".md")


def test_every_key_has_a_meaning() -> None:
    sections = [json_schema(), *json_schema()["$defs"].values()]
    keys = [(name, key) for section in sections for name, key in section["properties"].items()]
    assert len(keys) > 30
    assert [name for name, key in keys if not key.get("description")] == []


def test_the_schema_names_no_null_and_no_host() -> None:
    text = json.dumps(json_schema())
    assert '"null"' not in text
    assert "/home" not in text
    assert "file:" not in text


def test_every_default_of_the_schema_is_valid() -> None:
    written: dict[str, Any] = {
        name: key["default"] for name, key in json_schema()["properties"].items() if "default" in key
    }
    assert Configuration.model_validate(written) == Configuration()


def test_sections_are_found_by_their_keys() -> None:
    names = {
        (): "Configuration",
        ("probes", 3, "stamp"): "StampSection",
        ("paths", "vpn", "proof"): "ProofSection",
        ("reflector", "stamp"): "StampReflectorSection",
    }
    assert {key: getattr(section_at(key), "__name__", None) for key in names} == names
    assert section_at(("agent", "name")) is None
    assert section_at(("agent", "nonsense", 1)) is None


def test_the_installed_file_is_valid_and_sends_nothing_off_this_host() -> None:
    plan = load_plan(INSTALLED)
    hosts = [target.host or "" for probe in plan.probes for target in probe.targets]
    assert hosts
    assert all(ip_address(host).is_loopback for host in hosts)
    assert ip_address(plan.listen.host).is_loopback
    assert plan.reflector is None


def test_the_example_in_the_installed_file_is_valid() -> None:
    _, example = INSTALLED.read_text().split("above ---\n")
    plan = plan_from("".join(line.removeprefix("#").removeprefix(" ") for line in example.splitlines(keepends=True)))
    assert [path.name for path in plan.paths.values()] == ["expressroute", "vpn"]
    assert plan.reflector is not None
    assert plan.comparisons
