"""Figures of one stream as a JSON object; times in nanoseconds, what is not known is null."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from agent.counts import PeerCounts, StreamCounts
from agent.report.exchanges import exchange_json, exchanges_summary
from agent.report.figures import Figures, PacketTimes
from agent.report.oneway import one_way_json
from agent.sink import StreamKey
from collectors.http.options import HttpOptions
from collectors.sample import Sample, TimestampSource
from collectors.stamp.sender import StampOptions
from collectors.statistics import Rfc3550Jitter, delay_figures, ipdv, pdv, percentile

Json = dict[str, Any]


def stream_summary(key: StreamKey, figures: Figures) -> Json:
    """Return the report on one stream: about 2 ms of work for 2,048 packets."""
    stream = figures.streams[key]
    counts = stream.counts
    packets = stream.packets()
    delays = delay_figures([delay for delay in packets.rtts_ns if delay is not None])
    handshakes = delay_figures(stream.handshakes_ns)
    report: Json = {
        "target": key.target,
        "address": stream.address,
        "path": key.path,
        "probe": key.probe,
        "kind": key.kind,
        "sent": counts.sent,
        "received": counts.received,
        "lost": counts.lost,
        **_directions(counts),
        "overlooked": counts.overlooked,
        "receive_drops": counts.receive_drops,
        "retransmitted": counts.retransmitted,
        "failed": counts.failed.total(),
        "failed_reasons": dict(counts.failed),
        "late": counts.late,
        "duplicates": counts.duplicate,
        "reordered": counts.reordered,
        "not_sent": sum(counts.not_sent.values()),
        "not_sent_reasons": {reason: count for reason, count in counts.not_sent.items() if count},
        "icmp_errors": [
            {
                "error": os.strerror(kind.number),
                "reason": kind.reason.value,
                "from": kind.offender,
                "mtu": kind.mtu,
                "count": count,
            }
            for kind, count in stream.icmp_errors.items()
        ],
        "rejected_answers": [
            {"reason": reason.value, "from": source, "count": count}
            for (reason, source), count in stream.rejected_answers.items()
        ],
        "slots_missed": figures.missed[key.probe, key.target],
        "timestamps": _timestamps(counts),
        "user_timestamps": counts.timestamps[TimestampSource.USER],
        "noisy": counts.noisy,
        "rtt_ns": asdict(delays) if delays else None,
        "handshake_ns": asdict(handshakes) if handshakes else None,
        "jitter_ns": _jitter(counts, packets) if delays else None,
        "one_way": one_way_json(counts.one_way) if key.kind == StampOptions.kind else None,
        "send_lateness_ns": _lateness(sorted(packets.lateness_ns)),
        "reflector": _reflector(counts.peer) if key.kind == StampOptions.kind else None,
        "http": exchanges_summary(counts.exchanges, stream.exchanges) if key.kind == HttpOptions.kind else None,
        "tolerated": {quirk: count for quirk, count in counts.peer.tolerated.items() if count},
        "class_of_service": _class_of_service(counts.peer, stream.dscp),
    }
    if stream.samples is not None:
        report["samples"] = [_sample(sample) for sample in stream.samples]
    return report


def _directions(counts: StreamCounts) -> Json:
    """Return losses by direction; null where packets were lost and nothing tells on which way."""
    forward, backward = counts.lost_direction["forward"], counts.lost_direction["backward"]
    known = forward + backward > 0 or not counts.lost
    return {"lost_forward": forward if known else None, "lost_backward": backward if known else None}


def _timestamps(counts: StreamCounts) -> str | None:
    """Name who stamped: ``kernel`` only where every received packet was stamped by it, at both ends."""
    if not counts.received:
        return None
    return TimestampSource.USER if counts.timestamps[TimestampSource.USER] else TimestampSource.KERNEL


def _jitter(counts: StreamCounts, packets: PacketTimes) -> Json:
    """Return jitter by its definitions, of the round trip and of each direction that the reflector's times show.

    PDV of one direction is not among them: over minutes, clocks that run at different rates add more than the path.
    """
    excess = sorted(pdv([delay for delay in packets.rtts_ns if delay is not None]))
    return {
        **_variation(counts.jitter["round_trip"], packets.rtts_ns),
        "pdv_p99": percentile(excess, 0.99),
        "forward": _variation(counts.jitter["forward"], packets.forward_ns),
        "backward": _variation(counts.jitter["backward"], packets.backward_ns),
    }


def _variation(jitter: Rfc3550Jitter, delays_ns: Sequence[int | None]) -> Json:
    """Return RFC 3550 jitter, and IPDV as the magnitude of the change from one packet to the next."""
    changes = sorted(abs(change) for change in ipdv(delays_ns))
    return {
        "rfc3550": None if jitter.value_ns is None else round(jitter.value_ns),
        "ipdv_p50": percentile(changes, 0.50) if changes else None,
        "ipdv_p99": percentile(changes, 0.99) if changes else None,
    }


def _lateness(ordered_ns: Sequence[int]) -> Json | None:
    if not ordered_ns:
        return None
    return {"p50": percentile(ordered_ns, 0.50), "p99": percentile(ordered_ns, 0.99), "max": ordered_ns[-1]}


def _reflector(peer: PeerCounts) -> Json:
    """Return what a reflector is known to be, and what it counted; null where it did not tell."""
    facts = peer.facts
    return {
        "stateful": facts.stateful,
        "understands": list(facts.understands),
        "seen_from": facts.seen_from,
        "clock": {"source": facts.clock_source, "synchronised": facts.synchronised, "error_ns": facts.error_ns},
        "stamp_method": facts.stamp_method,
        "restarts": peer.restarts,
        "kernel_transmit_stamps": peer.stamped,
        "direct_measurement": asdict(peer.direct_measurement) if peer.direct_measurement else None,
    }


def _class_of_service(peer: PeerCounts, sent_dscp: int | None) -> Json | None:
    """Return the marks with which packets and answers arrived; null where no reflector tells them."""
    forward, backward = _marks(peer.forward_tos), _marks(peer.backward_tos)
    if not forward and not backward:
        return None
    return {"sent_dscp": sent_dscp, "forward": forward, "backward": backward}


def _marks(by_tos: Sequence[int]) -> list[Json]:
    """Return those seen, the most frequent first."""
    marks = [{"dscp": tos >> 2, "ecn": tos & 3, "count": count} for tos, count in enumerate(by_tos) if count]
    return sorted(marks, key=lambda mark: -mark["count"])


def _sample(sample: Sample) -> Json:
    report: Json = {
        "slot": sample.slot,
        "sequence": sample.sequence,
        "sent_at_ns": sample.sent_at_ns,
        "rtt_ns": sample.rtt_ns,
        "outcome": sample.outcome.value,
    }
    if sample.noisy:
        report["noisy"] = True
    if sample.reason is not None:
        report["reason"] = sample.reason
    if sample.offender is not None:
        report["from"] = sample.offender
    if sample.handshake_ns is not None:
        report["handshake_ns"] = sample.handshake_ns
    if sample.exchange is not None:
        report["http"] = exchange_json(sample.exchange)
    if sample.quirks:
        report["quirks"] = sorted(sample.quirks)
    return report
