"""Keeps what is known of one reflector, and says when that is to be told anew. No I/O, no clock."""

from __future__ import annotations

from dataclasses import replace

from collectors.peer import ReflectorFacts
from collectors.stamp.capabilities import Capabilities
from collectors.stamp.timestamp import ErrorEstimate
from collectors.stamp.tlv import TLV_NAMES

_ANEW_AFTER_NS = 100_000_000  # an error may be another one in each answer, and telling it takes 10 µs
_LARGEST_NS = ErrorEstimate.UNKNOWN.error_ns  # who says this knows nothing


class FactSheet:
    """Collects facts; ``facts`` is another object whenever they are to be told anew, ``None`` without any."""

    def __init__(self) -> None:
        self.facts: ReflectorFacts | None = None
        self._anew_ns = 0

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

    def claim(self, estimate: ErrorEstimate, at_ns: int) -> bool:
        """Take what it says of its clock at a time that never falls back; return whether that is told.

        An error is told only where the clock is synchronised, since it means nothing otherwise. Another error alone is
        told ten times a second at most: what is not has to be said again.
        """
        known = self.facts or ReflectorFacts()
        if known.synchronised is estimate.synchronised and at_ns < self._anew_ns:
            return False
        self._anew_ns = at_ns + _ANEW_AFTER_NS
        error_ns = estimate.error_ns if estimate.synchronised else None
        is_known = error_ns != _LARGEST_NS
        self._tell(replace(known, synchronised=estimate.synchronised, error_ns=error_ns if is_known else None))
        return True

    def _tell(self, facts: ReflectorFacts) -> None:
        if facts != (self.facts or ReflectorFacts()):
            self.facts = facts
