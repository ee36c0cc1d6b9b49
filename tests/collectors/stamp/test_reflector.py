from collections import Counter, deque
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.path import Address, IPNetwork
from collectors.stamp.reflector import IDLE_NS, PROTECTED_NS, Reflector, Refusal, Reply
from collectors.stamp.timestamp import ErrorEstimate
from collectors.stamp.wire import ReflectorPacket, parse_reflector_packet, request, write_sent_time

SECOND = 1_000_000_000
WALL = 1_768_478_400 * SECOND
PEER = ("127.0.0.1", 50_000)
HERE = bytes([127, 0, 0, 1])
ESTIMATE = ErrorEstimate.from_error_ns(50_000, synchronised=True)
TEN = (ip_network("10.0.0.0/8"),)


def asked(sequence: int = 0, size: int = 44, wall_ns: int = WALL) -> bytes:
    return request(sequence=sequence, wall_ns=wall_ns, error_estimate=ESTIMATE, size=size)


def reflector(
    allow: tuple[IPNetwork, ...] = (), packets_per_second: int = 1_000_000, max_sessions: int = 100
) -> Reflector:
    return Reflector(
        allow=allow,
        own_ports=(8620,),
        packets_per_second=packets_per_second,
        max_sessions=max_sessions,
    )


def ask(
    answering: Reflector,
    data: bytes | None = None,
    *,
    source: Address = PEER,
    destination: bytes = HERE,
    now_ns: int = 0,
    ttl: int | None = 64,
    tos: int = 0,
) -> Reply | Refusal:
    return answering.answer(asked() if data is None else data, source, destination, WALL, ttl, tos, now_ns)


def answered(
    answering: Reflector, *, source: Address = PEER, destination: bytes = HERE, now_ns: int = 0
) -> ReflectorPacket:
    reply = ask(answering, source=source, destination=destination, now_ns=now_ns)
    assert isinstance(reply, Reply)
    answering.sent(reply)
    return parse_reflector_packet(bytes(reply.data))


@given(st.binary(max_size=200), st.booleans(), st.none() | st.integers(0, 255), st.integers(0, 255))
def test_whatever_the_octets_there_is_a_reply_or_a_reason(data: bytes, allow: bool, ttl: int | None, tos: int) -> None:
    answering = reflector((ip_network("127.0.0.0/8"),) if allow else ())
    reply = ask(answering, data, ttl=ttl, tos=tos)
    if isinstance(reply, Refusal):
        assert answering.counts.refused[reply] == 1
        return
    assert len(reply.data) == max(44, len(data))
    assert reply.data[24:38] == data[:14]
    assert reply.data[44:] == data[44:]
    assert reply.data[40] == (255 if ttl is None else ttl)
    assert reply.dscp == tos >> 2


@given(st.binary(max_size=200))
def test_nobody_gets_a_longer_answer_who_is_not_named(data: bytes) -> None:
    reply = ask(reflector(), data)
    assert isinstance(reply, Refusal) or len(reply.data) == len(data)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.booleans()), max_size=60))
def test_each_session_counts_the_replies_that_were_sent_from_zero(asks: list[tuple[int, int, bool]]) -> None:
    answering = reflector()
    sent: Counter[tuple[int, int]] = Counter()
    for sender, destination, is_sent in asks:
        here = bytes([127, 0, 0, 1 + destination])
        reply = ask(answering, source=("127.0.0.1", 50_000 + sender), destination=here)
        assert isinstance(reply, Reply)
        assert parse_reflector_packet(bytes(reply.data)).sequence == sent[sender, destination]
        if is_sent:
            answering.sent(reply)
            sent[sender, destination] += 1
    assert answering.counts.replies == sum(sent.values())
    assert answering.sessions == len({(sender, destination) for sender, destination, _ in asks})


def test_an_answer_has_the_error_estimate_of_the_last_look_at_the_clock() -> None:
    answering = reflector()
    assert answered(answering).error_estimate == ErrorEstimate.UNKNOWN
    answering.set_error_estimate(ESTIMATE)
    assert answered(answering).error_estimate == ESTIMATE


def test_a_session_that_was_silent_too_long_begins_anew() -> None:
    answering = reflector()
    assert [answered(answering, now_ns=now_ns).sequence for now_ns in (0, IDLE_NS, 2 * IDLE_NS + 1)] == [0, 1, 0]
    assert answering.sessions == 1


@pytest.mark.parametrize(
    ("allow", "source", "refusal"),
    [
        ((), ("127.0.0.9", 40_000), None),
        ((), ("::1", 40_000, 0, 0), None),
        ((), ("10.0.0.1", 40_000), Refusal.NOT_ALLOWED),
        ((), ("2001:db8::1", 40_000, 0, 0), Refusal.NOT_ALLOWED),
        (TEN, ("10.0.0.1", 40_000), None),
        (TEN, ("127.0.0.1", 40_000), Refusal.NOT_ALLOWED),
        ((ip_network("fe80::/10"),), ("fe80::1%eth0", 40_000, 0, 2), None),
        ((ip_network("0.0.0.0/0"),), ("0.0.0.0", 40_000), Refusal.NOT_UNICAST),
        ((ip_network("0.0.0.0/0"),), ("224.0.0.1", 40_000), Refusal.NOT_UNICAST),
        (TEN, ("10.0.0.1", 862), Refusal.LOOP),
        (TEN, ("10.0.0.1", 8620), Refusal.LOOP),
    ],
)
def test_who_is_answered(allow: tuple[IPNetwork, ...], source: Address, refusal: Refusal | None) -> None:
    answering = reflector(allow)
    reply = ask(answering, source=source)
    assert reply == refusal if refusal else isinstance(reply, Reply)
    assert answering.sessions == (0 if refusal else 1)


