"""Keeps what is known of one reflector, and says when that changed enough to be told anew. No I/O, no clock."""

from __future__ import annotations

from dataclasses import replace

from collectors.peer import ReflectorFacts
from collectors.stamp.capabilities import Capabilities
from collectors.stamp.timestamp import ErrorEstimate
from collectors.stamp.tlv import TLV_NAMES

_MAGNITUDE = 10  # an error grows between two readings of the reference clock and shrinks at each: less is no news


class FactSheet:
    """Collects facts; ``facts`` is another object whenever they are to be told anew, ``None`` without any."""

    def __init__(self) -> None:
        self.facts: ReflectorFacts | None = None

    @property
    def is_stateful(self) -> bool:
        """Whether the reflector is known to number its answers itself."""
        return self.facts is not None and self.facts.stateful is True

    def learn(self, capabilities: Capabilities) -> None:
        """Take what the reflector was found to be capable of."""
        self._tell(
            replace(
                self.facts or ReflectorFacts(),
                stateful=capabilities.stateful,
                understands=tuple(TLV_NAMES[kind] for kind in sorted(capabilities.understood or ())),
                seen_from=capabilities.seen_from,
                clock_source=capabilities.clock_source,
                stamp_method=capabilities.stamp_method,
            )
        )

    def claim(self, estimate: ErrorEstimate) -> None:
        """Take what it says of its clock: an error only where it is synchronised, since it means nothing otherwise."""
        known = self.facts or ReflectorFacts()
        error_ns = estimate.error_ns if estimate.synchronised else None
        if known.synchronised is not estimate.synchronised or not _is_alike(known.error_ns, error_ns):
            self._tell(replace(known, synchronised=estimate.synchronised, error_ns=error_ns))

    def _tell(self, facts: ReflectorFacts) -> None:
        if facts != (self.facts or ReflectorFacts()):
            self.facts = facts


def _is_alike(told_ns: int | None, error_ns: int | None) -> bool:
    if told_ns is None or error_ns is None:
        return told_ns is error_ns
    return told_ns < _MAGNITUDE * error_ns and error_ns < _MAGNITUDE * told_ns
