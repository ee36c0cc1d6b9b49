"""Metrics of probes of web servers: each phase, what was answered, the certificate. Other kinds have none of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString

from agent.counts import PHASE_BOUNDS_NS, ExchangeCounts
from agent.series import STREAM, LabelledCounter, Series, labelled_counters
from collectors.http.options import HttpOptions

_NS_PER_S = 1e9
_KIND = STREAM.index("kind")
_BOUNDS = (*map(floatToGoString, (bound_ns / _NS_PER_S for bound_ns in PHASE_BOUNDS_NS)), "+Inf")
_LABELLED_COUNTERS: tuple[LabelledCounter, ...] = (
    (
        "http_responses",
        "status",
        "Answers whose head was whole, by status, expected or not.",
        lambda counts: {str(status): count for status, count in counts.exchanges.responses.items()},
    ),
    (
        "http_first_byte_timestamps",
        "source",
        "Answers that began, by who took the time of that.",
        lambda counts: counts.exchanges.first_bytes,
    ),
    (
        "http_out_of_time",
        "phase",
        "Attempts whose timeout passed, by the phase that they were in; lost, or in the phase transfer failed.",
        lambda counts: counts.exchanges.out_of_time,
    ),
)
_COUNTERS: tuple[tuple[str, str, Callable[[ExchangeCounts], int]], ...] = (
    ("http_received_bytes", "Octets of bodies, as transferred.", lambda exchanges: exchanges.received_octets),
    ("http_redirects", "Redirects that were followed.", lambda exchanges: exchanges.redirects),
    (
        "http_syn_retransmits",
        "SYNs that the kernel sent again for connections which came about; each is a second or more of connect.",
        lambda exchanges: exchanges.syn_retransmits,
    ),
)


def http_families(streams: Series) -> Iterator[Metric]:
    """Yield every family with the series of those of these streams that ask web servers."""
    asking = [(labels, counts) for labels, counts in streams if labels[_KIND] == HttpOptions.kind]
    yield _phases(asking)
    yield from labelled_counters(_LABELLED_COUNTERS, asking)
    for name, text, value in _COUNTERS:
        counter = CounterMetricFamily(f"eragent_{name}", text, labels=STREAM)
        for labels, counts in asking:
            counter.add_metric(labels, value(counts.exchanges))
        yield counter
    yield _info(asking)
    yield _certificate(asking)


def _phases(streams: Series) -> Metric:
    text = "Time of each phase of an attempt that ended by itself, failed attempts' phases among them."
    family = HistogramMetricFamily("eragent_http_phase_seconds", text, labels=(*STREAM, "phase"))
    for labels, counts in streams:
        for phase, counted in counts.exchanges.phases.items():
            buckets = list(zip(_BOUNDS, counted.cumulative(), strict=True))
            family.add_metric((*labels, phase), buckets, counted.sum_ns / _NS_PER_S)
    return family


def _info(streams: Series) -> Metric:
    family = GaugeMetricFamily(
        "eragent_http_info",
        "How the latest answer came; always 1.",
        labels=(*STREAM, "http_version", "tls_version", "verified"),
    )
    for labels, counts in streams:
        latest = counts.exchanges.latest
        if latest is not None:
            verified = {True: "yes", False: "no", None: ""}[latest.verified]
            family.add_metric((*labels, latest.http_version or "", latest.tls_version or "", verified), 1)
    return family


def _certificate(streams: Series) -> Metric:
    text = "When the server's certificate ends, as it was seen last; that of an attempt which it made fail is not seen."
    family = GaugeMetricFamily("eragent_http_certificate_not_after_timestamp_seconds", text, labels=STREAM)
    for labels, counts in streams:
        certificate = counts.exchanges.certificate
        if certificate is not None:
            family.add_metric(labels, certificate.not_after.timestamp())
    return family
