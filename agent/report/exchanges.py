"""What the report tells of attempts at web servers: their recent phases, the latest failure, the certificate."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from agent.counts import ExchangeCounts
from collectors.exchange import Certificate, Exchange, Phase
from collectors.statistics import delay_figures

Json = dict[str, Any]


class ExchangeFigures:
    """The recent times of each phase, and the latest attempt that failed; ``None`` of ``recent`` keeps all."""

    def __init__(self, *, recent: int | None) -> None:
        self.failed: Exchange | None = None
        self.at_ns = 0
        self._recent = recent
        self._phases = {phase: array("q") for phase in Phase}

    def phase_ns(self, phase: Phase) -> Sequence[int]:
        """Return the recent times of a phase."""
        return self._phases[phase] if self._recent is None else self._phases[phase][-self._recent :]

    def keep(self, exchange: Exchange, *, at_ns: int) -> None:
        """Keep what an attempt at this wall time tells."""
        self.at_ns = at_ns
        if exchange.failure is not None:
            self.failed = exchange
        for phase, duration_ns in exchange.phases.items():
            times = self._phases[phase]
            times.append(duration_ns)
            if self._recent is not None and len(times) >= 2 * self._recent:
                del times[: -self._recent]


def exchanges_summary(counts: ExchangeCounts, figures: ExchangeFigures) -> Json:
    """Return what is known of a web server; times in nanoseconds, what is not known is null."""
    latest, failed = counts.latest, figures.failed
    phases = {phase: delay_figures(figures.phase_ns(phase)) for phase in Phase}
    return {
        "phases_ns": {phase.value: asdict(found) if found else None for phase, found in phases.items()},
        "responses": {str(status): count for status, count in sorted(counts.responses.items())},
        "out_of_time": {phase: count for phase, count in counts.out_of_time.items() if count},
        "first_byte_timestamps": dict(counts.first_bytes),
        "received_bytes": counts.received_octets,
        "redirects": counts.redirects,
        "syn_retransmits": counts.syn_retransmits,
        "http_version": latest.http_version if latest else None,
        "tls_version": latest.tls_version if latest else None,
        "verified": latest.verified if latest else None,
        "certificate": _certificate(counts.certificate, figures.at_ns) if counts.certificate else None,
        "latest_failure": _failure(failed) if failed else None,
    }


def exchange_json(exchange: Exchange) -> Json:
    """Return what is known of one attempt, as part of its sample."""
    known = {
        "phases_ns": {phase.value: duration_ns for phase, duration_ns in exchange.phases.items()},
        "address": exchange.address,
        "status": exchange.status,
        "kernel_stamped": exchange.stamped,
        "phase": exchange.phase.value if exchange.phase else None,
        "detail": exchange.detail,
    }
    return {key: value for key, value in known.items() if value is not None}


def _certificate(certificate: Certificate, at_ns: int) -> Json:
    days_left = certificate.days_left(datetime.fromtimestamp(at_ns / 1e9, UTC))
    return {"not_after": certificate.not_after.isoformat().replace("+00:00", "Z"), "days_left": round(days_left, 2)}


def _failure(failed: Exchange) -> Json:
    return {
        "reason": failed.failure.value if failed.failure else None,
        "phase": failed.phase.value if failed.phase else None,
        "detail": failed.detail,
    }
