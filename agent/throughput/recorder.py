"""The sink that keeps what streams see around a test, and nothing otherwise. Knows no test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent.sink import StreamKey
from agent.throughput.load import Probed
from collectors.sample import Outcome, Sample
from collectors.session import Deliver, SessionEvent


class Recorder:
    """Keeps the samples of streams to one target while it records; the engine's other sinks have all the rest.

    A sample is 100 octets or so; a minute of ten paths that are probed every 100 ms makes 600 kB, gone afterwards.
    """

    def __init__(self) -> None:
        self._target: str | None = None
        self._kept: dict[StreamKey, list[Probed]] = {}

    def start(self, target: str) -> None:
        """Forget what was recorded, and record the streams to this target from now on."""
        self._target, self._kept = target, {}

    def stop(self) -> Mapping[StreamKey, Sequence[Probed]]:
        """Record no more; return what was."""
        self._target, kept, self._kept = None, self._kept, {}
        return kept

    def opened(self, key: StreamKey) -> Deliver:
        """Begin a stream."""

        def deliver(events: Sequence[SessionEvent]) -> None:
            if self._target == key.target:
                self._keep(key, events)

        return deliver

    def closed(self, key: StreamKey) -> None:
        """Take no note: what was recorded of it counts."""

    def slots_missed(self, probe: str, target: str, count: int) -> None:
        """Take no note."""

    def lagged(self, lag_ns: int) -> None:
        """Take no note: samples tell themselves whether this host disturbed them."""

    def suspended(self, duration_ns: int) -> None:
        """Take no note."""

    def resolved(self, key: StreamKey, address: str | None) -> None:
        """Take no note."""

    def _keep(self, key: StreamKey, events: Sequence[SessionEvent]) -> None:
        """Keep round trips and losses; what did not leave, failed or was overlooked says nothing of a queue."""
        for event in events:
            if not isinstance(event, Sample):
                continue
            if event.outcome is Outcome.LOST or (event.outcome.received and event.rtt_ns is not None):
                row = Probed(event.slot, event.sent_at_ns, event.rtt_ns, event.noisy)
                self._kept.setdefault(key, []).append(row)
