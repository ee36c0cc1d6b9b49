"""Understands what comes back to one session: answers, and what they tell beside their times. No I/O, no clock."""

from __future__ import annotations

from collectors.ancillary import Datagram
from collectors.path import Address
from collectors.peer import DirectMeasurement, Quirk, ReflectorFacts, Rejection
from collectors.roundtrip import Answer, DepartureOf, FollowUp, Quote
from collectors.stamp import quirks, tlv
from collectors.stamp.asking import Asking
from collectors.stamp.extensions import Telemetry, read_tlvs
from collectors.stamp.facts import FactSheet
from collectors.stamp.options import StampOptions
from collectors.stamp.recognition import Recognised, recognise, recognise_quoted
from collectors.stamp.timestamp import (
    ErrorEstimate,
    ntp_bits,
    ntp_from_wall,
    ptp_bits,
    ptp_from_wall,
    wall_from_timestamp,
)
from collectors.stamp.tlv import TlvType
from collectors.stamp.usual import Usual
from collectors.stamp.wire import NotAuthentic, ReflectorPacket, StampError, parse_reflector_packet

_PATIENCE = 8  # answers in a row that follow nothing up, after which no sample waits for that any more
_FOLLOW_UP = TlvType.FOLLOW_UP_TELEMETRY
_NOTHING_TOLD = Telemetry()


