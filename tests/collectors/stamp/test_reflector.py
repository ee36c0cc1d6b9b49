from collections import Counter, deque
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.path import IPNetwork
from collectors.stamp.authentication import Key
from collectors.stamp.extensions import ASK_FOLLOW_UP, ask_class_of_service, ask_direct_measurement, read_tlvs
from collectors.stamp.reflector import Reflector
from collectors.stamp.refusal import Refusal
from collectors.stamp.table import FRESH_NS, IDLE_NS, PROTECTED_NS
from collectors.stamp.timestamp import ErrorEstimate, ntp_from_wall
from collectors.stamp.tlv import Tlv
from collectors.stamp.wire import ReflectorPacket, parse_reflector_packet, request
from tests.collectors.stamp.reflecting import RESIDENCE, SECOND, WALL, Answered, ask, reply_to

Source = tuple[str, int]
ESTIMATE = ErrorEstimate.from_error_ns(50_000, synchronised=True)
PTP = ErrorEstimate(synchronised=True, ptp=True, scale=15, multiplier=132)
TEN = (ip_network("10.0.0.0/8"),)
KEY = Key(bytes(range(32)))


def asked(
    sequence: int = 0,
    size: int = 44,
    wall_ns: int = WALL,
    *,
    ssid: int = 0,
    key: Key | None = None,
    estimate: ErrorEstimate = ESTIMATE,
    tlvs: tuple[Tlv, ...] = (),
) -> bytes:
    return request(
        sequence=sequence, wall_ns=wall_ns, error_estimate=estimate, size=size, ssid=ssid, key=key, tlvs=tlvs
    )


def reflector(
    allow: tuple[IPNetwork, ...] = (), packets_per_second: int = 1_000_000, max_sessions: int = 100
) -> Reflector:
    return Reflector(port=8620, allow=allow, packets_per_second=packets_per_second, max_sessions=max_sessions)


def answered(
    answering: Reflector, data: bytes | None = None, *, source: Source = ("127.0.0.1", 50_000), now_ns: int = 0
) -> ReflectorPacket:
    answer = ask(answering, asked() if data is None else data, source=source, now_ns=now_ns)
    assert isinstance(answer, Answered)
    return parse_reflector_packet(answer.data)


@given(st.binary(max_size=200), st.booleans(), st.integers(0, 255), st.integers(0, 255))
def test_whatever_the_octets_there_is_a_reply_or_a_reason(data: bytes, allow: bool, ttl: int, tos: int) -> None:
    answering = reflector((ip_network("127.0.0.0/8"),) if allow else ())
    answer = ask(answering, data, ttl=ttl, tos=tos)
    if isinstance(answer, Refusal):
        assert answering.counts.refused[answer] == 1
        return
    assert len(answer.data) == max(44, len(data))
    assert answer.data[24:38] == data[:14]
    assert answer.data[40] == ttl
    if data[44:45] != b"\x80":  # no TLVs
        assert answer.data[44:] == data[44:]
        assert answer.reply.dscp == tos >> 2


@given(st.binary(max_size=200))
def test_nobody_gets_a_longer_answer_who_is_not_named(data: bytes) -> None:
    answer = ask(reflector(), data)
    assert isinstance(answer, Refusal) or len(answer.data) == len(data)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.booleans()), max_size=60))
def test_each_session_counts_the_replies_that_were_sent_from_zero(asks: list[tuple[int, int, bool]]) -> None:
    answering = reflector()
    sent: Counter[tuple[int, int]] = Counter()
    for sender, destination, is_sent in asks:
        here = f"127.0.0.{1 + destination}"
        answer = ask(answering, asked(), source=("127.0.0.1", 50_000 + sender), destination=here)
        assert isinstance(answer, Answered)
        assert parse_reflector_packet(answer.data).sequence == sent[sender, destination]
        if is_sent:
            sent[sender, destination] += 1
        else:
            answering.unsent(answer.reply)
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
        ((), ("::1", 40_000), None),
        ((), ("10.0.0.1", 40_000), Refusal.NOT_ALLOWED),
        ((), ("2001:db8::1", 40_000), Refusal.NOT_ALLOWED),
        (TEN, ("10.0.0.1", 40_000), None),
        (TEN, ("127.0.0.1", 40_000), Refusal.NOT_ALLOWED),
        ((ip_network("fe80::/10"),), ("fe80::1", 40_000), None),
        ((ip_network("0.0.0.0/0"),), ("0.0.0.0", 40_000), Refusal.NOT_UNICAST),
        ((ip_network("0.0.0.0/0"),), ("224.0.0.1", 40_000), Refusal.NOT_UNICAST),
        (TEN, ("10.0.0.1", 0), Refusal.NOT_UNICAST),
        (TEN, ("10.0.0.1", 862), Refusal.LOOP),
        (TEN, ("10.0.0.1", 8620), Refusal.LOOP),
    ],
)
def test_who_is_answered(allow: tuple[IPNetwork, ...], source: Source, refusal: Refusal | None) -> None:
    answering = reflector(allow)
    destination = "::1" if ":" in source[0] else "127.0.0.1"
    answer = ask(answering, asked(), source=source, destination=destination)
    assert answer == refusal if refusal else isinstance(answer, Answered)
    assert answering.sessions == (0 if refusal else 1)


