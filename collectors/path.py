"""Where packets go and how they are put on their way: paths, targets and the marks of a packet. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network
Address = tuple[str, int] | tuple[str, int, int, int]
"""A socket address as Python has it: (host, port), for IPv6 also flow label and scope."""


class PathKind(StrEnum):
    """What a path is bought as."""

    EXPRESSROUTE = "expressroute"
    VPN = "vpn"
    INTERNET = "internet"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class PathProof:
    """How the hops of a traced route show that a path was taken.

    ``prefixes`` are named networks of which one must be among the hops (the peering prefixes of the two Microsoft
    edge links); of the ``absent`` networks none may be.
    """

    prefixes: Mapping[str, IPNetwork] = field(default_factory=dict)
    absent: tuple[IPNetwork, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPath:
    """A named way to the far side.

    ``source``, ``interface`` and ``fwmark`` each pin packets to it; without any of them the kernel's routes decide.
    ``rate`` is what was bought, in bits per second.
    """

    name: str
    kind: PathKind = PathKind.OTHER
    source: IPAddress | None = None
    interface: str | None = None
    fwmark: int | None = None
    rate: int | None = None
    proof: PathProof | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A named far end: one host, or one per path where the paths end in different networks.

    A host is an address or a DNS name; ``hosts`` maps names of paths to hosts and takes precedence over ``host``.
    """

    name: str
    host: str | None = None
    hosts: Mapping[str, str] = field(default_factory=dict)

    def host_on(self, path: NetworkPath) -> str:
        """Return the host of this target on ``path``; raise :class:`KeyError` where it has none."""
        host = self.hosts.get(path.name, self.host)
        if host is None:
            raise KeyError(path.name)
        return host


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketMarks:
    """What is written into the IP header: DSCP (0-63, RFC 2474), and whether routers may fragment the packet."""

    dscp: int = 0
    dont_fragment: bool = False
