from __future__ import annotations

from benchmarks.load import Answered, Load, highest_kept_up, udp_drops

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  871: 0100007F:4E52 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 11 2 0000000000000000 236922
 1201: 0200007F:4E52 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 12 2 0000000000000000 8
 1202: 0100007F:4E53 0100007F:4E52 01 00000000:00000000 00:00000000 00000000     0        0 13 2 0000000000000000 5
"""


def answered(*, offered: float, replies: float, lost: int = 0, dropped: int = 0, overlooked: int = 0) -> Answered:
    """Let 1,000 requests be sent, of which so many were not answered, or were not heard."""
    load = Load(
        offered_per_second=offered,
        replies_per_second=replies,
        sent=1000,
        replies=1000 - lost - dropped - overlooked,
        overlooked=overlooked,
    )
    return Answered(load=load, dropped=dropped, cpu_s=0.01)


class Server:
    """Keeps up with ``capacity`` requests a second; of those beyond, some are lost. The first ``stalls`` tries fail."""

    def __init__(self, capacity: float, *, stalls: int = 0, generator: float = 1e9) -> None:
        self.asked: list[float] = []
        self._capacity = capacity
        self._stalls = stalls
        self._generator = generator

    def __call__(self, rate: float) -> Answered:
        self.asked.append(rate)
        offered = min(rate, self._generator)
        if offered > self._capacity or len(self.asked) <= self._stalls:
            return answered(offered=offered, replies=self._capacity, dropped=7)
        return answered(offered=offered, replies=offered)


def test_what_the_kernel_dropped_or_the_generator_overlooked_is_no_loss_of_the_servers() -> None:
    assert answered(offered=1, replies=1, dropped=30, overlooked=20).own_loss == 0
    assert answered(offered=1, replies=1, dropped=30, lost=4).own_loss == 4


def test_answers_that_the_generator_overlooked_have_cost_the_server_too() -> None:
    assert answered(offered=1, replies=1, overlooked=20).cpu_us == 10.0


def test_who_answers_everything_but_too_late_has_not_kept_up() -> None:
    assert answered(offered=1000, replies=995).kept_up
    assert not answered(offered=1000, replies=980).kept_up


def test_what_the_generator_overlooked_was_answered_in_time_too() -> None:
    assert answered(offered=1000, replies=900, overlooked=100).kept_up
    assert not answered(offered=1000, replies=880, overlooked=100).kept_up


def test_a_single_loss_is_not_keeping_up() -> None:
    assert not answered(offered=1000, replies=1000, dropped=1).kept_up


def test_the_last_step_before_the_server_falls_behind_is_the_highest() -> None:
    highest = highest_kept_up(Server(250), (100.0, 200.0, 300.0, 400.0))
    assert highest is not None
    assert highest.load.offered_per_second == 200


def test_a_step_that_fails_once_is_tried_again() -> None:
    server = Server(250, stalls=1)
    highest = highest_kept_up(server, (100.0, 200.0, 300.0))
    assert highest is not None
    assert highest.load.offered_per_second == 200
    assert server.asked == [100, 100, 200, 300, 300]


def test_a_server_that_cannot_take_the_first_step_has_no_highest() -> None:
    assert highest_kept_up(Server(50), (100.0, 200.0)) is None


def test_the_search_ends_where_the_generator_can_offer_no_more() -> None:
    server = Server(1000, generator=210)
    highest = highest_kept_up(server, (100.0, 200.0, 300.0, 400.0))
    assert highest is not None
    assert highest.load.offered_per_second == 210
    assert server.asked[-1] == 300


def test_drops_are_those_of_all_sockets_that_are_bound_to_the_port() -> None:
    assert udp_drops(TABLE, 0x4E52) == 236_930
    assert udp_drops(TABLE, 9) == 0
