"""The HMAC TLV, which vouches for the TLVs before it (RFC 8972, section 4.8). No I/O, no clock.

Its value is the key's MAC over the Sequence Number of the base packet in the same datagram and over all TLVs before
it, flags included, as they are sent. Only Extra Padding may follow it, and that is not protected.
"""

from __future__ import annotations

from collectors.stamp.authentication import Key
from collectors.stamp.chain import EXTRA_PADDING, HEADER_SIZE, HMAC, Layout


def seal(preceding: bytes, sequence: int, key: Key) -> bytes:
    """Return the value of the HMAC TLV that follows the octets ``preceding``."""
    return key.mac(sequence_octets(sequence) + preceding)


def sequence_octets(sequence: int) -> bytes:
    """Return a Sequence Number as it is on the wire, modulo 2^32."""
    return (sequence & 0xFFFFFFFF).to_bytes(4, "big")


def vouched_for(data: bytes, chain: Layout, sequence: bytes, key: Key | None, *, required: bool) -> bool:
    """Whether the TLVs in ``data`` have an HMAC TLV in its place that verifies, or may do without.

    Without one they may where it is not ``required``, or where all of them are padding.
    """
    for index, (_, kind, at, end) in enumerate(chain.spans):
        if kind == HMAC:
            in_place = not chain.overruns and all(span[1] == EXTRA_PADDING for span in chain.spans[index + 1 :])
            return in_place and key is not None and key.verifies(sequence + data[:at], data[at + HEADER_SIZE : end])
    return not required or (not chain.overruns and all(span[1] == EXTRA_PADDING for span in chain.spans))
