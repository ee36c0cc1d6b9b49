"""How the agent gets onto machines: cloud-init's schema, a parser of Bicep and Ansible take what is shipped.

No cloud is asked: that Azure accepts the values, as sizes and API versions, is not seen here.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.config.load import load_plan
from tests.systemd.releases import ROOT

pytestmark = [pytest.mark.systemd]

_CLOUD_INIT = ROOT / "systemd/cloud-init.yaml"
_BICEP = ROOT / "systemd/azure/main.bicep"
_PARSE = "import json, sys, pycep; print(json.dumps(pycep.BicepParser().parse(text=sys.stdin.read()), default=str))"
_VALUES = {
    "@PACKAGE_URL@": "https://packages.example.net/eragent.deb",
    "@PACKAGE_SHA256@": "0" * 64,
    "@TOKEN_RESOURCE@": "",
    "@PEERS@": "10.20.0.0/16, 10.21.0.0/16",
}


def _said(*command: str | Path, text: str | None = None, folder: Path = ROOT) -> str:
    done = subprocess.run(command, input=text, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def _filled(text: str) -> str:
    for word, value in _VALUES.items():
        text = text.replace(word, value)
    return text


@pytest.fixture
def cloud_init() -> dict[str, str]:
    """The files that cloud-init would write, by their name."""
    read = yaml.safe_load(_filled(_CLOUD_INIT.read_text(encoding="utf-8")))
    return {file["path"]: file["content"] for file in read["write_files"]}


@pytest.fixture(scope="module")
def bicep() -> dict[str, Any]:
    """The template's syntax tree."""
    tree: dict[str, Any] = json.loads(
        _said(ROOT / ".tools/bicep/bin/python", "-c", _PARSE, text=_BICEP.read_text(encoding="utf-8"))
    )
    return tree


def test_cloud_init_takes_the_file_with_and_without_its_values(tmp_path: Path) -> None:
    filled = tmp_path / "filled.yaml"
    filled.write_text(_filled(_CLOUD_INIT.read_text(encoding="utf-8")), encoding="utf-8")
    for file in (_CLOUD_INIT, filled):
        assert "Valid cloud-config" in _said("cloud-init", "schema", "--config-file", file)


def test_no_word_of_the_file_is_left_without_its_meaning() -> None:
    text = _CLOUD_INIT.read_text(encoding="utf-8")
    assert set(re.findall(r"@[A-Z0-9_]+@", text)) == set(_VALUES)
    assert not re.search(r"@[A-Z0-9_]+@", _filled(text))


def test_the_configuration_that_a_machine_gets_is_right(cloud_init: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "eragent.yaml"
    file.write_text(cloud_init["/etc/eragent/eragent.yaml"], encoding="utf-8")
    plan = load_plan(file)
    assert plan.reflector is not None
    assert [str(network) for network in plan.reflector.allow] == ["10.20.0.0/16", "10.21.0.0/16"]


def test_the_drop_in_that_a_machine_gets_is_the_shipped_one(cloud_init: dict[str, str]) -> None:
    shipped = (ROOT / "systemd/port-862.conf").read_text(encoding="utf-8").splitlines()
    settings = [line for line in shipped if line and not line.startswith("#")]
    assert cloud_init["/etc/systemd/system/eragent.service.d/port-862.conf"].split() == settings


def test_the_script_that_a_machine_gets_is_one(cloud_init: dict[str, str]) -> None:
    _said("sh", "-n", text=cloud_init["/usr/local/sbin/install-eragent"])


def test_the_template_fills_in_all_of_cloud_init(bicep: dict[str, Any]) -> None:
    replaced = [
        variable["value"]["function"]["parameters"]["old_string"]
        for variable in bicep["variables"].values()
        if isinstance(variable["value"], dict) and variable["value"].get("function", {}).get("type") == "replace"
    ]
    assert set(replaced) == set(_VALUES) | {"listen: 127.0.0.1:9469"}
    text = _CLOUD_INIT.read_text(encoding="utf-8")
    assert all(word in text for word in replaced)


def test_the_template_lets_in_what_is_measured_and_nothing_else(bicep: dict[str, Any]) -> None:
    listed = bicep["resources"]["rules"]["config"]["properties"]["securityRules"]["function"]["parameters"]
    rules = {rule["name"]: rule["properties"] for rule in listed["arg_1"]}
    allowed = {(rule["protocol"], rule["destinationPortRange"]) for rule in rules.values() if rule["access"] == "Allow"}
    assert allowed == {("Udp", "862"), ("Icmp", "*"), ("Tcp", "22")}
    assert all(rule["sourceAddressPrefixes"] == "peers" for rule in rules.values() if rule["access"] == "Allow")
    assert rules["nothing-else"]["priority"] == max(rule["priority"] for rule in rules.values())
    (metrics,) = listed["arg_2"]["operator"]["operands"]["false_value"]
    assert (metrics["properties"]["sourceAddressPrefixes"], metrics["properties"]["destinationPortRange"]) == (
        "scrapers",
        "9469",
    )


def test_the_templates_machine_reads_its_package_as_itself_and_has_no_password(bicep: dict[str, Any]) -> None:
    resources = bicep["resources"]
    machine, reading = resources["machine"]["config"], resources["reading"]["config"]["properties"]
    assert machine["identity"] == {"type": "SystemAssigned"}
    assert machine["properties"]["osProfile"]["linuxConfiguration"]["disablePasswordAuthentication"] is True
    assert reading["principalType"] == "ServicePrincipal"
    assert "publicIPAddress" not in _BICEP.read_text(encoding="utf-8")


def test_all_that_the_template_names_is_there(bicep: dict[str, Any]) -> None:
    text = re.sub(r"//.*|@description\(.*\)", "", _BICEP.read_text(encoding="utf-8"))
    known = {*bicep["resources"], *bicep["parameters"], *bicep["variables"]}
    named = {found[1] for found in re.finditer(r"\$\{(\w+)[}.]", text)} - {"environment"}
    assert named <= known
    assert {found[1] for found in re.finditer(r"\b(\w+)\.(?:id|identity|properties)\b", text)} <= known


def test_ansible_takes_the_role() -> None:
    said = _said(
        "ansible-playbook", "--syntax-check", "--inventory", "eragent,", "site.yml", folder=ROOT / "systemd/ansible"
    )
    assert "playbook: site.yml" in said


def test_the_role_uses_units_and_drop_ins_that_are_shipped() -> None:
    tasks = (ROOT / "systemd/ansible/roles/eragent/tasks/main.yml").read_text(encoding="utf-8")
    for unit in re.findall(r"eragent[a-z-]*\.service", tasks):
        assert (ROOT / "systemd" / unit).exists()
