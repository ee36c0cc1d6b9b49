"""Sessions that TWAMP-Control arranged, answered by the reflector."""

from __future__ import annotations

from ipaddress import ip_network

from collectors.stamp.authentication import Key
from collectors.stamp.reflector import Reflector
from collectors.stamp.refusal import Refusal
from collectors.stamp.timestamp import ErrorEstimate
from collectors.stamp.wire import request
from tests.collectors.stamp.reflecting import SECOND, Answered, ask

HERE = bytes([127, 0, 0, 1])
SENDER = (HERE, 8764)
PORT = 20_862
REQUEST = bytes.fromhex("00000007ed1355401f9add370001")


def reflector(key: Key | None = None, max_provided: int = 2, max_sessions: int = 100) -> Reflector:
    return Reflector(port=PORT, key=key, max_provided=max_provided, max_sessions=max_sessions)


def started(answering: Reflector, dscp: int = 0, now_ns: int = 0) -> None:
    assert answering.provided.open(sender=SENDER, receiver=HERE, dscp=dscp, now_ns=now_ns) == PORT
    answering.provided.start(sender=SENDER, receiver=HERE, now_ns=now_ns)


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


def test_there_is_none_where_the_table_is_full() -> None:
    answering = reflector(max_sessions=1)
    data = request(sequence=1, wall_ns=0, error_estimate=ErrorEstimate.UNKNOWN, size=44)
    assert isinstance(ask(answering, data, source=("127.0.0.1", 50_000)), Answered)
    assert answering.provided.open(sender=SENDER, receiver=HERE, dscp=0, now_ns=0) is None


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
