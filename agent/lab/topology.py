"""What the lab consists of: namespaces, wires, addresses, routes and rules, as data. Creates nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface


class LinkName(StrEnum):
    """The wide-area links; each is a namespace of that name between two routers, and no hop."""

    PRIMARY = "er-primary"
    SECONDARY = "er-secondary"
    INTERNET = "internet"


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end of a wire: a device in a namespace, with an address (CIDR) unless it only passes frames on."""

    namespace: str
    device: str
    address: str | None = None

    @property
    def ip(self) -> IPv4Address | None:
        """Return the address without its prefix length."""
        return IPv4Interface(self.address).ip if self.address else None

    @property
    def mac(self) -> str | None:
        """Return a locally administered Ethernet address that is made of the IP address."""
        return ":".join(f"{octet:02x}" for octet in b"\x02\x00" + self.ip.packed) if self.ip else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """A veth pair."""

    ends: tuple[End, End]


@dataclass(frozen=True, slots=True, kw_only=True)
class WideAreaLink:
    """Two wires with a namespace in between, in which delay and loss happen; ``site`` and ``azure`` are the routers."""

    name: LinkName
    site: End
    azure: End

    def wires(self) -> tuple[Wire, Wire]:
        """Return the wire on either side; the devices in the middle are called ``site`` and ``azure``."""
        return (
            Wire(ends=(self.site, End(namespace=self.name, device="site"))),
            Wire(ends=(self.azure, End(namespace=self.name, device="azure"))),
        )


HOSTS = ("onprem", "azure")
"""Where the agents run; all other namespaces are routers and links."""

SITE_ADDRESS = "10.20.0.10"
SITE_VPN_ADDRESS = "10.20.1.10"
AZURE_ADDRESS = "10.1.0.4"
VPN_FWMARK = 201
"""Packets with this mark take the VPN, whatever their source address."""

ON_PREMISES_VPN_DEVICE, AZURE_VPN_GATEWAY = "vpn", "vpngw"
TUNNEL_MTU = 1400

LINKS = (
    WideAreaLink(
        name=LinkName.PRIMARY,
        site=End(namespace="ce", device="primary", address="192.168.11.17/30"),
        azure=End(namespace="msee1", device="circuit", address="192.168.11.18/30"),
    ),
    WideAreaLink(
        name=LinkName.SECONDARY,
        site=End(namespace="ce", device="secondary", address="192.168.11.21/30"),
        azure=End(namespace="msee2", device="circuit", address="192.168.11.22/30"),
    ),
    WideAreaLink(
        name=LinkName.INTERNET,
        site=End(namespace=ON_PREMISES_VPN_DEVICE, device="wan", address="203.0.113.1/30"),
        azure=End(namespace=AZURE_VPN_GATEWAY, device="wan", address="203.0.113.2/30"),
    ),
)


def _wire(one: tuple[str, str, str], other: tuple[str, str, str]) -> Wire:
    ends = [End(namespace=namespace, device=device, address=address) for namespace, device, address in (one, other)]
    return Wire(ends=(ends[0], ends[1]))


WIRES = (
    _wire(("onprem", "eth0", f"{SITE_ADDRESS}/24"), ("ce", "lan", "10.20.0.1/24")),
    _wire(("onprem", "eth1", f"{SITE_VPN_ADDRESS}/24"), (ON_PREMISES_VPN_DEVICE, "lan", "10.20.1.1/24")),
    _wire(("msee1", "core", "100.64.1.1/30"), ("vnet", "msee1", "100.64.1.2/30")),
    _wire(("msee2", "core", "100.64.2.1/30"), ("vnet", "msee2", "100.64.2.2/30")),
    _wire((AZURE_VPN_GATEWAY, "core", "10.1.255.5/30"), ("vnet", "vpngw", "10.1.255.6/30")),
    _wire(("vnet", "lan", "10.1.0.1/24"), ("azure", "eth0", f"{AZURE_ADDRESS}/24")),
    *(wire for link in LINKS for wire in link.wires()),
)

NAMESPACES = tuple(dict.fromkeys(end.namespace for wire in WIRES for end in wire.ends))

ROUTES: dict[str, tuple[str, ...]] = {
    # Only the source address or the mark chooses the VPN here; Azure's side chooses by the destination address.
    "onprem": (
        "route add default via 10.20.0.1 dev eth0",
        "route add default via 10.20.1.1 dev eth1 metric 100",  # for sockets that are bound to eth1
        f"route add default via 10.20.1.1 dev eth1 src {SITE_VPN_ADDRESS} table {VPN_FWMARK}",
        f"rule add pref 1000 from {SITE_VPN_ADDRESS} lookup {VPN_FWMARK}",
        f"rule add pref 1001 fwmark {VPN_FWMARK} lookup {VPN_FWMARK}",
    ),
    "ce": ("route add 10.1.0.0/16 via 192.168.11.18 dev primary",),
    "msee1": (
        "route add 10.20.0.0/24 via 192.168.11.17 dev circuit",
        "route add 10.1.0.0/16 via 100.64.1.2 dev core",
    ),
    "msee2": (
        "route add 10.20.0.0/24 via 192.168.11.21 dev circuit",
        "route add 10.1.0.0/16 via 100.64.2.2 dev core",
    ),
    # While the tunnel is up its routes, in strongSwan's table 220, come first; without it the packets are refused.
    ON_PREMISES_VPN_DEVICE: ("route add unreachable 10.1.0.0/16",),
    AZURE_VPN_GATEWAY: (
        "route add 10.1.0.0/16 via 10.1.255.6 dev core",
        "route add unreachable 10.20.1.0/24",
        # Azure's gateway does not show itself to the site; towards the VNet it must say "fragmentation needed".
        "rule add pref 10 iif lo ipproto 1 to 10.20.1.0/24 blackhole",
    ),
    "vnet": (
        "route add 10.20.0.0/24 via 100.64.1.1 dev msee1",
        "route add 10.20.1.0/24 via 10.1.255.5 dev vpngw",
        # Azure's fabric says nothing of itself: neither pings nor traceroutes get an answer.
        "rule add pref 10 iif lo ipproto 1 blackhole",
    ),
    "azure": ("route add default via 10.1.0.1 dev eth0",),
}

EXPRESSROUTE_VIA: dict[LinkName | None, dict[str, str]] = {
    LinkName.PRIMARY: {
        "ce": "route replace 10.1.0.0/16 via 192.168.11.18 dev primary",
        "vnet": "route replace 10.20.0.0/24 via 100.64.1.1 dev msee1",
    },
    LinkName.SECONDARY: {
        "ce": "route replace 10.1.0.0/16 via 192.168.11.22 dev secondary",
        "vnet": "route replace 10.20.0.0/24 via 100.64.2.1 dev msee2",
    },
    None: {
        "ce": "route replace unreachable 10.1.0.0/16",
        "vnet": "route replace unreachable 10.20.0.0/24",
    },
}
"""Which routes ExpressRoute's two ends have while they use a link; None: while both links are gone."""

UNENCRYPTED_TUNNEL: dict[str, str] = {
    ON_PREMISES_VPN_DEVICE: f"route replace 10.1.0.0/16 via 203.0.113.2 dev wan mtu lock {TUNNEL_MTU}",
    AZURE_VPN_GATEWAY: f"route replace 10.20.1.0/24 via 203.0.113.1 dev wan mtu lock {TUNNEL_MTU}",
}
"""The VPN path where neither the kernel nor a TUN device can do ESP: plain, with the tunnel's MTU."""
