"""What a reflector can do, asked over real sockets of reflectors of several kinds."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from collectors.path import NetworkPath, PacketMarks
from collectors.sockets import open_udp
from collectors.stamp.asking import Asking
from collectors.stamp.capabilities import Capabilities, CapabilityCheck
from collectors.stamp.chain import parse_chain
from collectors.stamp.facts import FactSheet
from collectors.stamp.hearing import Hearing
from collectors.stamp.options import StampOptions
from collectors.stamp.timestamp import ErrorEstimate, ntp_from_wall
from collectors.stamp.tlv import Location, SubTlvType, TimestampInformation, Tlv, TlvType
from collectors.stamp.wire import ReflectorPacket, parse_sender_packet

NOW_NS = 1_768_478_400_000_000_000
TELLING = (TlvType.LOCATION, TlvType.TIMESTAMP_INFORMATION)
MARKED = StampOptions(marks=PacketMarks(dscp=46))


class FarEnd:
    """A reflector's socket, and a check that asks it; the test answers."""

    def __init__(self, sock: socket.socket, options: StampOptions) -> None:
        self.socket = sock
        asking = Asking(options)
        self.check = CapabilityCheck(
            open_udp(NetworkPath(name="p"), socket.AF_INET, PacketMarks()),
            sock.getsockname(),
            ask=asking.capability_request,
            hear=Hearing(options, sock.getsockname(), asking, FactSheet()).recognise,
            with_tlvs=asking.wants_tlvs,
            key=options.key,
        )
        self.look()

    def look(self, at_s: float = 0) -> Capabilities:
        return self.check.look(wall_ns=NOW_NS, monotonic_ns=int(at_s * 1e9))

    def asked(self) -> list[tuple[bytes, tuple[str, int]]]:
        found = []
        while True:
            try:
                found.append(self.socket.recvfrom(1000))
            except BlockingIOError:
                return found

    def answer(self, data: bytes, to: tuple[str, int], *, number: int, tlvs: Sequence[Tlv] | None = None) -> None:
        """Answer with this number; trailing octets are copied unless ``tlvs`` stand in their place."""
        packet = parse_sender_packet(data)
        answer = ReflectorPacket(
            sequence=number,
            timestamp=ntp_from_wall(NOW_NS + 1),
            error_estimate=ErrorEstimate.UNKNOWN,
            received_timestamp=ntp_from_wall(NOW_NS),
            sender_sequence=packet.sequence,
            sender_timestamp=packet.timestamp,
            sender_error_estimate=packet.error_estimate,
            sender_ttl=255,
            trailing=packet.trailing if tlvs is None else b"".join(map(bytes, tlvs)),
        )
        self.socket.sendto(bytes(answer), to)


@pytest.fixture
def reflector() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        yield sock


@pytest.fixture
def far_end(reflector: socket.socket) -> Iterator[FarEnd]:
    end = FarEnd(reflector, MARKED)
    yield end
    end.check.close()


def kinds(data: bytes) -> list[int]:
    return [tlv.type for tlv in parse_chain(parse_sender_packet(data).trailing).tlvs]


def understood(data: bytes) -> list[Tlv]:
    return [replace(tlv, flags=0) for tlv in parse_chain(parse_sender_packet(data).trailing).tlvs]


def test_every_second_number_is_left_out_and_every_second_packet_is_plain(far_end: FarEnd) -> None:
    far_end.look(at_s=1)
    first, second, third = (data for data, _ in far_end.asked())
    assert [parse_sender_packet(data).sequence for data in (first, second, third)] == [0, 2, 4]
    assert kinds(first) == kinds(third) == [*TELLING, TlvType.CLASS_OF_SERVICE, TlvType.FOLLOW_UP_TELEMETRY]
    assert (kinds(second), len(second)) == ([], 44)


