"""Quantities as operators write them, to integers of one unit and back.

Serves the command line as well as the configuration, so it imports neither a YAML parser nor a validation library.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

_NUMBER_AND_UNIT = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,18})?) ?([^0-9.\s]*)")
_PERCENTAGE = re.compile(r"([0-9]{1,3}(?:\.[0-9]+)?) ?%?")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Quantity:
    """One kind of quantity: its units, each as a multiple of the smallest one, ascending.

    ``synonyms`` are taken; ``slips`` are refused with the unit that was meant.
    """

    noun: str
    units: Mapping[str, int]
    synonyms: Mapping[str, str]
    slips: Mapping[str, str]
    examples: str
    usual_unit: str

    def parse(self, text: str, usual_unit: str | None = None) -> int:
        match = _NUMBER_AND_UNIT.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is not a {self.noun}: write for example {self.examples}")
        number, unit = match.groups()
        if not unit:
            raise ValueError(f"a {self.noun} needs a unit: write {number}{usual_unit or self.usual_unit}, not {number}")
        amount = Fraction(number) * self._multiple(unit, number)
        if amount.denominator != 1:
            raise ValueError(f"{text!r} is finer than 1{next(iter(self.units))}: write for example {self.examples}")
        return amount.numerator

    def format(self, amount: int) -> str:
        """Write ``amount`` in the largest unit that holds it without a remainder."""
        if amount < 0:
            raise ValueError(f"a {self.noun} is never negative: {amount}")
        if amount == 0:
            return f"0{self.usual_unit}"
        unit = next(unit for unit in reversed(tuple(self.units)) if amount % self.units[unit] == 0)
        return f"{amount // self.units[unit]}{unit}"

    def _multiple(self, unit: str, number: str) -> int:
        multiple = self.units.get(self.synonyms.get(unit, unit))
        if multiple is not None:
            return multiple
        alike = (known for known in self.units if known.casefold() == unit.casefold())
        meant = self.slips.get(unit) or next(alike, None)
        if meant is not None:
            raise ValueError(f"unknown unit {unit!r}: write {number}{meant}")
        raise ValueError(f"unknown unit {unit!r}: write for example {self.examples} (units: {', '.join(self.units)})")


_OF_TIME = {
    **dict.fromkeys(("msec", "msecs", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("day", "days"), "d"),
}
# With a small b, which means bits to most; what somebody means by 100MB/s is not ours to guess.
_OF_RATES = {
    f"{written}{behind}": f"{prefix}bit"
    for prefix in ("", "k", "M", "G", "T")
    for written in {prefix, prefix.lower(), prefix.upper()}
    for behind in ("bps", "bit/s", "bits/s", "b/s", "b")
}
_DURATION = _Quantity(
    noun="duration",
    units={
        "ns": 1,
        "us": 1_000,
        "ms": 1_000_000,
        "s": 1_000_000_000,
        "m": 60 * 1_000_000_000,
        "h": 3600 * 1_000_000_000,
        "d": 86_400 * 1_000_000_000,
    },
    # Both of Unicode's signs for micro (U+00B5 and the Greek letter U+03BC): keyboards differ in which they give.
    synonyms={"\u00b5s": "us", "\u03bcs": "us"},
    slips=_OF_TIME,
    examples="100ms, 2s or 1h",
    usual_unit="ms",
)
_RATE = _Quantity(
    noun="rate",
    units={"bit": 1, "kbit": 10**3, "Mbit": 10**6, "Gbit": 10**9, "Tbit": 10**12},
    synonyms={},
    slips=_OF_RATES,
    examples="1Gbit or 650Mbit",
    usual_unit="Mbit",
)
_SIZE = _Quantity(
    noun="size",
    units={
        "B": 1,
        "kB": 10**3,
        "KiB": 2**10,
        "MB": 10**6,
        "MiB": 2**20,
        "GB": 10**9,
        "GiB": 2**30,
        "TB": 10**12,
        "TiB": 2**40,
    },
    synonyms={},
    slips={"k": "kB", "K": "KiB", "Ki": "KiB", "M": "MB", "Mi": "MiB", "G": "GB", "Gi": "GiB", "T": "TB", "Ti": "TiB"},
    examples="2GiB or 500MB",
    usual_unit="MB",
)

DSCP_NAMES: Mapping[str, int] = {
    "be": 0,
    **{f"cs{selector}": selector << 3 for selector in range(8)},
    **{f"af{group}{drop}": group << 3 | drop << 1 for group in range(1, 5) for drop in range(1, 4)},
    "ef": 46,
    "va": 44,
}
"""Code points by name: default and class selectors (RFC 2474), AF (RFC 2597), EF (RFC 3246), VOICE-ADMIT (RFC 5865)."""

_NAMES_OF_DSCP = {value: name for name, value in reversed(tuple(DSCP_NAMES.items()))}


def parse_duration(text: str, *, usual_unit: str = "ms") -> int:
    """Read a duration such as ``100ms`` as nanoseconds; raise :class:`ValueError` that shows a right one.

    ``usual_unit`` is suggested for a number without any.
    """
    return _DURATION.parse(text, usual_unit)


def format_duration(duration_ns: int) -> str:
    """Write nanoseconds as a duration that :func:`parse_duration` reads as the same number."""
    return _DURATION.format(duration_ns)


def parse_rate(text: str) -> int:
    """Read a rate such as ``650Mbit`` as bits per second; raise :class:`ValueError` that shows a right one."""
    return _RATE.parse(text)


def format_rate(bits_per_second: int) -> str:
    """Write bits per second as a rate that :func:`parse_rate` reads as the same number."""
    return _RATE.format(bits_per_second)


def parse_size(text: str) -> int:
    """Read a size such as ``2GiB`` or ``500MB`` as octets; raise :class:`ValueError` that shows a right one."""
    return _SIZE.parse(text)


def format_size(octets: int) -> str:
    """Write octets as a size that :func:`parse_size` reads as the same number."""
    return _SIZE.format(octets)


def parse_percentage(text: str) -> float:
    """Read a percentage such as ``0.5%`` or ``0.5`` as percent, 0 to 100; raise :class:`ValueError` otherwise."""
    match = _PERCENTAGE.fullmatch(text.strip())
    if match is None or float(match[1]) > 100:
        raise ValueError(f"{text!r} is not a percentage from 0 to 100: write for example 0.5%")
    return float(match[1])


def format_percentage(percent: float) -> str:
    """Write percent as a percentage that :func:`parse_percentage` reads as the same number."""
    return f"{Decimal(repr(percent)):f}" + "%"


def parse_dscp(text: str | int) -> int:
    """Read a DSCP, 0 to 63 or a name such as ``ef``; raise :class:`ValueError` that shows a right one."""
    written = str(text).strip().lower()
    if written in DSCP_NAMES:
        return DSCP_NAMES[written]
    if re.fullmatch(r"[0-9]{1,2}", written) and int(written) <= 63:
        return int(written)
    raise ValueError(f"{text!r} is not a DSCP: write 0 to 63, or a name: be, cs0 to cs7, af11 to af43, ef, va")


def format_dscp(dscp: int) -> str:
    """Write a DSCP by its name where it has one, else as its number."""
    return _NAMES_OF_DSCP.get(dscp, str(dscp))