def test_a_packet_to_a_group_is_not_answered() -> None:
    assert ask(reflector(), asked(), source=("::1", 40_000), destination="ff02::1") == Refusal.NOT_UNICAST
    assert ask(reflector(), asked(), destination="224.0.0.1") == Refusal.NOT_UNICAST


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
        answer = ask(reflector(allow), asked()[:size])
        assert (answer if isinstance(answer, Refusal) else len(answer.data)) == expected


def test_a_source_may_send_a_seconds_worth_at_once_and_its_rate_after_that() -> None:
    answering = reflector(packets_per_second=100)

    def replies(now_ns: int) -> int:
        return sum(isinstance(ask(answering, asked(), now_ns=now_ns), Answered) for _ in range(300))

    assert [replies(now_ns) for now_ns in (0, 0, SECOND // 10, 5 * SECOND)] == [100, 0, 10, 100]
    assert answering.counts.refused[Refusal.RATE] == 4 * 300 - 210


def test_a_source_has_one_bucket_for_all_its_ports_and_others_have_their_own() -> None:
    answering = reflector(TEN, packets_per_second=10)
    sources: list[Source] = [("10.0.0.1", 40_000 + index) for index in range(20)]
    answers = [ask(answering, asked(), source=source) for source in (*sources, ("10.0.0.2", 40_000))]
    assert [isinstance(answer, Answered) for answer in answers] == [True] * 10 + [False] * 10 + [True]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2 * PROTECTED_NS)), max_size=80))
def test_there_are_never_more_sessions_than_may_be_and_the_living_keep_theirs(asks: list[tuple[int, int]]) -> None:
    answering = reflector(max_sessions=4)
    now_ns = 0
    last: dict[int, tuple[int, int]] = {}  # port: when it was answered, with which number
    for sender, pause_ns in asks:
        now_ns += pause_ns
        answer = ask(answering, asked(), source=("127.0.0.1", 50_000 + sender), now_ns=now_ns)
        assert answering.sessions <= 4
        heard_ns, number = last.get(sender, (-IDLE_NS, -1))
        if isinstance(answer, Answered):
            sequence = parse_reflector_packet(answer.data).sequence
            assert sequence in (0, number + 1)
            assert sequence == number + 1 or now_ns - heard_ns > PROTECTED_NS
            last[sender] = (now_ns, sequence)
        else:
            assert answer == Refusal.TABLE_FULL
            in_use = sum(now_ns - heard_ns <= PROTECTED_NS + FRESH_NS for heard_ns, _ in last.values())
            assert in_use >= 4


def test_a_full_table_forgets_the_longest_silent_session() -> None:
    answering = reflector(max_sessions=2)
    first, second, third = (("127.0.0.1", 50_000 + index) for index in range(3))
    for source, now_s in ((first, 0), (second, 1), (first, 2)):
        answered(answering, source=source, now_ns=now_s * SECOND)
    later_ns = 63 * SECOND
    assert answered(answering, source=third, now_ns=later_ns).sequence == 0
    assert answered(answering, source=first, now_ns=later_ns).sequence == 2
    assert ask(answering, asked(), source=second, now_ns=later_ns) == Refusal.TABLE_FULL


