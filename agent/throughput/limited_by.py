"""The verdict on a throughput: what limited it, and the numbers that say so. Pure; docs/throughput.md has the rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from agent.throughput.observed import Observed
from agent.throughput.rfc6349 import Figures, figures_of
from agent.throughput.words import evidence, flows, growth, mbit, ms, percent, rate_in_words, size
from collectors.iperf3.options import Protocol


class Limit(StrEnum):
    """What a throughput was limited by."""

    WINDOW = "window"
    """Each flow had as much under way as its window allows."""
    LOSS = "loss"
    """The sender slowed down for losses, and no queue of a bottleneck explains them."""
    SHAPER = "shaper"
    """A rate, enforced by a queue: round trips grew while it was full."""
    POLICER = "policer"
    """A rate, enforced by dropping without a queue."""
    RATE = "rate"
    """A rate that is known, whose enforcement left no trace."""
    CPU = "cpu"
    """One of the two ends had no processor time left."""
    ASKED = "asked"
    """Nothing: the test was told to send no faster, and all of it arrived."""
    UNKNOWN = "unknown"


NEAR_RATE = (0.90, 1.10)
"""Between these shares of a known rate a test has reached it."""
BUSY_CPU = 0.85
"""The share of the cores that a test can use from which on it lacks some: of the kernel's work not all counts."""
BUSY_HOST = 0.90
"""The share of all of this host's processors from which on it may be the host that limits, where nothing else does."""
NEAR_CEILING = (0.70, 1.50)
"""Between these shares of window / RTT the window is what a flow waits for: Linux gives a quarter more than asked."""
NEAR_BUFFER = (0.35, 1.00)
"""The share of a socket's buffer that is payload under way: a half of what a receiver has, up to 80 % of a sender's."""
QUEUE_NS, QUEUE_SHARE = 1_000_000, 0.25
"""A queue stood where round trips grew by both: a millisecond, and a quarter of the idle one."""
STEADY = 0.10
"""Rates of intervals that deviate by less of their mean are one steady rate."""
RARE_LOSS = 0.001
"""UDP loss that no rate limit explains; TCP segments sent again that slow nobody down much."""
MUCH_LOSS = 0.01
"""UDP loss that is no path's own."""
BURSTY_LOSS = 0.0005
"""From this share of segments sent again on losses are the reason that is left, also where they come in bursts."""
NEAR_BOUND = 3
"""Up to this multiple of what single losses allow they are the reason: CUBIC had twice Reno's at 0.1 % and 20 ms."""
FEWEST_LOSSES = 3
EVENLY_SENT = 0.90
"""A sender of datagrams that came to less of its rate did not send evenly."""


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
    rules = _UDP_RULES if seen.protocol is Protocol.UDP else _TCP_RULES
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


_POLICER_TOO = " (a policer drops so too: a UDP test above its rate tells)"

_EITHER_WAY = "a queue stood, in this direction or in the other one, which was tested with it: test each by itself"

Found = tuple[Limit, str]
_Rule = Callable[[Observed, Figures], Found | None]


def _told_no_faster(seen: Observed, _: Figures) -> Found | None:
    asked = seen.asked_bits_per_second
    if asked is None or seen.bits_per_second < 0.95 * asked:
        return None
    if seen.protocol is Protocol.UDP and (seen.loss_share or 0) > MUCH_LOSS:
        return None
    lost = f", {seen.loss_share:.2%} of it lost" if seen.protocol is Protocol.UDP and seen.loss_share else ""
    return Limit.ASKED, f"it was told to send {mbit(asked)}, and {mbit(seen.bits_per_second)} arrived{lost}"


def _known_rate(seen: Observed, _: Figures) -> Found | None:
    least, most = NEAR_RATE
    reached = [
        rate
        for rate in seen.rates
        if least <= seen.bits_per_second / (rate.bits_per_second * seen.payload_share) <= most
    ]
    if not reached:
        return None
    rate = min(reached, key=lambda each: each.bits_per_second)
    share = seen.bits_per_second / (rate.bits_per_second * seen.payload_share)
    because = (
        f"{mbit(seen.bits_per_second)} of payload are {share:.0%} of what {rate_in_words(rate)} leaves beside headers"
    )
    if _queue_ns(seen):
        return Limit.SHAPER, f"{because}, and a queue stood before it: {growth(seen)}"
    if seen.protocol is not Protocol.UDP or (seen.loss_share or 0) <= RARE_LOSS:
        return Limit.RATE, because
    in_doubt = _no_policer(seen)
    if in_doubt is not None:
        return Limit.RATE, f"{because}; {seen.loss_share:.1%} were dropped, by a shaper or a policer: {in_doubt}"
    return Limit.POLICER, f"{because}; {seen.loss_share:.1%} were dropped and no queue stood: {growth(seen)}"


