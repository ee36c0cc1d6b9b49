"""What a reflector says of itself: where it answers, and in the end what became of what came; in words and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agent.plan import ReflectorPlan
from agent.reflector.answering import Answering, Control


def introduction(found: Answering, plan: ReflectorPlan) -> Iterator[str]:
    """Say where it answers, and whom."""
    yield f"Answering on {_joined(found.listen)} for {_joined(found.networks)}."
    if found.control is not None:
        where = _joined(found.control.listen)
        yield f"TWAMP-Control on {where} (TCP) for the same, {plan.twamp_max_sessions} sessions at once at most."


def summary(found: Answering) -> Iterator[str]:
    """Say what became of what came."""
    yield (
        f"{found.reflector.counts.replies} answered"
        f"; refused: {_listed(found.reflector.counts.refused)}"
        f"; not sent: {_listed(found.server.not_sent)}"
        f"; dropped by the kernel for want of room: {found.server.dropped}."
    )
    if found.control is not None:
        counts = found.control.counts
        yield (
            f"TWAMP-Control: connections: {counts.accepted}; refused: {_listed(counts.connections_refused)}"
            f"; sessions: {counts.sessions_accepted}; refused: {_listed(counts.sessions_refused)}."
        )


def report(found: Answering) -> dict[str, object]:
    """Return the same for programs: a JSON object, schema ``eragent.reflect/1``."""
    said = {
        "schema": "eragent.reflect/1",
        "listen": [str(address) for address in found.listen],
        "allow": [str(network) for network in found.networks],
        "replies": found.reflector.counts.replies,
        "refused": found.reflector.counts.refused,
        "not_sent": dict(found.server.not_sent),
        "dropped": found.server.dropped,
    }
    return said if found.control is None else said | {"twamp": _control_report(found.control)}


def _control_report(control: Control) -> dict[str, object]:
    counts = control.counts
    return {
        "listen": [str(address) for address in control.listen],
        "connections": counts.accepted,
        "connections_refused": dict(counts.connections_refused),
        "sessions": counts.sessions_accepted,
        "sessions_refused": dict(counts.sessions_refused),
    }


def _joined(things: Iterable[object]) -> str:
    return ", ".join(map(str, things))


def _listed(counts: Mapping[Any, int]) -> str:
    return _joined(f"{count} {reason}" for reason, count in counts.items() if count) or "none"
