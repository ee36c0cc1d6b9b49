"""How many octets tests may move over a path in a day: what was booked, what a test would add, what is refused. No I/O.

Octets are those of IP packets, headers included, both ways: what a metered circuit counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Final

from agent.config.quantities import parse_size
from agent.throughput.timetable import local_day
from collectors.iperf3.options import Direction, Iperf3Options, Protocol
from collectors.iperf3.result import Interval, Iperf3Result, Transfer

_PER_DAY: Final = re.compile(r"(.+?) ?/ ?day")
_KEPT = timedelta(hours=50)
"""The longest local day has 25 hours, and the days of two time zones lie up to 26 hours apart."""

ASSUMED_BITS_PER_SECOND = 10_000_000_000
"""What a path of unknown rate is taken for where its interface tells none either (virtual ones do not)."""

_TCP_HEADERS, _UDP_HEADERS = 52, 28
"""Octets of IPv4 and TCP with timestamps (RFC 7323), or of IPv4 and UDP; IPv6 has 20 more, 1.4 % of a full packet."""
_USUAL_MSS, _USUAL_DATAGRAM = 1348, 1460
_LEAST_PAYLOAD, _MOST_HEADERS = 1208, 48
"""Of a datagram over a path with the smallest MTU of IPv6: iperf3 makes it as long as TCP's segments there."""
_ACKNOWLEDGEMENT = 26
"""Octets of an acknowledgement for each segment: there is one for two of them (RFC 9293, section 3.8.6.3)."""
_PAYLOAD_SHARE = 0.9
"""What of a budget is left for payload: 6 % are headers and acknowledgements, and a lossy path sends some again."""
HEADROOM = 2
"""How much more than expected a test within a budget may move: a path may be faster than what was bought or seen."""


class Basis(StrEnum):
    """Where the rate of an estimate is from."""

    ASKED = "asked"
    """The test itself sends no faster."""
    PURCHASED = "purchased"
    MEASURED = "measured"
    """The fastest test of the path so far, and a tenth more."""
    INTERFACE = "interface"
    ASSUMED = "assumed"