def _processor(seen: Observed, _: Figures) -> Found | None:
    for end, share in (("sender", seen.sender_cpu), ("receiver", seen.receiver_cpu)):
        if share is not None and share >= BUSY_CPU * seen.cores:
            cores = "one core, which is" if seen.cores == 1 else f"{seen.cores} cores, which are"
            because = f"the {end} used {share:.0%} of {cores} all that a test of this kind can use"
            return Limit.CPU, because + _losses_too(seen)
    return None


def _shaper(seen: Observed, _: Figures) -> Found | None:
    if seen.both_ways or not _queue_ns(seen) or seen.steadiness is None or seen.steadiness > STEADY:
        return None
    return Limit.SHAPER, (
        f"a queue stood and the rate was steady (deviation {seen.steadiness:.1%} of the mean): {growth(seen)}"
    )


def _queue_of_either_way(seen: Observed, figures: Figures) -> Found | None:
    """Find a queue that may be the other direction's, so that losses in this one are not the path's own for sure."""
    if not seen.both_ways or not _queue_ns(seen):
        return None
    return _host(seen, figures) or (Limit.UNKNOWN, f"{growth(seen)}: {_EITHER_WAY}")


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


def _host(seen: Observed, _: Figures) -> Found | None:
    if seen.host_busy is None or seen.host_busy < BUSY_HOST:
        return None
    because = f"this host's processors were busy for {seen.host_busy:.0%} of the time, the kernel's work included"
    return Limit.CPU, because + _losses_too(seen)


def _losses_too(seen: Observed) -> str:
    """Say losses beside a processor without time: it may have made them, or they may hold the test back as well."""
    loss = seen.loss_share
    if loss is None or loss < BURSTY_LOSS:
        return ""
    lost = "datagrams were lost" if seen.protocol is Protocol.UDP else "segments were sent again"
    return f"; {percent(loss)} of the {lost} meanwhile, by it or on the way"


def _datagram_losses(seen: Observed, figures: Figures) -> Found | None:
    loss = seen.loss_share
    if loss is None or loss <= RARE_LOSS or seen.lost_packets is None or seen.lost_packets < FEWEST_LOSSES:
        return None
    if _queue_ns(seen) and seen.both_ways:
        return _host(seen, figures) or (Limit.UNKNOWN, f"{loss:.1%} of the datagrams were lost; {_EITHER_WAY}")
    if _queue_ns(seen):
        return Limit.SHAPER, f"{loss:.1%} of the datagrams were lost, and a queue stood: {growth(seen)}"
    idle = seen.idle.loss_share if seen.idle is not None and seen.idle.tells else None
    if idle is not None and (idle >= loss / 10 or loss < MUCH_LOSS):
        return Limit.LOSS, f"{loss:.1%} of the datagrams were lost, and {idle:.2%} of the probes without any load"
    in_doubt = _no_policer(seen)
    if in_doubt is not None:
        return _host(seen, figures) or (Limit.UNKNOWN, f"{loss:.1%} of the datagrams were lost; {in_doubt}")
    return Limit.POLICER, (
        f"{loss:.1%} of the datagrams were lost, {idle or 0:.2%} of the probes without load, and no queue stood: "
        f"{growth(seen)}"
    )


def _no_policer(seen: Observed) -> str | None:
    """Say what keeps losses without a queue from being a policer's; ``None``: nothing does.

    A sender that comes to send only now and then makes up for it in bursts: these overflow a shaper's queue, which is
    empty again by the time of most probes. A receiver that does not come to read loses what arrived.
    """
    if seen.idle is None or seen.loaded is None:
        return "without probes before it and meanwhile nothing tells why"
    if not (seen.idle.tells and seen.loaded.tells):
        return "too few probes came back, before it or while it surely ran, to tell why"
    if (seen.host_busy or 0) >= BUSY_HOST:
        return f"this host's processors were busy for {seen.host_busy:.0%} of the time, which loses datagrams as well"
    asked, sent = seen.asked_bits_per_second, seen.sent_bits_per_second
    if asked is not None and sent is not None and sent < EVENLY_SENT * asked:
        return f"it sent {mbit(sent)} of the {mbit(asked)} that it was told, so in bursts, which short queues lose"
    return None


_TCP_RULES: tuple[_Rule, ...] = (
    _told_no_faster,
    _known_rate,
    _processor,
    _shaper,
    _window,
    _queue_of_either_way,
    _losses,
    _buffer,
    _host,
    _bursts,
)
_UDP_RULES: tuple[_Rule, ...] = (_told_no_faster, _known_rate, _processor, _datagram_losses, _host)


def _queue_ns(seen: Observed) -> int | None:
    """Return by how much round trips grew under load where that is a queue, else ``None``."""
    idle, loaded = seen.idle_rtt_ns, seen.loaded_rtt_ns
    if idle is None or loaded is None or loaded - idle < max(QUEUE_NS, QUEUE_SHARE * idle):
        return None
    return loaded - idle
