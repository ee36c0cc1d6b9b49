"""Metrics of what answers tell of the reflectors at far ends; only streams of STAMP have them.

A stream has some twenty of these series; and of the 512 marks that are possible, 64 DSCPs with 4 ECNs in 2 directions,
one for each that was seen. What changes with every session or reading of a clock (ports, error bounds) is no label.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from agent.series import STREAM, LabelledCounter, Series, labelled_counters

_COUNTERS: tuple[LabelledCounter, ...] = (
    (
        "answers_tolerated",
        "quirk",
        "Received packets whose answer departs from the standard, by how it does; one may do so in several ways.",
        lambda counts: counts.peer.tolerated,
    ),
    (
        "peer_timestamps",
        "source",
        "Received packets by who took the reflector's transmit time: its kernel, told afterwards, or its program.",
        lambda counts: {"kernel": counts.peer.stamped, "user": counts.received - counts.peer.stamped},
    ),
)
_YES_OR_NO = {True: "yes", False: "no", None: "unknown"}


def peer_families(streams: Series) -> Iterator[Metric]:
    """Yield every family with the series of these streams."""
    yield from labelled_counters(_COUNTERS, streams)
    yield _restarts(streams)
    yield _info(streams)
    yield _marks(streams)
    yield _direct_measurement(streams)


def _restarts(streams: Series) -> Metric:
    text = "How often the numbers of a stream's reflector began anew within a session: it was restarted."
    family = CounterMetricFamily("eragent_peer_restarts", text, labels=STREAM)
    for labels, counts in streams:
        family.add_metric(labels, counts.peer.restarts)
    return family


def _info(streams: Series) -> Metric:
    family = GaugeMetricFamily(
        "eragent_peer_info",
        "What is known of a stream's reflector at present; always 1.",
        labels=(*STREAM, "stateful", "understands", "clock_source", "synchronised", "stamp_method"),
    )
    for labels, counts in streams:
        facts = counts.peer.facts
        told = (
            _YES_OR_NO[facts.stateful],
            ",".join(facts.understands),
            facts.clock_source or "unknown",
            _YES_OR_NO[facts.synchronised],
            facts.stamp_method or "unknown",
        )
        family.add_metric((*labels, *told), 1)
    return family


def _marks(streams: Series) -> Metric:
    family = CounterMetricFamily(
        "eragent_packets_marked",
        "Received packets by the marks that they, and their answers, arrived with, where a reflector tells (RFC 8972).",
        labels=(*STREAM, "direction", "dscp", "ecn"),
    )
    for labels, counts in streams:
        for direction, by_tos in (
            ("forward", counts.peer.forward_tos),
            ("backward", counts.peer.backward_tos),
        ):
            for tos, count in enumerate(by_tos):
                if count:
                    family.add_metric((*labels, direction, str(tos >> 2), str(tos & 3)), count)
    return family


def _direct_measurement(streams: Series) -> Metric:
    """Show what both ends counted, as a gauge.

    The counts begin anew with each session and where a reflector restarts, and an answer that another overtook tells
    lower ones than that did: of a counter Prometheus would take this for a reset, and add all of it once more.
    """
    family = GaugeMetricFamily(
        "eragent_direct_measurement_packets",
        "Packets of the present session as both ends counted them, by the latest answer (RFC 8972, section 4.5).",
        labels=(*STREAM, "point"),
    )
    for labels, counts in streams:
        latest = counts.peer.direct_measurement
        if latest is not None:
            family.add_metric((*labels, "sent"), latest.sent)
            family.add_metric((*labels, "reflector_received"), latest.reflector_received)
            family.add_metric((*labels, "reflector_sent"), latest.reflector_sent)
    return family
