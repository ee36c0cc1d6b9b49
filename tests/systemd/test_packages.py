"""The packages as files: what their formats' own tools say of them, and the wheel where pipx would put it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.systemd.releases import ROOT, Release

pytestmark = [pytest.mark.root, pytest.mark.systemd]

_UNITS = ("eragent.service", "eragent-clock.service", "eragent-reflector.service")


def _said(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def test_lintian_finds_nothing_but_what_is_explained(package: Path) -> None:
    said = _said("lintian", "--allow-root", "--fail-on", "error,warning", package)
    assert [line for line in said.splitlines() if line.startswith(("E:", "W:"))] == []


def test_the_debian_package_is_small(package: Path) -> None:
    assert package.stat().st_size < 40 << 20


def test_the_debian_package_has_all_units(package: Path) -> None:
    files = _said("dpkg-deb", "--contents", package)
    for unit in _UNITS:
        assert f"./lib/systemd/system/{unit}" in files


def test_the_debian_package_needs_what_has_the_programs_that_its_units_start(package: Path) -> None:
    units = "".join((ROOT / "systemd" / unit).read_text(encoding="utf-8") for unit in _UNITS)
    programs = set(re.findall(r"^Exec\w+=(/(?!opt/)\S+)", units, re.MULTILINE))
    assert programs
    needed = re.findall(r"[a-z][\w.+-]+", _said("dpkg-deb", "--field", package, "Depends"))
    for program in programs:
        assert _said("dpkg-query", "--search", program).split(":")[0] in needed


def test_the_rpm_has_what_the_debian_package_has(package: Path, rpm: Path) -> None:
    files = set(_said("rpm", "--query", "--package", "--list", rpm).split())
    assert {f"/usr/lib/systemd/system/{unit}" for unit in _UNITS} <= files
    ours = {line.split()[5][1:] for line in _said("dpkg-deb", "--contents", package).splitlines()}
    environment = {name.rstrip("/") for name in ours if name.startswith("/opt/eragent/") and name != "/opt/eragent/"}
    assert {name for name in environment if "/numpy" not in name} <= files | {"/opt"}


def test_the_rpm_keeps_the_operators_configuration_and_needs_its_python(rpm: Path, release: Release) -> None:
    assert _said("rpm", "--query", "--package", "--configfiles", rpm).split() == ["/etc/eragent/eragent.yaml"]
    assert f"python{release.python}" in _said("rpm", "--query", "--package", "--requires", rpm).split()


def test_the_wheel_runs_in_an_environment_of_its_own(tmp_path: Path) -> None:
    _said("make", "-s", "-C", ROOT, "wheel", f"WHEEL_FOLDER={tmp_path}")
    (wheel,) = tmp_path.glob("eragent-*.whl")
    environment = tmp_path / "environment"
    _said(sys.executable, "-m", "venv", environment)
    install = (environment / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    _said(*install, "--require-hashes", "--requirement", ROOT / "requirements/run.txt")
    _said(*install, "--no-deps", wheel)
    assert "eragent, version" in _said(environment / "bin/eragent", "--version")
    assert "received / sent" in _said(
        environment / "bin/eragent", "probe", "--target", "127.0.0.1", "--count", "2", "--interval", "20ms"
    )
