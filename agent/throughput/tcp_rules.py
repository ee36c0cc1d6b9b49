"""The rules of a verdict on a test by TCP, in their order. Pure; docs/throughput.md has them in words."""

from __future__ import annotations

from agent.throughput.limit import Found, Limit
from agent.throughput.observed import Observed
from agent.throughput.rfc6349 import Figures
from agent.throughput.rules import (
    BURSTY_LOSS,
    EITHER_WAY,
    FEWEST_LOSSES,
    RARE_LOSS,
    host,
    known_rate,
    processor,
    queue_ns,
    told_no_faster,
)
from agent.throughput.words import flows, growth, mbit, ms, percent, size

NEAR_CEILING = (0.70, 1.50)
"""Between these shares of window / RTT the window is what a flow waits for: Linux gives a quarter more than asked."""
NEAR_BUFFER = (0.35, 1.00)
"""The share of a socket's buffer that is payload under way: a half of what a receiver has, up to 80 % of a sender's."""
STEADY = 0.10
"""Rates of intervals that deviate by less of their mean are one steady rate."""
NEAR_BOUND = 3
"""Up to this multiple of what single losses allow they are the reason: CUBIC had twice Reno's at 0.1 % and 20 ms."""
_POLICER_TOO = " (a policer drops so too: a UDP test above its rate tells)"


def _shaper(seen: Observed, _: Figures) -> Found | None:
    if seen.both_ways or not queue_ns(seen) or seen.steadiness is None or seen.steadiness > STEADY:
        return None
    return Limit.SHAPER, (
        f"a queue stood and the rate was steady (deviation {seen.steadiness:.1%} of the mean): {growth(seen)}"
    )


def _window(seen: Observed, figures: Figures) -> Found | None:
    ceiling = figures.flow_ceiling_bits_per_second
    if ceiling is None or figures.window_bytes is None or seen.idle_rtt_ns is None:
        return None
    flow = seen.bits_per_second / seen.streams
    least, most = NEAR_CEILING
    if not least <= flow / ceiling <= most:
        return None
    return Limit.WINDOW, (
        f"a window of {size(figures.window_bytes)} holds a flow to about {mbit(ceiling)} at {ms(seen.idle_rtt_ns)} of "
        f"round trip; each of {flows(seen.streams)} carried {mbit(flow)}"
    )


def _queue_of_either_way(seen: Observed, figures: Figures) -> Found | None:
    """Find a queue that may be the other direction's, so that losses in this one are not the path's own for sure."""
    if not seen.both_ways or not queue_ns(seen):
        return None
    return host(seen, figures) or (Limit.UNKNOWN, f"{growth(seen)}: {EITHER_WAY}")


def _losses(seen: Observed, figures: Figures) -> Found | None:
    bound = figures.loss_bound_bits_per_second
    flow = seen.bits_per_second / seen.streams
    if bound is None or not _slows_down(seen) or flow > NEAR_BOUND * bound:
        return None
    return Limit.LOSS, (
        f"{percent(seen.loss_share or 0.0)} of the segments were sent again; at that loss a flow of "
        f"{seen.congestion_control or 'TCP'} reaches about {mbit(bound)}, and each of {flows(seen.streams)} carried "
        f"{mbit(flow)}{_POLICER_TOO}"
    )


def _buffer(seen: Observed, figures: Figures) -> Found | None:
    """Find a flow that waits for this host's socket buffer: no loss, a steady rate, and the buffer under way."""
    buffer, under_way = seen.host_buffer_bytes, figures.under_way_bytes
    steady = seen.steadiness is not None and seen.steadiness <= STEADY
    if buffer is None or under_way is None or seen.window_bytes or not steady or (figures.loss_share or 0) > RARE_LOSS:
        return None
    least, most = NEAR_BUFFER
    if not least <= under_way / buffer <= most:
        return None
    return Limit.WINDOW, (
        f"{size(under_way)} of each of {flows(seen.streams)} were under way, and this host's kernel lets one have "
        f"{size(buffer)} of buffer at most, its overhead included (tcp_wmem and tcp_rmem in tcp(7))"
    )


def _bursts(seen: Observed, _: Figures) -> Found | None:
    """Find losses that are too many for a flow to be so fast, were each by itself: they came together."""
    if not _slows_down(seen) or (seen.loss_share or 0) < BURSTY_LOSS:
        return None
    return Limit.LOSS, (
        f"{percent(seen.loss_share or 0.0)} of the segments were sent again, and no queue stood; each of "
        f"{flows(seen.streams)} carried more than single losses of that share allow, so they came in bursts"
        f"{_POLICER_TOO}"
    )


def _slows_down(seen: Observed) -> bool:
    """Tell whether the sender lost something, and is one that slows down for it."""
    return (seen.retransmits or 0) >= FEWEST_LOSSES and not (seen.congestion_control or "").startswith("bbr")


TCP_RULES = (
    told_no_faster,
    known_rate,
    processor,
    _shaper,
    _window,
    _queue_of_either_way,
    _losses,
    _buffer,
    host,
    _bursts,
)