def test_who_wants_no_tlvs_asks_with_none(reflector: socket.socket) -> None:
    far_end = FarEnd(reflector, StampOptions(tlvs=()))
    packets = far_end.asked()
    assert [kinds(data) for data, _ in packets] == [[], []]
    far_end.answer(*packets[1], number=1)
    assert far_end.look().stateful is True
    assert far_end.check.over


def test_a_reflector_that_counts_is_stateful(far_end: FarEnd) -> None:
    for number, packet in enumerate(far_end.asked()):
        far_end.answer(*packet, number=number)
    assert far_end.look().stateful is True
    assert far_end.check.over


def test_a_reflector_that_counts_from_one_is_stateful(far_end: FarEnd) -> None:
    for number, packet in enumerate(far_end.asked()):
        far_end.answer(*packet, number=number + 1)
    assert far_end.look().stateful is True


def test_a_reflector_that_copies_is_not(far_end: FarEnd) -> None:
    for data, sender in far_end.asked():
        far_end.answer(data, sender, number=parse_sender_packet(data).sequence)
    assert far_end.look() == Capabilities(stateful=False, understood=frozenset())


def test_the_answer_to_the_first_packet_tells_nothing_of_the_numbers(far_end: FarEnd) -> None:
    far_end.answer(*far_end.asked()[0], number=0)
    assert far_end.look().stateful is None


def test_what_a_reflector_understands_it_takes_for_its_own(far_end: FarEnd) -> None:
    data, sender = far_end.asked()[0]
    address = Tlv(0, SubTlvType.SOURCE_IPV4, bytes([198, 51, 100, 1]).ljust(16, b"\0"))
    location = Location(destination_port=862, source_port=4000, sub_tlvs=(address,))
    information = TimestampInformation(sync_source_in=2, method_in=1, sync_source_out=2, method_out=2)
    mark, follow_up = understood(data)[2:]
    told = [
        Tlv(0, TlvType.LOCATION, bytes(location)),
        Tlv(0, TlvType.TIMESTAMP_INFORMATION, bytes(information)),
        replace(mark, flags=0x80),
        follow_up,
    ]
    far_end.answer(data, sender, number=0, tlvs=told)
    assert far_end.look() == Capabilities(
        understood=frozenset({*TELLING, TlvType.FOLLOW_UP_TELEMETRY}),
        seen_from="198.51.100.1:4000",
        clock_source="ptp",
        stamp_method="hardware/software",
    )


def test_a_reflector_that_drops_octets_it_does_not_know_is_found_to_count_all_the_same(far_end: FarEnd) -> None:
    replies = 0
    for step in range(100):
        for data, sender in far_end.asked():
            if len(data) == 44:
                far_end.answer(data, sender, number=replies)
                replies += 1
        known = far_end.look(at_s=step / 20)
    assert known == Capabilities(stateful=True)


def test_noise_and_forgeries_tell_nothing(far_end: FarEnd) -> None:
    data, sender = far_end.asked()[1]
    far_end.socket.sendto(b"noise", sender)
    far_end.answer(data[:4] + b"guess..!" + data[12:], sender, number=1)
    assert far_end.look() == Capabilities()


def test_it_asks_four_times_a_second_at_first_and_then_every_ten_seconds(far_end: FarEnd) -> None:
    for step in range(40 * 20):
        assert far_end.look(at_s=step / 20) == Capabilities()
    numbers = [parse_sender_packet(data).sequence for data, _ in far_end.asked()]
    assert numbers == list(range(0, 2 * (12 + 3), 2))


def test_a_reflector_that_comes_late_is_found_out_all_the_same(far_end: FarEnd) -> None:
    for step in range(100):
        far_end.look(at_s=step / 20)
    far_end.asked()
    for number, at_s in enumerate((15, 25, 35)):
        far_end.look(at_s=at_s)
        for packet in far_end.asked():
            far_end.answer(*packet, number=number)
    assert far_end.look(at_s=45).stateful is True
    assert far_end.check.over
