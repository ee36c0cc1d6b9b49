"""What a benchmark runs on: read once at its start, and the stolen time again at its end."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def processor() -> str:
    """Return the name of the processor's model."""
    return next((value for name, value in _cpuinfo() if name == "model name"), "unknown processor")


def is_virtual() -> bool:
    """Whether a hypervisor is below this kernel, as the processor's flags say."""
    return any("hypervisor" in value.split() for name, value in _cpuinfo() if name == "flags")


def memory_mib() -> int:
    """Return the size of the memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20


def distribution() -> str:
    """Return the name and version of the distribution."""
    return platform.freedesktop_os_release().get("PRETTY_NAME", "unknown distribution")


def clock_source() -> str:
    """Return what the kernel reads the time from."""
    file = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
    return file.read_text(encoding="ascii").strip() if file.exists() else "unknown"


def cpu_ticks() -> tuple[int, int]:
    """Return the CPU time of all cores since the start, and how much of it the hypervisor gave to others."""
    first, *_ = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    ticks = [int(value) for value in first.split()[1:9]]  # guest time, which follows, is part of user time
    return sum(ticks), ticks[7]


def _cpuinfo() -> list[tuple[str, str]]:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition(":") for line in lines)
    return [(name.strip(), value.strip()) for name, _, value in pairs]
