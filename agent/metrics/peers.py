"""Metrics of what answers tell of the reflectors at far ends; only streams of STAMP have them.

A stream has some twenty of these series; and of the 512 marks that are possible, 64 DSCPs with 4 ECNs in 2 directions,
one for each that was seen. What changes with every session or reading of a clock (ports, error bounds) is no label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress

from agent.counts import StreamCounts
from agent.metrics.series import StreamFamily, counter, counters, gauges, only
from collectors.stamp.sender import StampOptions

_FORWARD, _BACKWARD = (
    [(direction, str(tos >> 2), str(tos & 3)) for tos in range(256)] for direction in ("forward", "backward")
)
_YES_OR_NO = {True: "yes", False: "no", None: "unknown"}


def _told(counts: StreamCounts) -> Mapping[tuple[str, ...], int]:
    facts = counts.peer.facts
    told = (
        _YES_OR_NO[facts.stateful],
        ",".join(facts.understands),
        facts.clock_source or "unknown",
        _YES_OR_NO[facts.synchronised],
        facts.stamp_method or "unknown",
    )
    return {told: 1}


def _marks(counts: StreamCounts) -> Mapping[tuple[str, ...], int]:
    return {
        **_marked(_FORWARD, counts.peer.forward_tos, counts.received),
        **_marked(_BACKWARD, counts.peer.backward_tos, counts.received),
    }


def _marked(marks: Sequence[tuple[str, ...]], by_tos: Sequence[int], received: int) -> Mapping[tuple[str, ...], int]:
    if received in by_tos:  # all had the same mark: to look for others took as long as a histogram's 57 lines
        return {marks[by_tos.index(received)]: received} if received else {}
    return {marks[tos]: by_tos[tos] for tos in compress(range(256), by_tos)}


def _direct_measurement(counts: StreamCounts) -> Mapping[str, int]:
    """Show what both ends counted, as a gauge.

    The counts begin anew with each session and where a reflector restarts, and an answer that another overtook tells
    lower ones than that did: of a counter Prometheus would take this for a reset, and add all of it once more.
    """
    latest = counts.peer.direct_measurement
    if latest is None:
        return {}
    return {
        "sent": latest.sent,
        "reflector_received": latest.reflector_received,
        "reflector_sent": latest.reflector_sent,
    }


PEER_FAMILIES: tuple[StreamFamily, ...] = only(
    (StampOptions.kind,),
    counters(
        "answers_tolerated",
        "quirk",
        "Received packets whose answer departs from the standard, by how it does; one may do so in several ways.",
        lambda counts: counts.peer.tolerated,
    ),
    counters(
        "peer_timestamps",
        "source",
        "Received packets by who took the reflector's transmit time: its kernel, told afterwards, or its program.",
        lambda counts: {"kernel": counts.peer.stamped, "user": counts.received - counts.peer.stamped},
    ),
    counter(
        "peer_restarts",
        "How often the numbers of a stream's reflector began anew within a session: it was restarted.",
        lambda counts: counts.peer.restarts,
    ),
    gauges(
        "peer_info",
        ("stateful", "understands", "clock_source", "synchronised", "stamp_method"),
        "What is known of a stream's reflector at present; always 1.",
        _told,
    ),
    counters(
        "packets_marked",
        ("direction", "dscp", "ecn"),
        "Received packets by the marks that they, and their answers, arrived with, where a reflector tells (RFC 8972).",
        _marks,
    ),
    gauges(
        "direct_measurement_packets",
        "point",
        "Packets of the present session as both ends counted them, by the latest answer (RFC 8972, section 4.5).",
        _direct_measurement,
    ),
)