class Site:
    """A reflector on a port that nobody knows for a reflector's, with a clock that may be ahead."""

    def __init__(self, address: Source, *, ahead_ns: int, key: Key | None) -> None:
        self.address = address
        self.ahead_ns = ahead_ns
        self.reflector = Reflector(port=address[1], allow=TEN, key=key)

    def receive(self, data: bytes, source: Source, now_ns: int) -> Answered | Refusal:
        return ask(
            self.reflector,
            data,
            source=source,
            destination=self.address[0],
            received_ns=WALL + self.ahead_ns + now_ns,
            now_ns=now_ns,
        )


@pytest.mark.parametrize("estimate", [ESTIMATE, PTP])
@pytest.mark.parametrize("key", [None, KEY])
@given(st.integers(1, 30), st.integers(1, 300), st.sampled_from((0, 300 * SECOND)))
def test_two_reflectors_pointed_at_each_other_fall_silent(
    key: Key | None, estimate: ErrorEstimate, in_flight: int, delay_ms: int, ahead_ns: int
) -> None:
    here = Site(("10.0.0.1", 10_862), ahead_ns=0, key=key)
    there = Site(("10.0.0.2", 20_862), ahead_ns=ahead_ns, key=key)
    under_way = deque(
        (there, here, asked(sequence, wall_ns=WALL + sequence, key=key, estimate=estimate))
        for sequence in range(in_flight)
    )
    now_ns = answers = 0
    while under_way:
        receiver, sender, data = under_way.popleft()
        now_ns += delay_ms * 1_000_000
        answer = receiver.receive(data, sender.address, now_ns)
        if isinstance(answer, Answered):
            under_way.append((sender, receiver, answer.data))
            answers += 1
            assert answers <= 2 * in_flight
    assert there.reflector.counts.refused[Refusal.LOOP] == in_flight


@pytest.mark.parametrize("size", [38, 41, 44])
def test_a_responder_with_short_answers_is_not_answered_for_ever(size: int) -> None:
    site, responder = Site(("10.0.0.1", 10_862), ahead_ns=0, key=None), ("10.0.0.2", 20_001)
    data = asked()[:14]
    for number in range(3):
        answer = site.receive(data, responder, number * 10_000_000)
        if isinstance(answer, Refusal):
            break
        data = reply_to(answer.data, number, received_ns=WALL, sent_ns=WALL)[:size]
    assert answer == Refusal.LOOP


@pytest.mark.parametrize("estimate", [ESTIMATE, PTP])
@pytest.mark.parametrize("key", [None, KEY])
@pytest.mark.parametrize("wall_ns", [WALL, -2_208_988_800 * SECOND])
def test_an_echo_of_our_own_answers_is_not_answered_for_ever(
    key: Key | None, estimate: ErrorEstimate, wall_ns: int
) -> None:
    site = Site(("10.0.0.1", 10_862), ahead_ns=0, key=key)
    data = asked(wall_ns=wall_ns, key=key, estimate=estimate)
    for number in range(4):
        answer = site.receive(data, ("10.0.0.7", 7), number * 10_000_000)
        if isinstance(answer, Refusal):
            break
        data = answer.data
    assert answer in (Refusal.LOOP, Refusal.REPLAYED)


def test_the_ssid_comes_back() -> None:
    assert answered(reflector(), asked(ssid=0xBEEF)).ssid == 0xBEEF


def test_only_sessions_that_are_provided_for_are_answered_where_some_are() -> None:
    answering = Reflector(ssids=(7, 8))
    assert [answered(answering, asked(ssid=ssid)).sequence for ssid in (7, 8, 7)] == [0, 0, 1]
    assert ask(answering, asked(ssid=9)) == Refusal.WRONG_SSID
    assert ask(answering, asked(ssid=0)) == Refusal.WRONG_SSID
    assert ask(answering, asked()[:41]) == Refusal.TOO_SHORT
    assert answering.sessions == 2


def test_a_sender_of_ptp_timestamps_is_answered_with_them() -> None:
    packet = answered(reflector(), asked(estimate=PTP))
    assert packet.error_estimate.ptp
    times = (packet.sender_sent_ns(now_ns=WALL), packet.received_ns(now_ns=WALL), packet.sent_ns(now_ns=WALL))
    assert times == (WALL, WALL, WALL + RESIDENCE)


