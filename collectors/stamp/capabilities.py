"""Finds out what a reflector can do, in a session apart from the one that measures.

A stateful reflector that has lost nothing on the way there gives the same numbers as one that copies ours (RFC 8762,
section 4.3), so a loss on the way back cannot be told from one of unknown direction. Here every second number is left
out: an answer whose number differs from ours was numbered by the reflector.

Every other packet carries TLVs (RFC 8972), some only to ask who answers there; the rest are plain, because some
reflectors drop packets with octets that they do not know.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from collectors.ancillary import Datagram
from collectors.path import Address
from collectors.peer import Rejection
from collectors.roundtrip import Departure, DepartureOf
from collectors.sockets import StampedSocket
from collectors.stamp.authentication import Key
from collectors.stamp.extensions import read_tlvs
from collectors.stamp.recognition import Recognised
from collectors.stamp.tlv import METHOD_NAMES, SYNC_SOURCE_NAMES, TimestampInformation, TlvType
from collectors.stamp.wire import ReflectorPacket

_AGAIN_NS = 250_000_000
_TRIES = 12  # three seconds, in which also a path that loses half of its packets lets one of either kind through
_SLOWLY_NS = 10_000_000_000  # from then on: the far end may not be there yet
_REMEMBERED = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a reflector's answers told; ``None`` is not known.

    ``stateful``: whether it numbers its answers. ``understood``: the TLVs that it took for its own. ``seen_from``,
    ``clock_source`` and ``stamp_method`` are what it says in them.
    """

    stateful: bool | None = None
    understood: frozenset[TlvType] | None = None
    seen_from: str | None = None
    clock_source: str | None = None
    stamp_method: str | None = None

    def learn(self, packet: ReflectorPacket, *, with_tlvs: bool, key: Key | None) -> Capabilities:
        """Return what is known with one more answer, to a packet that carried TLVs or none."""
        known = self
        if self.stateful is not True and (packet.sequence or packet.sender_sequence):
            known = replace(known, stateful=packet.sequence != packet.sender_sequence)
        if not with_tlvs:
            return known
        telemetry = read_tlvs(packet.trailing, sequence=packet.sequence, key=key)
        information = telemetry.timestamp_information
        return replace(
            known,
            understood=telemetry.understood,
            seen_from=telemetry.location.source if telemetry.location else None,
            clock_source=SYNC_SOURCE_NAMES.get(information.sync_source_out) if information else None,
            stamp_method=_method(information) if information else None,
        )


def _method(information: TimestampInformation) -> str | None:
    """Name where T2 and T3 are taken: one word where that is the same place, else two."""
    names = [METHOD_NAMES.get(method, "unknown") for method in (information.method_in, information.method_out)]
    return "/".join(dict.fromkeys(names)) if any((information.method_in, information.method_out)) else None


class CapabilityCheck:
    """Asks until answers tell: four times a second at first, then every ten seconds.

    ``ask`` builds a test packet from its number, its wall time and whether it carries TLVs; without any ``with_tlvs``
    none does. ``hear`` recognises answers. The socket belongs to the check.
    """

    def __init__(
        self,
        sock: StampedSocket,
        to: Address,
        *,
        ask: Callable[[int, int, bool], bytes],
        hear: Callable[[bytes, DepartureOf], Recognised | Rejection],
        with_tlvs: bool,
        key: Key | None,
    ) -> None:
        self.capabilities = Capabilities()
        self._socket: StampedSocket | None = sock
        self._to = to
        self._request = ask
        self._hear = hear
        self._with_tlvs = with_tlvs
        self._key = key
        self._asked: dict[int, Departure] = {}
        self._next = 0
        self._again_ns = 0

    def look(self, *, wall_ns: int, monotonic_ns: int) -> Capabilities:
        """Read what has come, ask again where something is still unknown, and return what is known.

        The first look asks twice, plainly too: the answer to number 0 tells nothing of the numbering.
        """
        if self._socket is None or (self._next >= 2 * _TRIES and monotonic_ns < self._again_ns):
            return self.capabilities
        for item in self._socket.drain():
            if isinstance(item, Datagram):
                self._learn(item.data)
        if self._is_complete:
            self.close()
        elif monotonic_ns >= self._again_ns:
            for _ in range(1 if self._next else 2):
                self._ask(self._socket, wall_ns, monotonic_ns)
            self._again_ns = monotonic_ns + (_AGAIN_NS if self._next < 2 * _TRIES else _SLOWLY_NS)
        return self.capabilities

    @property
    def over(self) -> bool:
        """Whether nothing more is asked."""
        return self._socket is None

    def close(self) -> None:
        """Stop asking."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    @property
    def _is_complete(self) -> bool:
        known = self.capabilities
        return known.stateful is not None and (known.understood is not None or not self._with_tlvs)

    def _learn(self, data: bytes) -> None:
        heard = self._hear(data, self._asked.get)
        if isinstance(heard, Recognised):
            with_tlvs = self._carries_tlvs(heard.packet.sender_sequence)
            self.capabilities = self.capabilities.learn(heard.packet, with_tlvs=with_tlvs, key=self._key)

    def _ask(self, sock: StampedSocket, wall_ns: int, monotonic_ns: int) -> None:
        number = self._next
        self._next += 2
        try:
            sock.send(self._request(number, wall_ns, self._carries_tlvs(number)), self._to, number)
        except OSError:  # the session that measures meets the same refusal, and reports it
            return
        self._asked[number] = Departure(slot=number, wall_ns=wall_ns, monotonic_ns=monotonic_ns, lateness_ns=0)
        self._asked.pop(number - 2 * _REMEMBERED, None)

    def _carries_tlvs(self, number: int) -> bool:
        return self._with_tlvs and number % 4 == 0
