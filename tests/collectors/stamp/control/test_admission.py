from ipaddress import ip_address, ip_network

from collectors.stamp.control.admission import (
    CONNECTIONS_PER_SECOND,
    MAX_CONNECTIONS,
    MAX_CONNECTIONS_OF_PEER,
    ConnectionRefusal,
    Door,
    Pace,
)
from tests.collectors.stamp.control.fakes import SECOND

TEN = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))
A, B = ip_address("10.0.0.1"), ip_address("10.0.0.2")


def test_peers_of_the_named_networks_are_let_in() -> None:
    door = Door(TEN)
    assert door.enter(A, 0) is None
    assert door.enter(ip_address("2001:db8::1"), 0) is None


def test_a_stranger_is_refused_and_takes_nothing_from_the_others() -> None:
    door = Door(TEN)
    refusals = {door.enter(ip_address("192.0.2.1"), 0) for _ in range(1_000)}
    assert refusals == {ConnectionRefusal.NOT_ALLOWED}
    assert door.enter(A, 0) is None


def test_a_peer_can_have_only_so_many_connections_until_one_ends() -> None:
    door = Door(TEN)
    for _ in range(MAX_CONNECTIONS_OF_PEER):
        assert door.enter(A, 0) is None
    assert door.enter(A, 0) is ConnectionRefusal.TOO_MANY_OF_PEER
    assert door.enter(B, 0) is None
    door.leave(A)
    assert door.enter(A, 0) is None


def test_there_can_be_only_so_many_connections_at_all() -> None:
    door = Door(TEN)
    for number in range(MAX_CONNECTIONS):
        assert door.enter(ip_address(0x0A00_0001 + number), number * SECOND) is None
    assert door.enter(ip_address("10.9.9.9"), 100 * SECOND) is ConnectionRefusal.TOO_MANY


def test_connections_that_come_too_fast_are_refused_until_some_time_has_passed() -> None:
    door = Door(TEN)
    for _ in range(2 * CONNECTIONS_PER_SECOND):
        assert door.enter(A, 0) is None
        door.leave(A)
    assert door.enter(A, 0) is ConnectionRefusal.RATE
    assert door.enter(A, SECOND) is None


def test_a_pace_lets_through_its_burst_at_once_and_then_its_rate() -> None:
    pace = Pace(SECOND, burst=3)
    assert [pace.take(0) for _ in range(4)] == [True, True, True, False]
    assert [pace.take(SECOND), pace.take(SECOND)] == [True, False]
