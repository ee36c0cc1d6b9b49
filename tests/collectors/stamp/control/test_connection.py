from hypothesis import given
from hypothesis import strategies as st

from collectors.stamp.control import wire
from collectors.stamp.control.connection import (
    LIFETIME_NS,
    SERVWAIT_NS,
    SETUP_WAIT_NS,
    CloseReason,
    ControlConnection,
)
from collectors.stamp.control.sessions import SessionCounts
from collectors.stamp.control.wire import Accept
from collectors.stamp.timestamp import ntp_from_wall
from tests.collectors.stamp.control.fakes import (
    HERE,
    PEER,
    SECOND,
    SET_UP,
    START,
    UDP_PORT,
    WALL,
    FakeReflector,
    connection_of,
    request,
    requested,
    stop,
)

OK = bytes(32)


def set_up(reflector: FakeReflector | None = None) -> ControlConnection:
    connection = connection_of(reflector or FakeReflector())
    connection.receive(SET_UP, 0)
    return connection


def running(reflector: FakeReflector, *ports: int) -> ControlConnection:
    connection = set_up(reflector)
    for port in ports:
        connection.receive(request(sender_port=port), 0)
    assert connection.receive(START, 0) == OK
    return connection


def test_a_whole_test_goes_as_twping_does_it() -> None:
    reflector = FakeReflector()
    connection = connection_of(reflector)
    challenge = b"\xa5" * 16
    assert connection.greeting() == bytes(wire.Greeting(modes=1, challenge=challenge, salt=challenge))
    assert connection.receive(SET_UP, 0) == bytes(
        wire.ServerStart(accept=Accept.OK, start_time=ntp_from_wall(WALL - SECOND))
    )
    sid = HERE + ntp_from_wall(WALL + SECOND) + b"\xa5" * 4
    accepted = wire.AcceptSession(accept=Accept.OK, port=UDP_PORT, sid=sid)
    assert connection.receive(request(), SECOND) == bytes(accepted)
    assert reflector.started == []
    assert connection.receive(START, 2 * SECOND) == OK
    assert reflector.started == [9_575]
    assert connection.receive(stop(), 5 * SECOND) == b""
    assert reflector.stopped == {9_575: 7 * SECOND}
    connection.lost(6 * SECOND)
    assert reflector.stopped == {9_575: 7 * SECOND}
    assert connection.close_reason is CloseReason.PEER


def test_the_identifier_of_an_ipv6_session_has_the_end_of_the_address() -> None:
    peer, local = b"\x20" * 16, bytes(range(16))
    connection = connection_of(FakeReflector(), peer=peer, local=local)
    connection.receive(SET_UP, 0)
    asked = requested(ip_version=6, sender_address=bytes(16), receiver_address=bytes(16))
    assert connection.receive(bytes(asked), 0)[4:8] == bytes([12, 13, 14, 15])


def test_several_sessions_are_started_and_stopped_together() -> None:
    reflector = FakeReflector()
    connection = running(reflector, 1, 2, 3)
    assert reflector.started == [1, 2, 3]
    assert connection.sessions == 3
    connection.receive(stop(3), 0)
    assert sorted(reflector.stopped) == [1, 2, 3]
    assert connection.sessions == 0


def test_after_a_stop_further_sessions_can_be_had() -> None:
    reflector = FakeReflector()
    connection = running(reflector, 1)
    connection.receive(stop(), 0)
    assert connection.receive(request(sender_port=1), 0)[0] == Accept.OK
    assert connection.receive(START, 0) == OK
    assert reflector.started == [1, 1]


def test_messages_may_come_octet_by_octet_or_all_together() -> None:
    together = SET_UP + request() + START + stop()
    at_once = connection_of(FakeReflector()).receive(together, 0)
    connection = connection_of(FakeReflector())
    assert b"".join(connection.receive(bytes([octet]), 0) for octet in together) == at_once
    assert len(at_once) == 48 + 48 + 32


def test_a_mode_that_was_not_offered_is_refused() -> None:
    connection = connection_of(FakeReflector())
    reply = connection.receive(bytes(wire.SetUpResponse(mode=65)), 0)
    assert reply == bytes(wire.ServerStart(accept=Accept.UNSUPPORTED))
    assert connection.close_reason is CloseReason.MODE


def test_a_client_that_wants_no_mode_is_left_without_a_word() -> None:
    connection = connection_of(FakeReflector())
    assert connection.receive(bytes(wire.SetUpResponse(mode=0)), 0) == b""
    assert connection.close_reason is CloseReason.MODE


def test_a_refused_session_leaves_the_connection_as_it_was() -> None:
    reflector = FakeReflector(room=1)
    connection = set_up(reflector)
    connection.receive(request(sender_port=1), 0)
    refused = connection.receive(request(sender_port=2), 0)
    assert refused == bytes(wire.AcceptSession(accept=Accept.TEMPORARY_LIMIT))
    assert connection.receive(START, 0) == OK
    assert connection.receive(stop(1), 0) == b""
    assert not connection.closed


def test_nobody_can_have_packets_sent_to_a_third_host() -> None:
    reflector = FakeReflector()
    reply = set_up(reflector).receive(bytes(requested(sender_address=bytes([10, 0, 0, 77]))), 0)
    assert reply == bytes(wire.AcceptSession(accept=Accept.FAILURE))
    assert reflector.opened == {}


def test_without_sessions_there_is_nothing_to_start() -> None:
    connection = set_up()
    assert connection.receive(START, 0) == bytes(wire.StartAck(accept=Accept.FAILURE))
    assert connection.receive(request(), 0)[0] == Accept.OK


