"""The units as they are shipped: systemd takes them without a word, and they grant no more than they have to."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from collectors.clock import PUBLISHED

_FOLDER = Path(__file__).parents[2] / "systemd"
_UNITS = {file.name: file.read_text(encoding="utf-8") for file in sorted(_FOLDER.glob("*.service"))}
_UNIT = _UNITS["eragent.service"]
_REFLECTOR = _UNITS["eragent-reflector.service"]
_SERVICES = ("eragent.service", "eragent-reflector.service")
_DROP_INS = {file.name: file.read_text(encoding="utf-8") for file in sorted(_FOLDER.glob("*.conf"))}
_PROGRAM = "/opt/eragent/bin/eragent"
_PYTHON = "/opt/eragent/bin/python"

_HIGHEST_EXPOSURE = 15
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
    """The units with all drop-ins, with programs that exist: verification looks whether they can be started."""
    for name, text in _UNITS.items():
        startable = text.replace(_PROGRAM, "/bin/true").replace(_PYTHON, "/bin/true")
        (tmp_path / name).write_text(startable, encoding="utf-8")
    for service in _SERVICES:
        folder = tmp_path / f"{service}.d"
        folder.mkdir()
        for name, text in _DROP_INS.items():
            (folder / name).write_text(text, encoding="utf-8")
    return tmp_path


def _systemd_analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.fail("systemd-analyze is missing: apt-get install systemd")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def test_systemd_has_nothing_to_say_of_the_units(installed: Path) -> None:
    said = _systemd_analyze("verify", "--man=no", *(installed / name for name in _UNITS))
    assert (said.returncode, said.stdout + said.stderr) == (0, "")


@pytest.mark.parametrize("name", _UNITS)
def test_a_unit_leaves_its_service_little_that_it_could_do(installed: Path, name: str) -> None:
    # CAP_NET_ADMIN adds two tenths, for who has the agent run iperf3's server.
    for service in _SERVICES:
        (installed / f"{service}.d" / "iperf3-server.conf").unlink()
    options = ["--offline=true", f"--threshold={_HIGHEST_EXPOSURE}", "--no-pager"]
    said = _systemd_analyze("security", *options, installed / name)
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


def test_who_listens_on_the_network_cannot_set_the_clock_and_who_reads_it_has_no_network() -> None:
    reading = _settings(_UNITS["eragent-clock.service"])
    for listening in map(_settings, (_UNIT, _REFLECTOR)):
        assert listening["ProtectClock"] == ["yes"]
        assert "eragent-clock.service" in listening["Wants"][0]
    assert reading["CapabilityBoundingSet"] == [""]
    assert reading["PrivateNetwork"] == ["yes"]
    assert reading["ExecStart"] == [f"{_PYTHON} -I -m collectors.clock_publisher {PUBLISHED}"]


def test_the_reflector_may_listen_on_its_port_and_nothing_else() -> None:
    settings = _settings(_REFLECTOR)
    assert settings["AmbientCapabilities"] == settings["CapabilityBoundingSet"] == ["CAP_NET_BIND_SERVICE"]
    assert settings["ExecStart"] == [f"{_PROGRAM} reflect --config /etc/eragent/eragent.yaml"]


def test_the_service_runs_before_ordinary_programs_for_a_bounded_time_and_its_children_do_not() -> None:
    settings = _settings(_UNIT)
    assert settings["CPUSchedulingPolicy"] == ["fifo"]
    assert settings["CPUSchedulingPriority"] == ["1"]  # the least there is
    assert settings["CPUSchedulingResetOnFork"] == ["yes"]
    assert "infinity" not in settings["LimitRTTIME"][0]


def test_the_service_is_reloaded_by_a_signal_and_watched() -> None:
    settings = _settings(_UNIT)
    assert settings["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert settings["WatchdogSec"] == ["30s"]
    assert settings["LimitCORE"] == _settings(_REFLECTOR)["LimitCORE"] == ["0"]  # keys are in memory


def test_a_drop_in_takes_the_scheduling_back() -> None:
    ordinary = {"CPUSchedulingPolicy": ["other"], "CPUSchedulingPriority": ["0"], "LimitRTTIME": ["infinity"]}
    assert _settings(_DROP_INS["ordinary-scheduling.conf"]) == ordinary
