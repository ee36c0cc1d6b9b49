"""A stream of attempts whose ends the test decides."""

from __future__ import annotations

import asyncio

from collectors.attempts import Ended
from collectors.clock import SystemClock
from collectors.errors import CollectorError
from collectors.ledger import Ending
from collectors.path import Address, NetworkPath
from collectors.sample import Outcome, TimestampSource
from tests.collectors.attempting import MS, Attempting

ANSWERED = Ending(outcome=Outcome.ANSWERED, rtt_ns=MS, timestamps=TimestampSource.USER)


class PlayedAttempt:
    """Begins, unless told to refuse, and ends when the test says so."""

    def __init__(self, refusal: CollectorError | None) -> None:
        self._refusal = refusal
        self.ended: Ended | None = None
        self.abandoned = False

    def begin(self, ended: Ended) -> None:
        if self._refusal is not None:
            raise self._refusal
        self.ended = ended

    def abandon(self) -> None:
        self.abandoned = True

    def end(self, ending: Ending = ANSWERED) -> None:
        assert self.ended is not None
        self.ended(ending)


class Played:
    """Hands out attempts and keeps them; ``waiting`` ones end when somebody looks."""

    port = 443

    def __init__(self) -> None:
        self.attempts: list[PlayedAttempt] = []
        self.addresses: list[Address] = []
        self.cannot_open: CollectorError | None = None
        self.cannot_begin: CollectorError | None = None
        self.waiting: list[PlayedAttempt] = []
        self.closed = False

    def open(self, path: NetworkPath, to: Address) -> PlayedAttempt:
        if self.cannot_open is not None:
            raise self.cannot_open
        self.addresses.append(to)
        self.attempts.append(PlayedAttempt(self.cannot_begin))
        return self.attempts[-1]

    def collect(self) -> None:
        for attempt in self.waiting:
            attempt.end()
        self.waiting.clear()

    def close(self) -> None:
        self.closed = True


async def test_attempts_end_in_any_order_and_the_stream_becomes_idle() -> None:
    client = Played()
    running = Attempting(client, "192.0.2.1", timeout_ns=60_000 * MS)
    running.send(0, 1, 2)
    for number in (2, 0, 1):
        client.attempts[number].end()
    await running.settle()
    assert [(sample.slot, sample.outcome) for sample in running.samples()] == [
        (slot, Outcome.ANSWERED) for slot in (2, 0, 1)
    ]
    running.stream.close()
    assert client.closed


async def test_one_that_does_not_end_is_lost_after_its_timeout_and_let_go() -> None:
    client = Played()
    running = Attempting(client, "192.0.2.1", timeout_ns=30 * MS)
    running.send(0, 1)
    client.attempts[1].end()
    await running.settle()
    assert [(sample.slot, sample.outcome) for sample in running.samples()] == [(1, Outcome.ANSWERED), (0, Outcome.LOST)]
    assert [attempt.abandoned for attempt in client.attempts] == [True, False]
    running.stream.close()


async def test_what_ended_in_time_and_only_was_not_seen_is_no_loss() -> None:
    client = Played()
    running = Attempting(client, "192.0.2.1", timeout_ns=10 * MS)
    running.send(0)
    client.waiting = client.attempts[:]
    await running.settle()
    assert running.outcomes() == [(Outcome.ANSWERED, None)]
    running.stream.close()


async def test_without_an_address_nothing_is_tried_and_the_trouble_says_why() -> None:
    client = Played()
    running = Attempting(client)
    running.send(0)
    running.stream.aim_failed(CollectorError("gone", reason="unresolved"))
    running.send(1)
    assert running.outcomes() == [(Outcome.NOT_SENT, "unresolved")] * 2
    assert str(running.stream.trouble) == "gone"
    assert client.attempts == []


async def test_what_this_host_refuses_is_not_sent_with_its_reason_before_and_at_the_beginning() -> None:
    client = Played()
    running = Attempting(client, "192.0.2.1")
    client.cannot_open = CollectorError("no such interface", reason="interface_unavailable")
    running.stream.prepare()
    assert str(running.stream.trouble) == "no such interface"
    running.send(0)
    client.cannot_open, client.cannot_begin = None, CollectorError("no way", reason="network_unreachable")
    running.send(1)
    assert running.outcomes() == [
        (Outcome.NOT_SENT, "interface_unavailable"),
        (Outcome.NOT_SENT, "network_unreachable"),
    ]
    assert str(running.stream.trouble) == "no way"
    client.cannot_begin = None
    running.send(2)
    assert running.stream.trouble is None
    running.stream.close()


async def test_the_stream_follows_its_target_while_older_attempts_go_on() -> None:
    client = Played()
    running = Attempting(client, "192.0.2.1")
    running.send(0)
    running.stream.aim("2001:db8::1")
    running.stream.aim_failed(CollectorError("gone", reason="unresolved"))
    running.send(1)
    assert client.addresses == [("192.0.2.1", 443), ("2001:db8::1", 443, 0, 0)]
    for attempt in client.attempts:
        attempt.end()
    await running.settle()
    assert [sample.outcome for sample in running.samples()] == [Outcome.ANSWERED] * 2
    running.stream.close()


async def test_closing_lets_go_of_what_is_under_way_and_settles_nothing() -> None:
    client = Played()
    running = Attempting(client, "192.0.2.1")
    running.send(0)
    running.stream.close()
    assert client.attempts[0].abandoned
    assert running.events == []


async def test_lateness_is_from_the_slots_time_to_the_beginning() -> None:
    client = Played()
    running = Attempting(client, "192.0.2.1")
    running.stream.send(0, due_ns=SystemClock.monotonic_ns() - 5 * MS)
    client.attempts[0].end()
    await running.settle()
    [sample] = running.samples()
    assert 5 * MS <= sample.lateness_ns < 2000 * MS
    running.stream.close()


async def test_a_timer_serves_one_attempt_after_the_other() -> None:
    running = Attempting(Played(), "192.0.2.1", timeout_ns=20 * MS)
    running.send(0)
    await asyncio.sleep(0.005)  # the second one's deadline is later than the timer that is set
    running.send(1)
    await running.settle()
    assert running.outcomes() == [(Outcome.LOST, None)] * 2
    running.stream.close()
