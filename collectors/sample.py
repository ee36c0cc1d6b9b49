"""One packet and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from collectors.exchange import Exchange
from collectors.peer import Quirk


class Outcome(StrEnum):
    """What became of a packet, or of one copy of its answer.

    ``ANSWERED``, ``REORDERED``, ``LOST``, ``FAILED``, ``OVERLOOKED`` and ``NOT_SENT`` settle a packet: each packet gets
    exactly one of them. Of a probe that makes connections a packet is an attempt to make one.
    ``LATE`` and ``DUPLICATE`` report a further answer to a packet that is settled already, and change nothing of it.
    """

    ANSWERED = "answered"
    """The answer came within the packet's own timeout."""
    REORDERED = "reordered"
    """Answered in time, but behind the answer to a later packet (RFC 4737, section 3.3)."""
    LOST = "lost"
    """No answer within the packet's own timeout (RFC 6673, section 4.3)."""
    FAILED = "failed"
    """The far end, or somebody on the way, answered that it cannot be: neither a loss nor a round trip."""
    OVERLOOKED = "overlooked"
    """No answer was read in time, and this host may have had one: no statement about the path.

    Its kernel dropped what may have been it, or its socket was closed meanwhile: the interface or the address that it
    is sent from was gone, or the target's name has another address.
    """
    NOT_SENT = "not_sent"
    """The kernel refused the packet, or there was nowhere to send it: no statement about the path."""
    LATE = "late"
    """An answer to a packet that was lost, for which it came too late (RFC 7679, section 3.8.2), or had failed."""
    DUPLICATE = "duplicate"
    """A further copy of an answer (RFC 5560)."""

    received: bool
    """Whether the packet was answered in time."""
    settles: bool
    """Whether this is a packet's one final outcome, not the report of a further answer."""

    def __init__(self, value: str) -> None:
        self.received = value in ("answered", "reordered")
        self.settles = value not in ("late", "duplicate")


RETRANSMITTED = "retransmitted"
"""Why a packet is lost whose connection came about all the same: the kernel had to send its SYN again.

The time of such a connection is a second or more of waiting for that, which no packet needed.
"""


NOISE_NS = 1_000_000
"""How late this host may be before a sample counts as taken while it was stalled.

A bare clock_nanosleep(2) loop on an idle host is 0.04 ms late at the median and 0.27 ms at p99 (docs/accuracy.md), and
a packet of this program 0.05 and 0.15: more than a timer's own lateness takes four times that, and a scheduler that
lets others finish their slice gives them a millisecond and more.
"""


class TimestampSource(StrEnum):
    """Who took the times of a sample: the kernel at both ends of the way, or this program."""

    KERNEL = "kernel"
    USER = "user"


class Sample(NamedTuple):
    """One packet and what became of it.

    Times in nanoseconds; ``sent_at_ns`` is wall time (Unix epoch, UTC). What is not known is ``None``.

    ``sequence``: ``None`` where the packet was not sent: such a packet takes no number.
    ``rtt_ns``: network round-trip time, the reflector's residence time taken off (RFC 2681; RFC 6673, section 8).
    ``forward_ns`` and ``backward_ns``: raw one-way differences T2-T1 and T4-T3, which contain the clocks' offset;
    only their variation has a meaning (RFC 5481, section 6.3).
    ``handshake_ns``: the kernel's own time of the connection's handshake (:class:`collectors.handshake.Handshake`).
    ``reason``: why a packet was not sent, one of :data:`collectors.errors.REASONS`; why it failed, one of its kind's
    failures; or :data:`RETRANSMITTED`.
    ``offender``: who answered with an ICMP error that it cannot be.
    ``exchange``: of a probe of web servers, all that is known of the attempt; its whole time is ``rtt_ns``.
    ``reflector_stamped``: T3 is the reflector's kernel's, told afterwards (RFC 8972, section 4.7).
    ``forward_tos``: the TOS octet or traffic class that the packet had when it reached the reflector (RFC 8972,
    section 4.4); ``backward_tos``: the one that its answer had here, where the reflector sent it with our DSCP.
    ``quirks``: how the answer departs from the standard.
    ``noisy``: this host was stalled, for more than :data:`NOISE_NS`, while the sample was taken.
    """

    # No dataclass: every packet makes one, and a frozen one of so many fields takes 2.5 µs, this 1.

    slot: int
    sequence: int | None
    sent_at_ns: int
    outcome: Outcome
    rtt_ns: int | None = None
    forward_ns: int | None = None
    backward_ns: int | None = None
    residence_ns: int | None = None
    ttl: int | None = None
    timestamps: TimestampSource | None = None
    lateness_ns: int = 0
    reason: str | None = None
    reflector_stamped: bool = False
    forward_tos: int | None = None
    backward_tos: int | None = None
    quirks: frozenset[Quirk] = frozenset()
    handshake_ns: int | None = None
    offender: str | None = None
    exchange: Exchange | None = None
    noisy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionalLoss:
    """How many of the settled losses between two answered packets happened on the way there, and on the way back.

    Told by a stateful reflector's own sequence numbers once a later answer has arrived; ``sequence`` is that answer's.
    """

    sequence: int
    forward: int
    backward: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveDrops:
    """How many datagrams more the kernel dropped since it was last asked, for want of room in a stream's socket.

    They were answers, copies of such, or what others sent there; a datagram with a wrong checksum counts too.
    """

    count: int
