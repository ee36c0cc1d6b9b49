"""The verdict on a throughput: what limited it, and the numbers that say so. Pure; docs/throughput.md has the rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.throughput.limit import Found, Limit
from agent.throughput.observed import Observed
from agent.throughput.rfc6349 import Figures, figures_of
from agent.throughput.tcp_rules import TCP_RULES
from agent.throughput.udp_rules import UDP_RULES
from agent.throughput.words import evidence
from collectors.iperf3.options import Protocol

__all__ = ["Limit", "LimitedBy", "limited_by"]

_Rule = Callable[[Observed, Figures], Found | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitedBy:
    """The verdict: what limited a test, why in one sentence, and every number that was looked at."""

    limit: Limit
    because: str
    evidence: tuple[str, ...]
    figures: Figures


def limited_by(seen: Observed) -> LimitedBy:
    """Judge one direction of a test: the first rule that holds has it."""
    figures = figures_of(seen)
    rules: Sequence[_Rule] = UDP_RULES if seen.protocol is Protocol.UDP else TCP_RULES
    for rule in rules:
        found = rule(seen, figures)
        if found is not None:
            limit, because = found
            break
    else:
        limit, because = (
            Limit.UNKNOWN,
            "neither a known rate, a window, losses nor a processor explain it",
        )
    return LimitedBy(limit=limit, because=because, evidence=evidence(seen, figures), figures=figures)
