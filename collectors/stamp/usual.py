"""Reads answers that look like the one before them, as nearly all do, in 4 µs instead of 9. No I/O, no clock.

Only numbers and times differ between those. Whatever else differs, and every time that is odd, is left to
:mod:`collectors.stamp.hearing`, which knows what it means.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from collectors.ancillary import Datagram
from collectors.path import Address
from collectors.roundtrip import AHEAD_NS, Answer, DepartureOf, FollowUp, is_possible_residence
from collectors.stamp.chain import FOLLOW_UP_TELEMETRY, HEADER_SIZE, layout
from collectors.stamp.timestamp import wall_from_ntp_bits
from collectors.stamp.tlv import FOLLOW_UP_SIZE
from collectors.stamp.wire import BASE_SIZE

_BASE = "!IQIQIQ8x"  # number, T3, Error Estimate and SSID, T2, sender's number, T1
_CLAIMS = slice(12, 16)
_NEAR_NS = 86_400 * 1_000_000_000  # a time within a day is one of NTP's era and format of today


class Usual:
    """What one answer without a key shows, and others have in common with it as long as they are like it.

    ``like`` is what that answer was understood as. Its T2 and T3 are NTP's, in the format of today. ``bound_ns`` is by
    how much the two clocks can differ, where that is known. ``bits`` encodes the time of a departure as T1.
    ``with_tos``: answers are sent with our DSCP, so that the one with which they arrive tells something.
    """

    def __init__(
        self,
        data: bytes,
        source: Address,
        like: Answer,
        *,
        bits: Callable[[int], int],
        bound_ns: int | None,
        with_tos: bool,
    ) -> None:
        self._source = source
        self._like = like
        self._bits = bits
        self._bound_ns = bound_ns
        self._with_tos = with_tos
        self._size = len(data)
        self._claims = int.from_bytes(data[_CLAIMS], "big")
        at = _follow_up_at(data) if like.follow_up is not None else None
        self._follows_up = at is not None
        self._before, self._behind = data[BASE_SIZE:at], b"" if at is None else data[at + FOLLOW_UP_SIZE :]
        follow_up = f"IQ4x{len(self._behind)}s" if self._follows_up else ""
        self._form = struct.Struct(f"{_BASE}{len(self._before)}s{follow_up}")

    def answer(self, datagram: Datagram, wall_ns: int, monotonic_ns: int, departure_of: DepartureOf) -> Answer | None:
        """Understand a datagram that was read at these times; ``None`` where it is not like the others."""
        data, source, stamp_ns, ttl, tos = datagram
        if len(data) != self._size or source != self._source:
            return None
        number, t3, claims, t2, sequence, t1, before, *more = self._form.unpack(data)
        departure = departure_of(sequence)
        if departure is None or claims != self._claims or before != self._before:
            return None
        sent_wall_ns = departure.wall_ns
        if t1 != self._bits(sent_wall_ns) or departure.size != self._size:
            return None
        received_ns, sent_ns = wall_from_ntp_bits(t2), wall_from_ntp_bits(t3)
        if received_ns < wall_ns - _NEAR_NS or sent_ns > wall_ns + _NEAR_NS or received_ns == sent_ns:
            return None
        if not is_possible_residence(sent_ns - received_ns, monotonic_ns - departure.monotonic_ns):
            return None
        bound_ns = self._bound_ns
        if bound_ns is not None and (
            received_ns - sent_wall_ns < -bound_ns or (stamp_ns or wall_ns) - sent_ns < -bound_ns - AHEAD_NS
        ):
            return None
        follow_up = None
        if self._follows_up:
            told, left, behind = more
            left_ns = wall_from_ntp_bits(left)
            if behind != self._behind or not -_NEAR_NS <= left_ns - wall_ns <= _NEAR_NS:
                return None
            follow_up = FollowUp(told, left_ns)
        like = self._like
        return Answer(  # the order of the fields; their names would take half a microsecond
            sequence,
            stamp_ns,
            wall_ns,
            monotonic_ns,
            ttl,
            number,
            received_ns,
            sent_ns,
            like.stateful,
            follow_up,
            follow_up is not None,
            like.forward_tos,
            tos if self._with_tos else None,
            like.quirks,
        )


def _follow_up_at(data: bytes) -> int | None:
    """Return where the value of Follow-Up Telemetry begins."""
    for _, kind, at, _ in layout(data[BASE_SIZE:]).spans:
        if kind == FOLLOW_UP_TELEMETRY:
            return BASE_SIZE + at + HEADER_SIZE
    return None
