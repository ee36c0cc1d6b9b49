"""What Microsoft publishes of the rates of Azure's gateways, by the name of the SKU. No I/O.

ExpressRoute: "About ExpressRoute virtual network gateways", table of estimated performance, as of 2024-07. VPN: "About
gateway SKUs", aggregate and single-tunnel benchmarks, as of 2023-11. Neither is guaranteed; private endpoints may halve
the former, and a tunnel's rates are those of 1,400-octet packets between two regions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_GBIT, _MBIT = 10**9, 10**6

_EXPRESSROUTE: Mapping[str, int] = MappingProxyType(
    {
        "Standard": 1 * _GBIT,
        "ErGw1AZ": 1 * _GBIT,
        "HighPerformance": 2 * _GBIT,
        "ErGw2AZ": 2 * _GBIT,
        "UltraPerformance": 10 * _GBIT,
        "ErGw3AZ": 10 * _GBIT,
    }
)
_SCALE_UNIT, _MOST_SCALE_UNITS = 1 * _GBIT, 40  # ErGwScale

_CIPHERS = ("GCMAES256", "AES256", "3DES")
"""How a tunnel encrypts: AES in GCM both ways, AES-256 with SHA-256, or triple DES with SHA-256."""

_VPN: Mapping[tuple[str, int], tuple[int, tuple[int, int, int] | None]] = MappingProxyType(
    {
        ("Basic", 1): (100 * _MBIT, None),
        ("VpnGw1", 1): (650 * _MBIT, (650 * _MBIT, 500 * _MBIT, 130 * _MBIT)),
        ("VpnGw2", 1): (1000 * _MBIT, (1200 * _MBIT, 650 * _MBIT, 140 * _MBIT)),
        ("VpnGw3", 1): (1250 * _MBIT, (1250 * _MBIT, 700 * _MBIT, 140 * _MBIT)),
        ("VpnGw2", 2): (1250 * _MBIT, (1250 * _MBIT, 550 * _MBIT, 130 * _MBIT)),
        ("VpnGw3", 2): (2500 * _MBIT, (1500 * _MBIT, 700 * _MBIT, 140 * _MBIT)),
        ("VpnGw4", 2): (5000 * _MBIT, (2300 * _MBIT, 700 * _MBIT, 140 * _MBIT)),
        ("VpnGw5", 2): (10000 * _MBIT, (2300 * _MBIT, 700 * _MBIT, 140 * _MBIT)),
    }
)
"""By SKU without its AZ and by generation: all tunnels together, and one tunnel by cipher."""

_HINT = "write for example ErGw1AZ, 'ErGwScale 4', VpnGw1AZ or 'VpnGw2AZ gen2 GCMAES256'"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedRate:
    """A rate that something is known to have, in bits per second, and what that is."""

    name: str
    bits_per_second: int


def parse_gateway(text: str) -> tuple[NamedRate, ...]:
    """Return the published rates of a gateway: its own, and one tunnel's where there are tunnels and a cipher.

    ``text`` is a SKU, for ErGwScale with its scale units, for a VPN gateway with its generation where the SKU has two,
    and with the cipher of its tunnels where that is known. Raise :class:`ValueError` that shows a right one.
    """
    sku, *rest = text.split() or [""]
    for name, rate in _EXPRESSROUTE.items():
        if name.casefold() == sku.casefold() and not rest:
            return (NamedRate(name=f"gateway {name}", bits_per_second=rate),)
    if sku.casefold() == "ergwscale":
        return (_scaled(text, rest),)
    return _vpn(text, sku, rest)


def _scaled(text: str, rest: list[str]) -> NamedRate:
    units = int(rest[0]) if len(rest) == 1 and rest[0].isascii() and rest[0].isdigit() else 0
    if not 1 <= units <= _MOST_SCALE_UNITS:
        raise ValueError(f"{text!r} needs its scale units, 1 to {_MOST_SCALE_UNITS}: write for example 'ErGwScale 4'")
    return NamedRate(name=f"gateway ErGwScale {units}", bits_per_second=units * _SCALE_UNIT)


def _vpn(text: str, sku: str, rest: list[str]) -> tuple[NamedRate, ...]:
    family = sku.casefold().removesuffix("az")
    generations = {known[1]: known for known in _VPN if known[0].casefold() == family}
    if not generations:
        raise ValueError(f"{text!r} is no gateway's SKU known here: {_HINT}")
    cipher, known = None, next(iter(generations.values())) if len(generations) == 1 else None
    for word in rest:
        if word.casefold() in ("gen1", "gen2") and int(word[-1]) in generations:
            known = generations[int(word[-1])]
        elif word.casefold() in (each.casefold() for each in _CIPHERS) and cipher is None:
            cipher = next(each for each in _CIPHERS if each.casefold() == word.casefold())
        else:
            raise ValueError(f"{word!r} says nothing of {sku}: {_HINT}")
    if known is None:
        raise ValueError(f"{sku} exists in two generations: write '{sku} gen1' or '{sku} gen2'")
    aggregate, tunnels = _VPN[known]
    rates = [NamedRate(name=f"gateway {sku} generation {known[1]}", bits_per_second=aggregate)]
    if cipher is not None and tunnels is not None:
        rate = tunnels[_CIPHERS.index(cipher)]
        rates.append(NamedRate(name=f"one {cipher} tunnel of {sku}", bits_per_second=rate))
    return tuple(rates)
