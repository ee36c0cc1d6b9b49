"""Makes bad packets of good ones, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator

from collectors.icmp.wire import echo_request
from collectors.stamp.authentication import Key
from collectors.stamp.extensions import (
    ASK_FOLLOW_UP,
    ASK_LOCATION,
    ASK_TIMESTAMP_INFORMATION,
    ask_class_of_service,
    ask_direct_measurement,
)
from collectors.stamp.timestamp import ErrorEstimate, ntp_from_wall
from collectors.stamp.wire import AUTHENTICATED_SIZE, ReflectorPacket, request
from tests.collectors.stamp.control import fakes

KEY = Key(bytes(range(32)))
TOKEN = b"sesstokn"
NOW_NS = 1_768_478_400_123_456_789
SENT = 1 << 31
"""Numbers below this were sent by the session that hears the packets, each at NOW_NS."""

_MAC = slice(AUTHENTICATED_SIZE, AUTHENTICATED_SIZE + 16)
_TELLING = (0, 1, 2, 4, 7, 8, 0x20, 0x40, 0x7F, 0x80, 0xC0, 0xFF)


def packets(seed: int, number: int) -> Iterator[bytes]:
    """Yield mutated packets."""
    rng = random.Random(seed)
    good = _good()
    for index in range(number):
        yield _mutated(rng, good, index)


def _good() -> list[bytes]:
    """Return a packet of each kind that is understood anywhere."""
    tlvs = (ASK_FOLLOW_UP, ask_class_of_service(46), ASK_LOCATION, ask_direct_measurement(3), ASK_TIMESTAMP_INFORMATION)
    plain, ptp = ErrorEstimate.from_bits(0x8F84), ErrorEstimate.from_bits(0xCF84)
    good = [
        request(sequence=7, wall_ns=NOW_NS, error_estimate=estimate, size=size, ssid=ssid, key=key, tlvs=carried)
        for estimate in (plain, ptp)
        for size, ssid in ((44, 0), (44, 7), (200, 7))
        for key in (None, KEY)
        for carried in ((), tlvs[:1], tlvs)
    ]
    answers = [
        ReflectorPacket(
            sequence=5,
            timestamp=ntp_from_wall(NOW_NS + 75_000),
            error_estimate=plain,
            ssid=7,
            received_timestamp=ntp_from_wall(NOW_NS + 1),
            sender_sequence=7,
            sender_timestamp=ntp_from_wall(NOW_NS),
            sender_error_estimate=plain,
            sender_ttl=64,
            trailing=data[size:],
        )
        for data, size in ((good[2], 44), (good[4], 44), (good[5], 112))
    ]
    good += [bytes(answer) for answer in answers] + [answer.authenticated(KEY) for answer in answers]
    good += [data[:size] for data in good[:4] for size in (14, 36, 38, 41)]
    good.append(echo_request(version=4, identifier=1, sequence=7, token=TOKEN, size=56))
    good.append(fakes.SET_UP + fakes.request() + fakes.START + fakes.stop())
    return good


def _mutated(rng: random.Random, good: list[bytes], index: int) -> bytes:
    octets = bytearray(rng.choice(good))
    if rng.random() < 0.5:
        octets[:4] = index.to_bytes(4, "big")  # otherwise all would be replays
    for _ in range(rng.randrange(4)):
        _MUTATIONS[rng.randrange(len(_MUTATIONS))](rng, octets, good)
    if rng.random() < 0.3 and len(octets) >= _MAC.stop:  # so that what lies behind the HMAC is reached too
        octets[_MAC] = KEY.mac(octets[: _MAC.start])
    return bytes(octets)


def _flip(rng: random.Random, octets: bytearray, _: list[bytes]) -> None:
    if octets:
        octets[rng.randrange(len(octets))] ^= 1 << rng.randrange(8)


def _set(rng: random.Random, octets: bytearray, _: list[bytes]) -> None:
    if octets:
        octets[rng.randrange(len(octets))] = rng.choice(_TELLING)


def _set_behind_the_base(rng: random.Random, octets: bytearray, _: list[bytes]) -> None:
    if len(octets) > 44:
        octets[rng.randrange(44, len(octets))] = rng.choice(_TELLING)


def _cut(rng: random.Random, octets: bytearray, _: list[bytes]) -> None:
    del octets[rng.randrange(len(octets) + 1) :]


def _grow(rng: random.Random, octets: bytearray, _: list[bytes]) -> None:
    octets += rng.randbytes(rng.randrange(40))


def _repeat(rng: random.Random, octets: bytearray, _: list[bytes]) -> None:
    begin = rng.randrange(len(octets) + 1)
    octets[begin:begin] = octets[begin : begin + rng.randrange(40)]


def _splice(rng: random.Random, octets: bytearray, good: list[bytes]) -> None:
    other = rng.choice(good)
    octets[rng.randrange(len(octets) + 1) :] = other[rng.randrange(len(other) + 1) :]


_MUTATIONS = (_flip, _set, _set_behind_the_base, _set_behind_the_base, _cut, _grow, _repeat, _splice)
