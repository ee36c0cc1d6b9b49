"""A packet's departure, its answer, and the times of the round trip that they make. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from collectors.peer import DirectMeasurement, Quirk
from collectors.sample import TimestampSource

_KERNEL, _USER = TimestampSource.KERNEL, TimestampSource.USER  # to find a member takes CPython 3.11 0.1 µs
_CLOCK_STEP_NS = 50_000_000  # less may be this program stalled between reading its two clocks
_LONGEST_RESIDENCE_NS = 1_000_000_000  # a reflector that claims more has other clocks at work
AHEAD_NS = 1_000_000  # a reflector that sends many answers at once writes T3 ahead: by 60 µs as seen, never by this


class Departure(NamedTuple):
    """A packet on its way: its slot, both clocks read just before sending, how far behind its slot that was.

    ``size`` counts the octets that were given to the socket, where any were.
    """

    slot: int
    wall_ns: int
    monotonic_ns: int
    lateness_ns: int
    size: int = 0


DepartureOf = Callable[[int], Departure | None]
"""Tells how the packet with this number (or its low 32 bits) left; ``None`` if nobody remembers it."""


class Quote(NamedTuple):
    """Which packet an ICMP error quotes: its number, or the low ``bits`` bits of that; 0 bits say nothing of it.

    Routers quote 8 octets beyond the IP header at least (RFC 792): of UDP nothing that tells packets apart.
    """

    sequence: int
    bits: int


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


class RoundTrip(NamedTuple):
    """The times of an answered packet, ns, and who took them."""

    rtt_ns: int
    source: TimestampSource
    forward_ns: int | None
    backward_ns: int | None
    residence_ns: int | None
    reflector_stamped: bool


def round_trip(
    departure: Departure, transmit_ns: int | None, answer: Answer, reflector_stamp_ns: int | None = None
) -> RoundTrip:
    """Work out the round trip of an answered packet: (T4 - T1) - (T3 - T2), RFC 6673, section 8.

    ``transmit_ns`` and ``reflector_stamp_ns`` are the kernels' transmit stamps of the packet and of its answer, where
    they are known. A wall clock that was stepped in between falsifies stamps: then the monotonic clock, read by this
    program, has the last word.
    """
    elapsed_ns = answer.monotonic_ns - departure.monotonic_ns
    received_ns, replied_ns = answer.reflector_received_ns, answer.reflector_sent_ns
    residence_ns: int | None = None
    reflector_stamped = False
    if received_ns is not None and replied_ns is not None:
        if reflector_stamp_ns is not None and _is_of(reflector_stamp_ns, received_ns, replied_ns, elapsed_ns):
            replied_ns, reflector_stamped = reflector_stamp_ns, True
        residence_ns = replied_ns - received_ns
        if not is_possible_residence(residence_ns, elapsed_ns):
            received_ns, residence_ns, reflector_stamped = None, None, False
    sent_ns = transmit_ns or departure.wall_ns
    arrived_ns = answer.stamp_ns or answer.wall_ns
    total_ns = arrived_ns - sent_ns
    source = _USER if transmit_ns is None or answer.stamp_ns is None else _KERNEL
    forward_ns = backward_ns = None
    if abs(answer.wall_ns - departure.wall_ns - elapsed_ns) > _CLOCK_STEP_NS or total_ns < 0:
        total_ns, source = elapsed_ns, _USER
    elif received_ns is not None and replied_ns is not None:
        forward_ns, backward_ns = received_ns - sent_ns, arrived_ns - replied_ns
    rtt_ns = max(total_ns - (residence_ns or 0), 0)
    return RoundTrip(rtt_ns, source, forward_ns, backward_ns, residence_ns or None, reflector_stamped)


def is_possible_residence(residence_ns: int, elapsed_ns: int) -> bool:
    """Whether a packet may have spent this time in its reflector, which answered within ``elapsed_ns`` all in all."""
    return 0 <= residence_ns <= _LONGEST_RESIDENCE_NS and residence_ns <= elapsed_ns + AHEAD_NS


def _is_of(stamp_ns: int, received_ns: int, sent_ns: int, elapsed_ns: int) -> bool:
    """Whether the reflector's kernel may have sent this answer then: neither before T2 or well before T3, nor too late.

    A stamp that cannot be is of another answer or another clock.
    """
    return max(received_ns, sent_ns - AHEAD_NS) <= stamp_ns <= received_ns + elapsed_ns
