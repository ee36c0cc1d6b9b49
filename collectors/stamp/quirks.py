"""Tells how a reflector's answers depart from the standard, each quirk by a fact that leaves no doubt. No I/O.

Routers, responders of vendors and older programs all do some of this. What can be told apart safely is used all the
same, and marked.
"""

from __future__ import annotations

from ipaddress import ip_address

from collectors.path import Address
from collectors.peer import Quirk
from collectors.roundtrip import AHEAD_NS, is_possible_residence
from collectors.stamp.extensions import Telemetry
from collectors.stamp.recognition import Recognised
from collectors.stamp.timestamp import ErrorEstimate, wall_from_ntp, wall_from_ptp
from collectors.stamp.wire import ReflectorPacket

NONE: frozenset[Quirk] = frozenset()

_WITH_TTL = 41  # an answer of TWAMP-Light ends with the Session-Sender TTL
_CREDIBLE_ERROR_NS = 10  # no clock is known to be kept closer to UTC than that over a network
_TIMESCALE_NS = 60_000_000_000  # PTP counts TAI, 37 s ahead of UTC since 2017, where it does not count UTC
_NEAR_NS = 86_400 * 1_000_000_000
_NO_TIME = bytes(8)


class Looks:
    """What the answers of one reflector look like: one that looks like the one before it costs a few comparisons."""

    def __init__(self, asked: Address, *, ssid: int) -> None:
        self._asked = asked
        self._source = asked  # the same, as the kernel writes it
        self._ssid = ssid
        self._estimate: ErrorEstimate | None = None
        self._head = b""  # of T3: its first 2 octets last for 18 hours
        self.clock_quirks = NONE
        """Those that tell of the reflector's clock, as of the latest answer: all that answers mostly have."""

    def examine(self, recognised: Recognised, *, size: int, source: Address, now_ns: int) -> frozenset[Quirk]:
        """Return how an answer of ``size`` octets departs from the standard, its residence time and TLVs apart."""
        packet, departure, swapped = recognised
        if packet.error_estimate is not self._estimate or packet.timestamp[:2] != self._head:
            self._judge_clock(packet, now_ns)
        found = self.clock_quirks
        if size != departure.size:
            found |= {size_quirk(size)}
        if source != self._source and not self._is_asked(source):
            found |= {Quirk.OTHER_SOURCE}
        if packet.ssid != self._ssid and not packet.ssid:
            found |= {Quirk.NO_SSID}
        if swapped:
            found |= {Quirk.SWAPPED_TIMESTAMPS}
        return found

    def _judge_clock(self, packet: ReflectorPacket, now_ns: int) -> None:
        estimate = packet.error_estimate
        self._estimate, self._head = estimate, packet.timestamp[:2]
        quirk = estimate_quirk(estimate)
        self.clock_quirks = NONE if quirk is None else frozenset((quirk,))
        if is_other_format(packet.timestamp, ptp=estimate.ptp, now_ns=now_ns):
            self.clock_quirks |= {Quirk.OTHER_TIME_FORMAT}

    def _is_asked(self, source: Address) -> bool:
        if is_same_end(source, self._asked):
            self._source = source
            return True
        return False


def size_quirk(size: int) -> Quirk:
    """Name what is wrong with an answer that is not as long as its request."""
    return Quirk.SHORT_ANSWER if size < _WITH_TTL else Quirk.OTHER_SIZE


def is_same_end(source: Address, asked: Address) -> bool:
    """Whether an answer comes from where it was asked for, however the addresses are written."""
    return source[1] == asked[1] and _host(source) == _host(asked)


def estimate_quirk(estimate: ErrorEstimate) -> Quirk | None:
    """Judge what a reflector claims of its clock."""
    if not estimate.multiplier:
        return Quirk.NO_ERROR_ESTIMATE
    if estimate.synchronised and (estimate.error_ns or 0) < _CREDIBLE_ERROR_NS:
        return Quirk.IMPOSSIBLE_SYNCHRONISATION
    return None


def error_bound_ns(ours: ErrorEstimate, theirs: ErrorEstimate) -> int | None:
    """Return by how much two synchronised clocks can differ at most; ``None`` where one of them claims nothing."""
    if not ours.synchronised or not theirs.synchronised or theirs.error_ns is None:
        return None
    return (ours.error_ns or 0) + theirs.error_ns + (_TIMESCALE_NS if theirs.ptp else 0)


def is_disproved(ways_ns: tuple[int, int], bound_ns: int, step_ns: int) -> bool:
    """Whether the times there and back cannot be those of two clocks that differ by ``bound_ns`` at most.

    A packet arrives after it left, but for a T3 that was written ahead. A clock of ours that moved by ``step_ns``
    meanwhile proves nothing of theirs.
    """
    forward_ns, backward_ns = ways_ns
    return abs(step_ns) <= bound_ns and (forward_ns < -bound_ns or backward_ns < -bound_ns - AHEAD_NS)


def is_other_format(timestamp: bytes, *, ptp: bool, now_ns: int) -> bool:
    """Whether a timestamp makes sense, being of today, only in the format that its Z bit does not name."""
    claimed, other = (wall_from_ptp, wall_from_ntp) if ptp else (wall_from_ntp, wall_from_ptp)
    if abs(claimed(timestamp, now_ns=now_ns) - now_ns) <= _NEAR_NS:
        return False
    return abs(other(timestamp, now_ns=now_ns) - now_ns) <= _NEAR_NS


def residence_quirk(packet: ReflectorPacket, residence_ns: int, elapsed_ns: int) -> Quirk | None:
    """Judge T3 - T2 of a packet that was answered within ``elapsed_ns``; zeros on the wire are no times."""
    if not is_possible_residence(residence_ns, elapsed_ns) or packet.timestamp == _NO_TIME:
        return Quirk.IMPOSSIBLE_RESIDENCE
    return None if residence_ns else Quirk.ONE_TIME_FOR_TWO


def tlv_quirks(telemetry: Telemetry) -> frozenset[Quirk]:
    """Say what kept TLVs from being used."""
    if not telemetry.malformed and not telemetry.not_authentic:
        return NONE
    return frozenset(
        quirk
        for quirk, applies in (
            (Quirk.MALFORMED_TLVS, telemetry.malformed),
            (Quirk.TLVS_NOT_AUTHENTIC, telemetry.not_authentic),
        )
        if applies
    )


def _host(address: Address) -> str:
    return ip_address(address[0].partition("%")[0]).compressed
