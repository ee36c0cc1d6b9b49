"""Departures, answers and what came of them, for the tests of streams."""

from __future__ import annotations

from collectors.peer import Rejection
from collectors.roundtrip import Answer, Departure
from collectors.sample import Outcome, Sample
from collectors.stream import Stream, StreamEvent

MS = 1_000_000
WALL = 1_768_478_400_000_000_000  # wall minus monotonic in these tests
TIMEOUT_NS = 1000 * MS


def departure(slot: int, at_ns: int, *, lateness_ns: int = 0) -> Departure:
    return Departure(slot=slot, wall_ns=WALL + at_ns, monotonic_ns=at_ns, lateness_ns=lateness_ns)


def answer(sequence: int, at_ns: int, *, reflected: int | None = None, stamped: bool = True) -> Answer:
    return Answer(
        sequence=sequence,
        stamp_ns=WALL + at_ns if stamped else None,
        wall_ns=WALL + at_ns,
        monotonic_ns=at_ns,
        reflector_sequence=reflected,
    )


def send(stream: Stream, at_ns: int, *, stamped: bool = True) -> int:
    sequence = stream.sent(departure(stream.next_sequence, at_ns))
    if stamped:
        assert stream.transmitted(sequence, WALL + at_ns) == []
    return sequence


def samples(events: list[StreamEvent] | Rejection) -> list[Sample]:
    assert not isinstance(events, Rejection)
    return [event for event in events if isinstance(event, Sample)]


def outcomes(events: list[StreamEvent] | Rejection) -> list[Outcome]:
    return [sample.outcome for sample in samples(events)]
