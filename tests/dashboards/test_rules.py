"""Rules as they are written down, and by promtool: each alert fires when it should, and else is silent."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from agent.cli import main
from dashboards.generate import RULES
from docs.metrics import sample_names
from tests.dashboards.programs import ROOT, debian_program

_FILES = sorted(RULES.glob("*.yml"))
_CASES = sorted((Path(__file__).parent / "rules").glob("*.test.yaml"))
_RUNBOOKS = ROOT / "docs" / "runbooks"


def _rules() -> list[dict[str, Any]]:
    groups = [group for file in _FILES for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]]
    return [rule for group in groups for rule in group["rules"]]


_RULES = _rules()
_ALERTS = sorted({rule["alert"] for rule in _RULES if "alert" in rule})
_RECORDS = sorted(rule["record"] for rule in _RULES if "record" in rule)


def _promtool(*arguments: str | Path) -> tuple[int, str]:
    said = subprocess.run([debian_program("promtool"), *arguments], capture_output=True, text=True, check=False)
    return said.returncode, said.stdout + said.stderr


def test_promtool_finds_nothing_amiss_with_the_rules() -> None:
    assert len(_FILES) == 3
    status, said = _promtool("check", "rules", *_FILES)
    assert status == 0, said


@pytest.mark.parametrize("file", _CASES, ids=lambda path: path.name.partition(".")[0])
def test_the_alert_fires_and_stays_silent_as_its_cases_say(file: Path) -> None:
    status, said = _promtool("test", "rules", file)
    assert status == 0, said


def test_records_are_true_over_restarts_gaps_and_silence() -> None:
    status, said = _promtool("test", "rules", Path(__file__).parent / "records.test.yaml")
    assert status == 0, said


def test_every_alert_has_cases_in_which_it_fires_and_in_which_it_is_silent() -> None:
    assert [file.name.partition(".")[0] for file in _CASES] == _ALERTS
    for file in _CASES:
        cases = yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]
        expected = [asked["exp_samples"] for case in cases for asked in case["promql_expr_test"]]
        assert any(expected), file.name
        assert any(case["name"].startswith("it stays silent") for case in cases), file.name
        assert not all(expected), file.name


def test_every_alert_has_a_page_and_every_page_an_alert() -> None:
    assert sorted(page.stem for page in _RUNBOOKS.glob("*.md")) == _ALERTS
    for rule in _RULES:
        if "alert" in rule:
            assert rule["annotations"]["runbook"] == f"docs/runbooks/{rule['alert']}.md"
            assert rule["labels"]["severity"] in {"page", "ticket"}


@pytest.mark.parametrize("alert", _ALERTS)
def test_a_page_says_what_the_alert_means_and_what_to_check_on_both_sides(alert: str) -> None:
    text = (_RUNBOOKS / f"{alert}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {alert}\n")
    for heading in ("What it means", "Check on premises", "Check on the Azure side", "When it is over"):
        assert f"\n## {heading}\n" in text, heading
    assert "```sh\n" in text


@pytest.mark.parametrize("alert", _ALERTS)
def test_the_agent_understands_its_own_commands_on_a_page(alert: str) -> None:
    text = (_RUNBOOKS / f"{alert}.md").read_text(encoding="utf-8")
    for line in re.findall(r"^ *(eragent .+)$", text, re.MULTILINE):
        name, *arguments = shlex.split(line.split("#")[0])[1:]
        with click.Context(main) as context:
            command = main.get_command(context, name)
            assert command is not None, line
            if "--help" not in arguments:
                command.make_context(name, arguments, parent=context)


def test_the_page_of_the_instrument_has_a_heading_for_each_thing_that_it_can_name() -> None:
    [rule] = [rule for rule in _RULES if rule.get("alert") == "EragentInstrumentUnhealthy"]
    named = set(re.findall(r'"what", "([^"]+)"', rule["expr"]))
    text = (_RUNBOOKS / "EragentInstrumentUnhealthy.md").read_text(encoding="utf-8")
    assert named
    assert named == set(re.findall(r"^### (.+)$", text, re.MULTILINE))


def test_rules_read_metrics_and_records_that_exist() -> None:
    for rule in _RULES:
        named = set(re.findall(r"(?:\b\w+:)?\b(?:eragent|process)[_:][\w:]+", rule["expr"]))
        assert {name for name in named if ":" not in name} <= sample_names(), rule
        assert {name for name in named if ":" in name} <= set(_RECORDS), rule


def test_a_record_is_named_by_level_metric_and_operation() -> None:
    assert all(re.fullmatch(r"[a-z]+:[a-z_]+:[a-z0-9_]+", record) for record in _RECORDS)
    assert len(_RECORDS) == len(set(_RECORDS))
