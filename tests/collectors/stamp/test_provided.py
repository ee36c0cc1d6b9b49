"""Sessions that TWAMP-Control arranged, answered by the reflector."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from collectors.ancillary import socket_address
from collectors.stamp.authentication import Key
from collectors.stamp.control.sessions import SessionCounts, Sessions
from collectors.stamp.reflector import Reflector
from collectors.stamp.refusal import Refusal
from collectors.stamp.reply import Reply
from collectors.stamp.timestamp import ErrorEstimate
from collectors.stamp.wire import request
from tests.collectors.stamp.control.fakes import SET_UP, START, connection_of, requested
from tests.collectors.stamp.control.fakes import request as session_request
from tests.collectors.stamp.reflecting import SECOND, WALL, Answered, ask

HERE = bytes([127, 0, 0, 1])
SENDER = (HERE, 8764)
PORT = 20_862
REQUEST = bytes.fromhex("00000007ed1355401f9add370001")


def reflector(key: Key | None = None, max_provided: int = 2, max_sessions: int = 100) -> Reflector:
    return Reflector(port=PORT, key=key, max_provided=max_provided, max_sessions=max_sessions)


def started(
    answering: Reflector, dscp: int = 0, now_ns: int = 0, *, sender: tuple[bytes, int] = SENDER, receiver: bytes = HERE
) -> None:
    assert answering.provided.open(sender=sender, receiver=receiver, dscp=dscp, now_ns=now_ns) is not None
    answering.provided.start(sender=sender, receiver=receiver, now_ns=now_ns)


def stranger(answering: Reflector, *, now_ns: int = 0) -> Answered | Refusal:
    """Ask without an arrangement."""
    data = request(sequence=1, wall_ns=0, error_estimate=ErrorEstimate.UNKNOWN, size=44)
    return ask(answering, data, source=("127.0.0.1", 50_000), now_ns=now_ns)


def asked(answering: Reflector, data: bytes = REQUEST, *, now_ns: int = 0, tos: int = 0) -> Answered | Refusal:
    return ask(answering, data, source=("127.0.0.1", 8764), now_ns=now_ns, tos=tos)


def test_a_session_is_answered_from_its_start_with_at_least_41_octets_and_its_dscp() -> None:
    answering = reflector()
    assert asked(answering) == Refusal.TOO_SHORT
    started(answering, dscp=46)
    for number, (size, expected) in enumerate(((0, 41), (27, 41), (60, 74))):
        answer = asked(answering, REQUEST + bytes(range(size)), tos=10 << 2)
        assert isinstance(answer, Answered)
        assert len(answer.data) == expected
        assert answer.reply.dscp == 46
        assert int.from_bytes(answer.data[:4], "big") == number
        assert answer.data[24:38] == REQUEST
        assert answer.data[41:] == bytes(range(size))[27:]


def test_what_looks_like_tlvs_is_padding() -> None:
    answering = reflector()
    started(answering)
    data = request(sequence=1, wall_ns=0, error_estimate=ErrorEstimate.UNKNOWN, size=64)
    answer = asked(answering, data)
    assert isinstance(answer, Answered)
    assert answer.data[41:] == data[41:]


def test_a_session_that_is_started_again_is_numbered_anew() -> None:
    answering = reflector()
    numbers = []
    for _ in range(2):
        started(answering)
        for _ in range(2):
            answer = asked(answering)
            assert isinstance(answer, Answered)
            numbers.append(answer.data[3])
        answering.provided.stop(sender=SENDER, receiver=HERE, until_ns=0)
    assert numbers == [0, 1, 0, 1]


def test_a_stopped_session_is_answered_until_its_timeout_and_never_again() -> None:
    answering = reflector()
    started(answering)
    answering.provided.stop(sender=SENDER, receiver=HERE, until_ns=2 * SECOND)
    assert isinstance(asked(answering, now_ns=2 * SECOND - 1), Answered)
    for now_ns in (2 * SECOND, 60 * SECOND):
        assert asked(answering, now_ns=now_ns) == Refusal.ENDED


def test_sessions_are_bounded_in_number() -> None:
    answering = reflector(max_provided=2)
    ports = [
        answering.provided.open(sender=(HERE, 9000 + number), receiver=HERE, dscp=0, now_ns=0) for number in range(3)
    ]
    assert ports == [PORT, PORT, None]
    answering.provided.stop(sender=(HERE, 9000), receiver=HERE, until_ns=0)
    assert answering.provided.open(sender=(HERE, 9002), receiver=HERE, dscp=0, now_ns=0) == PORT


def test_sessions_that_were_arranged_and_all_others_do_not_take_each_others_place() -> None:
    answering = reflector(max_sessions=1, max_provided=1)
    started(answering)
    assert isinstance(stranger(answering), Answered)
    assert isinstance(asked(answering), Answered)
    assert answering.sessions == 2


def test_sessions_that_are_over_fill_nothing() -> None:
    answering = reflector(max_provided=2, max_sessions=1)
    for port in range(9_000, 9_100):
        started(answering, sender=(HERE, port))
        answering.provided.stop(sender=(HERE, port), receiver=HERE, until_ns=0)
    assert answering.sessions <= 4
    assert ask(answering, REQUEST, source=("127.0.0.1", 9_099)) == Refusal.ENDED
    assert isinstance(stranger(answering), Answered)


def test_a_session_lasts_until_it_is_stopped_however_long_it_is_silent() -> None:
    answering = reflector(max_sessions=1)
    started(answering)
    for now_ns in (61 * SECOND, 2_000 * SECOND):
        assert isinstance(stranger(answering, now_ns=now_ns), Answered)
        assert isinstance(asked(answering, now_ns=now_ns), Answered)


def test_what_was_answered_before_the_start_is_another_session() -> None:
    answering = Reflector(port=PORT, allow=(ip_network("127.0.0.0/8"),))
    for _ in range(3):
        answer = asked(answering, REQUEST + bytes(30))
        assert isinstance(answer, Answered)
    started(answering, dscp=46)
    answer = asked(answering, REQUEST + bytes(30))
    assert isinstance(answer, Answered)
    assert (answer.data[3], answer.reply.dscp) == (0, 46)


@pytest.mark.parametrize(
    "sender", [(HERE, 862), (HERE, PORT), (bytes([10, 0, 0, 1]), 9_000), (bytes([224, 0, 0, 1]), 9_000)]
)
def test_there_is_no_session_of_a_reflectors_port_or_of_who_is_not_answered(sender: tuple[bytes, int]) -> None:
    assert reflector().provided.open(sender=sender, receiver=HERE, dscp=0, now_ns=0) is None


def test_two_connections_of_a_host_cannot_have_the_same_session() -> None:
    answering = reflector()
    first, second = (connection_of(answering.provided, peer=HERE, local=HERE) for _ in range(2))
    accepts = []
    for connection in (first, second):
        connection.receive(SET_UP, 0)
        accepts.append(connection.receive(session_request(sender_port=8764), 0)[0])
    assert accepts[0] == 0
    assert accepts[1] != 0
    second.lost(1)
    first.receive(START, 2)
    assert isinstance(asked(answering, now_ns=3), Answered)


def test_what_is_opened_again_and_never_started_leaves_the_end_of_what_was_as_it_is() -> None:
    answering = reflector()
    started(answering)
    answering.provided.stop(sender=SENDER, receiver=HERE, until_ns=SECOND)
    answering.provided.open(sender=SENDER, receiver=HERE, dscp=0, now_ns=0)
    answering.provided.stop(sender=SENDER, receiver=HERE, until_ns=60 * SECOND)
    assert isinstance(asked(answering, now_ns=0), Answered)
    assert asked(answering, now_ns=SECOND) == Refusal.ENDED


def test_an_echo_of_its_answers_is_not_answered_for_ever() -> None:
    answering = reflector()
    started(answering)
    data = REQUEST
    for _ in range(3):
        answer = asked(answering, data)
        if isinstance(answer, Refusal):
            break
        data = answer.data
    assert answer == Refusal.LOOP


def test_two_reflectors_whose_sessions_were_arranged_with_each_other_fall_silent() -> None:
    ten = (ip_network("10.0.0.0/8"),)
    addresses = (("10.0.0.1", 10_862), ("10.0.0.2", 20_862))
    sites = [Reflector(port=port, allow=ten) for _, port in addresses]
    hosts = [bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])]
    for here, there in ((0, 1), (1, 0)):
        started(sites[here], sender=(hosts[there], addresses[there][1]), receiver=hosts[here])
    data, here = REQUEST + bytes(27), 0
    for number in range(10):
        now_ns = number * 10_000_000
        answer = ask(
            sites[here],
            data,
            source=addresses[1 - here],
            destination=addresses[here][0],
            received_ns=WALL + now_ns,
            now_ns=now_ns,
        )
        if isinstance(answer, Refusal):
            break
        data, here = answer.data, 1 - here
    assert answer == Refusal.LOOP
    assert number == 2


def test_the_rate_of_a_source_holds_for_its_sessions_too() -> None:
    answering = Reflector(port=PORT, packets_per_second=2)
    started(answering)
    assert [isinstance(asked(answering), Answered) for _ in range(3)] == [True, True, False]
    assert answering.counts.refused[Refusal.RATE] == 1


def test_a_key_does_not_bind_what_was_arranged_without_one() -> None:
    answering = reflector(key=Key(bytes(16)))
    assert asked(answering) == Refusal.NOT_AUTHENTIC
    started(answering)
    assert isinstance(asked(answering), Answered)


def test_sessions_of_ipv6_are_found_as_the_kernel_names_them() -> None:
    here = bytes(15) + b"\1"
    answering = Reflector(port=PORT, allow=(ip_network("::1"),))
    assert answering.provided.open(sender=(here, 8764), receiver=here, dscp=0, now_ns=0) == PORT
    answering.provided.start(sender=(here, 8764), receiver=here, now_ns=0)
    answer = ask(answering, REQUEST, source=("::1", 8764), destination="::1")
    assert isinstance(answer, Answered)
    assert len(answer.data) == 41


def test_a_session_between_link_local_addresses_is_of_one_interface() -> None:
    host, here = ip_address("fe80::2").packed, ip_address("fe80::1").packed
    reflector = Reflector(port=PORT, allow=(ip_network("fe80::/10"),))
    sessions = Sessions(peer=host, local=here, scope=3, reflector=reflector.provided, counts=SessionCounts())
    assert (
        sessions.open(requested(sender_port=8764, ip_version=6, sender_address=host, receiver_address=here), 0) == PORT
    )
    sessions.start(0)
    sizes = []
    for scope in (3, 4):
        octets = bytearray(REQUEST + bytes(60))
        reply = reflector.answer(octets, 0, 14, socket_address(host, 8764, scope), (1, 0, here, 255, 0), 0)
        assert isinstance(reply, Reply)
        sizes.append(reply.size)
    assert sizes == [41, 44]  # of TWAMP, and of STAMP, as without an arrangement
