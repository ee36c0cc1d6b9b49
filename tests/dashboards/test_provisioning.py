"""What operators copy: promtool takes it, it names files that are there, and a real Prometheus does what it says."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards.generate import FOLDER, RULES, dashboards
from tests.dashboards.programs import ROOT, debian_program, free_port, prometheus_of, wait_until, write_quick_rules

_PROVISIONING = FOLDER / "provisioning"
_CONFIGURATIONS = sorted(
    path for path in (_PROVISIONING / "prometheus").glob("*.yml") if "global" in path.read_text(encoding="utf-8")
)
_PAGE = (ROOT / "docs" / "grafana.md").read_text(encoding="utf-8")


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", _CONFIGURATIONS, ids=lambda path: path.stem)
def test_promtool_takes_every_configuration_with_the_rules(file: Path, tmp_path: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert "/etc/prometheus/eragent/*.yml" in text
    copy = tmp_path / file.name
    copy.write_text(text.replace("/etc/prometheus/eragent", str(RULES)), encoding="utf-8")
    (tmp_path / "agents.yml").write_text((file.parent / "agents.yml").read_text(encoding="utf-8"), encoding="utf-8")
    said = subprocess.run(
        [debian_program("promtool"), "check", "config", copy], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert said.stdout.count("rules found") == 3


def test_every_way_to_find_agents_and_to_send_is_there_and_on_the_page() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in _CONFIGURATIONS)
    for way in ("static_configs", "file_sd_configs", "azure_sd_configs", "remote_write", "external_labels"):
        assert way in text
    for path in _CONFIGURATIONS:
        assert f"provisioning/prometheus/{path.name})" in _PAGE


def test_scrapes_are_as_often_as_the_data_source_says() -> None:
    [source] = _read(_PROVISIONING / "grafana" / "datasources" / "eragent.yml")["datasources"]
    assert source["type"] == "prometheus"
    for path in _CONFIGURATIONS:
        assert _read(path)["global"]["scrape_interval"] == source["jsonData"]["timeInterval"]


def test_the_containers_find_rules_configuration_and_dashboards() -> None:
    services = _read(_PROVISIONING / "compose.yaml")["services"]
    mounted = {}
    for service in services.values():
        assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+", service["image"])
        for source, target in (volume.split(":")[:2] for volume in service["volumes"]):
            if source.startswith("."):
                mounted[target] = (_PROVISIONING / source).resolve()
    assert all(path.exists() for path in mounted.values())
    assert mounted["/etc/prometheus/eragent"] == RULES
    [provider] = _read(_PROVISIONING / "grafana" / "dashboards" / "eragent.yml")["providers"]
    folder = mounted[provider["options"]["path"]]
    assert {path.name for path in folder.glob("*.json")} == {path.name for path in dashboards()}
    home = Path(services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (mounted[str(home.parent)] / home.name).exists()


def test_nothing_in_a_container_is_open_to_the_network() -> None:
    services = _read(_PROVISIONING / "compose.yaml")["services"]
    assert "--web.listen-address=127.0.0.1:9090" in services["prometheus"]["command"]
    assert services["grafana"]["environment"]["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    assert all("ports" not in service for service in services.values())


def test_external_labels_and_those_of_the_list_arrive_where_a_site_sends_to(agent_url: str, tmp_path: Path) -> None:
    receiving, sending = tmp_path / "receiving", tmp_path / "sending"
    receiving.mkdir()
    sending.mkdir()
    port = free_port()
    with prometheus_of("{}", receiving, "--web.enable-remote-write-receiver", port=port) as central:
        wait_until(lambda: central.answer("query", query="1") is not None, "receiver", receiving / "prometheus.log")
        site = _read(_PROVISIONING / "prometheus" / "remote_write_thanos.yml")
        site["global"] |= {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        write_quick_rules(RULES.glob("*.yml"), sending)
        site["rule_files"] = ["eragent-*.yml"]
        static = _read(_PROVISIONING / "prometheus" / "static.yml")["scrape_configs"][0]["static_configs"][0]
        del static["labels"]["site"]  # the external label tells it
        static["labels"]["room"] = "cellar"
        static["targets"] = [agent_url.removeprefix("http://")]
        site["scrape_configs"][0]["static_configs"] = [static]
        site["remote_write"] = [{"url": f"http://127.0.0.1:{port}/api/v1/write"}]
        with prometheus_of(json.dumps(site), sending):
            record = 'count(stream:eragent_rtt_seconds:p99_1m{site="paris", replica="a", room="cellar"})'
            wait_until(lambda: (central.value(record) or 0) >= 2, "record of the site", sending / "prometheus.log")


def test_the_page_names_every_dashboard_every_alert_and_every_objective() -> None:
    for path in dashboards():
        assert f"`{path.name}`" in _PAGE
    for file in RULES.glob("*.yml"):
        assert f"`rules/{file.name}`" in _PAGE
        for group in _read(file)["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    assert f"[{rule['alert']}](runbooks/{rule['alert']}.md)" in _PAGE
    for rule in _read(RULES / "eragent-objectives.yml")["groups"][0]["rules"]:
        assert f"`{rule['record']}`" in _PAGE
