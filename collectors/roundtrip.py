"""A packet's departure, its answer, and the times of the round trip that they make. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from collectors.peer import DirectMeasurement, Quirk
from collectors.sample import TimestampSource

_CLOCK_STEP_NS = 50_000_000  # less may be this program stalled between reading its two clocks
_LONGEST_RESIDENCE_NS = 1_000_000_000  # a reflector that claims more has other clocks at work
_AHEAD_NS = 1_000_000  # a reflector that sends many answers at once writes T3 ahead: by 60 µs as seen, never by this


DepartureOf = Callable[[int], int | None]
"""Tells at which wall time the packet with this number (or its low 32 bits) left; ``None`` if nobody remembers it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """A packet on its way: its slot, both clocks read just before sending, and how far behind its slot that was."""

    slot: int
    wall_ns: int
    monotonic_ns: int
    lateness_ns: int


class FollowUp(NamedTuple):
    """When an earlier answer left, by its reflector's kernel: its number there, and that time by the wall clock."""

    reflector_sequence: int
    sent_ns: int


class Answer(NamedTuple):
    """An answer, as a wire format understood it and a socket received it.

    ``sequence`` is the number of the packet that it answers, or its low 32 bits. ``stamp_ns`` is the kernel's receive
    stamp; ``wall_ns`` and ``monotonic_ns`` are both clocks, read when the datagram was. A reflector's own number and
    times, where it gives them: ``reflector_sequence``, ``reflector_received_ns`` (T2) and ``reflector_sent_ns`` (T3),
    its wall clock. ``stateful``: the reflector is known to number its answers itself. ``follow_up`` is about an
    earlier answer; ``follow_up_due``: the next one is expected to bring this one's. The rest is for :class:`Sample`
    and whoever counts.
    """

    # No dataclass: a frozen one of 15 fields takes 3 µs to make, for every packet; this takes 1.

    sequence: int
    stamp_ns: int | None
    wall_ns: int
    monotonic_ns: int
    ttl: int | None = None
    reflector_sequence: int | None = None
    reflector_received_ns: int | None = None
    reflector_sent_ns: int | None = None
    stateful: bool = False
    follow_up: FollowUp | None = None
    follow_up_due: bool = False
    forward_tos: int | None = None
    backward_tos: int | None = None
    quirks: frozenset[Quirk] = frozenset()
    direct_measurement: DirectMeasurement | None = None


@dataclass(slots=True)
class RoundTrip:
    """The times of an answered packet, ns, and who took them."""

    rtt_ns: int
    source: TimestampSource
    forward_ns: int | None = None
    backward_ns: int | None = None
    residence_ns: int | None = None
    reflector_stamped: bool = False


def round_trip(
    departure: Departure, transmit_ns: int | None, answer: Answer, reflector_stamp_ns: int | None = None
) -> RoundTrip:
    """Work out the round trip of an answered packet: (T4 - T1) - (T3 - T2), RFC 6673, section 8.

    ``transmit_ns`` and ``reflector_stamp_ns`` are the kernels' transmit stamps of the packet and of its answer, where
    they are known. A wall clock that was stepped in between falsifies stamps: then the monotonic clock, read by this
    program, has the last word.
    """
    sent_ns = transmit_ns or departure.wall_ns
    arrived_ns = answer.stamp_ns or answer.wall_ns
    elapsed_ns = answer.monotonic_ns - departure.monotonic_ns
    step_ns = (answer.wall_ns - departure.wall_ns) - elapsed_ns
    replied_ns = _replied_ns(answer, reflector_stamp_ns)
    residence_ns = residence(answer, replied_ns)
    reflector_stamped = reflector_stamp_ns is not None and replied_ns == reflector_stamp_ns
    total_ns = arrived_ns - sent_ns
    if abs(step_ns) > _CLOCK_STEP_NS or total_ns < 0:
        return RoundTrip(
            max(elapsed_ns - (residence_ns or 0), 0),
            TimestampSource.USER,
            residence_ns=residence_ns,
            reflector_stamped=reflector_stamped,
        )
    from_kernel = transmit_ns is not None and answer.stamp_ns is not None
    times = RoundTrip(
        max(total_ns - (residence_ns or 0), 0),
        TimestampSource.KERNEL if from_kernel else TimestampSource.USER,
        residence_ns=residence_ns,
        reflector_stamped=reflector_stamped,
    )
    if answer.reflector_received_ns is not None and replied_ns is not None:
        times.forward_ns = answer.reflector_received_ns - sent_ns
        times.backward_ns = arrived_ns - replied_ns
    return times


def residence(answer: Answer, replied_ns: int | None) -> int | None:
    """Return T3 - T2; ``None`` where the reflector gives no times or impossible ones, or one time for both."""
    if answer.reflector_received_ns is None or replied_ns is None:
        return None
    residence_ns = replied_ns - answer.reflector_received_ns
    return residence_ns if 0 < residence_ns <= _LONGEST_RESIDENCE_NS else None


def _replied_ns(answer: Answer, reflector_stamp_ns: int | None) -> int | None:
    """Return when the answer left: by the reflector's kernel if that can be, else as it says itself (T3).

    A stamp from before T2, from well before T3, or a second behind it, is of another answer or another clock.
    """
    received_ns, sent_ns = answer.reflector_received_ns, answer.reflector_sent_ns
    if reflector_stamp_ns is None or received_ns is None or sent_ns is None:
        return sent_ns
    earliest_ns = max(received_ns, sent_ns - _AHEAD_NS)
    return reflector_stamp_ns if earliest_ns <= reflector_stamp_ns <= sent_ns + _LONGEST_RESIDENCE_NS else sent_ns
