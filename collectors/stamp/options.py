"""What a STAMP probe may be told. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from collectors.oneway import LIMIT_NS
from collectors.path import PacketMarks
from collectors.stamp.authentication import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class StampOptions:
    """What a STAMP probe is told: UDP to ``port``, at least ``size`` octets of UDP payload (44 is the base packet).

    With a ``key`` packets are authenticated both ways. ``ssid`` is the session identifier (RFC 8972, section 3), 0 for
    none; where it is ``ssid_required``, reflectors that return 0 because they know RFC 8762 only are not heard.
    ``ptp``: timestamps are sent in PTP's format, not NTP's. ``tlvs`` are the names of those that packets carry once the
    reflector was seen to understand them; ``None`` means Follow-Up Telemetry, and Class of Service where there is a
    DSCP that can be changed on the way. ``one_way_limit_ns`` is by how much both clocks together may be off for one-way
    delays to be told (:data:`collectors.oneway.LIMIT_NS`).
    """

    kind: ClassVar[str] = "stamp"
    port: int = 862
    size: int = 44
    marks: PacketMarks = PacketMarks()
    key: Key | None = None
    ssid: int = 0
    ssid_required: bool = False
    ptp: bool = False
    tlvs: tuple[str, ...] | None = None
    one_way_limit_ns: int = LIMIT_NS

    @property
    def wanted_tlvs(self) -> tuple[str, ...]:
        """The names of the TLVs that packets shall carry."""
        if self.tlvs is not None:
            return self.tlvs
        return ("follow_up", "class_of_service") if self.marks.dscp else ("follow_up",)
