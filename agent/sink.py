"""What results are handed to: sinks know no sockets, and streams know no sinks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from collectors.session import Deliver, SessionEvent


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

    def closed(self, key: StreamKey) -> None:
        """Learn that a stream has ended while others go on; one of the same key may be opened after that."""

    def slots_missed(self, probe: str, target: str, count: int) -> None:
        """Learn of slots of a probe at a target that went by without a packet on any path."""

    def lagged(self, lag_ns: int) -> None:
        """Learn how late the loop came to a slot."""

    def suspended(self, duration_ns: int) -> None:
        """Learn that this host was suspended, for so long."""

    def resolved(self, key: StreamKey, address: str | None) -> None:
        """Learn the address that a stream is sent to; ``None`` when its name does not resolve."""


class FanOut:
    """A sink that hands everything on to several, in their order."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = sinks
        self._takers: dict[StreamKey, list[Deliver]] = {}

    def become(self, *sinks: Sink) -> None:
        """Hand on to these from now on; one that was not among them before learns of all open streams."""
        known = {id(sink): place for place, sink in enumerate(self._sinks)}
        for key, takers in self._takers.items():
            takers[:] = [takers[known[id(sink)]] if id(sink) in known else sink.opened(key) for sink in sinks]
        self._sinks = sinks

    def opened(self, key: StreamKey) -> Deliver:
        """Tell all of a stream."""
        takers = self._takers[key] = [sink.opened(key) for sink in self._sinks]

        def deliver(events: Sequence[SessionEvent]) -> None:
            for take in takers:
                take(events)

        return deliver

    def closed(self, key: StreamKey) -> None:
        """Tell all of a stream's end."""
        del self._takers[key]
        for sink in self._sinks:
            sink.closed(key)

    def slots_missed(self, probe: str, target: str, count: int) -> None:
        """Tell all of missed slots."""
        for sink in self._sinks:
            sink.slots_missed(probe, target, count)

    def lagged(self, lag_ns: int) -> None:
        """Tell all how late the loop came to a slot."""
        for sink in self._sinks:
            sink.lagged(lag_ns)

    def suspended(self, duration_ns: int) -> None:
        """Tell all of a suspension."""
        for sink in self._sinks:
            sink.suspended(duration_ns)

    def resolved(self, key: StreamKey, address: str | None) -> None:
        """Tell all where a stream is sent."""
        for sink in self._sinks:
            sink.resolved(key, address)
