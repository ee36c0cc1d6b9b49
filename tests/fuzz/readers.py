"""Everything that reads what came from a network, each with the invariant that it must hold whatever the octets."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from ipaddress import ip_network

from collectors.ancillary import Datagram, socket_address
from collectors.icmp.wire import EchoError, parse_echo_reply
from collectors.peer import Rejection
from collectors.roundtrip import Answer, Departure
from collectors.stamp.asking import Asking
from collectors.stamp.authentication import Key
from collectors.stamp.capabilities import Capabilities
from collectors.stamp.control.connection import ControlConnection
from collectors.stamp.facts import FactSheet
from collectors.stamp.hearing import Hearing
from collectors.stamp.options import StampOptions
from collectors.stamp.reflector import Reflector
from collectors.stamp.refusal import Refusal
from collectors.stamp.reply import Reply
from collectors.stamp.tlv import TlvType
from collectors.stamp.wire import StampError, parse_reflector_packet, parse_sender_packet
from tests.collectors.stamp.control.fakes import SECOND, FakeReflector, connection_of
from tests.fuzz.mutation import KEY, NOW_NS, SENT, TOKEN

Reader = Callable[[bytes], None]

_HERE = bytes([127, 0, 0, 1])
_PEER = socket_address(_HERE, 50_000)
_AT = 64
_DEPARTURE = Departure(slot=0, wall_ns=NOW_NS, monotonic_ns=0, lateness_ns=0, size=44)


def readers() -> list[Reader]:
    """Return all readers; those with a state keep it from one packet to the next."""
    loopback = (ip_network("127.0.0.0/8"),)
    provided = Reflector(port=9000, packets_per_second=10**9)
    sender = (_HERE, 50_000)
    provided.provided.open(sender=sender, receiver=_HERE, dscp=0, now_ns=0)
    provided.provided.start(sender=sender, receiver=_HERE, now_ns=0)
    return [
        _parsers,
        _Reflecting(Reflector(port=9000, allow=loopback, packets_per_second=10**9)),
        _Reflecting(Reflector(port=9000, packets_per_second=10**9)),
        _Reflecting(Reflector(port=9000, packets_per_second=10**9, ssids=(7,))),
        _Reflecting(Reflector(port=9000, packets_per_second=10**9, key=KEY)),
        _Reflecting(provided),
        _Listening(StampOptions()),
        _Listening(StampOptions(key=KEY, ssid=7)),
        _Listening(StampOptions(ptp=True, ssid=7, ssid_required=True)),
        _Controlled(),
    ]


def _parsers(data: bytes) -> None:
    for key in (None, KEY):
        with contextlib.suppress(StampError):
            packet = parse_sender_packet(data, key=key)
            assert _encoded(packet, key) == data or key is not None or len(data) >= 16, "a request is kept as it is"
        with contextlib.suppress(StampError):
            parse_reflector_packet(data, key=key).sent_ns(now_ns=NOW_NS)
    for version, with_ip_header in ((4, False), (4, True), (6, False)):
        with contextlib.suppress(EchoError):
            parse_echo_reply(data, version=version, token=TOKEN, with_ip_header=with_ip_header)


def _encoded(packet: object, key: Key | None) -> bytes:
    return packet.authenticated(key) if key is not None else bytes(packet)  # type: ignore[attr-defined,call-overload,no-any-return]  # either packet


class _Reflecting:
    """A packet gets an answer of its own size, or of the least size there is, or a reason why not."""

    def __init__(self, reflector: Reflector) -> None:
        self._reflector = reflector
        self._octets = bytearray(70_000)
        self._now_ns = 0

    def __call__(self, data: bytes) -> None:
        octets, end = self._octets, _AT + max(len(data), 44)
        octets[_AT : _AT + len(data)] = data
        octets[end : end + 8] = b"\xee" * 8
        self._now_ns += 1000
        arrival = (*divmod(NOW_NS + self._now_ns, 10**9), _HERE * 2, 64, 0xB8)
        reply = self._reflector.answer(octets, _AT, len(data), _PEER, arrival, self._now_ns)
        if isinstance(reply, Refusal):
            return
        assert isinstance(reply, Reply)
        if reply.finish is not None:
            reply.finish(octets, _AT, NOW_NS)
        assert reply.size in (len(data), 44, 41)
        assert reply.size >= len(data)
        assert 0 <= reply.dscp < 64
        assert octets[end : end + 8] == b"\xee" * 8, "nothing behind a reply is written"


class _Listening:
    """A datagram is an answer to a packet that was sent, or rejected with its reason."""

    def __init__(self, options: StampOptions) -> None:
        asking = Asking(options)
        asking.carry(Capabilities(stateful=True, understood=frozenset(TlvType)))
        asking.request(0, NOW_NS)
        self._hearing = Hearing(options, ("127.0.0.1", 862), asking, FactSheet())

    def __call__(self, data: bytes) -> None:
        heard = self._hearing.answer(
            Datagram(data, ("127.0.0.1", 862), stamp_ns=NOW_NS + 10**6, ttl=64, tos=0),
            wall_ns=NOW_NS + 10**6,
            monotonic_ns=10**6,
            departure_of=lambda sequence: _DEPARTURE if sequence < SENT else None,
        )
        assert isinstance(heard, Rejection) or (isinstance(heard, Answer) and heard.sequence < SENT)


class _Controlled:
    """A control connection goes on or is closed with a reason, and keeps no more than one message."""

    def __init__(self) -> None:
        self._connection = self._opened()

    def __call__(self, data: bytes) -> None:
        for begin in range(0, len(data), 50):
            self._connection.receive(data[begin : begin + 50], SECOND)
        if self._connection.closed:
            assert self._connection.close_reason is not None
            self._connection = self._opened()

    def _opened(self) -> ControlConnection:
        opened = connection_of(FakeReflector())
        opened.greeting()
        return opened
