"""What is built once for all tests of packages and of a booted system."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.systemd.container import ROOT


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Debian package, for this host's Python."""
    return _built("systemd/deb/build", tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="session")
def rpm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rpm, for Python 3.11."""
    return _built("systemd/rpm/build", tmp_path_factory.mktemp("rpm"))


def _built(script: str, folder: Path) -> Path:
    built = subprocess.run([ROOT / script, folder], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return Path(built.stdout.strip().splitlines()[-1])
