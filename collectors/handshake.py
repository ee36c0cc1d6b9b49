"""What the kernel knows of the handshake of a TCP connection, out of TCP_INFO. No I/O."""

from __future__ import annotations

import struct
from dataclasses import dataclass

TCP_INFO_SIZE = 104
"""How many octets to ask the kernel for: those up to ``tcpi_total_retrans``, which every Linux has."""

# struct tcp_info of linux/tcp.h: eight octets, then numbers of 32 bits, of which the 16th and the 24th are wanted.
_TCP_INFO = struct.Struct("@8x60xI28xI")
_NS_PER_US = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """How long the far end took to answer the SYN, and how often the kernel sent it.

    ``rtt_ns``: ``tcpi_rtt``, in steps of a microsecond. On a connection that has just come about this is one
    measurement and no average: from the moment at which the kernel built the SYN to the one at which it processed the
    SYN-ACK. Waking this program is no part of it; the kernel's own queues on the way out and in are. ``None`` where
    there is no connection, and where the SYN was sent again to a far end without timestamps (RFC 6298, section 3).

    ``syn_retransmits``: ``tcpi_total_retrans``, how often the SYN was sent again, each time after a second or more
    (RFC 6298, section 2.1) without an answer.
    """

    rtt_ns: int | None
    syn_retransmits: int


def parse_tcp_info(info: bytes) -> Handshake:
    """Read the first :data:`TCP_INFO_SIZE` octets of TCP_INFO, asked for before anything else is sent or received."""
    rtt_us, retransmits = _TCP_INFO.unpack_from(info)
    return Handshake(rtt_ns=rtt_us * _NS_PER_US or None, syn_retransmits=retransmits)
