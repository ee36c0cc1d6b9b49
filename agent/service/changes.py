"""Tells what changes about streams, once each: who cannot send, gets no answers, does again, moved. No I/O, no log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agent.counts import StreamCounts
from agent.sink import StreamKey
from collectors.errors import CollectorError

UNANSWERED = "unanswered"
"""The reason of a stream whose packets leave and get no answers."""

_S = 1_000_000_000
_SILENT_NS = 5 * _S
_SILENT_PACKETS = 5
_REFUSED_NS = _S  # one packet that is refused, an interface's queue being full, is for the metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that began (``bad``) or ended; ``reason`` is one of the words that metrics have, or "unanswered"."""

    key: StreamKey
    text: str
    bad: bool = False
    reason: str | None = None


@dataclass(slots=True)
class _State:
    received: int
    unanswered: int
    """Packets without an answer when one was received last."""
    failed: int
    """Of these, packets that were turned down."""
    answered_ns: int
    address: str | None = None
    resolved: bool = True
    refused_since_ns: int | None = None
    bad_since_ns: int = 0
    bad: str | None = None
    """The reason that was told."""


class Watching:
    """Remembers of each stream what was told of it; times are monotonic."""

    def __init__(self) -> None:
        self._states: dict[StreamKey, _State] = {}

    @property
    def troubled(self) -> list[StreamKey]:
        """Streams that are known to be in trouble."""
        return [key for key, state in self._states.items() if state.bad is not None]

    def forget(self, keys: Iterable[StreamKey]) -> None:
        """Forget streams that there are no more, or that begin anew."""
        for key in keys:
            self._states.pop(key, None)

    def look(
        self,
        now_ns: int,
        key: StreamKey,
        counts: StreamCounts,
        *,
        trouble: CollectorError | None = None,
        address: str | None = None,
        resolved: bool = True,
    ) -> list[Change]:
        """Return what changed since this stream was looked at before."""
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = _State(-1, 0, 0, now_ns, address)
        answered = counts.received != state.received
        if answered:
            state.received, state.answered_ns = counts.received, now_ns
            state.unanswered, state.failed = _unanswered(counts), counts.failed.total()
        changes = [*_moved(key, state, address, resolved=resolved)]
        found = _trouble(now_ns, state, counts, trouble)
        if found is not None and found[0] != state.bad:
            state.bad_since_ns = state.bad_since_ns if state.bad else found[2]
            state.bad = found[0]
            changes.append(Change(key=key, text=f"{name(key)}: {found[1]}", bad=True, reason=found[0]))
        elif found is None and state.bad is not None and answered:
            lasted = duration(now_ns - state.bad_since_ns)
            changes.append(Change(key=key, text=f"{name(key)}: answers again, after {lasted}", reason=state.bad))
            state.bad = None
        return changes


def name(key: StreamKey) -> str:
    """Name a stream as a sentence does."""
    return f"{key.probe} to {key.target} on {key.path}"


def duration(ns: int) -> str:
    """Tell a duration as coarsely as somebody who looks back wants it."""
    seconds = round(ns / _S)
    if seconds < 120:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def _trouble(
    now_ns: int, state: _State, counts: StreamCounts, trouble: CollectorError | None
) -> tuple[str, str, int] | None:
    """Return the reason of a trouble that lasts, what to tell of it, and since when it is there."""
    if trouble is not None:
        if state.refused_since_ns is None:
            state.refused_since_ns = now_ns
        if state.bad is None and now_ns - state.refused_since_ns < _REFUSED_NS:
            return None
        return trouble.reason, f"cannot send: {trouble}", state.refused_since_ns
    state.refused_since_ns = None
    silent = _unanswered(counts) - state.unanswered
    if silent < _SILENT_PACKETS or now_ns - state.answered_ns < _SILENT_NS:
        return None
    turned_down = counts.failed.total() - state.failed == silent
    reason = counts.failed.most_common(1)[0][0] if turned_down else UNANSWERED
    return reason, f"no answer to {silent} packets ({reason})", state.answered_ns


def _unanswered(counts: StreamCounts) -> int:
    return counts.sent - counts.received - counts.overlooked


def _moved(key: StreamKey, state: _State, address: str | None, *, resolved: bool) -> Iterable[Change]:
    if address is not None and state.address is not None and address != state.address:
        yield Change(key=key, text=f"{name(key)}: is sent to {address} from now on, and was sent to {state.address}")
    if address is not None and resolved != state.resolved:
        text = "resolves again" if resolved else f"the name does not resolve any more; {address} stays in use"
        yield Change(key=key, text=f"{name(key)}: {text}", bad=not resolved, reason="unresolved")
        state.resolved = resolved
    state.address = address or state.address
