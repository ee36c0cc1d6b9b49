"""What a far end is seen to do: how it departs from the standard, which answers are refused, what it says of itself.

None of it settles a packet; all of it is shown beside the figures, so that they can be judged. No I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Quirk(StrEnum):
    """How an answer that was used departs from the standard; each can be told apart with certainty."""

    SWAPPED_TIMESTAMPS = "swapped_timestamps"
    """Our own time stands where the reflector's belongs, and the other way round."""
    SHORT_ANSWER = "short_answer"
    """It ends before the Session-Sender TTL, at 36 to 40 octets."""
    OTHER_SIZE = "other_size"
    """It is not as long as the request (RFC 8762, section 4.3)."""
    OTHER_SOURCE = "other_source"
    """It comes from another address or port than the one asked, yet repeats what only that one was told."""
    ONE_TIME_FOR_TWO = "one_time_for_two"
    """T2 and T3 are equal: the reflector's residence time stays in the round-trip time."""
    IMPOSSIBLE_RESIDENCE = "impossible_residence"
    """T3 precedes T2, follows it by more than a second, or both are zero: neither is used."""
    NO_ERROR_ESTIMATE = "no_error_estimate"
    """The multiplier is the forbidden 0: nothing is known of the reflector's clock."""
    IMPOSSIBLE_SYNCHRONISATION = "impossible_synchronisation"
    """It claims a clock within nanoseconds of UTC, or one that the one-way times disprove."""
    OTHER_TIME_FORMAT = "other_time_format"
    """Its timestamps are not in the format that its Z bit names."""
    NO_SSID = "no_ssid"
    """It does not return our session identifier (RFC 8972, section 3): it knows RFC 8762 only."""
    MALFORMED_TLVS = "malformed_tlvs"
    """The TLVs, or some of them, cannot be read, by us or by the reflector; they are not used."""
    TLVS_NOT_AUTHENTIC = "tlvs_not_authentic"
    """The HMAC TLV does not verify, here or there; the TLVs are not used."""


class Rejection(StrEnum):
    """Why a datagram that came to a stream's socket was not taken for an answer."""

    MALFORMED = "malformed"
    """Too short for an answer, or not one at all."""
    NOT_AUTHENTIC = "not_authentic"
    """Its HMAC does not verify: another key, a change on the way, or a reflector without authentication."""
    WRONG_SSID = "wrong_ssid"
    """It names another session, or none where one is required."""
    UNKNOWN_PACKET = "unknown_packet"
    """It answers a packet that was not sent, or so long ago that nobody remembers it."""
    WRONG_TIMESTAMP = "wrong_timestamp"
    """It does not repeat the departure time of the packet that it answers: spoofed, or altered on the way."""
    OWN_REQUEST = "own_request"
    """It is our own request, sent back as it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedAnswer:
    """A datagram that was no answer, and the host that it came from."""

    reason: Rejection
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectMeasurement:
    """Counts of a session's packets by both ends (RFC 8972, section 4.5): sent here; received and sent there."""

    sent: int
    reflector_received: int
    reflector_sent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflectorFacts:
    """What is known of a session's reflector, told anew whenever something of it changes; ``None``: not known.

    ``stateful``: whether it numbers its own answers. ``understands``: names of the TLVs that it understood
    (RFC 8972). ``seen_from``: the address and port that it saw us send from, which a NAT changes. ``clock_source`` and
    ``stamp_method``: what keeps its clock, and what takes its times, in words. ``synchronised`` and ``error_ns``: what
    it claims of its clock. ``restarts``: how often its numbers began anew.
    """

    stateful: bool | None = None
    understands: tuple[str, ...] = ()
    seen_from: str | None = None
    clock_source: str | None = None
    stamp_method: str | None = None
    synchronised: bool | None = None
    error_ns: int | None = None
    restarts: int = 0
