"""The unit as it is shipped: systemd takes it without a word, and it grants no more than it has to."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

_FOLDER = Path(__file__).parents[2] / "systemd"
_UNIT = (_FOLDER / "eragent.service").read_text(encoding="utf-8")
_DROP_INS = {file.name: file.read_text(encoding="utf-8") for file in sorted(_FOLDER.glob("*.conf"))}
_PROGRAM = "/opt/eragent/bin/eragent"

_HIGHEST_EXPOSURE = 20
"""In tenths, as `systemd-analyze security --threshold` takes it. Most of what is left is the network itself."""


def _settings(text: str) -> dict[str, list[str]]:
    """Return all values of each setting in their order: they add up, which configparser refuses."""
    settings: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            settings.setdefault(name, []).append(value)
    return settings


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit with all of its drop-ins, with a program that exists: verification looks whether it can be started."""
    unit = tmp_path / "eragent.service"
    unit.write_text(_UNIT.replace(_PROGRAM, "/bin/true"), encoding="utf-8")
    folder = tmp_path / "eragent.service.d"
    folder.mkdir()
    for name, text in _DROP_INS.items():
        (folder / name).write_text(text, encoding="utf-8")
    return unit


def _systemd_analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.fail("systemd-analyze is missing: apt-get install systemd")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def test_systemd_has_nothing_to_say_of_the_unit(installed: Path) -> None:
    said = _systemd_analyze("verify", "--man=no", installed)
    assert (said.returncode, said.stdout + said.stderr) == (0, "")


def test_the_unit_leaves_the_service_little_that_it_could_do(installed: Path) -> None:
    # CAP_NET_ADMIN adds two tenths, for who has the agent run iperf3's server.
    (installed.parent / "eragent.service.d" / "iperf3-server.conf").unlink()
    said = _systemd_analyze("security", "--offline=true", f"--threshold={_HIGHEST_EXPOSURE}", "--no-pager", installed)
    assert said.returncode == 0, said.stdout + said.stderr


def test_the_service_has_one_capability_and_no_user_of_the_host() -> None:
    settings = _settings(_UNIT)
    assert settings["AmbientCapabilities"] == settings["CapabilityBoundingSet"] == ["CAP_NET_RAW"]
    assert settings["DynamicUser"] == ["yes"]
    assert settings["NoNewPrivileges"] == ["yes"]


def test_a_drop_in_adds_the_port_and_nothing_else() -> None:
    capability = ["CAP_NET_BIND_SERVICE"]
    settings = {"AmbientCapabilities": capability, "CapabilityBoundingSet": capability}
    assert _settings(_DROP_INS["port-862.conf"]) == settings


def test_a_drop_in_passes_the_key_under_the_name_that_the_configuration_mentions() -> None:
    assert _settings(_DROP_INS["stamp-key.conf"]) == {"LoadCredential": ["stamp-key:/etc/eragent/stamp-key"]}
    assert "key_credential: stamp-key" in (_FOLDER / "eragent.yaml").read_text(encoding="utf-8")
    assert "`key_credential: stamp-key`" in _DROP_INS["stamp-key.conf"]


def test_a_drop_in_lets_the_agent_guard_the_sockets_of_iperf3() -> None:
    assert _settings(_DROP_INS["iperf3-server.conf"]) == {
        "SystemCallFilter": ["seccomp pidfd_getfd"],
        "AmbientCapabilities": ["CAP_NET_ADMIN"],
        "CapabilityBoundingSet": ["CAP_NET_ADMIN"],
    }


def test_the_unit_starts_the_installed_program_with_the_default_configuration() -> None:
    settings = _settings(_UNIT)
    assert settings["Type"] == ["notify"]
    assert settings["ExecStart"] == [f"{_PROGRAM} run --config /etc/eragent/eragent.yaml"]