def test_with_a_key_only_what_it_authenticates_is_answered() -> None:
    answering = Reflector(key=KEY)
    answer = ask(answering, asked(3, key=KEY))
    assert isinstance(answer, Answered)
    packet = parse_reflector_packet(answer.data, key=KEY)
    assert (packet.sequence, packet.sender_sequence, packet.sender_ttl) == (0, 3, 64)
    assert packet.sender_timestamp == ntp_from_wall(WALL)
    assert packet.sent_ns(now_ns=WALL) == WALL + RESIDENCE
    changed = bytearray(asked(4, key=KEY))
    changed[3] ^= 1
    for data in (asked(4), asked(4, size=200), asked(4, key=Key(bytes(32))), bytes(changed), asked(4, key=KEY)[:111]):
        assert ask(answering, data) == Refusal.NOT_AUTHENTIC
    assert answering.counts.refused[Refusal.NOT_AUTHENTIC] == 5


def test_what_is_not_authentic_takes_no_place_in_the_table() -> None:
    answering = Reflector(key=KEY)
    assert ask(answering, asked(size=112)) == Refusal.NOT_AUTHENTIC
    assert answering.sessions == 0


def test_an_authentic_packet_is_answered_once() -> None:
    answering = Reflector(key=KEY)
    first, second = (asked(sequence, wall_ns=WALL + sequence, key=KEY) for sequence in range(2))
    answers = [ask(answering, data) for data in (first, second, first, second)]
    assert [isinstance(answer, Answered) for answer in answers] == [True, True, False, False]
    assert answering.counts.refused[Refusal.REPLAYED] == 2


def test_the_class_of_service_asked_for_is_given_and_what_arrived_is_told() -> None:
    answer = ask(reflector(), asked(tlvs=(ask_class_of_service(46),)), tos=10 << 2 | 1)
    assert isinstance(answer, Answered)
    told = read_tlvs(answer.data[44:], sequence=0, key=None).class_of_service
    assert answer.reply.dscp == 46
    assert told is not None
    assert (told.dscp1, told.dscp2, told.ecn, told.rp) == (46, 10, 1, 0)


def test_a_sessions_packets_are_counted_for_direct_measurement_also_those_refused() -> None:
    answering = reflector(packets_per_second=2)
    told = []
    for sequence, now_ns in enumerate((0, 0, 0, SECOND)):
        answer = ask(answering, asked(sequence, tlvs=(ask_direct_measurement(sequence + 1),)), now_ns=now_ns)
        if isinstance(answer, Answered):
            counts = read_tlvs(answer.data[44:], sequence=sequence, key=None).direct_measurement
            assert counts is not None
            told.append((counts.sent, counts.reflector_received, counts.reflector_sent))
    assert told == [(1, 1, 1), (2, 2, 2), (4, 4, 3)]


@pytest.mark.parametrize("estimate", [ESTIMATE, PTP])
def test_an_answer_tells_when_the_one_before_it_left(estimate: ErrorEstimate) -> None:
    answering = reflector()
    follow_ups = []
    for sequence in range(3):
        answer = ask(answering, asked(sequence, tlvs=(ASK_FOLLOW_UP,), estimate=estimate))
        assert isinstance(answer, Answered)
        assert answer.reply.wants_stamp
        answering.left(answer.reply.session, answer.reply.number, WALL + 100 + sequence)
        follow_ups.append(read_tlvs(answer.data[44:], sequence=sequence, key=None).follow_up)
    assert follow_ups[0] is None
    for sequence, follow_up in enumerate(follow_ups[1:]):
        assert follow_up is not None
        assert follow_up.sequence == sequence
        packet = ReflectorPacket(
            sequence=0,
            timestamp=follow_up.timestamp,
            error_estimate=estimate,
            received_timestamp=follow_up.timestamp,
            sender_sequence=0,
            sender_timestamp=bytes(8),
            sender_error_estimate=None,
            sender_ttl=None,
        )
        assert packet.sent_ns(now_ns=WALL) == WALL + 100 + sequence


def test_tlvs_of_authenticated_packets_must_be_authentic_too() -> None:
    sound = asked(key=KEY, tlvs=(ask_class_of_service(46),))
    for data, dscp in ((sound, 46), (sound[:-1] + bytes([sound[-1] ^ 1]), 0)):
        answer = ask(Reflector(key=KEY), data)
        assert isinstance(answer, Answered)
        assert answer.reply.dscp == dscp
        assert bool(answer.data[112] & 0x20) is (dscp == 0)
        parse_reflector_packet(answer.data, key=KEY)
