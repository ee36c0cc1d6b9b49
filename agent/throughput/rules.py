"""The rules of a verdict that hold for TCP and UDP alike, and what both look at. Pure."""

from __future__ import annotations

from agent.throughput.limit import Found, Limit
from agent.throughput.observed import Observed
from agent.throughput.rfc6349 import Figures
from agent.throughput.words import growth, mbit, percent, rate_in_words
from collectors.iperf3.options import Protocol

NEAR_RATE = (0.90, 1.10)
"""Between these shares of a known rate a test has reached it."""
BUSY_CPU = 0.85
"""The share of the cores that a test can use from which on it lacks some: of the kernel's work not all counts."""
BUSY_HOST = 0.90
"""The share of all of this host's processors from which on it may be the host that limits, where nothing else does."""
QUEUE_NS, QUEUE_SHARE = 1_000_000, 0.25
"""A queue stood where round trips grew by both: a millisecond, and a quarter of the idle one."""
RARE_LOSS = 0.001
"""UDP loss that no rate limit explains; TCP segments sent again that slow nobody down much."""
MUCH_LOSS = 0.01
"""UDP loss that is no path's own."""
BURSTY_LOSS = 0.0005
"""From this share of segments sent again on losses are the reason that is left, also where they come in bursts."""
FEWEST_LOSSES = 3
EVENLY_SENT = 0.90
"""A sender of datagrams that came to less of its rate did not send evenly."""
EITHER_WAY = "a queue stood, in this direction or in the other one, which was tested with it: test each by itself"


def told_no_faster(seen: Observed, _: Figures) -> Found | None:
    """Find a test that was told a rate, all of which arrived."""
    asked = seen.asked_bits_per_second
    if asked is None or seen.bits_per_second < 0.95 * asked:
        return None
    if seen.protocol is Protocol.UDP and (seen.loss_share or 0) > MUCH_LOSS:
        return None
    lost = f", {seen.loss_share:.2%} of it lost" if seen.protocol is Protocol.UDP and seen.loss_share else ""
    why = ", to keep to the budget" if seen.protocol is Protocol.TCP else ""  # of TCP nobody else tells a rate
    return Limit.ASKED, f"it was told to send {mbit(asked)}{why}, and {mbit(seen.bits_per_second)} arrived{lost}"


def known_rate(seen: Observed, _: Figures) -> Found | None:
    """Find the smallest known rate that was reached, and who enforces it."""
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
    if queue_ns(seen):
        return Limit.SHAPER, f"{because}, and a queue stood before it: {growth(seen)}"
    if seen.protocol is not Protocol.UDP or (seen.loss_share or 0) <= RARE_LOSS:
        return Limit.RATE, because
    in_doubt = no_policer(seen)
    if in_doubt is not None:
        return Limit.RATE, f"{because}; {seen.loss_share:.1%} were dropped, by a shaper or a policer: {in_doubt}"
    return Limit.POLICER, f"{because}; {seen.loss_share:.1%} were dropped and no queue stood: {growth(seen)}"


def processor(seen: Observed, _: Figures) -> Found | None:
    """Find an end that used all the processor time that such a test can."""
    for end, share in (("sender", seen.sender_cpu), ("receiver", seen.receiver_cpu)):
        if share is not None and share >= BUSY_CPU * seen.cores:
            cores = "one core, which is" if seen.cores == 1 else f"{seen.cores} cores, which are"
            because = f"the {end} used {share:.0%} of {cores} all that a test of this kind can use"
            return Limit.CPU, because + losses_too(seen)
    return None


def host(seen: Observed, _: Figures) -> Found | None:
    """Find a host whose processors had no time left, whoever used it."""
    if seen.host_busy is None or seen.host_busy < BUSY_HOST:
        return None
    because = f"this host's processors were busy for {seen.host_busy:.0%} of the time, the kernel's work included"
    return Limit.CPU, because + losses_too(seen)


def losses_too(seen: Observed) -> str:
    """Say losses beside a processor without time: it may have made them, or they may hold the test back as well."""
    loss = seen.loss_share
    if loss is None or loss < BURSTY_LOSS:
        return ""
    lost = "datagrams were lost" if seen.protocol is Protocol.UDP else "segments were sent again"
    return f"; {percent(loss)} of the {lost} meanwhile, by it or on the way"


def no_policer(seen: Observed) -> str | None:
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


def queue_ns(seen: Observed) -> int | None:
    """Return by how much round trips grew under load where that is a queue, else ``None``."""
    idle, loaded = seen.idle_rtt_ns, seen.loaded_rtt_ns
    if idle is None or loaded is None or loaded - idle < max(QUEUE_NS, QUEUE_SHARE * idle):
        return None
    return loaded - idle
