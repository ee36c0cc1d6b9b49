"""Builds the test packets of one session: which TLVs they carry, and how long that makes them. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.stamp.capabilities import Capabilities
from collectors.stamp.extensions import (
    ASK_FOLLOW_UP,
    ASK_LOCATION,
    ASK_TIMESTAMP_INFORMATION,
    ask_class_of_service,
    ask_direct_measurement,
)
from collectors.stamp.options import StampOptions
from collectors.stamp.timestamp import ErrorEstimate
from collectors.stamp.tlv import TLV_NAMES, Tlv, TlvType
from collectors.stamp.wire import BASE_SIZE, RequestForm

_LOW_32_BITS = 0xFFFFFFFF
_CARRIED = (TlvType.CLASS_OF_SERVICE, TlvType.DIRECT_MEASUREMENT, TlvType.FOLLOW_UP_TELEMETRY)  # each tells something


class Asking:
    """Builds packets with TLVs that the reflector understands, as far as it is known what those are."""

    def __init__(self, options: StampOptions) -> None:
        self.estimate = ErrorEstimate.UNKNOWN
        """What was said last of this host's clock."""
        self._options = options
        self._wanted = tuple(kind for kind, name in TLV_NAMES.items() if name in options.wanted_tlvs)
        self._tlvs: tuple[Tlv, ...] = ()
        self.carried: frozenset[TlvType] = frozenset()
        """What packets carry by now."""
        self._first: int | None = None
        self._form: RequestForm | None = None  # of the packets of late
        self._form_estimate = self.estimate

    @property
    def wants_tlvs(self) -> bool:
        """Whether the reflector is to be asked for any."""
        return bool(self._wanted)

    def carry(self, capabilities: Capabilities) -> None:
        """Let packets carry what the reflector was seen to understand.

        A reflector without state can follow nothing up (RFC 8972, section 4.7).
        """
        usable = set(capabilities.understood or ())
        if capabilities.stateful is False:
            usable.discard(TlvType.FOLLOW_UP_TELEMETRY)
        self.carried = frozenset(usable.intersection(self._wanted, _CARRIED))
        self._tlvs = self._asking_for(self.carried)
        self._form = None

    def request(self, sequence: int, wall_ns: int) -> bytes:
        """Build the packet with this number."""
        if self._first is None:
            self._first = sequence
        form = self._form
        if form is None or self.estimate is not self._form_estimate:
            form = self._form_for(sequence - self._first + 1)
        return form.packet(sequence & _LOW_32_BITS, wall_ns)

    def _form_for(self, count: int) -> RequestForm:
        """Return the form of the packet that is the ``count``-th; it is kept unless packets tell that number."""
        if TlvType.DIRECT_MEASUREMENT in self.carried:
            return self._form_of((*self._tlvs, ask_direct_measurement(count)), self._options.size)
        self._form, self._form_estimate = self._form_of(self._tlvs, self._options.size), self.estimate
        return self._form

    def capability_request(self, sequence: int, wall_ns: int, with_tlvs: bool) -> bytes:
        """Build a packet for the session beside this one; its TLVs are all that are wanted, and two about the peer."""
        tlvs: tuple[Tlv, ...] = ()
        if with_tlvs:
            tlvs = (ASK_LOCATION, ASK_TIMESTAMP_INFORMATION, *self._asking_for(self._wanted))
            if TlvType.DIRECT_MEASUREMENT in self._wanted:
                tlvs = (*tlvs, ask_direct_measurement(sequence // 2 + 1))
        return self._form_of(tlvs, BASE_SIZE).packet(sequence & _LOW_32_BITS, wall_ns)

    def _asking_for(self, kinds: Iterable[TlvType]) -> tuple[Tlv, ...]:
        """Return the TLVs that are the same in every packet."""
        tlvs = []
        if TlvType.CLASS_OF_SERVICE in kinds:
            tlvs.append(ask_class_of_service(self._options.marks.dscp))
        if TlvType.FOLLOW_UP_TELEMETRY in kinds:
            tlvs.append(ASK_FOLLOW_UP)
        return tuple(tlvs)

    def _form_of(self, tlvs: tuple[Tlv, ...], size: int) -> RequestForm:
        options = self._options
        return RequestForm(error_estimate=self.estimate, size=size, ssid=options.ssid, key=options.key, tlvs=tlvs)
