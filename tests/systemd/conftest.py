"""What is built once for all tests of packages and of a booted system."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd.container import ROOT, Container, booted
from tests.systemd.installed import Installed, install


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Debian package, for this host's Python."""
    return _built("systemd/deb/build", tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="session")
def rpm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rpm, for Python 3.11."""
    return _built("systemd/rpm/build", tmp_path_factory.mktemp("rpm"))


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """A booted Debian."""
    with booted(tmp_path_factory.mktemp("system")) as container:
        yield container


@pytest.fixture(scope="module")
def installed(system: Container, package: Path) -> Installed:
    """The service as it is after installation, once for all tests of a module."""
    install(system, package)
    return Installed(system)


@pytest.fixture
def service(installed: Installed) -> Iterator[Installed]:
    """The service; afterwards its unit and configuration are as they are shipped."""
    yield installed
    installed.remove_drop_ins()
    installed.configure_as_shipped()
    installed.restart()


def _built(script: str, folder: Path) -> Path:
    built = subprocess.run([ROOT / script, folder], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return Path(built.stdout.strip().splitlines()[-1])
