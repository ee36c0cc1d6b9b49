"""A session between a sender and a reflector that the test plays, with times that the test makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from collectors.ancillary import Datagram
from collectors.path import Address
from collectors.peer import ReflectorFacts, Rejection
from collectors.roundtrip import Answer, Departure
from collectors.sample import Sample
from collectors.stamp.asking import Asking
from collectors.stamp.authentication import Key
from collectors.stamp.capabilities import Capabilities
from collectors.stamp.facts import FactSheet
from collectors.stamp.hearing import Hearing
from collectors.stamp.options import StampOptions
from collectors.stamp.timestamp import ErrorEstimate, ntp_from_wall, ptp_from_wall
from collectors.stamp.tlv import Tlv
from collectors.stamp.wire import ReflectorPacket, parse_sender_packet
from collectors.stream import Stream, StreamEvent

MS = 1_000_000
WALL = 1_768_478_400_123_456_789
INTERVAL_NS = 100 * MS
THERE_NS = 10 * MS  # how long a packet travels on either way
RESIDENCE_NS = 75_000
REFLECTOR: Address = ("192.0.2.7", 862)
KEY = Key(bytes(range(32)))
ESTIMATE = ErrorEstimate.from_error_ns(10_000, synchronised=False)


class Conversation:
    """Sends a packet each :data:`INTERVAL_NS`; each answer arrives 20 ms and the residence time later."""

    def __init__(
        self,
        options: StampOptions | None = None,
        *,
        capabilities: Capabilities | None = None,
        ours: ErrorEstimate = ErrorEstimate.UNKNOWN,
    ) -> None:
        self.options = options or StampOptions()
        self.stream = Stream(timeout_ns=1000 * MS)
        self.sheet = FactSheet()
        self.asking = Asking(self.options)
        self.asking.estimate = replace(ours, ptp=self.options.ptp)
        self.hearing = Hearing(self.options, REFLECTOR, self.asking, self.sheet)
        if capabilities is not None:
            self.asking.carry(capabilities)
            self.sheet.learn(capabilities)
            if capabilities.stateful:
                self.hearing.expect_follow_ups()

    @property
    def facts(self) -> ReflectorFacts | None:
        return self.sheet.facts

    def ask(self) -> bytes:
        """Send the next packet, and have its transmit stamp at once."""
        sequence = self.stream.next_sequence
        at_ns = sequence * INTERVAL_NS
        data = self.asking.request(sequence, WALL + at_ns)
        self.stream.sent(
            Departure(slot=sequence, wall_ns=WALL + at_ns, monotonic_ns=at_ns, lateness_ns=0, size=len(data))
        )
        self.stream.transmitted(sequence, WALL + at_ns)
        return data

    def reply(self, data: bytes, *, tlvs: Sequence[Tlv] | None = None, **changes: Any) -> ReflectorPacket:
        """Answer a request as a stateful reflector does that has lost nothing, but for these ``changes``.

        Trailing octets are copied unless ``tlvs`` stand in their place.
        """
        asked = parse_sender_packet(data, key=self.options.key)
        arrived_ns = WALL + asked.sequence * INTERVAL_NS + THERE_NS
        ptp = changes.get("error_estimate", ESTIMATE).ptp
        timestamp = ptp_from_wall if ptp else ntp_from_wall
        answer = ReflectorPacket(
            sequence=asked.sequence,
            timestamp=timestamp(arrived_ns + RESIDENCE_NS),
            error_estimate=ESTIMATE,
            ssid=asked.ssid or 0,
            received_timestamp=timestamp(arrived_ns),
            sender_sequence=asked.sequence,
            sender_timestamp=asked.timestamp,
            sender_error_estimate=asked.error_estimate,
            sender_ttl=255,
            trailing=asked.trailing if tlvs is None else b"".join(map(bytes, tlvs)),
        )
        return answer._replace(**changes)

    def hear(
        self,
        data: bytes | ReflectorPacket,
        *,
        number: int = 0,
        source: Address = REFLECTOR,
        tos: int | None = None,
        step_ns: int = 0,
    ) -> Answer | Rejection:
        """Let the sender take a datagram when the answer to packet ``number`` arrives, its clock stepped meanwhile."""
        at_ns = number * INTERVAL_NS + 2 * THERE_NS + RESIDENCE_NS
        octets = data if isinstance(data, bytes) else self.encoded(data)
        return self.hearing.answer(
            Datagram(octets, source, WALL + at_ns + step_ns, 250, tos),
            wall_ns=WALL + at_ns + step_ns,
            monotonic_ns=at_ns,
            departure_of=self.stream.departure,
        )

    def take(self, data: bytes | ReflectorPacket, **how: Any) -> list[StreamEvent] | Rejection:
        """Hear a datagram, and let the stream have what it is."""
        heard = self.hear(data, **how)
        return heard if isinstance(heard, Rejection) else self.stream.answered(heard)

    def settle(self, data: bytes | ReflectorPacket, **how: Any) -> Sample:
        """Return the one sample that a datagram settles."""
        events = self.take(data, **how)
        assert not isinstance(events, Rejection), events
        [sample] = events
        assert isinstance(sample, Sample)
        return sample

    def encoded(self, packet: ReflectorPacket) -> bytes:
        return bytes(packet) if self.options.key is None else packet.authenticated(self.options.key)


def answered(heard: Answer | Rejection) -> Answer:
    assert isinstance(heard, Answer), heard
    return heard
