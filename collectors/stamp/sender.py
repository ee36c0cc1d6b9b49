"""Asks with STAMP test packets: a Session-Sender (RFC 8762, section 4.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from collectors.clock import Clock, kernel_clock_state
from collectors.path import Address, NetworkPath, PacketMarks
from collectors.peer import Rejection
from collectors.roundtrip import Answer
from collectors.session import DepartureOf
from collectors.sockets import Datagram, StampedSocket, family_of, open_udp
from collectors.stamp.authentication import Key
from collectors.stamp.numbering import NumberingCheck
from collectors.stamp.timestamp import ErrorEstimate, ntp_from_wall
from collectors.stamp.wire import BASE_SIZE, StampError, parse_reflector_packet, request

_CLOCK_STATE_AGE_NS = 10_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StampOptions:
    """What a STAMP probe sends: UDP to ``port``, at least ``size`` octets of UDP payload (44, the base packet, or more).

    With a ``key`` packets are authenticated both ways. ``ssid`` is the session identifier (RFC 8972, section 3), 0 for
    none; where it is ``ssid_required``, reflectors that return 0 because they know RFC 8762 only are not heard.
    ``ptp``: timestamps are sent in PTP's format, not NTP's. ``tlvs`` are the names of those that packets carry once the
    reflector was seen to understand them; ``None`` leaves the choice to the sender.
    """

    kind: ClassVar[str] = "stamp"
    port: int = 862
    size: int = 44
    marks: PacketMarks = PacketMarks()
    key: Key | None = None
    ssid: int = 0
    ssid_required: bool = False
    ptp: bool = False
    tlvs: tuple[str, ...] | None = None


class StampSender:
    """Builds the test packets of one session, and understands what its Session-Reflector sends back."""

    facts = None

    def __init__(self, options: StampOptions, clock: Clock) -> None:
        self.port = options.port
        self._options = options
        self._clock = clock
        self._error_estimate = ErrorEstimate.UNKNOWN
        self._error_estimate_until_ns = 0
        self._numbering: NumberingCheck | None = None

    def open(self, path: NetworkPath, to: Address) -> StampedSocket:
        """Open a UDP socket; its port is the session's, and tells the reflector sessions apart.

        Beside it, ask in a session of its own whether the reflector numbers its answers.
        """
        sock = open_udp(path, family_of(to), self._options.marks)
        self._numbering = NumberingCheck(
            open_udp(path, family_of(to), self._options.marks),
            to,
            lambda number: self._packet(number, self._clock.wall_ns(), BASE_SIZE),
        )
        self._numbering.look(wall_ns=self._clock.wall_ns(), monotonic_ns=self._clock.monotonic_ns())
        return sock

    def close(self) -> None:
        """Stop asking how answers are numbered."""
        if self._numbering is not None:
            self._numbering.close()
            self._numbering = None

    def request(self, sequence: int, wall_ns: int) -> bytes:
        """Build the test packet with this number."""
        return self._packet(sequence, wall_ns, self._options.size)

    def answer(
        self, datagram: Datagram, *, wall_ns: int, monotonic_ns: int, departure_ns: DepartureOf
    ) -> Answer | Rejection | None:
        """Understand a reflected test packet, or say why it is none."""
        try:
            packet = parse_reflector_packet(datagram.data)
        except StampError:
            return Rejection.MALFORMED
        departed_ns = departure_ns(packet.sender_sequence)
        if departed_ns is None:
            return Rejection.UNKNOWN_PACKET
        if packet.sender_timestamp != ntp_from_wall(departed_ns):
            return Rejection.WRONG_TIMESTAMP
        return Answer(
            sequence=packet.sender_sequence,
            stamp_ns=datagram.arrival.stamp_ns,
            wall_ns=wall_ns,
            monotonic_ns=monotonic_ns,
            ttl=datagram.arrival.ttl,
            reflector_sequence=packet.sequence,
            reflector_received_ns=packet.received_ns(now_ns=wall_ns),
            reflector_sent_ns=packet.sent_ns(now_ns=wall_ns),
            stateful=self._numbering is not None
            and self._numbering.look(wall_ns=wall_ns, monotonic_ns=monotonic_ns) is True,
        )

    def _packet(self, sequence: int, wall_ns: int, size: int) -> bytes:
        estimate = self._current_error_estimate()
        return request(sequence=sequence & 0xFFFFFFFF, wall_ns=wall_ns, error_estimate=estimate, size=size)

    def _current_error_estimate(self) -> ErrorEstimate:
        """Say how well this host's clock is kept, as the kernel knew it at most ten seconds ago."""
        now_ns = self._clock.monotonic_ns()
        if now_ns >= self._error_estimate_until_ns:
            self._error_estimate_until_ns = now_ns + _CLOCK_STATE_AGE_NS
            try:
                state = kernel_clock_state()
            except OSError:  # a sandbox forbids adjtimex: nothing is claimed then
                self._error_estimate = ErrorEstimate.UNKNOWN
            else:
                self._error_estimate = ErrorEstimate.from_clock(
                    synchronised=state.synchronised, error_ns=state.max_error_ns
                )
        return self._error_estimate
