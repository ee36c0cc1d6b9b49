"""The rules of a verdict on a test by UDP, in their order. Pure; docs/throughput.md has them in words."""

from __future__ import annotations

from agent.throughput.limit import Found, Limit
from agent.throughput.observed import Observed
from agent.throughput.rfc6349 import Figures
from agent.throughput.rules import (
    EITHER_WAY,
    FEWEST_LOSSES,
    MUCH_LOSS,
    RARE_LOSS,
    host,
    known_rate,
    no_policer,
    processor,
    queue_ns,
    told_no_faster,
)
from agent.throughput.words import growth


def _datagram_losses(seen: Observed, figures: Figures) -> Found | None:
    loss = seen.loss_share
    if loss is None or loss <= RARE_LOSS or seen.lost_packets is None or seen.lost_packets < FEWEST_LOSSES:
        return None
    if queue_ns(seen) and seen.both_ways:
        return host(seen, figures) or (Limit.UNKNOWN, f"{loss:.1%} of the datagrams were lost; {EITHER_WAY}")
    if queue_ns(seen):
        return Limit.SHAPER, f"{loss:.1%} of the datagrams were lost, and a queue stood: {growth(seen)}"
    idle = seen.idle.loss_share if seen.idle is not None and seen.idle.tells else None
    if idle is not None and (idle >= loss / 10 or loss < MUCH_LOSS):
        return Limit.LOSS, f"{loss:.1%} of the datagrams were lost, and {idle:.2%} of the probes without any load"
    in_doubt = no_policer(seen)
    if in_doubt is not None:
        return host(seen, figures) or (Limit.UNKNOWN, f"{loss:.1%} of the datagrams were lost; {in_doubt}")
    return Limit.POLICER, (
        f"{loss:.1%} of the datagrams were lost, {idle or 0:.2%} of the probes without load, and no queue stood: "
        f"{growth(seen)}"
    )


UDP_RULES = (told_no_faster, known_rate, processor, _datagram_losses, host)
