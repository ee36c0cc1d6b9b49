"""Captures packets at the two ends of a wire with tcpdump while something else runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which

from benchmarks.capture import Dialect, Passage, passages
from benchmarks.dialects import eragent
from benchmarks.figure import NotRun
from benchmarks.processes import running
from benchmarks.wire import FAR_INTERFACE, NEAR_INTERFACE, ROUTER_INTERFACE, STAMP_PORT, Wire

_SETTLE_S = 1.5  # the kernel hands packets over in blocks, for which tcpdump waits up to a second
_EVERYTHING_OF_OURS = eragent(STAMP_PORT)


@dataclass(frozen=True, slots=True)
class Tap:
    """Where the captures of both ends are written, and that of a router between them."""

    near: Path
    far: Path
    router: Path

    def at_router(self, dialect: Dialect) -> list[Passage]:
        """Read the capture of the router's interface towards the sender; there must be a router."""
        return passages(self.router.read_bytes(), dialect)

    def passages(self, dialect: Dialect = _EVERYTHING_OF_OURS) -> tuple[list[Passage], list[Passage]]:
        """Read both captures, the sender's first; call it when the capturing has ended."""
        near, far = (passages(file.read_bytes(), dialect) for file in (self.near, self.far))
        return near, far


@contextmanager
def tapped(wire: Wire, directory: Path, *, udp_port: int = STAMP_PORT) -> Iterator[Tap]:
    """Capture ICMP and this UDP port at both ends, and at a router between, into files while the context lasts."""
    if which("tcpdump") is None:
        raise NotRun("needs tcpdump: apt install tcpdump")
    tap = Tap(*(directory / f"{place}.pcap" for place in ("near", "far", "router")))
    places = [(wire.near, NEAR_INTERFACE, tap.near), (wire.far, FAR_INTERFACE, tap.far)]
    if wire.router is not None:
        places.append((wire.router, ROUTER_INTERFACE, tap.router))
    with ExitStack() as started:
        for inside, interface, file in places:
            started.enter_context(running([*inside, *_tcpdump(interface, file, udp_port)], ready="listening on"))
        yield tap
        time.sleep(_SETTLE_S)


def _tcpdump(interface: str, file: Path, udp_port: int) -> list[str]:
    """Return the command; a buffer of 8 MiB holds all packets of a benchmark, so that a busy host drops none."""
    options = ["-i", interface, "-n", "-s", "128", "-B", "8192", "-Z", "root", "--time-stamp-precision=nano"]
    return ["tcpdump", *options, "-w", str(file), f"icmp or udp port {udp_port}"]
