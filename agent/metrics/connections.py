"""Metrics of what was turned down, by why; and of probes that make connections: what the kernel knows of those."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from agent.counts import StreamCounts
from agent.metrics.series import StreamFamily, counter, counters, histogram, only
from collectors.exchange import HttpFailure
from collectors.failure import Failure
from collectors.http.options import HttpOptions
from collectors.icmp.sender import IcmpOptions
from collectors.stamp.options import StampOptions
from collectors.tcp.options import TcpOptions

_BY_ICMP = tuple(failure for failure in Failure if failure is not Failure.REFUSED)
FAILURES: Mapping[str, Sequence[str]] = {
    IcmpOptions.kind: _BY_ICMP,
    StampOptions.kind: _BY_ICMP,
    TcpOptions.kind: tuple(Failure),
    HttpOptions.kind: (*Failure, *(failure for failure in HttpFailure if failure is not HttpFailure.TIMED_OUT)),
}
"""The kinds of probes, and why the packets or connections of each kind can fail."""


def _failed(reasons: Sequence[str]) -> Callable[[StreamCounts], Mapping[str, int]]:
    none = dict.fromkeys(reasons, 0)
    return lambda counts: {reason: counts.failed[reason] for reason in reasons} if counts.failed else none


CONNECTION_FAMILIES: tuple[StreamFamily, ...] = (
    replace(
        counters(
            "packets_failed",
            "reason",
            "Packets to which the far end, or somebody on the way, answered that it cannot be, by reason; no losses.",
            _failed(()),
        ),
        read={kind: _failed(reasons) for kind, reasons in FAILURES.items()},
    ),
    *only(
        (TcpOptions.kind,),
        counter(
            "packets_retransmitted",
            "Lost packets whose connection came about all the same, because the kernel sent the SYN again.",
            lambda counts: counts.retransmitted,
        ),
    ),
    *only(
        (TcpOptions.kind, HttpOptions.kind),
        histogram(
            "tcp_handshake",
            "Time from SYN to SYN-ACK of received packets by the kernel itself (TCP_INFO): waking the agent is no part"
            " of it.",
            lambda counts: counts.handshake,
        ),
    ),
)
"""Only streams that make connections have series of all but the first."""
