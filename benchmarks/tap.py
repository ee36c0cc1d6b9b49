"""Captures packets at the two ends of a wire with tcpdump while something else runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which

from benchmarks.capture import Passage, passages
from benchmarks.figure import NotRun
from benchmarks.processes import running
from benchmarks.wire import FAR_INTERFACE, NEAR_INTERFACE, STAMP_PORT, Wire

_SETTLE_S = 1.5  # the kernel hands packets over in blocks, for which tcpdump waits up to a second


@dataclass(frozen=True, slots=True)
class Tap:
    """Where the captures of both ends are written."""

    near: Path
    far: Path

    def passages(self) -> tuple[list[Passage], list[Passage]]:
        """Read both captures, the sender's first; call it when the capturing has ended."""
        near, far = (passages(file.read_bytes(), stamp_port=STAMP_PORT) for file in (self.near, self.far))
        return near, far


@contextmanager
def tapped(wire: Wire, directory: Path) -> Iterator[Tap]:
    """Capture at both ends into files while the context lasts."""
    if which("tcpdump") is None:
        raise NotRun("needs tcpdump: apt install tcpdump")
    tap = Tap(directory / "near.pcap", directory / "far.pcap")
    with ExitStack() as started:
        for inside, interface, file in ((wire.near, NEAR_INTERFACE, tap.near), (wire.far, FAR_INTERFACE, tap.far)):
            started.enter_context(running([*inside, *_tcpdump(interface, file)], ready="listening on"))
        yield tap
        time.sleep(_SETTLE_S)


def _tcpdump(interface: str, file: Path) -> list[str]:
    """Return the command; a buffer of 8 MiB holds all packets of a benchmark, so that a busy host drops none."""
    options = ["-i", interface, "-n", "-s", "128", "-B", "8192", "-Z", "root", "--time-stamp-precision=nano"]
    return ["tcpdump", *options, "-w", str(file), f"icmp or udp port {STAMP_PORT}"]
