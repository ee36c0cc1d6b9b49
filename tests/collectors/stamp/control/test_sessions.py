import pytest

from collectors.stamp.control.sessions import MAX_SESSIONS, SessionCounts, SessionRefusal, Sessions, refusal_of
from collectors.stamp.control.wire import Accept, SessionRequest
from tests.collectors.stamp.control.fakes import HERE, PEER, SECOND, UDP_PORT, FakeReflector, requested

OTHER = bytes([10, 0, 0, 99])


def sessions(reflector: FakeReflector, counts: SessionCounts | None = None) -> Sessions:
    return Sessions(peer=PEER, local=HERE, reflector=reflector, counts=counts or SessionCounts())


@pytest.mark.parametrize(
    "request_",
    [
        requested(),
        requested(sender_address=PEER, receiver_address=HERE),
        requested(padding_length=0),
        requested(padding_length=65_493),
        requested(type_p=0x2E00_0000),
    ],
)
def test_a_request_between_the_two_ends_of_the_connection_is_fine(request_: SessionRequest) -> None:
    assert refusal_of(request_, peer=PEER, local=HERE) is None


@pytest.mark.parametrize(
    ("request_", "refusal", "accept"),
    [
        (requested(conf_sender=1), SessionRefusal.ROLES, Accept.UNSUPPORTED),
        (requested(conf_receiver=1), SessionRefusal.ROLES, Accept.UNSUPPORTED),
        (requested(ip_version=6, sender_address=bytes(16)), SessionRefusal.IP_VERSION, Accept.UNSUPPORTED),
        (requested(ip_version=5, sender_address=bytes(16)), SessionRefusal.IP_VERSION, Accept.UNSUPPORTED),
        (requested(sender_address=OTHER), SessionRefusal.THIRD_PARTY, Accept.FAILURE),
        (requested(receiver_address=OTHER), SessionRefusal.RECEIVER_ADDRESS, Accept.FAILURE),
        (requested(sender_port=0), SessionRefusal.SENDER_PORT, Accept.FAILURE),
        (requested(type_p=0x4000_0000), SessionRefusal.TYPE_P, Accept.UNSUPPORTED),
        (requested(type_p=1), SessionRefusal.TYPE_P, Accept.UNSUPPORTED),
        (requested(padding_length=65_494), SessionRefusal.PADDING_LENGTH, Accept.UNSUPPORTED),
    ],
)
def test_what_cannot_be_had_is_refused_with_its_reason(
    request_: SessionRequest, refusal: SessionRefusal, accept: Accept
) -> None:
    assert refusal_of(request_, peer=PEER, local=HERE) is refusal
    assert refusal.accept is accept


def test_the_ip_version_is_that_of_the_connection() -> None:
    peer, local = b"\x20" * 16, b"\x21" * 16
    over_ipv6 = requested(ip_version=6, sender_address=peer, receiver_address=local)
    assert refusal_of(over_ipv6, peer=peer, local=local) is None
    assert refusal_of(requested(), peer=peer, local=local) is SessionRefusal.IP_VERSION


def test_a_session_is_opened_between_the_ends_of_the_connection_with_its_dscp() -> None:
    reflector = FakeReflector()
    assert sessions(reflector).open(requested(type_p=0x2E00_0000), 0) == UDP_PORT
    assert reflector.opened == {((PEER, 9_575), HERE): 46}


def test_the_same_session_cannot_be_had_twice_at_a_time() -> None:
    ours = sessions(FakeReflector())
    ours.open(requested(), 0)
    assert ours.open(requested(), 0) is SessionRefusal.DUPLICATE
    ours.stop(0)
    assert ours.open(requested(), 0) == UDP_PORT


def test_a_connection_has_only_so_many_sessions_at_a_time() -> None:
    ours = sessions(FakeReflector())
    for port in range(1, MAX_SESSIONS + 1):
        assert ours.open(requested(sender_port=port), 0) == UDP_PORT
    assert ours.open(requested(sender_port=9_000), 0) is SessionRefusal.TOO_MANY
    assert SessionRefusal.TOO_MANY.accept is Accept.TEMPORARY_LIMIT


def test_a_reflector_without_room_is_a_temporary_limit() -> None:
    assert sessions(FakeReflector(room=0)).open(requested(), 0) is SessionRefusal.NO_ROOM
    assert SessionRefusal.NO_ROOM.accept is Accept.TEMPORARY_LIMIT


def test_stopped_sessions_are_answered_for_as_long_as_each_was_to_be() -> None:
    reflector = FakeReflector()
    ours = sessions(reflector)
    ours.open(requested(sender_port=1, timeout_s=0), 0)
    ours.open(requested(sender_port=2, timeout_s=3), 0)
    ours.start(0)
    ours.stop(10 * SECOND)
    assert reflector.started == [1, 2]
    assert reflector.stopped == {1: 10 * SECOND, 2: 13 * SECOND}
    assert len(ours) == 0


def test_no_client_is_answered_for_longer_than_a_minute_after_the_end() -> None:
    reflector = FakeReflector()
    ours = sessions(reflector)
    ours.open(requested(timeout_s=0xFFFF_FFFF), 0)
    ours.stop(0)
    assert reflector.stopped == {9_575: 60 * SECOND}


def test_aborted_sessions_end_at_once_and_only_once() -> None:
    reflector = FakeReflector()
    ours = sessions(reflector)
    ours.open(requested(), 0)
    ours.abort(SECOND)
    ours.abort(2 * SECOND)
    assert reflector.stopped == {9_575: SECOND}


def test_accepted_and_refused_sessions_are_counted() -> None:
    counts = SessionCounts()
    ours = sessions(FakeReflector(room=1), counts)
    for port in (0, 1, 1, 2):
        ours.open(requested(sender_port=port), 0)
    assert counts.accepted == 1
    assert counts.refused == {
        SessionRefusal.SENDER_PORT: 1,
        SessionRefusal.DUPLICATE: 1,
        SessionRefusal.NO_ROOM: 1,
    }
