"""What results are handed to: sinks know no sockets, and streams know no sinks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from collectors.session import Deliver


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamKey:
    """Which stream: the names of its probe, target and path, and the probe's kind."""

    probe: str
    kind: str
    target: str
    path: str


class Sink(Protocol):
    """Takes what happens on streams, as it happens; called on the event loop, so it must return in microseconds."""

    def opened(self, key: StreamKey) -> Deliver:
        """Learn of a stream before its first packet; return what takes the events of this stream from then on."""

    def slots_missed(self, probe: str, target: str, count: int) -> None:
        """Learn of slots of a probe at a target that went by without a packet on any path."""

    def lagged(self, lag_ns: int) -> None:
        """Learn how late the loop came to a slot."""

    def suspended(self, duration_ns: int) -> None:
        """Learn that this host was suspended, for so long."""

    def resolved(self, key: StreamKey, address: str | None) -> None:
        """Learn the address that a stream is sent to; ``None`` when its name does not resolve."""