_IN_WORDS = {
    Basis.ASKED: "the rate that the test is told",
    Basis.PURCHASED: "the purchased rate",
    Basis.MEASURED: "what was measured before and a tenth more",
    Basis.INTERFACE: "the interface's speed, since the path has no `rate`",
    Basis.ASSUMED: "an assumption, since the path has no `rate` and its interface tells none",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a test will move, both ways together, and why that is thought."""

    octets: int
    bits_per_second: int
    basis: Basis

    def __str__(self) -> str:
        rate = f"{self.bits_per_second / 1e6:g} Mbit/s"
        return f"{said_octets(self.octets)} (at {rate}, {_IN_WORDS[self.basis]})"


def expected(
    options: Iperf3Options,
    *,
    purchased: int | None = None,
    measured: float | None = None,
    interface: int | None = None,
) -> Expected:
    """Estimate what a test will move; the three are rates of its path in bits per second, as far as they are known."""
    if options.bits_per_second is not None:
        rate, basis = options.bits_per_second, Basis.ASKED
    elif purchased is not None:
        rate, basis = purchased, Basis.PURCHASED
    elif measured is not None:
        rate, basis = round(measured * 1.1), Basis.MEASURED
    elif interface is not None:
        rate, basis = interface, Basis.INTERFACE
    else:
        rate, basis = ASSUMED_BITS_PER_SECOND, Basis.ASSUMED
    octets = rate * _seconds(options) * _ways(options) // 8
    if basis is Basis.ASKED:  # iperf3 counts payload; all other rates are of whole packets, or err on the safe side
        octets += -(-octets // _LEAST_PAYLOAD) * _MOST_HEADERS
    return Expected(octets=octets, bits_per_second=rate, basis=basis)


def rate_of(octets: int, options: Iperf3Options) -> float:
    """Return the rate of each direction of a test that moved so much, in bits per second."""
    return octets * 8 / _ways(options) / _seconds(options)


def bounded(
    options: Iperf3Options, test: Expected, left: int, *, interface: int | None = None
) -> tuple[Iperf3Options, int]:
    """Return how to run a test that fits into ``left`` octets, and how many it can move then, however fast its path is.

    A rate that the interface cannot exceed needs no telling: iperf3 takes more processor time for one.
    """
    if options.bits_per_second is not None:
        return options, test.octets
    most = min(HEADROOM * test.octets, left)
    full = None if interface is None else interface * _ways(options) * _seconds(options) // 8
    if full is not None and full <= most:
        return options, full
    rate = round(most * 8 * _PAYLOAD_SHARE / _ways(options) / _seconds(options))
    return replace(options, bits_per_second=max(rate, 1)), most


def moved(result: Iperf3Result, options: Iperf3Options) -> int | None:
    """Return what a test really moved, headers included: what was sent, lost or not, warming up included.

    ``None`` where it did not come to tell.
    """
    if not result.accounted:
        return None
    payload = sum(max(each.sent_bytes or 0, each.received_bytes or 0) for each in result.transfers)
    payload = max(payload, result.transferred_bytes)
    if options.protocol is Protocol.UDP:
        each = options.payload_bytes or _USUAL_DATAGRAM
        return payload + -(-payload // each) * _UDP_HEADERS
    each = result.mss_bytes or _USUAL_MSS
    segments = -(-payload // each)
    again = max(_again(result.transfers), _again(result.intervals))
    return payload + segments * (_TCP_HEADERS + _ACKNOWLEDGEMENT) + again * (each + _TCP_HEADERS)


def _again(parts: Iterable[Transfer | Interval]) -> int:
    return sum(part.retransmits or 0 for part in parts)


def parse_budget(text: str) -> int:
    """Read ``50GiB/day`` as octets a day; raise :class:`ValueError` that shows a right one."""
    match = _PER_DAY.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no budget: write for example 50GiB/day")
    octets = parse_size(match[1])
    if octets == 0:
        raise ValueError("a budget of 0 lets no test run: raise it, or remove the probe")
    return octets


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """Octets that a test moved over a path, or can move that runs, and when it began."""

    path: str
    at: datetime
    octets: int


class Ledger:
    """What tests moved over each path during the last two days."""

    def __init__(self, bookings: Iterable[Booking] = ()) -> None:
        self._bookings = list(bookings)

    @property
    def bookings(self) -> tuple[Booking, ...]:
        """All that is known, in the order of booking."""
        return tuple(self._bookings)

    def spent(self, path: str, day: tuple[datetime, datetime]) -> int:
        """Return what the tests that began on this day moved over a path."""
        begin, end = day
        return sum(each.octets for each in self._bookings if each.path == path and begin <= each.at < end)

    def book(self, booking: Booking) -> None:
        """Take note, and forget what no day asks for any more."""
        self._bookings = [each for each in self._bookings if each.at > booking.at - _KEPT]
        self._bookings.append(booking)

    def correct(self, reserved: Booking, octets: int) -> None:
        """Put what a test really moved in the place of what had been set aside for it."""
        place = self._bookings.index(reserved)
        self._bookings[place] = Booking(path=reserved.path, at=reserved.at, octets=octets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What a path has left on a day; ``limit`` ``None`` is no limit."""

    limit: int | None
    spent: int

    @property
    def left(self) -> int | None:
        """Octets that tests may still move."""
        return None if self.limit is None else max(self.limit - self.spent, 0)

    def refusal(self, test: Expected) -> str | None:
        """Say why a test must not run, with its numbers; ``None`` where it may."""
        if self.left is None or self.limit is None or test.octets <= self.left:
            return None
        return f"it would move {test}, and of {said_octets(self.limit)} for today {said_octets(self.left)} are left"


def allowance(ledger: Ledger, path: str, limit: int | None, at: datetime, zone: tzinfo) -> Allowance:
    """Return what a path has left on the local day around ``at``."""
    return Allowance(limit=limit, spent=ledger.spent(path, local_day(at, zone)))


def _ways(options: Iperf3Options) -> int:
    return 2 if options.direction is Direction.BOTH else 1


def _seconds(options: Iperf3Options) -> int:
    return options.duration_s + options.omit_s


def said_octets(octets: int) -> str:
    """Write octets for reading, in decimal units as circuits are billed."""
    for unit, size in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if octets >= size:
            return f"{octets / size:.3g} {unit}"
    return f"{octets} B"
