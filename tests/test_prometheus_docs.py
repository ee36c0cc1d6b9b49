"""The page on Prometheus cannot lie: its configurations are those of the programs, and a real Prometheus takes them."""

from __future__ import annotations

import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from prometheus_client.openmetrics import parser as openmetrics_parser

from agent.config.document import parse_document
from agent.config.load import plan_of
from agent.exposition.query import asked
from tests.dashboards.programs import (
    Prometheus,
    agent_command,
    debian_program,
    fetch,
    free_port,
    prometheus_of,
    running,
    wait_until,
)
from tests.test_readme import blocks

PAGE = (Path(__file__).parent.parent / "docs" / "prometheus.md").read_text(encoding="utf-8")
SCRAPES = [block for block in blocks(PAGE, "yaml") if block.startswith("scrape_configs")]
AGENTS = [block for block in blocks(PAGE, "yaml") if not block.startswith("scrape_configs")]


class Agent:
    """A running agent with probes of every kind."""

    def __init__(self, port: int, log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.port = port
        self.log = log


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    folder = tmp_path_factory.mktemp("agent")
    http, stamp = free_port(), free_port("127.0.0.3")
    configuration = folder / "eragent.yaml"
    configuration.write_text(
        f"""
agent: {{name: test}}
listen: 127.0.0.1:{http}
targets: {{here: {{address: 127.0.0.3}}, itself: {{address: 127.0.0.1}}, two: {{address: 127.0.0.2}}}}
probes:
  - {{name: ping, icmp: {{}}, interval: 100ms, targets: [here]}}
  - {{name: stamp, stamp: {{port: {stamp}}}, interval: 50ms, targets: [here]}}
  - {{name: connect, tcp: {{port: {http}}}, interval: 100ms, targets: [itself]}}
  - {{name: web, http: {{url: "http://127.0.0.1:{http}/-/healthy"}}, interval: 100ms, targets: [itself]}}
reflector: {{stamp: {{listen: "127.0.0.3:{stamp}", allow: [127.0.0.0/8]}}, twamp: {{listen: "127.0.0.3:{stamp}"}}}}
""",
        encoding="utf-8",
    )
    running_agent = Agent(http, folder / "agent.log")
    with running(agent_command(configuration), log=running_agent.log):
        metrics = f"{running_agent.url}/metrics"
        wait_until(lambda: 'http_responses_total{agent="test"' in fetch(metrics), "answer", running_agent.log)
        yield running_agent


def checked_by_promtool(text: str) -> str:
    """Return what promtool says of metrics: nothing, where they keep to Prometheus' conventions."""
    return promtool("check", "metrics", text=text)


def promtool(*arguments: str, text: str = "") -> str:
    done = subprocess.run(
        [str(debian_program("promtool")), *arguments], input=text, capture_output=True, text=True, check=False
    )
    return f"{done.stdout}{done.stderr}"


def own(text: str) -> str:
    """Leave out the families that the client library has of the process."""
    return "".join(line for line in text.splitlines(keepends=True) if "process_" not in line)


@pytest.mark.parametrize("text", AGENTS)
def test_configurations_of_the_agent_are_valid(text: str) -> None:
    plan = plan_of(parse_document(text.encode(), file="prometheus.md"), host_name="host").plan
    assert list(plan.on_request.modules) == ["voice", "portal"]


def test_the_modules_of_a_file_without_any_are_those_of_the_page() -> None:
    plan = plan_of(parse_document(b"targets: {azure-hub: {address: 10.1.0.4}}", file="x"), host_name="host").plan
    assert all(f"| `{name}` |" in PAGE for name in plan.on_request.modules)
    urls = [line.split("'")[1] for block in blocks(PAGE, "sh") for line in block.splitlines()]
    assert urls
    for url in urls:
        query = {name: value for name, [value] in parse_qs(urlsplit(url).query).items()}
        assert asked(query, plan.on_request, plan.targets).module.name == query["module"]


@pytest.mark.parametrize("text", SCRAPES)
def test_prometheus_takes_every_scrape_configuration(text: str, tmp_path: Path) -> None:
    file = tmp_path / "prometheus.yml"
    file.write_text(text, encoding="utf-8")
    assert "SUCCESS" in promtool("check", "config", str(file))


def test_prometheus_finds_nothing_amiss_with_the_metrics_of_all_kinds_of_probes(agent: Agent) -> None:
    text = fetch(f"{agent.url}/metrics")
    for kind in ("icmp", "stamp", "tcp", "http"):
        assert f'kind="{kind}"' in text
    assert checked_by_promtool(own(text)) == ""


def test_the_librarys_own_parser_reads_openmetrics_of_all_kinds_of_probes(agent: Agent) -> None:
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(f"{agent.url}/metrics", headers=accept), timeout=10) as answer:
        text = answer.read().decode()
    parse = openmetrics_parser.text_string_to_metric_families
    families = {family.name: family for family in parse(text)}  # type: ignore[no-untyped-call]  # so is the library
    assert {sample.labels["kind"] for sample in families["eragent_packets_sent"].samples} == {
        "icmp",
        "stamp",
        "tcp",
        "http",
    }
    assert {families[name].unit for name in ("eragent_rtt_seconds", "eragent_http_phase_seconds")} == {"seconds"}
    assert families["eragent_http_received_bytes"].unit == "bytes"
    assert "_created" not in text


def test_prometheus_finds_nothing_amiss_with_a_probe_on_request(agent: Agent) -> None:
    text = fetch(f"{agent.url}/probe?module=tcp_connect&target=127.0.0.1:{agent.port}")
    assert "probe_success 1.0" in text
    assert checked_by_promtool(text) == ""


def test_promtool_would_find_something_amiss() -> None:
    assert "no help text" in checked_by_promtool("eragent_packets_total 1\n")


def test_a_real_prometheus_reads_the_agent_and_asks_it_for_probes(agent: Agent, tmp_path: Path) -> None:
    jobs = [job for text in SCRAPES for job in yaml.safe_load(text.replace("9469", str(agent.port)))["scrape_configs"]]
    for job in jobs:
        job |= {"scrape_interval": "2s", "scrape_timeout": "2s"}
    with prometheus_of(yaml.safe_dump({"scrape_configs": jobs}), tmp_path) as server:
        log = tmp_path / "prometheus.log"
        wait_until(lambda: server.value("count(probe_success)") == 2, "probe on request", log)
        wait_until(lambda: server.value("count(eragent_rtt_seconds_count{job='eragent'})") == 4, "metrics", log)
        assert instances(server, "probe_success") == {"127.0.0.1", "127.0.0.2"}
        assert server.value("min(up)") == 1


def instances(server: Prometheus, expression: str) -> set[str]:
    return {series["metric"]["instance"] for series in server.answer("query", query=expression)["result"]}
