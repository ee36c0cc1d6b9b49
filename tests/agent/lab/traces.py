"""What a lab could leave behind on the host, and waiting until it is gone."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path


def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.01)


def processes_in(namespace: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str((entry / "ns" / "pid").readlink()) == namespace:
                found.append(int(entry.name))
        except OSError:  # it ended meanwhile
            continue
    return found


def on_the_host() -> dict[str, list[str]]:
    """What a lab could leave behind: devices, named namespaces, files of /run, mounts."""
    return {
        "devices": sorted(entry.name for entry in Path("/sys/class/net").iterdir()),
        "run": sorted(entry.name for entry in Path("/run").iterdir()),
        "mounts": Path("/proc/self/mounts").read_text().splitlines(),
    }
