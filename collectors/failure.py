"""Why a packet or a connection failed: what the far end, or somebody on the way there, answered instead. No I/O."""

from __future__ import annotations

import errno
from enum import StrEnum

from collectors.ancillary import IcmpError


class Failure(StrEnum):
    """Who turned a packet or a connection down, and why, in words that stay the same in labels and JSON."""

    REFUSED = "refused"
    """The far end answered that nobody listens on the port (RST, RFC 9293, section 3.5.2)."""
    PORT_UNREACHABLE = "port_unreachable"
    """The same as an ICMP error: of UDP by the far end itself, of TCP mostly a packet filter's way to refuse."""
    HOST_UNREACHABLE = "host_unreachable"
    """A router has a way to the network and the host does not answer there; or none at all, as some say it."""
    NETWORK_UNREACHABLE = "network_unreachable"
    """A router has no way there."""
    PROHIBITED = "prohibited"
    """A packet filter forbids it and says so (RFC 1812, section 5.2.7.1)."""
    TTL_EXCEEDED = "ttl_exceeded"
    """The packet came by too many routers: mostly a loop of routes."""
    MESSAGE_TOO_LONG = "message_too_long"
    """A router was not to fragment the packet and could not forward it whole (RFC 1191; RFC 8201)."""
    OTHER = "other"
    """Something else was answered."""


# Codes of destination unreachable: RFC 792 and RFC 1812, section 5.2.7.1; RFC 4443, section 3.1.
_NETWORK, _HOST, _PORT = Failure.NETWORK_UNREACHABLE, Failure.HOST_UNREACHABLE, Failure.PORT_UNREACHABLE
_IPV4 = {0: _NETWORK, 1: _HOST, 3: _PORT, 6: _NETWORK, 7: _HOST, 8: _HOST, 11: _NETWORK, 12: _HOST}
_IPV4 |= dict.fromkeys((9, 10, 13), Failure.PROHIBITED) | {4: Failure.MESSAGE_TOO_LONG}
_IPV6 = {0: _NETWORK, 2: _NETWORK, 3: _HOST, 4: _PORT} | dict.fromkeys((1, 5, 6), Failure.PROHIBITED)
_CODES = {4: _IPV4, 6: _IPV6}
_UNREACHABLE = {4: 3, 6: 1}
_TIME_EXCEEDED = {4: 11, 6: 3}
_IPV6_PACKET_TOO_BIG = 2
_IPV4_ERRORS = (3, 11, 12)  # RFC 792; source quench is none any more (RFC 6633)
_IPV6_ERRORS = range(128)  # RFC 4443, section 2.1
# The kernel's word where it kept no ICMP error, of which it has only the last few.
_ERRORS = {
    errno.ECONNREFUSED: Failure.REFUSED,
    errno.EHOSTUNREACH: Failure.HOST_UNREACHABLE,
    errno.ENETUNREACH: Failure.NETWORK_UNREACHABLE,
    errno.EACCES: Failure.PROHIBITED,
    errno.EMSGSIZE: Failure.MESSAGE_TOO_LONG,
}


def is_discarded(icmp: IcmpError) -> bool:
    """Whether a message says that the packet which it quotes was discarded.

    The kernel's sockets for ICMP are told of redirects and source quenches too: such a packet goes on to the far end.
    """
    return icmp.type in (_IPV4_ERRORS if icmp.version == 4 else _IPV6_ERRORS)


def failure_of(error: int, icmp: IcmpError | None, *, version: int) -> Failure:
    """Name why a packet or a connection over IP ``version`` failed with this error number.

    ``icmp`` is what the socket's error queue holds of it. Of a port unreachable the number alone says the same as of a
    reset, although not the far end may have sent it.
    """
    if icmp is None:
        return _ERRORS.get(error, Failure.OTHER)
    if icmp.type == _TIME_EXCEEDED[version]:
        return Failure.TTL_EXCEEDED
    if version == 6 and icmp.type == _IPV6_PACKET_TOO_BIG:
        return Failure.MESSAGE_TOO_LONG
    if icmp.type != _UNREACHABLE[version]:
        return Failure.OTHER
    return _CODES[version].get(icmp.code, Failure.OTHER)
