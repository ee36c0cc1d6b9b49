"""The Ansible role on a booted system: Ansible itself, which reaches it by nsenter in the place of ssh."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.systemd.container import Container
from tests.systemd.installed import CONFIGURATION, Installed
from tests.systemd.releases import ROOT

pytestmark = [pytest.mark.root, pytest.mark.systemd]

_ENTER = 'nsenter --all --target {leader} -- env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c "$command"'
_SSH = f"#!/bin/sh\nfor command; do :; done\nexec {_ENTER}\n"  # ssh's last argument is the command
_PING = "targets: {here: {address: 127.0.0.1}}\nprobes: [{name: ping, icmp: {}, interval: 20ms, targets: [here]}]\n"
_REFLECTOR = 'reflector: {stamp: {listen: "[::]:862", key_credential: stamp-key}}\n'

Play = Callable[..., str]


@pytest.fixture
def play(system: Container, package: Path, tmp_path: Path) -> Iterator[Play]:
    """Play the role with a configuration and variables; return what Ansible said."""
    system.run("sh", "-c", "dpkg --purge eragent 2>&1 || true")
    ssh, configuration = tmp_path / "ssh", tmp_path / "eragent.yaml"
    ssh.write_text(_SSH.format(leader=system.leader), encoding="utf-8")
    ssh.chmod(0o755)
    how = {
        "ansible_ssh_executable": str(ssh),
        "ansible_ssh_transfer_method": "piped",
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_remote_tmp": "/tmp/.ansible",  # of the other system
        "ansible_become": False,  # it is root already
        "eragent_package": str(package),
        "eragent_configuration": str(configuration),
    }

    def played(text: str, **variables: object) -> str:
        configuration.write_text(text, encoding="utf-8")
        command = ("ansible-playbook", "--inventory", "eragent,", "--extra-vars", json.dumps(how | variables))
        folder = ROOT / "systemd/ansible"
        return subprocess.run([*command, "site.yml"], cwd=folder, capture_output=True, text=True, check=False).stdout

    yield played
    system.run("sh", "-c", "dpkg --purge eragent 2>&1 || true")
    system.run("rm", "-rf", "/etc/systemd/system/eragent-reflector.service.d", "/etc/eragent")
    system.run("systemctl", "daemon-reload")


def test_the_role_makes_an_agent_and_changes_nothing_the_second_time(system: Container, play: Play) -> None:
    assert "unreachable=0    failed=0" in play(_PING)
    system.wait_until(Installed(system).is_sending, "samples")
    before = Installed(system).process()
    assert "changed=0    unreachable=0    failed=0" in play(_PING)
    assert Installed(system).process() == before


def test_the_role_leaves_the_configuration_in_use_where_the_new_one_is_wrong(system: Container, play: Play) -> None:
    play(_PING)
    assert "probs: unknown key" in play("probs: []\n")
    assert (system.root / CONFIGURATION).read_text(encoding="utf-8") == _PING


def test_the_role_makes_a_reflector_with_a_key(system: Container, play: Play) -> None:
    said = play(_REFLECTOR, eragent_role="reflector", eragent_stamp_key="k" * 32, eragent_drop_ins=["stamp-key.conf"])
    assert "unreachable=0    failed=0" in said
    assert "k" * 32 not in said
    assert system.show("eragent-reflector", "ActiveState") == "active"
    assert system.show("eragent", "UnitFileState") == "disabled"
    assert (system.root / "etc/eragent/stamp-key").stat().st_mode & 0o777 == 0o600
