"""Metrics of probes of web servers: each phase, what was answered, the certificate. Other kinds have none of them."""

from __future__ import annotations

from collections.abc import Mapping

from agent.counts import StreamCounts
from agent.metrics.series import StreamFamily, counter, counters, gauge, gauges, histograms, only
from collectors.http.options import HttpOptions


def _how_the_latest_came(counts: StreamCounts) -> Mapping[tuple[str, ...], int]:
    latest = counts.exchanges.latest
    if latest is None:
        return {}
    verified = {True: "yes", False: "no", None: ""}[latest.verified]
    return {(latest.http_version or "", latest.tls_version or "", verified): 1}


def _certificate_ends(counts: StreamCounts) -> float | None:
    certificate = counts.exchanges.certificate
    return None if certificate is None else certificate.not_after.timestamp()


HTTP_FAMILIES: tuple[StreamFamily, ...] = only(
    (HttpOptions.kind,),
    histograms(
        "http_phase",
        "phase",
        "Time of each phase of an attempt that ended by itself, failed attempts' phases among them.",
        lambda counts: counts.exchanges.phases,
    ),
    counters(
        "http_responses",
        "status",
        "Answers whose head was whole, by status, expected or not.",
        lambda counts: {str(status): count for status, count in counts.exchanges.responses.items()},
    ),
    counters(
        "http_first_byte_timestamps",
        "source",
        "Answers that began, by who took the time of that.",
        lambda counts: counts.exchanges.first_bytes,
    ),
    counters(
        "http_out_of_time",
        "phase",
        "Attempts whose timeout passed, by the phase that they were in; lost, or in the phase transfer failed.",
        lambda counts: counts.exchanges.out_of_time,
    ),
    counter(
        "http_received_bytes", "Octets of bodies, as transferred.", lambda counts: counts.exchanges.received_octets
    ),
    counter("http_redirects", "Redirects that were followed.", lambda counts: counts.exchanges.redirects),
    counter(
        "http_syn_retransmits",
        "SYNs that the kernel sent again for connections which came about; each is a second or more of connect.",
        lambda counts: counts.exchanges.syn_retransmits,
    ),
    gauges(
        "http_info",
        ("http_version", "tls_version", "verified"),
        "How the latest answer came; always 1.",
        _how_the_latest_came,
    ),
    gauge(
        "http_certificate_not_after_timestamp_seconds",
        "When the server's certificate ends, as it was seen last; that of an attempt which it made fail is not seen.",
        _certificate_ends,
    ),
)
