"""The README cannot lie: its commands, configuration, metrics and links are checked against the program."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner
from prometheus_client import CollectorRegistry

from agent.cli import main
from agent.config.document import parse_document
from agent.config.load import plan_of
from agent.history.counts import HistoryCounts
from agent.history.remote.counts import RemoteCounts
from agent.iperf3_server.supervise import Iperf3Server
from agent.metrics.history import HistoryMetrics
from agent.metrics.iperf3_server import Iperf3ServerMetrics
from agent.metrics.reflector import ReflectorMetrics
from agent.metrics.reloads import ReloadMetrics
from agent.metrics.remote_write import RemoteWriteMetrics
from agent.metrics.streams import Metrics
from agent.plan import Iperf3ServerPlan, Plan, ReflectorPlan, SocketAddress
from agent.reflector.process import ReflectorProcess
from agent.report.figures import Figures
from agent.service.reloading import ReloadCounts
from docs.families import comparison_families, throughput_families

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
README = (ROOT / "README.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def shell_lines() -> list[str]:
    return [line.split("#")[0].strip() for block in blocks(README, "sh") for line in block.splitlines() if line.strip()]


def test_the_first_two_commands_are_demo_and_test() -> None:
    assert shell_lines()[:2] == ["make demo", "make test"]


@pytest.mark.parametrize("line", [line for line in shell_lines() if line.startswith("eragent ")])
def test_every_eragent_command_is_understood(line: str) -> None:
    name, *arguments = shlex.split(line)[1:]
    with click.Context(main) as context:
        command = main.get_command(context, name)
        assert command is not None
        command.make_context(name, arguments, parent=context)


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        assert set(re.findall(r"`(?:sudo )?make ([a-z]+)", document.read_text())) <= targets
    assert {line.split("make ")[1].split()[0] for line in shell_lines() if "make " in line} <= targets


def test_the_configuration_is_valid() -> None:
    [text] = blocks(README, "yaml")
    assert yaml.safe_load(text)
    plan = plan_of(parse_document(text.encode(), file="README.md"), host_name="host").plan
    assert [probe.name for probe in plan.probes] == ["stamp"]


def metric_names() -> set[str]:
    registry = CollectorRegistry()
    here = SocketAddress(host="127.0.0.1", port=1)
    Metrics(registry, Plan(agent="a", listen=here), Figures())
    ReflectorMetrics(registry, "a", ReflectorProcess(ReflectorPlan(listen=here, allow=(), twamp=here)))
    HistoryMetrics(registry, "a", HistoryCounts())
    RemoteWriteMetrics(registry, "a", RemoteCounts())
    Iperf3ServerMetrics(registry, "a", Iperf3Server(Iperf3ServerPlan(listen=here, allow=())))
    ReloadMetrics(registry, "a", ReloadCounts())
    names = set()
    for family in (*registry.collect(), *throughput_families(), *comparison_families()):
        names.add(family.name + ("_total" if family.type == "counter" else ""))
        if family.type == "histogram":
            names |= {f"{family.name}{suffix}" for suffix in ("_bucket", "_count", "_sum")}
    return names


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_metric_named_exists(document: Path) -> None:
    named = set(re.findall(r"\beragent_[a-z0-9_]+\b(?!\.)", document.read_text()))
    assert named <= metric_names()


def test_every_metric_is_named_in_the_readme() -> None:
    bases = {re.sub(r"_(bucket|count|sum)$", "", name) for name in metric_names()}
    assert {name for name in bases if name not in README} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        if not link.startswith("https://"):
            assert (document.parent / link).exists(), link


def test_every_command_has_help_with_an_example_and_its_exit_codes() -> None:
    with click.Context(main) as context:
        names = main.list_commands(context)
    for name in names:
        help_text = CliRunner().invoke(main, [name, "--help"]).output
        assert re.search(rf"Examples?:\n +eragent {name}", help_text), f"{name}: {help_text}"
        assert "Exit codes:\n" in help_text, name
