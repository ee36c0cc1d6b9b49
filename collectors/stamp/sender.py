"""Asks with STAMP test packets: a Session-Sender (RFC 8762, section 4.2)."""

from __future__ import annotations

from dataclasses import dataclass

from collectors.path import PacketMarks


@dataclass(frozen=True, slots=True, kw_only=True)
class StampOptions:
    """What a STAMP probe sends: UDP to ``port``, ``size`` octets of UDP payload (44, the base packet, or more)."""

    port: int = 862
    size: int = 44
    marks: PacketMarks = PacketMarks()
