"""Decides which test packets are answered, and with what: a stateful Session-Reflector (RFC 8762, section 4.3). No I/O.

It answers STAMP, authenticated where there is a key, with TLVs (RFC 8972), TWAMP-Light, and the sessions that
TWAMP-Control arranged. Each session's answers are numbered on their own, from 0, so that its sender can tell on which
way its packets were lost. Requests are turned into replies where they lie in a buffer.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial

from collectors.path import IPNetwork
from collectors.stamp.authentication import Key
from collectors.stamp.chain import UNRECOGNISED
from collectors.stamp.provided import MAX_PROVIDED, Provided, ProvidedSessions
from collectors.stamp.refusal import Refusal
from collectors.stamp.replay import ReplayWindow
from collectors.stamp.reply import (
    LEAST_ANSWER_SIZE,
    Arrival,
    Octets,
    Reply,
    Request,
    new_reply,
    reads_as_answer,
    seal,
    verifies,
    write_authenticated_reply,
    write_reply,
)
from collectors.stamp.table import (
    FRESH_NS,
    IDLE_NS,
    LOOPBACK,
    MAX_SESSIONS,
    PACKETS_PER_SECOND,
    Session,
    SessionTable,
)
from collectors.stamp.timestamp import ErrorEstimate, ntp_pair_bits, ptp_pair_bits
from collectors.stamp.trailing import answer_tlvs
from collectors.stamp.wire import AUTHENTICATED_BASE_SIZE, BASE_SIZE, PORT, TWAMP_MINIMUM_SIZE

_HEAD = struct.Struct("!14sH12xI")  # number, T1, Error Estimate; SSID; where an answer repeats T1 a request has zeros
_AUTHENTICATED_HEAD = struct.Struct("!4s12x8sHH36xI")  # the same, further apart
_PTP = 0x4000  # the Z bit of an Error Estimate
_PTP_OCTET = _PTP >> 8
_U32 = 0xFFFFFFFF
_TWAMP_REPLY_SIZE = 41  # RFC 5357, section 4.2.1


@dataclass(slots=True)
class Counts:
    """What was answered, and what was refused for which reason."""

    replies: int = 0
    refused: dict[Refusal, int] = field(default_factory=lambda: dict.fromkeys(Refusal, 0))


class Reflector:
    """Answers test packets of the networks that it is told to answer, on a port.

    ``allow`` names networks whose packets are answered, short ones of TWAMP-Light (14 to 43 octets) too, though the
    answer has 44. Where it names none, only loopback is answered, and never with more octets than were asked with.
    With a ``key`` only what it authenticates is answered; with ``ssids`` only sessions of these names are. ``provided``
    are those that TWAMP-Control arranges, for which neither counts.
    """

    def __init__(
        self,
        *,
        port: int = PORT,
        allow: Sequence[IPNetwork] = (),
        packets_per_second: int = PACKETS_PER_SECOND,
        max_sessions: int = MAX_SESSIONS,
        key: Key | None = None,
        ssids: Collection[int] = (),
        max_provided: int = MAX_PROVIDED,
    ) -> None:
        self.counts = Counts()
        self._port = port
        self._key = key
        self._ssids = frozenset(ssids)
        self._shortest = TWAMP_MINIMUM_SIZE if allow and not ssids else BASE_SIZE
        self._table = SessionTable(
            networks=tuple(allow) or LOOPBACK,
            reflector_ports=frozenset((PORT, port)),
            packets_per_second=packets_per_second,
            max_sessions=max_sessions,
            need_care=key is not None or bool(ssids),
        )
        self._sessions = self._table.sessions
        self.provided = ProvidedSessions(self._table, port=port, max_sessions=max_provided)
        self._finish = {is_ptp: partial(seal, ptp=is_ptp, key=key) for is_ptp in (False, True)}
        self._synchronised = False
        self._error_estimate = int(ErrorEstimate.UNKNOWN)

    @property
    def sessions(self) -> int:
        """How many sessions are kept."""
        return len(self._sessions) + len(self.provided)

    def set_error_estimate(self, estimate: ErrorEstimate) -> None:
        """Say in all further answers how far off this host's clock may be."""
        self._synchronised = estimate.synchronised
        self._error_estimate = int(estimate)

    def answer(self, octets: Octets, at: int, size: int, peer: bytes, arrival: Arrival, now_ns: int) -> Reply | Refusal:
        """Turn the request of ``size`` octets at an offset of ``octets`` into its reply, or say why there is none.

        Whatever its octets, nothing is raised. There must be room for 44 octets. ``peer`` is the sender's socket
        address as the kernel has it; ``now_ns`` monotonic. The reply counts as sent; where the kernel refuses it,
        :meth:`unsent` is to be told.
        """
        session = self._sessions.get((peer, arrival[2]))
        if session is None or session.needs_care or size < BASE_SIZE or now_ns - session.heard_ns > FRESH_NS:
            return self._answer_carefully((octets, at, size, peer, arrival, now_ns))
        head, ssid, echo = _HEAD.unpack_from(octets, at)
        if echo or head[12] & _PTP_OCTET or (size > BASE_SIZE and octets[at + BASE_SIZE] == UNRECOGNISED):
            return self._answer_carefully((octets, at, size, peer, arrival, now_ns))
        # The usual packet, of which there may be a hundred thousand a second: calls that can be saved are.
        if not session.admits(now_ns):
            return self.refuse(Refusal.RATE)
        number = session.replies
        session.replies = number + 1
        self.counts.replies += 1
        received = ntp_pair_bits(arrival[0], arrival[1])
        write_reply(octets, at, number & _U32, self._error_estimate, ssid, received, head, arrival[3])
        return new_reply((size, arrival[4] >> 2, session, number, None, False))

    def left(self, session: Session, number: int, stamp_ns: int) -> None:
        """Note when the kernel sent a session's reply of this number (wall, ns)."""
        if session.previous is None or number > session.previous[0]:
            session.previous = (number, stamp_ns)

    def unsent(self, reply: Reply) -> None:
        """Note that the kernel refused a reply.

        Its number is given again if it was the session's latest. Otherwise the gap looks like a loss on the way back,
        which it is: between this program and the wire.
        """
        self.counts.replies -= 1
        if reply.session.replies == reply.number + 1:
            reply.session.replies = reply.number

    def refuse(self, refusal: Refusal) -> Refusal:
        """Count a datagram that gets no answer, and return why."""
        self.counts.refused[refusal] += 1
        return refusal

    def _answer_carefully(self, request: Request) -> Reply | Refusal:
        """Answer any packet: of a new session or an arranged one, authenticated, with TLVs, of a sender of PTP."""
        octets, at, size, peer, arrival, now_ns = request
        if size < TWAMP_MINIMUM_SIZE:
            return self.refuse(Refusal.MALFORMED)
        provided = self.provided.find((peer, arrival[2]))
        if provided is not None:
            return self._answer_provided(request, provided)
        if self._key is not None:
            return self._answer_authenticated(request, self._key)
        if size < self._shortest:
            return self.refuse(Refusal.TOO_SHORT)
        head, ssid, echo = _HEAD.unpack_from(octets, at)
        if size < LEAST_ANSWER_SIZE:
            echo = 0
        if size < BASE_SIZE:  # TWAMP-Light: what lies behind its octets is of another packet
            size, ssid = BASE_SIZE, 0
        session = self._session(peer, arrival[2], ssid, now_ns)
        if isinstance(session, Refusal):
            return self.refuse(session)
        if echo and self._loops(request, session, authenticated=False):
            return self.refuse(Refusal.LOOP)
        if not session.admits(now_ns):
            return self.refuse(Refusal.RATE)
        number, is_ptp = self._next_number(session, now_ns), bool(head[12] & _PTP_OCTET)
        # A sender that knows PTP is answered with PTP (RFC 8762, section 4.2.1).
        reply = Reply(size, arrival[4] >> 2, session, number, self._finish[True] if is_ptp else None)
        if size > BASE_SIZE and octets[at + BASE_SIZE] == UNRECOGNISED:
            reply = answer_tlvs(
                request, reply, key=None, port=self._port, synchronised=self._synchronised, is_ptp=is_ptp
            )
        error_estimate, received = self._times(arrival, is_ptp=is_ptp)
        write_reply(octets, at, number & _U32, error_estimate, ssid, received, head, arrival[3])
        return reply

    def _answer_provided(self, request: Request, provided: Provided) -> Reply | Refusal:
        """Answer a packet of TWAMP (RFC 5357, section 4.2.1): NTP, no SSID, no TLVs, 41 octets at least."""
        octets, at, size, _, (seconds, nanoseconds, _, ttl, _), now_ns = request
        session = provided.session
        if provided.ends_ns is not None and now_ns >= provided.ends_ns:
            return self.refuse(Refusal.ENDED)
        if size >= LEAST_ANSWER_SIZE and self._loops(request, session, authenticated=False):
            return self.refuse(Refusal.LOOP)
        if not session.admits(now_ns):
            return self.refuse(Refusal.RATE)
        number = self._count_reply(session)
        head = bytes(octets[at : at + TWAMP_MINIMUM_SIZE])
        padding = octets[at + _TWAMP_REPLY_SIZE : at + BASE_SIZE]  # where a STAMP reply has zeros
        received = ntp_pair_bits(seconds, nanoseconds)
        write_reply(octets, at, number & _U32, self._error_estimate, 0, received, head, ttl)
        octets[at + _TWAMP_REPLY_SIZE : at + BASE_SIZE] = padding
        return Reply(max(size, _TWAMP_REPLY_SIZE), provided.dscp, session, number)

    def _answer_authenticated(self, request: Request, key: Key) -> Reply | Refusal:
        """Answer a packet that the key authenticates: before it is verified, nothing of it is used."""
        octets, at, size, peer, arrival, now_ns = request
        if size < AUTHENTICATED_BASE_SIZE or not verifies(octets, at, key):
            return self.refuse(Refusal.NOT_AUTHENTIC)
        sequence, departure, error_bits, ssid, echo = _AUTHENTICATED_HEAD.unpack_from(octets, at)
        session = self._session(peer, arrival[2], ssid, now_ns)
        if isinstance(session, Refusal):
            return self.refuse(session)
        if echo and self._loops(request, session, authenticated=True):
            return self.refuse(Refusal.LOOP)
        if session.window is None:
            session.window = ReplayWindow()
        if not session.window.accepts(int.from_bytes(sequence, "big"), int.from_bytes(departure, "big")):
            return self.refuse(Refusal.REPLAYED)
        if not session.admits(now_ns):
            return self.refuse(Refusal.RATE)
        number, is_ptp = self._next_number(session, now_ns), bool(error_bits & _PTP)
        reply = new_reply((size, arrival[4] >> 2, session, number, self._finish[is_ptp], False))
        if size > AUTHENTICATED_BASE_SIZE and octets[at + AUTHENTICATED_BASE_SIZE] == UNRECOGNISED:
            reply = answer_tlvs(
                request, reply, key=key, port=self._port, synchronised=self._synchronised, is_ptp=is_ptp
            )
        error_estimate, received = self._times(arrival, is_ptp=is_ptp)
        repeated = departure + error_bits.to_bytes(2, "big")
        write_authenticated_reply(
            octets, at, number & _U32, error_estimate, ssid, received, sequence, repeated, arrival[3]
        )
        return reply

    def _session(self, peer: bytes, destination: bytes, ssid: int, now_ns: int) -> Session | Refusal:
        """Find the session of a packet, or begin it if its source may have one and there is room for it."""
        if self._ssids:
            if ssid not in self._ssids:
                return Refusal.WRONG_SSID
            key = (peer, destination + ssid.to_bytes(2, "big"))
        else:
            key = (peer, destination)
        session = self._sessions.get(key)
        if session is not None and now_ns - session.heard_ns <= IDLE_NS:
            return session
        refusal = self._table.refusal(peer, destination)
        if refusal is not None:
            return refusal
        return self._table.begin(key, now_ns) or Refusal.TABLE_FULL

    def _next_number(self, session: Session, now_ns: int) -> int:
        """Count a reply, and return the number that it bears; the session was heard of."""
        session.heard_ns = now_ns
        self._sessions.move_to_end(session.key)
        return self._count_reply(session)

    def _count_reply(self, session: Session) -> int:
        number = session.replies
        session.replies = number + 1
        self.counts.replies += 1
        return number

    def _times(self, arrival: Arrival, *, is_ptp: bool) -> tuple[int, int]:
        """Return the error estimate and T2, both in the format that the reply's timestamps have."""
        if is_ptp:
            return self._error_estimate | _PTP, ptp_pair_bits(arrival[0], arrival[1])
        return self._error_estimate, ntp_pair_bits(arrival[0], arrival[1])

    def _loops(self, request: Request, session: Session, *, authenticated: bool) -> bool:
        octets, at, _, _, arrival, _ = request
        return reads_as_answer(
            octets,
            at,
            authenticated=authenticated,
            replies=session.replies,
            error_estimate=self._error_estimate,
            now_s=arrival[0],
        )
