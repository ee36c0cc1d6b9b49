"""What is built once for all tests of packages and of a booted system."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd.container import Container, booted
from tests.systemd.installed import Installed, install
from tests.systemd.releases import ROOT, Release, wanted


@pytest.fixture(scope="session")
def release() -> Release:
    """The release that the package is installed on: RELEASE of the environment, else this host's."""
    return wanted()


@pytest.fixture(scope="session")
def package(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Debian package for the release's Python."""
    return _built("systemd/deb/build", tmp_path_factory.mktemp("package"), release.python)


@pytest.fixture(scope="session")
def rpm(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rpm for the release's Python."""
    return _built("systemd/rpm/build", tmp_path_factory.mktemp("rpm"), release.python)


@pytest.fixture(scope="session")
def system(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """A booted system of the release."""
    with booted(release, tmp_path_factory.mktemp("system")) as container:
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


def _built(script: str, folder: Path, *python: str) -> Path:
    built = subprocess.run([ROOT / script, folder, *python], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return Path(built.stdout.strip().splitlines()[-1])
