"""Figures of a throughput that need no judgement: those of RFC 6349, what window and loss allow one flow. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from agent.throughput.observed import Observed
from collectors.iperf3.options import Protocol

MATHIS = math.sqrt(3 / 2)
"""Mathis, Semke, Mahdavi, Ott: The macroscopic behavior of the TCP congestion avoidance algorithm, CCR 27(3), 1997."""
CUBIC = 1.054
"""Average window of CUBIC in segments, over RTT^(3/4) / p^(3/4), RTT in seconds (RFC 9438, section 5.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the rules compare; rates in bits per second of payload, missing is ``None``.

    ``bandwidth_delay_product_bytes``: what must be under way to fill the path, of the smallest known rate, else of the
    measured one (RFC 6349, section 3.3.1). ``flow_ceiling_bits_per_second``: window / RTT of one flow.
    ``under_way_bytes``: what one flow had sent and not yet heard of, on the mean.
    ``loss_bound_bits_per_second``: what one flow reaches at the observed loss. ``transfer_time_ratio``,
    ``tcp_efficiency`` and ``buffer_delay`` as RFC 6349, sections 4.1 to 4.3, the last two as shares.
    """

    bandwidth_delay_product_bytes: int | None = None
    window_bytes: int | None = None
    flow_ceiling_bits_per_second: float | None = None
    under_way_bytes: int | None = None
    loss_share: float | None = None
    loss_bound_bits_per_second: float | None = None
    transfer_time_ratio: float | None = None
    tcp_efficiency: float | None = None
    buffer_delay: float | None = None


def figures_of(seen: Observed) -> Figures:
    """Return the figures that need no judgement."""
    rtt_s = None if seen.idle_rtt_ns is None else seen.idle_rtt_ns / 1e9
    known = min((rate.bits_per_second for rate in seen.rates), default=None)
    window = seen.peer_window_bytes or seen.window_bytes  # what the receiver really offered, where that is known
    loss = seen.loss_share
    tcp = seen.protocol is Protocol.TCP
    fills = known if known is not None else seen.bits_per_second
    slower = None if not seen.idle_rtt_ns or seen.loaded_rtt_ns is None else seen.loaded_rtt_ns - seen.idle_rtt_ns
    return Figures(
        bandwidth_delay_product_bytes=None if rtt_s is None else round(fills * rtt_s / 8),
        window_bytes=window if tcp else None,
        flow_ceiling_bits_per_second=window * 8 / rtt_s if tcp and window and rtt_s else None,
        under_way_bytes=_under_way(seen),
        loss_share=loss,
        loss_bound_bits_per_second=_loss_bound(seen, loss) if tcp else None,
        transfer_time_ratio=(
            known * seen.payload_share / seen.bits_per_second if tcp and known and seen.bits_per_second else None
        ),
        tcp_efficiency=1 - loss if tcp and loss is not None else None,
        buffer_delay=slower / seen.idle_rtt_ns if slower is not None and seen.idle_rtt_ns else None,
    )


def _under_way(seen: Observed) -> int | None:
    """Return rate x time (Little's law): the time is that of the test, queues included."""
    rtt_ns = seen.loaded_rtt_ns or seen.idle_rtt_ns
    return None if rtt_ns is None else round(seen.bits_per_second / seen.streams * rtt_ns / 8e9)


def _loss_bound(seen: Observed, loss: float | None) -> float | None:
    """Return what one flow reaches at this loss: Reno's square root law, or CUBIC's where that is more."""
    rtt_ns = seen.loaded_rtt_ns or seen.idle_rtt_ns
    if not loss or not rtt_ns or (seen.congestion_control or "").startswith("bbr"):  # which keeps to no such law
        return None
    rtt_s = rtt_ns / 1e9
    segments = MATHIS / math.sqrt(loss)
    if (seen.congestion_control or "").startswith("cubic"):
        segments = max(segments, CUBIC * (rtt_s / loss) ** 0.75)
    return segments * seen.mss_bytes * 8 / rtt_s
