"""Asks with ICMP echo requests."""

from __future__ import annotations

from dataclasses import dataclass

from collectors.path import PacketMarks


@dataclass(frozen=True, slots=True, kw_only=True)
class IcmpOptions:
    """What an ICMP probe sends: ``size`` is the number of data octets after the 8-octet header, as ``ping -s`` says."""

    size: int = 56
    marks: PacketMarks = PacketMarks()
