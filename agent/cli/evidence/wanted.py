"""What the operator asks to compare, and which of the streams that there are that means. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from agent.compare.comparison import Names

Progress = Callable[[str], None]
"""Takes what is being done, in a few words, for whoever waits."""

_MINUTE_NS = 60_000_000_000
_HOUR = 60


class EvidenceError(Exception):
    """There is nothing to compare; the message says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the operator asks for; a probe and a target may be left open where only one has both paths."""

    baseline: str
    candidate: str
    target: str | None = None
    probe: str | None = None

    def among(self, there: Iterable[tuple[str, str, str]], where: str) -> Names:
        """Choose from streams, each a probe, target and path; raise :class:`EvidenceError` that says what there is."""
        known = list(dict.fromkeys(there))
        if not known:
            raise EvidenceError(f"{where} has no samples")
        for path in (self.baseline, self.candidate):
            if path not in {path for _, _, path in known}:
                names = ", ".join(dict.fromkeys(path for _, _, path in known))
                raise EvidenceError(f"{where} has no path {path}; its paths: {names}")
        fitting = [
            (probe, target)
            for probe, target, path in known
            if path == self.baseline
            and (probe, target, self.candidate) in known
            and self.target in (None, target)
            and self.probe in (None, probe)
        ]
        if len(fitting) == 1:
            [(probe, target)] = fitting
            return Names(baseline=self.baseline, candidate=self.candidate, probe=probe, target=target)
        both = f"{self.baseline} and {self.candidate}"
        if fitting:
            names = ", ".join(f"{probe} to {target}" for probe, target in fitting)
            raise EvidenceError(f"{where} has several probes and targets of {both}: {names}: add --target and --probe")
        names = ", ".join(f"{probe} to {target} on {path}" for probe, target, path in known)
        raise EvidenceError(f"{where} has no probe and target in common to {both}, as asked for; it has: {names}")


def another_interval(after_ns: int) -> str:
    """Say that a probe had another interval before, and how to compare what came since, in the last ``after_ns``."""
    minutes = after_ns // _MINUTE_NS
    since = f"{minutes // 60}h" if minutes >= _HOUR else f"{minutes}m"
    remedy = f"add --since {since} for what came after" if minutes else "wait for what comes after"
    return f"the probe had another interval in a part of this time, or the clock was off: {remedy}"
