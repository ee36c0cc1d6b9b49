"""What a tool is to the comparison: how it is started, what answers it, and how its output reads. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from benchmarks.capture import Dialect
from benchmarks.wire import STAMP_PORT, Wire


class UnreadableError(ValueError):
    """A tool printed something else than is known of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a tool is asked to do: send to an address, every so often, for so long.

    ``every_packet`` asks for the figures of each packet where a tool does not give them anyway.
    """

    target: str
    interval_s: float
    seconds: float
    every_packet: bool = True

    @property
    def packets(self) -> int:
        """How many packets are due in that time."""
        return round(self.seconds / self.interval_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class PerPacket:
    """A tool's round-trip times (ns) by packet number; packets without an answer are missing.

    ``slots`` gives the slot of the schedule for each number, where the tool tells; else each packet took the next one.
    ``sent_ns`` are the kernel's transmit stamps (wall time, ns), where the tool tells those.
    """

    rtts_ns: Mapping[int, int]
    slots: Mapping[int, int] = field(default_factory=dict)
    sent_ns: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """A tool's round-trip times as counts between bounds (ns), ascending, and their sum; the last bucket is open."""

    upper_ns: tuple[float, ...]
    counts: tuple[int, ...]
    sum_ns: float

    @property
    def packets(self) -> int:
        """How many round trips there were."""
        return sum(self.counts)


Report = PerPacket | Histogram


def kernel_answers(_: Wire) -> AbstractContextManager[object]:
    """Start nothing at the far end: the kernel answers ICMP echo."""
    return nullcontext()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool that can be measured.

    ``program`` is what must be there to run it, ``remedy`` says how to get it. ``ranked`` tells that its figures are
    numbered in the order of sending and not by what its packets carry. ``page`` is where it serves its figures, in the
    format of Prometheus, where it prints none; ``on_stderr`` tells that it prints them there.
    """

    name: str
    program: str
    remedy: str
    version: tuple[str, ...]
    command: Callable[[Asked], list[str]]
    parse: Callable[[str], Report]
    dialect: Dialect
    server: Callable[[Wire], AbstractContextManager[object]] = kernel_answers
    udp_port: int = STAMP_PORT
    ranked: bool = False
    page: str | None = None
    on_stderr: bool = False

    @property
    def is_icmp(self) -> bool:
        """Whether it asks the kernel of the far end, and no server of its own kind."""
        return self.server is kernel_answers