def test_an_unknown_command_is_told_so_and_ends_the_connection() -> None:
    connection = set_up()
    assert connection.receive(b"\x07" + bytes(31), 0) == bytes(wire.AcceptSession(accept=Accept.UNSUPPORTED))
    assert connection.close_reason is CloseReason.UNKNOWN_COMMAND


def test_commands_of_owamp_end_the_connection() -> None:
    for command in (1, 4):
        connection = set_up()
        assert connection.receive(bytes([command]) + bytes(111), 0) == b""
        assert connection.close_reason is CloseReason.FORBIDDEN_COMMAND


def test_a_stop_without_a_start_ends_the_connection() -> None:
    reflector = FakeReflector()
    connection = set_up(reflector)
    connection.receive(request(), 0)
    assert connection.receive(stop(), SECOND) == b""
    assert connection.close_reason is CloseReason.OUT_OF_ORDER
    assert reflector.stopped == {9_575: SECOND}


def test_while_sessions_run_none_can_be_added() -> None:
    reflector = FakeReflector()
    connection = running(reflector, 1)
    assert connection.receive(request(sender_port=2), SECOND) == b""
    assert connection.close_reason is CloseReason.OUT_OF_ORDER
    assert reflector.stopped == {1: SECOND}


def test_a_stop_of_another_number_of_sessions_ends_them_at_once() -> None:
    reflector = FakeReflector()
    connection = running(reflector, 1, 2)
    assert connection.receive(stop(1), SECOND) == b""
    assert connection.close_reason is CloseReason.SESSION_COUNT
    assert reflector.stopped == {1: SECOND, 2: SECOND}


def test_a_lost_connection_ends_its_sessions_at_once() -> None:
    reflector = FakeReflector()
    running(reflector, 1).lost(3 * SECOND)
    assert reflector.stopped == {1: 3 * SECOND}


def test_a_client_that_chooses_no_mode_is_not_waited_for_long() -> None:
    connection = connection_of(FakeReflector())
    connection.receive(SET_UP[:-1], SECOND)
    assert connection.next_deadline_ns == SETUP_WAIT_NS
    connection.expire(SETUP_WAIT_NS)
    assert connection.close_reason is CloseReason.IDLE


def test_a_silent_client_is_waited_for_a_quarter_of_an_hour_even_if_it_sends_single_octets() -> None:
    connection = set_up()
    connection.receive(request(), SECOND)
    connection.receive(b"\x02", 2 * SECOND)
    assert connection.next_deadline_ns == SECOND + SERVWAIT_NS
    connection.expire(SERVWAIT_NS)
    assert not connection.closed
    connection.expire(SECOND + SERVWAIT_NS)
    assert connection.close_reason is CloseReason.IDLE


def test_nobody_need_speak_while_sessions_run() -> None:
    connection = running(FakeReflector(), 1)
    connection.expire(2 * SERVWAIT_NS)
    assert not connection.closed


def test_sessions_that_nobody_stops_end_after_a_day() -> None:
    reflector = FakeReflector()
    connection = running(reflector, 1)
    assert connection.next_deadline_ns == LIFETIME_NS
    connection.expire(LIFETIME_NS)
    assert connection.close_reason is CloseReason.LIFETIME
    assert reflector.stopped == {1: LIFETIME_NS}
    assert connection.next_deadline_ns is None


def test_a_client_cannot_ask_without_end() -> None:
    connection = set_up()
    connection.receive(bytes(requested(conf_sender=1)) * 100, 0)
    assert not connection.closed
    connection.receive(request(), 0)
    assert connection.close_reason is CloseReason.FLOOD


def test_a_client_that_asks_slowly_can_go_on_for_ever() -> None:
    counts = SessionCounts()
    connection = connection_of(FakeReflector(), counts)
    connection.receive(SET_UP, 0)
    for second in range(1_000):
        connection.receive(request() + START + stop(), second * SECOND)
    assert counts.accepted == 1_000
    assert not connection.closed


def test_a_closed_connection_says_nothing_more_and_keeps_its_reason() -> None:
    connection = set_up()
    connection.end(CloseReason.SHUTDOWN, 0)
    assert connection.receive(request(), 0) == b""
    connection.lost(0)
    assert connection.close_reason is CloseReason.SHUTDOWN


_MESSAGES = st.sampled_from((SET_UP, request(), request(sender_port=7), START, stop(), stop(2), b"\x07" * 16))


@given(st.lists(st.binary(max_size=300) | _MESSAGES | _MESSAGES.map(lambda message: message[:-1]), max_size=30))
def test_whatever_the_octets_nothing_is_raised_and_no_more_than_a_message_is_kept(chunks: list[bytes]) -> None:
    reflector = FakeReflector()
    connection = connection_of(reflector)
    for number, chunk in enumerate(chunks):
        replies = connection.receive(chunk, number * SECOND)
        assert len(replies) <= 3 * (len(chunk) + wire.SETUP_RESPONSE_SIZE)
        assert len(connection._buffer) < wire.SETUP_RESPONSE_SIZE
        assert connection.sessions == len(reflector.opened)
    connection.lost(0)
    assert reflector.opened == {}
    assert connection.closed


@given(st.binary(max_size=200))
def test_whatever_a_request_asks_for_answers_go_to_the_peer_alone(octets: bytes) -> None:
    reflector = FakeReflector()
    set_up(reflector).receive(b"\x05\x04" + octets.ljust(110, b"\0"), 0)
    assert all(sender[0] == PEER and receiver == HERE for sender, receiver in reflector.opened)
