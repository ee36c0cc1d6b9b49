"""Metrics of probes that make connections: why those failed, and what the kernel knows of them.

Streams of other kinds have none of these series.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, Metric

from agent.series import STREAM, NamedHistogram, Series, histograms
from collectors.exchange import HttpFailure
from collectors.failure import Failure
from collectors.http.options import HttpOptions
from collectors.tcp.options import TcpOptions

FAILURES: Mapping[str, Sequence[str]] = {
    TcpOptions.kind: tuple(Failure),
    HttpOptions.kind: (*Failure, *(failure for failure in HttpFailure if failure is not HttpFailure.TIMED_OUT)),
}
"""The kinds of probes that make connections, and why those of each kind can fail."""

_KIND = STREAM.index("kind")
_HISTOGRAMS: tuple[NamedHistogram, ...] = (
    (
        "tcp_handshake",
        "Time from SYN to SYN-ACK of received packets by the kernel itself (TCP_INFO): waking the agent is no part of"
        " it.",
        lambda counts: counts.handshake,
    ),
)


def connection_families(streams: Series) -> Iterator[Metric]:
    """Yield every family with the series of those of these streams that make connections."""
    connecting = [(labels, counts) for labels, counts in streams if labels[_KIND] in FAILURES]
    yield _failed(connecting)
    yield _retransmitted([(labels, counts) for labels, counts in connecting if labels[_KIND] == TcpOptions.kind])
    yield from histograms(_HISTOGRAMS, connecting)


def _failed(streams: Series) -> Metric:
    text = "Packets to which the far end, or somebody on the way, answered that it cannot be, by reason; no losses."
    family = CounterMetricFamily("eragent_packets_failed", text, labels=(*STREAM, "reason"))
    for labels, counts in streams:
        for reason in FAILURES[labels[_KIND]]:
            family.add_metric((*labels, reason), counts.failed[reason])
    return family


def _retransmitted(streams: Series) -> Metric:
    text = "Lost packets whose connection came about all the same, because the kernel sent the SYN again."
    family = CounterMetricFamily("eragent_packets_retransmitted", text, labels=STREAM)
    for labels, counts in streams:
        family.add_metric(labels, counts.retransmitted)
    return family
