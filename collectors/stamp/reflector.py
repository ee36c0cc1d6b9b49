"""Decides which test packets are answered, and with what: a stateful Session-Reflector (RFC 8762, section 4.3). No I/O.

A session is a sender's address and port and the address that it asked; the SSID is not part of it, because in the
packets of TWAMP-Light the same octets are padding. Each session's answers are numbered on their own, from 0, so that
its sender can tell on which way its packets were lost.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address, ip_network
from typing import NamedTuple
from weakref import WeakValueDictionary

from collectors.path import Address, IPNetwork
from collectors.stamp import wire
from collectors.stamp.timestamp import ErrorEstimate

LOOPBACK: tuple[IPNetwork, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
"""Who is answered where nobody is named."""

IDLE_NS = 900 * 1_000_000_000
"""A session that was silent for so long is over (REFWAIT of RFC 5357, section 3.1)."""
PROTECTED_NS = 60 * 1_000_000_000
"""A session that was heard of within this time is not forgotten for a new one's sake."""
MAX_SESSIONS = 16_384
PACKETS_PER_SECOND = 10_000
"""How many packets of one source address are answered: ten paths at 1,000 packets a second."""


class Refusal(StrEnum):
    """Why a datagram got no answer."""

    NOT_ALLOWED = "not_allowed"
    """The source is in none of the networks that are answered."""
    NOT_UNICAST = "not_unicast"
    """It was sent to many hosts, or claims to come from many."""
    MALFORMED = "malformed"
    """Too short for any test packet."""
    TOO_SHORT = "too_short"
    """A TWAMP-Light packet of less than 44 octets, whose answer would be longer, from a source that nobody named."""
    LOOP = "loop"
    """It comes from a reflector's port, or is an answer to one of our answers."""
    RATE = "rate"
    """The source sends more than is answered."""
    TABLE_FULL = "table_full"
    """There are as many sessions as there may be, all of them in use."""


@dataclass(slots=True, weakref_slot=True)
class _TokenBucket:
    """Lets through a packet each ``interval_ns`` on average, and one second's worth at once.

    A second, because what waited in the socket while this process did not run arrives together. It is kept as the
    time at which the bucket is full again, the generic cell rate algorithm: one number, no rounding.
    """

    interval_ns: int
    full_at_ns: int = 0

    def take(self, now_ns: int) -> bool:
        full_at_ns = max(self.full_at_ns, now_ns) + self.interval_ns
        if full_at_ns - now_ns > 1_000_000_000:
            return False
        self.full_at_ns = full_at_ns
        return True


@dataclass(slots=True)
class Session:
    """What is kept of a session: its number of answers so far, when it was last heard of, its source's bucket."""

    bucket: _TokenBucket
    replies: int = 0
    heard_ns: int = 0


class Reply(NamedTuple):
    """An answer to be sent, with the DSCP of the request and ECN 0, from the address that was asked to its source.

    ``data`` lacks T3, which who sends it writes last (:func:`collectors.stamp.wire.write_sent_time`).
    """

    data: bytearray
    dscp: int
    session: Session


@dataclass(slots=True)
class Counts:
    """What was answered, and what was refused for which reason."""

    replies: int = 0
    refused: dict[Refusal, int] = field(default_factory=lambda: dict.fromkeys(Refusal, 0))


