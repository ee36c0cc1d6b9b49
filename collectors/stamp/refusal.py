"""Why a reflector gives no answer: the words of its counters. No I/O."""

from __future__ import annotations

from enum import StrEnum


class Refusal(StrEnum):
    """Why a datagram got no answer."""

    NOT_ALLOWED = "not_allowed"
    """The source is in none of the networks that are answered."""
    NOT_UNICAST = "not_unicast"
    """It was sent to many hosts, or claims to come from many, from none, or from port 0: nobody can be answered."""
    MALFORMED = "malformed"
    """Too short for any test packet."""
    TOO_SHORT = "too_short"
    """A TWAMP-Light packet of less than 44 octets, whose answer would be longer, from a source that nobody named."""
    NOT_AUTHENTIC = "not_authentic"
    """There is a key, and the packet's HMAC is not what the key gives it, or it has none."""
    REPLAYED = "replayed"
    """Authentic, but answered before, or older than what was answered since (RFC 8972, section 6)."""
    WRONG_SSID = "wrong_ssid"
    """It names a session that is not among those provided for (RFC 8972, section 3)."""
    LOOP = "loop"
    """It comes from a reflector's port, or is an answer to one of our answers."""
    RATE = "rate"
    """The source sends more than is answered."""
    TABLE_FULL = "table_full"
    """There are as many sessions as there may be, all of them in use."""
    ENDED = "ended"
    """Its session of TWAMP-Control was stopped."""