def test_a_packet_to_a_group_is_not_answered() -> None:
    all_nodes = ip_address("ff02::1").packed
    assert ask(reflector(), source=("::1", 40_000, 0, 0), destination=all_nodes) == Refusal.NOT_UNICAST


@pytest.mark.parametrize(
    ("size", "unnamed", "named"),
    [
        (13, Refusal.MALFORMED, Refusal.MALFORMED),
        (14, Refusal.TOO_SHORT, 44),
        (43, Refusal.TOO_SHORT, 44),
        (44, 44, 44),
    ],
)
def test_short_packets_are_for_those_who_are_named(size: int, unnamed: Refusal | int, named: Refusal | int) -> None:
    for allow, expected in (((), unnamed), ((ip_network("127.0.0.1"),), named)):
        reply = ask(reflector(allow), asked()[:size])
        assert (reply if isinstance(reply, Refusal) else len(reply.data)) == expected


def test_a_source_may_send_a_seconds_worth_at_once_and_its_rate_after_that() -> None:
    answering = reflector(packets_per_second=100)

    def replies(now_ns: int) -> int:
        return sum(isinstance(ask(answering, now_ns=now_ns), Reply) for _ in range(300))

    assert [replies(now_ns) for now_ns in (0, 0, SECOND // 10, 5 * SECOND)] == [100, 0, 10, 100]
    assert answering.counts.refused[Refusal.RATE] == 4 * 300 - 210


def test_a_source_has_one_bucket_for_all_its_ports_and_others_have_their_own() -> None:
    answering = reflector(TEN, packets_per_second=10)
    sources: list[Address] = [("10.0.0.1", 40_000 + index) for index in range(20)]
    replies = [ask(answering, source=source) for source in (*sources, ("10.0.0.2", 40_000))]
    assert [isinstance(reply, Reply) for reply in replies] == [True] * 10 + [False] * 10 + [True]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2 * PROTECTED_NS)), max_size=80))
def test_there_are_never_more_sessions_than_may_be_and_the_living_keep_theirs(asks: list[tuple[int, int]]) -> None:
    answering = reflector(max_sessions=4)
    now_ns = 0
    last: dict[int, tuple[int, int]] = {}  # port: when it was answered, with which number
    for sender, pause_ns in asks:
        now_ns += pause_ns
        reply = ask(answering, source=("127.0.0.1", 50_000 + sender), now_ns=now_ns)
        assert answering.sessions <= 4
        heard_ns, number = last.get(sender, (-IDLE_NS, -1))
        if isinstance(reply, Reply):
            answering.sent(reply)
            sequence = parse_reflector_packet(bytes(reply.data)).sequence
            assert sequence in (0, number + 1)
            assert sequence == number + 1 or now_ns - heard_ns > PROTECTED_NS
            last[sender] = (now_ns, sequence)
        else:
            assert reply == Refusal.TABLE_FULL
            in_use = sum(now_ns - heard_ns <= PROTECTED_NS for heard_ns, _ in last.values())
            assert in_use == 4


def test_a_full_table_forgets_the_longest_silent_session() -> None:
    answering = reflector(max_sessions=2)
    first, second, third = (("127.0.0.1", 50_000 + index) for index in range(3))
    for source, now_s in ((first, 0), (second, 1), (first, 2)):
        answered(answering, source=source, now_ns=now_s * SECOND)
    later_ns = 62 * SECOND
    assert answered(answering, source=third, now_ns=later_ns).sequence == 0
    assert answered(answering, source=first, now_ns=later_ns).sequence == 2
    assert ask(answering, source=second, now_ns=later_ns) == Refusal.TABLE_FULL


class Site:
    """A reflector on a port that nobody knows for a reflector's, with a clock that may be ahead."""

    def __init__(self, address: Address, *, ahead_ns: int) -> None:
        self.address = address
        self.here = ip_address(address[0]).packed
        self.ahead_ns = ahead_ns
        self.now_ns = 0
        self.reflector = Reflector(allow=TEN, own_ports=(address[1],))

    def wall_ns(self) -> int:
        return WALL + self.ahead_ns + self.now_ns

    def receive(self, data: bytes, source: Address, now_ns: int) -> Reply | Refusal:
        self.now_ns = now_ns
        return self.reflector.answer(data, source, self.here, self.wall_ns(), 64, 0, now_ns)


@given(st.integers(1, 30), st.integers(1, 300), st.sampled_from((0, 300 * SECOND)))
def test_two_reflectors_pointed_at_each_other_fall_silent(in_flight: int, delay_ms: int, ahead_ns: int) -> None:
    here, there = Site(("10.0.0.1", 10_862), ahead_ns=0), Site(("10.0.0.2", 20_862), ahead_ns=ahead_ns)
    under_way = deque((there, here, asked(sequence=sequence)) for sequence in range(in_flight))
    now_ns = answers = 0
    while under_way:
        receiver, sender, data = under_way.popleft()
        now_ns += delay_ms * 1_000_000
        reply = receiver.receive(data, sender.address, now_ns)
        if isinstance(reply, Reply):
            write_sent_time(reply.data, receiver.wall_ns())
            receiver.reflector.sent(reply)
            under_way.append((sender, receiver, bytes(reply.data)))
            answers += 1
            assert answers <= 2 * in_flight
    assert there.reflector.counts.refused[Refusal.LOOP] == in_flight