class Reflector:
    """Answers test packets of the networks that it is told to answer.

    ``allow`` names networks whose packets are answered, short ones of TWAMP-Light (14 to 43 octets) too, though the
    answer has 44. Where it names none, only loopback is answered, and never with more octets than were asked with.
    ``own_ports`` are the ports that this reflector listens on.
    """

    def __init__(
        self,
        *,
        allow: Sequence[IPNetwork] = (),
        own_ports: Iterable[int] = (),
        packets_per_second: int = PACKETS_PER_SECOND,
        max_sessions: int = MAX_SESSIONS,
    ) -> None:
        self.counts = Counts()
        self._networks = tuple(allow) or LOOPBACK
        self._shortest = wire.TWAMP_MINIMUM_SIZE if allow else wire.BASE_SIZE
        self._reflector_ports = frozenset((wire.PORT, *own_ports))
        self._interval_ns = 1_000_000_000 // packets_per_second
        self._max_sessions = max_sessions
        self._sessions: OrderedDict[tuple[Address, bytes], Session] = OrderedDict()  # the longest silent first
        self._buckets: WeakValueDictionary[str, _TokenBucket] = WeakValueDictionary()  # live as long as their sessions
        self._error_estimate = int(ErrorEstimate.UNKNOWN)

    @property
    def sessions(self) -> int:
        """How many sessions are kept."""
        return len(self._sessions)

    def set_error_estimate(self, estimate: ErrorEstimate) -> None:
        """Say in all further answers how far off this host's clock may be."""
        self._error_estimate = int(estimate)

    def answer(
        self,
        data: bytes,
        source: Address,
        destination: bytes,
        received_ns: int,
        ttl: int | None,
        tos: int,
        now_ns: int,
    ) -> Reply | Refusal:
        """Answer a datagram, or say why not; whatever its octets, nothing is raised.

        ``destination`` is the address it was sent to, 4 or 16 octets; ``received_ns`` T2 (wall); ``tos`` its TOS or
        traffic class; ``now_ns`` monotonic. A reply that has been sent is reported with :meth:`sent`.
        """
        if len(data) < self._shortest:
            return self.refuse(Refusal.MALFORMED if len(data) < wire.TWAMP_MINIMUM_SIZE else Refusal.TOO_SHORT)
        key = (source, destination)
        session = self._sessions.get(key)
        if session is None or now_ns - session.heard_ns > IDLE_NS:
            self._sessions.pop(key, None)
            admitted = self._admitted(source, destination, now_ns)
            if isinstance(admitted, Refusal):
                return self.refuse(admitted)
            session = self._sessions[key] = admitted
        error_estimate = self._error_estimate
        if wire.reads_as_answer(data, replies=session.replies, error_estimate=error_estimate, now_ns=received_ns):
            return self.refuse(Refusal.LOOP)
        if not session.bucket.take(now_ns):
            return self.refuse(Refusal.RATE)
        session.heard_ns = now_ns
        self._sessions.move_to_end(key)
        sequence = session.replies & 0xFFFFFFFF
        return Reply(wire.reply(data, sequence, error_estimate, received_ns, ttl), tos >> 2, session)

    def sent(self, reply: Reply) -> None:
        """Count a reply that the kernel took: only then does its session's sequence number advance."""
        reply.session.replies += 1
        self.counts.replies += 1

    def refuse(self, refusal: Refusal) -> Refusal:
        """Count a datagram that gets no answer, and return why."""
        self.counts.refused[refusal] += 1
        return refusal

    def _admitted(self, source: Address, destination: bytes, now_ns: int) -> Session | Refusal:
        """Begin a session if its source may have one, and there is room for it."""
        host = ip_address(source[0])
        if ip_address(destination).is_multicast or host.is_multicast or host.is_unspecified:
            return Refusal.NOT_UNICAST
        if not any(host in network for network in self._networks):
            return Refusal.NOT_ALLOWED
        if source[1] in self._reflector_ports:
            return Refusal.LOOP
        if not self._make_room(now_ns):
            return Refusal.TABLE_FULL
        bucket = self._buckets.get(source[0])
        if bucket is None:
            bucket = self._buckets[source[0]] = _TokenBucket(self._interval_ns)
        return Session(bucket, heard_ns=now_ns)

    def _make_room(self, now_ns: int) -> bool:
        """Forget the sessions that are over; in a full table, the longest silent one, unless it may still be in use."""
        while self._sessions:
            key, session = next(iter(self._sessions.items()))
            silent_ns = now_ns - session.heard_ns
            if silent_ns <= IDLE_NS and len(self._sessions) < self._max_sessions:
                return True
            if silent_ns <= PROTECTED_NS:
                return False
            del self._sessions[key]
        return True
