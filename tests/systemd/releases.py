"""The systems that the package is for, and a root of each: made by debootstrap, kept in .tools while it fits."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_PACKAGES = "systemd,systemd-sysv,dbus,python3,iproute2,procps,ca-certificates,tzdata,iperf3,python3-apt"
_UBUNTU = ("http://archive.ubuntu.com/ubuntu", "gutsy")  # debootstrap of Debian 12 has no script under noble's name
_ENTER = ("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--pipe", "--resolv-conf=replace-host")


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """``python``: the minor version that the package for it is built for; ``archive``: mirror and script.

    ``updates``: what is installed from the archive's updates, since the release came without it.
    """

    name: str
    python: str
    archive: tuple[str, ...] = ()
    components: str = "main"
    updates: str = ""


_RELEASES = {
    release.name: release
    for release in (
        Release(name="bookworm", python="3.11"),
        Release(name="trixie", python="3.13"),
        Release(name="jammy", python="3.11", archive=_UBUNTU, components="main,universe", updates="python3.11"),
        Release(name="noble", python="3.12", archive=_UBUNTU, components="main,universe"),
    )
}


def wanted(environment: Mapping[str, str] = os.environ) -> Release:
    """Return the release that is asked for (RELEASE), else this host's."""
    name = environment.get("RELEASE") or platform.freedesktop_os_release()["VERSION_CODENAME"]
    if name not in _RELEASES:
        pytest.fail(f"RELEASE={name}: the package is for {', '.join(_RELEASES)}")
    return _RELEASES[name]


def root_of(release: Release) -> Path:
    """Return a minimal system of a release; made where there is none with these packages yet."""
    root = ROOT / ".tools" / f"{release.name}-root"
    stamp, made_from = root / "etc/made-from", f"{release} {_PACKAGES}"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != made_from:
        unfinished = root.with_suffix(".unfinished")
        for old in (unfinished, root):
            shutil.rmtree(old, ignore_errors=True)
        options = ("--variant=minbase", f"--include={_PACKAGES}", f"--components={release.components}")
        archive = release.archive and (release.archive[0], f"/usr/share/debootstrap/scripts/{release.archive[1]}")
        _run("debootstrap", *options, release.name, str(unfinished), *archive)
        if release.updates:
            _add_updates(release, unfinished)
        (unfinished / "etc/made-from").write_text(made_from, encoding="utf-8")
        unfinished.rename(root)
    return root


def _add_updates(release: Release, root: Path) -> None:
    source = f"deb {release.archive[0]} {release.name}-updates {release.components.replace(',', ' ')}\n"
    (root / "etc/apt/sources.list.d/updates.list").write_text(source, encoding="utf-8")
    install = f"apt-get update && apt-get install --yes --no-install-recommends {release.updates}"
    _run(*_ENTER, "--directory", str(root), "sh", "-c", install)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"{' '.join(command)}:\n{done.stdout[-2000:]}{done.stderr}")