class Hearing:
    """Takes the datagrams of one session with the reflector at ``to``; facts that they show go to ``sheet``."""

    def __init__(self, options: StampOptions, to: Address, asking: Asking, sheet: FactSheet) -> None:
        self.is_understood = True
        """Whether the last answer showed that what packets carry is understood."""
        self._options = options
        self._timestamp = ptp_from_wall if options.ptp else ntp_from_wall
        self._asking = asking
        self._sheet = sheet
        self._looks = quirks.Looks(to, ssid=options.ssid)
        self._ours = self._theirs = ErrorEstimate.UNKNOWN
        self._told: ErrorEstimate | None = None  # of what it says of its clock, the latest that others know
        self._bound_ns: int | None = None  # by how much the two clocks can differ, where both are synchronised
        self._not_followed_up = _PATIENCE
        self._usual: Usual | None = None
        self._usual_for: tuple[frozenset[TlvType], ErrorEstimate, ReflectorFacts | None] = frozenset(), self._ours, None

    def expect_follow_ups(self) -> None:
        """Know from elsewhere that the reflector has the state that it takes to follow its answers up."""
        self._not_followed_up = 0

    def recognise(self, data: bytes, departure_of: DepartureOf) -> Recognised | Rejection:
        """Parse an answer to one of the packets whose departures are known, or say why it is none."""
        try:
            packet = parse_reflector_packet(data, key=self._options.key)
        except NotAuthentic:
            return Rejection.NOT_AUTHENTIC
        except StampError:
            return Rejection.MALFORMED
        return recognise(
            packet,
            ssid=self._options.ssid,
            ssid_required=self._options.ssid_required,
            departure_of=departure_of,
            timestamp=self._timestamp,
        )

    def quote(self, quoted: bytes, departure_of: DepartureOf) -> Quote | Rejection:
        """Tell which packet an ICMP error quotes, or say why it is none."""
        is_authenticated = self._options.key is not None
        return recognise_quoted(
            quoted, is_authenticated=is_authenticated, departure_of=departure_of, timestamp=self._timestamp
        )

    def answer(
        self, datagram: Datagram, *, wall_ns: int, monotonic_ns: int, departure_of: DepartureOf
    ) -> Answer | Rejection:
        """Understand a datagram that was read at these times, or say why it is no answer."""
        usual = self._usual
        if usual is not None and self._is_as_before():
            answer = usual.answer(datagram, wall_ns, monotonic_ns, departure_of)
            if answer is not None:
                self.is_understood = True
                self._not_followed_up = 0 if answer.follow_up is not None else self._not_followed_up + 1
                return answer
        return self._answer_at_length(datagram, wall_ns, monotonic_ns, departure_of)

    def _answer_at_length(
        self, datagram: Datagram, wall_ns: int, monotonic_ns: int, departure_of: DepartureOf
    ) -> Answer | Rejection:
        recognised = self.recognise(datagram.data, departure_of)
        if isinstance(recognised, Rejection):
            return recognised
        packet, departure, _ = recognised
        _, _, stamp_ns, ttl, tos = datagram
        self._note_clock(packet.error_estimate, monotonic_ns)
        telemetry = self._telemetry(packet)
        ptp = packet.error_estimate.ptp
        received_ns = wall_from_timestamp(packet.received_timestamp, ptp=ptp, now_ns=wall_ns)
        sent_ns = wall_from_timestamp(packet.timestamp, ptp=ptp, now_ns=wall_ns)
        elapsed_ns = monotonic_ns - departure.monotonic_ns
        found = self._looks.examine(recognised, size=len(datagram.data), source=datagram.source, now_ns=wall_ns)
        if telemetry.malformed or telemetry.not_authentic:
            found |= quirks.tlv_quirks(telemetry)
        odd = quirks.residence_quirk(packet, sent_ns - received_ns, elapsed_ns)
        if odd is not None:
            found |= {odd}
        has_times = odd is not Quirk.IMPOSSIBLE_RESIDENCE
        if self._bound_ns is not None and has_times:
            ways_ns = received_ns - departure.wall_ns, (stamp_ns or wall_ns) - sent_ns
            step_ns = wall_ns - departure.wall_ns - elapsed_ns
            if quirks.is_disproved(ways_ns, self._bound_ns, step_ns):
                found |= {Quirk.IMPOSSIBLE_SYNCHRONISATION}
        follow_up = self._follow_up(packet, telemetry, wall_ns)
        marks = telemetry.class_of_service
        follow_up_due = has_times and _FOLLOW_UP in telemetry.understood and self._not_followed_up < _PATIENCE
        answer = Answer(  # the order of the fields; their names would take half a microsecond
            packet.sender_sequence,
            stamp_ns,
            wall_ns,
            monotonic_ns,
            ttl,
            packet.sequence,
            received_ns if has_times else None,
            sent_ns if has_times else None,
            self._sheet.is_stateful,
            follow_up,
            follow_up_due,
            forward_tos=None if marks is None else marks.dscp2 << 2 | marks.ecn,
            backward_tos=None if marks is None or marks.rp else tos,
            quirks=found,
            direct_measurement=None if telemetry.direct_measurement is None else _counts(telemetry.direct_measurement),
        )
        self._expect_others_like(answer, datagram, packet.error_estimate, telemetry)
        return answer

    def _expect_others_like(
        self, answer: Answer, datagram: Datagram, estimate: ErrorEstimate, telemetry: Telemetry
    ) -> None:
        """Have answers like this one read the short way, where nothing but numbers and times will differ in them."""
        self._usual = None
        if self._options.key is not None or estimate.ptp or estimate is not self._told or not self.is_understood:
            return
        if answer.quirks is not self._looks.clock_quirks or Quirk.OTHER_TIME_FORMAT in answer.quirks:
            return
        if answer.direct_measurement is not None or (_FOLLOW_UP in telemetry.understood and answer.follow_up is None):
            return
        marks = telemetry.class_of_service
        self._usual_for = self._asking.carried, self._asking.estimate, self._sheet.facts
        self._usual = Usual(
            datagram.data,
            datagram.source,
            answer,
            bits=ptp_bits if self._options.ptp else ntp_bits,
            bound_ns=self._bound_ns,
            with_tos=marks is not None and not marks.rp,
        )

    def _is_as_before(self) -> bool:
        """Whether nothing changed of what answers are judged by."""
        carried, estimate, facts = self._usual_for
        asking = self._asking
        return carried is asking.carried and estimate is asking.estimate and facts is self._sheet.facts

    def _note_clock(self, theirs: ErrorEstimate, at_ns: int) -> None:
        if theirs is not self._told and self._sheet.claim(theirs, at_ns):
            self._told = theirs
        ours = self._asking.estimate
        if theirs is self._theirs and ours is self._ours:
            return
        self._ours, self._theirs = ours, theirs
        self._bound_ns = quirks.error_bound_ns(ours, theirs)

    def _telemetry(self, packet: ReflectorPacket) -> Telemetry:
        if not self._asking.carried:
            self.is_understood = True
            return _NOTHING_TOLD
        telemetry = read_tlvs(packet.trailing, sequence=packet.sequence, key=self._options.key)
        self.is_understood = telemetry.understood >= self._asking.carried
        return telemetry

    def _follow_up(self, packet: ReflectorPacket, telemetry: Telemetry, now_ns: int) -> FollowUp | None:
        told = telemetry.follow_up
        if told is None:
            self._not_followed_up += 1
            return None
        self._not_followed_up = 0
        left_ns = wall_from_timestamp(told.timestamp, ptp=packet.error_estimate.ptp, now_ns=now_ns)
        return FollowUp(reflector_sequence=told.sequence, sent_ns=left_ns)


def _counts(told: tlv.DirectMeasurement) -> DirectMeasurement:
    return DirectMeasurement(
        sent=told.sent, reflector_received=told.reflector_received, reflector_sent=told.reflector_sent
    )
