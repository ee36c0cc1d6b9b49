"""A session over real loopback sockets, with a far end that the test plays."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import resource
import socket
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from ipaddress import ip_address
from typing import ClassVar

import pytest

from collectors.ancillary import (
    SO_TIMESTAMPING,
    SOFTWARE_STAMPS,
    SOL_SOCKET,
    Datagram,
    IcmpError,
    TransmitStamp,
)
from collectors.clock import SystemClock
from collectors.errors import CollectorError
from collectors.path import Address, NetworkPath, PacketMarks
from collectors.peer import DirectMeasurement, ReflectorFacts, RejectedAnswer, Rejection
from collectors.roundtrip import Answer, DepartureOf, Quote
from collectors.sample import NOISE_NS, Outcome, ReceiveDrops, Sample, TimestampSource
from collectors.session import Session, SessionEvent
from collectors.sockets import StampedSocket, family_of, open_udp

NUMBER = struct.Struct("!I")
TIMEOUT_NS = 200_000_000


class NumberSender:
    """Sends nothing but the number, and takes it back as the answer; a test says what else is known or counted."""

    facts: ReflectorFacts | None = None
    counted: DirectMeasurement | None = None

    def __init__(self, port: int) -> None:
        self.port = port
        self.closed = 0

    def open(self, path: NetworkPath, to: Address) -> StampedSocket:
        return open_udp(path, family_of(to), PacketMarks())

    def close(self) -> None:
        self.closed += 1

    def request(self, sequence: int, wall_ns: int, monotonic_ns: int) -> bytes:
        return NUMBER.pack(sequence)

    def answer(
        self, datagram: Datagram, *, wall_ns: int, monotonic_ns: int, departure_of: DepartureOf
    ) -> Answer | Rejection | None:
        if datagram.data == b"other":
            return None
        if len(datagram.data) != NUMBER.size:
            return Rejection.MALFORMED
        return Answer(
            sequence=NUMBER.unpack(datagram.data)[0],
            stamp_ns=datagram.stamp_ns,
            wall_ns=wall_ns,
            monotonic_ns=monotonic_ns,
            direct_measurement=self.counted,
        )

    def quote(self, quoted: bytes, departure_of: DepartureOf) -> Quote | Rejection | None:
        return Quote(NUMBER.unpack(quoted)[0], 32)


class RejectingSender(NumberSender):
    """Takes what is quoted for packets that it never sent."""

    def quote(self, quoted: bytes, departure_of: DepartureOf) -> Rejection:
        return Rejection.UNKNOWN_PACKET


class DeafSender(NumberSender):
    """Takes what is quoted for packets of others."""

    def quote(self, quoted: bytes, departure_of: DepartureOf) -> None:
        return None


class UnstampedSender(NumberSender):
    """Sends through a socket that gives no transmit stamps, as through a device whose driver makes none."""

    def open(self, path: NetworkPath, to: Address) -> StampedSocket:
        sock = super().open(path, to)
        without_transmit_stamps = SOFTWARE_STAMPS & ~(1 << 1)
        with socket.socket(fileno=os.dup(sock.fileno())) as same:
            same.setsockopt(SOL_SOCKET, SO_TIMESTAMPING, without_transmit_stamps)
        return sock


class KeptSender(NumberSender):
    """Keeps its socket at hand, for a test that changes it."""

    def open(self, path: NetworkPath, to: Address) -> StampedSocket:
        self.opened = super().open(path, to)
        return self.opened

    def stop_stamps(self) -> None:
        with socket.socket(fileno=os.dup(self.opened.fileno())) as same:
            same.setsockopt(SOL_SOCKET, SO_TIMESTAMPING, SOFTWARE_STAMPS & ~(1 << 4))


class LongSender(NumberSender):
    """Sends, and gets back, more octets than may wait in a socket."""

    def request(self, sequence: int, wall_ns: int, monotonic_ns: int) -> bytes:
        return NUMBER.pack(sequence).ljust(4000)

    def answer(
        self, datagram: Datagram, *, wall_ns: int, monotonic_ns: int, departure_of: DepartureOf
    ) -> Answer | Rejection | None:
        short = datagram._replace(data=datagram.data[: NUMBER.size])
        return super().answer(short, wall_ns=wall_ns, monotonic_ns=monotonic_ns, departure_of=departure_of)


class FloodedSocket(StampedSocket):
    """Always has one more datagram, as where somebody sends them faster than they are read."""

    def drain(self) -> Sequence[TransmitStamp | IcmpError | Datagram]:
        return [Datagram(b"noise", ("192.0.2.1", 9))]


class FloodedSender(NumberSender):
    """Sends through a flooded socket."""

    def open(self, path: NetworkPath, to: Address) -> StampedSocket:
        return FloodedSocket(socket.socket(family_of(to), socket.SOCK_DGRAM))


class RedirectedSocket(StampedSocket):
    """Is told of its first packet that another router is nearer, before the answer comes."""

    def drain(self) -> Sequence[TransmitStamp | IcmpError | Datagram]:
        return [IcmpError(errno.EREMOTEIO, 5, 1, 0, "192.0.2.1", 4, NUMBER.pack(0)), *super().drain()]


class RedirectedSender(NumberSender):
    """Sends through a redirected socket."""

    def open(self, path: NetworkPath, to: Address) -> StampedSocket:
        return RedirectedSocket(socket.socket(family_of(to), socket.SOCK_DGRAM))


class CrowdedSender(NumberSender):
    """Sends through a socket with the smallest receive buffer there is."""

    def open(self, path: NetworkPath, to: Address) -> StampedSocket:
        sock = super().open(path, to)
        with socket.socket(fileno=os.dup(sock.fileno())) as same:
            same.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
        return sock


class FarEnd:
    """Answers each datagram with what ``behaviour`` makes of it."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.port: int = self.socket.getsockname()[1]
        self.behaviour: Callable[[bytes], Sequence[bytes]] = lambda data: [data]

    def answer(self) -> None:
        data, sender = self.socket.recvfrom(5000)
        for reply in self.behaviour(data):
            self.socket.sendto(reply, sender)


@pytest.fixture
async def far_end() -> AsyncIterator[FarEnd]:
    end = FarEnd()
    yield end
    asyncio.get_running_loop().remove_reader(end.socket)  # uvloop keeps open what it watches, also once that is closed
    end.socket.close()


class Running:
    """A session on loopback and what it delivered."""

    begun: ClassVar[list[Running]] = []

    def __init__(
        self,
        sender: int | NumberSender,
        path: NetworkPath | None = None,
        timeout_ns: int = TIMEOUT_NS,
        interval_ns: int | None = None,
    ) -> None:
        self.events: list[SessionEvent] = []
        self._happened = asyncio.Event()
        self.session = Session(
            NumberSender(sender) if isinstance(sender, int) else sender,
            path or NetworkPath(name="p"),
            timeout_ns=timeout_ns,
            clock=SystemClock(),
            loop=asyncio.get_running_loop(),
            deliver=self._deliver,
            interval_ns=interval_ns,
        )
        self.begun.append(self)

    def _deliver(self, events: Sequence[SessionEvent]) -> None:
        self.events += events
        self._happened.set()

    async def settled(self, count: int) -> None:
        """Wait until so many samples have come."""
        while len(self.outcomes()) < count:
            self._happened.clear()
            await asyncio.wait_for(self._happened.wait(), 5)

    def outcomes(self) -> list[Outcome]:
        return [event.outcome for event in self.events if isinstance(event, Sample)]


@pytest.fixture(autouse=True)
async def no_socket_left() -> AsyncIterator[None]:
    """Close what a test that failed on the way left open: the warning would come in one of those that follow."""
    yield
    while Running.begun:
        Running.begun.pop().session.close()


async def test_packets_are_answered_and_the_session_becomes_idle(far_end: FarEnd) -> None:
    running = Running(far_end.port)
    asyncio.get_running_loop().add_reader(far_end.socket, far_end.answer)
    running.session.aim("127.0.0.1")
    for slot in range(20):
        running.session.send(slot, due_ns=SystemClock.monotonic_ns())
        await asyncio.sleep(0)
    await asyncio.wait_for(running.session.idle(), 5)
    assert running.outcomes() == [Outcome.ANSWERED] * 20
    assert running.session.trouble is None
    running.session.close()


async def test_silence_is_loss_after_the_timeout_and_copies_are_duplicates(far_end: FarEnd) -> None:
    far_end.behaviour = lambda data: [] if data == NUMBER.pack(1) else [data, data]
    running = Running(far_end.port)
    asyncio.get_running_loop().add_reader(far_end.socket, far_end.answer)
    running.session.aim("127.0.0.1")
    for slot in range(2):
        running.session.send(slot, due_ns=SystemClock.monotonic_ns())
    await asyncio.wait_for(running.session.idle(), 5)
    assert running.outcomes() == [Outcome.ANSWERED, Outcome.DUPLICATE, Outcome.LOST]
    running.session.close()


async def test_what_is_no_answer_is_told_with_its_reason_and_source(far_end: FarEnd) -> None:
    far_end.behaviour = lambda data: [b"noise", b"other", NUMBER.pack(77), data]
    running = Running(far_end.port)
    asyncio.get_running_loop().add_reader(far_end.socket, far_end.answer)
    running.session.aim("127.0.0.1")
    running.session.send(0, due_ns=SystemClock.monotonic_ns())
    await asyncio.wait_for(running.session.idle(), 5)
    assert running.outcomes() == [Outcome.ANSWERED]
    assert [event for event in running.events if isinstance(event, RejectedAnswer)] == [
        RejectedAnswer(reason=Rejection.MALFORMED, source="127.0.0.1"),
        RejectedAnswer(reason=Rejection.UNKNOWN_PACKET, source="127.0.0.1"),
    ]
    running.session.close()


async def test_what_is_known_of_the_far_end_is_told_once_and_whenever_it_changes(far_end: FarEnd) -> None:
    asyncio.get_running_loop().add_reader(far_end.socket, far_end.answer)
    sender = NumberSender(far_end.port)
    running = Running(sender)
    running.session.aim("127.0.0.1")
    first, second = ReflectorFacts(stateful=True), ReflectorFacts(stateful=True, synchronised=False)
    for slot, facts in enumerate((None, first, first, second)):
        sender.facts = facts
        running.session.send(slot, due_ns=SystemClock.monotonic_ns())
        await asyncio.wait_for(running.session.idle(), 5)
    assert [event for event in running.events if isinstance(event, ReflectorFacts)] == [first, second]
    running.session.close()


async def test_the_counts_of_both_ends_are_handed_on_with_the_answer_that_brought_them(far_end: FarEnd) -> None:
    asyncio.get_running_loop().add_reader(far_end.socket, far_end.answer)
    sender = NumberSender(far_end.port)
    sender.counted = DirectMeasurement(sent=1, reflector_received=1, reflector_sent=1)
    running = Running(sender)
    running.session.aim("127.0.0.1")
    running.session.send(0, due_ns=SystemClock.monotonic_ns())
    await asyncio.wait_for(running.session.idle(), 5)
    assert sender.counted in running.events
    running.session.close()


async def test_packets_to_a_closed_port_fail_and_the_far_end_is_who_said_so() -> None:
    end = FarEnd()
    end.socket.close()
    running = Running(end.port)
    running.session.aim("127.0.0.1")
    for slot in range(3):
        running.session.send(slot, due_ns=SystemClock.monotonic_ns())
        await asyncio.sleep(0.01)
    await asyncio.wait_for(running.session.idle(), 5)
    samples = [event for event in running.events if isinstance(event, Sample)]
    assert [sample.sequence for sample in samples] == [0, 1, 2]
    told = {(sample.outcome, sample.reason, sample.offender) for sample in samples}
    assert told == {(Outcome.FAILED, "port_unreachable", "127.0.0.1")}
    assert sum(isinstance(event, IcmpError) for event in running.events) == 3
    running.session.close()


async def test_a_packet_that_a_router_redirects_goes_on_and_is_answered(far_end: FarEnd) -> None:
    running = Running(RedirectedSender(far_end.port))
    running.session.aim("127.0.0.1")
    running.session.send(0, due_ns=SystemClock.monotonic_ns())
    far_end.answer()
    await asyncio.wait_for(running.session.idle(), 5)
    assert running.outcomes() == [Outcome.ANSWERED]
    assert not any(isinstance(event, IcmpError) for event in running.events)
    running.session.close()


async def test_an_error_that_quotes_no_packet_of_the_session_is_counted_and_settles_none() -> None:
    end = FarEnd()
    end.socket.close()
    running = Running(RejectingSender(end.port))
    running.session.aim("127.0.0.1")
    running.session.send(0, due_ns=SystemClock.monotonic_ns())
    await asyncio.wait_for(running.session.idle(), 5)
    assert running.outcomes() == [Outcome.LOST]
    assert sum(isinstance(event, IcmpError) for event in running.events) == 1
    running.session.close()


async def test_an_error_about_the_packet_of_somebody_else_is_not_even_counted() -> None:
    end = FarEnd()
    end.socket.close()
    running = Running(DeafSender(end.port))
    running.session.aim("127.0.0.1")
    running.session.send(0, due_ns=SystemClock.monotonic_ns())
    await asyncio.wait_for(running.session.idle(), 5)
    assert [type(event) for event in running.events] == [Sample]
    assert running.outcomes() == [Outcome.LOST]
    running.session.close()


async def test_a_packet_without_an_address_is_not_sent() -> None:
    running = Running(9)
    running.session.send(3, due_ns=0)
    running.session.aim_failed(CollectorError("gone", reason="unresolved"))
    running.session.send(4, due_ns=0)
    assert running.outcomes() == [Outcome.NOT_SENT] * 2
    assert [event.reason for event in running.events if isinstance(event, Sample)] == ["unresolved"] * 2
    assert str(running.session.trouble) == "gone"


async def test_a_refused_packet_is_not_a_loss_and_its_reason_is_kept() -> None:
    running = Running(9, NetworkPath(name="er", source=ip_address("192.0.2.77")))
    running.session.aim("127.0.0.1")
    running.session.send(0, due_ns=0)
    [event] = running.events
    assert isinstance(event, Sample)
    assert (event.outcome, event.reason) == (Outcome.NOT_SENT, "source_unavailable")
    assert "cannot send from 192.0.2.77" in str(running.session.trouble)


@contextlib.contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """Let this process have so many descriptors more, and no further ones."""
    taken = [os.dup(0) for _ in range(count + 1)]  # the lowest that are free
    for descriptor in taken:
        os.close(descriptor)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[-1], before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_without_a_descriptor_to_watch_its_socket_with_a_session_leaves_none_open(far_end: FarEnd) -> None:
    asyncio.get_running_loop().add_reader(far_end.socket, far_end.answer)
    sender = KeptSender(far_end.port)
    running = Running(sender)
    running.session.aim("127.0.0.1")
    with descriptors_left(1):
        running.session.prepare()
        assert (sender.opened.fileno(), sender.closed) == (-1, 1)
        running.session.send(0, due_ns=SystemClock.monotonic_ns())
    [event] = running.events
    assert isinstance(event, Sample)
    assert (event.outcome, event.reason) == (Outcome.NOT_SENT, "too_many_files")
    assert "raise LimitNOFILE" in str(running.session.trouble)
    running.session.send(1, due_ns=SystemClock.monotonic_ns())
    await asyncio.wait_for(running.session.idle(), 5)
    assert running.outcomes() == [Outcome.NOT_SENT, Outcome.ANSWERED]
    running.session.close()


async def test_answers_that_waited_are_read_at_timeouts_where_no_descriptor_is_left(far_end: FarEnd) -> None:
    running = await Waiting.seen_stamped(far_end, NumberSender(far_end.port))
    running.session.send(1, due_ns=SystemClock.monotonic_ns())
    with descriptors_left(0):
        idle = asyncio.ensure_future(running.session.idle())
        await turn_of_the_loop()
    far_end.answer()
    await asyncio.wait_for(idle, 5)
    assert running.outcomes() == [Outcome.ANSWERED]
    running.session.close()


async def test_the_session_follows_its_target_to_another_address_and_family(far_end: FarEnd) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.bind(("::1", far_end.port))  # the same port on the other family
        running = Running(far_end.port)
        asyncio.get_running_loop().add_reader(far_end.socket, far_end.answer)
        running.session.aim("127.0.0.1")
        running.session.send(0, due_ns=SystemClock.monotonic_ns())
        await asyncio.wait_for(running.session.idle(), 5)
        running.session.aim("::1")
        running.session.send(1, due_ns=SystemClock.monotonic_ns())
        assert sock.recvfrom(100)[0] == NUMBER.pack(1)
        running.session.close()


async def test_what_is_on_its_way_to_an_address_that_the_target_leaves_is_no_loss(far_end: FarEnd) -> None:
    running = Running(far_end.port)
    running.session.aim("127.0.0.1")
    running.session.send(0, due_ns=SystemClock.monotonic_ns())
    running.session.aim("127.0.0.2")
    await asyncio.wait_for(running.session.idle(), 5)
    assert running.outcomes() == [Outcome.OVERLOOKED]
    running.session.close()


async def test_lateness_is_from_the_slots_time_to_the_departure(far_end: FarEnd) -> None:
    asyncio.get_running_loop().add_reader(far_end.socket, far_end.answer)
    running = Running(far_end.port)
    running.session.aim("127.0.0.1")
    running.session.send(0, due_ns=SystemClock.monotonic_ns() - 5_000_000)
    await asyncio.wait_for(running.session.idle(), 5)
    [event] = running.events
    assert isinstance(event, Sample)
    assert 5_000_000 <= event.lateness_ns < 2_000_000_000
    running.session.close()


async def test_without_transmit_stamps_packets_settle_soon_with_the_programs_own_times(far_end: FarEnd) -> None:
    asyncio.get_running_loop().add_reader(far_end.socket, far_end.answer)
    running = Running(UnstampedSender(far_end.port), timeout_ns=60_000_000_000)
    running.session.aim("127.0.0.1")
    for slot in range(3):
        running.session.send(slot, due_ns=SystemClock.monotonic_ns())
    await asyncio.wait_for(running.session.idle(), 5)
    assert running.outcomes() == [Outcome.ANSWERED] * 3
    assert {event.timestamps for event in running.events if isinstance(event, Sample)} == {TimestampSource.USER}
    running.session.close()


async def test_answers_that_waited_while_the_program_stood_still_are_not_lost(far_end: FarEnd) -> None:
    running = Running(far_end.port)
    running.session.aim("127.0.0.1")
    for slot in range(140):
        running.session.send(slot, due_ns=SystemClock.monotonic_ns())
        far_end.answer()
    time.sleep(2 * TIMEOUT_NS / 1e9)  # noqa: ASYNC251  # the loop stands still: its timer is overdue when it goes on
    await asyncio.wait_for(running.session.idle(), 5)
    assert running.outcomes() == [Outcome.ANSWERED] * 140
    running.session.close()


async def test_a_flood_keeps_no_packet_from_its_timeout() -> None:
    end = FarEnd()
    running = Running(FloodedSender(end.port))
    running.session.aim("127.0.0.1")
    running.session.send(0, due_ns=SystemClock.monotonic_ns())
    await asyncio.wait_for(running.session.idle(), 5)
    assert running.outcomes() == [Outcome.LOST]
    running.session.close()
    end.socket.close()


async def test_a_name_that_does_not_resolve_any_more_leaves_the_last_address_in_use(far_end: FarEnd) -> None:
    asyncio.get_running_loop().add_reader(far_end.socket, far_end.answer)
    running = Running(far_end.port)
    running.session.aim("127.0.0.1")
    running.session.aim_failed(CollectorError("gone", reason="unresolved"))
    running.session.send(0, due_ns=SystemClock.monotonic_ns())
    await asyncio.wait_for(running.session.idle(), 5)
    assert (running.outcomes(), running.session.trouble) == ([Outcome.ANSWERED], None)
    running.session.close()


async def test_answers_that_this_host_had_no_room_for_are_overlooked_and_not_lost(far_end: FarEnd) -> None:
    running = Running(CrowdedSender(far_end.port))
    running.session.aim("127.0.0.1")
    for slot in range(20):
        running.session.send(slot, due_ns=SystemClock.monotonic_ns())
        running.session.collect()
        far_end.answer()  # and the loop does not run: nobody reads
    await asyncio.wait_for(running.session.idle(), 5)
    counted = Counter(running.outcomes())
    drops = sum(event.count for event in running.events if isinstance(event, ReceiveDrops))
    assert counted.keys() == {Outcome.ANSWERED, Outcome.OVERLOOKED}
    assert counted[Outcome.OVERLOOKED] == drops
    assert counted[Outcome.ANSWERED] == 20 - drops
    running.session.close()


async def test_silence_stays_a_loss_on_a_host_that_dropped_something_before(far_end: FarEnd) -> None:
    running = Running(CrowdedSender(far_end.port))
    running.session.aim("127.0.0.1")
    for slot in range(20):
        running.session.send(slot, due_ns=SystemClock.monotonic_ns())
        running.session.collect()
        far_end.answer()
    await asyncio.wait_for(running.session.idle(), 5)
    running.events.clear()
    running.session.send(20, due_ns=SystemClock.monotonic_ns())
    await asyncio.wait_for(running.session.idle(), 5)
    assert running.outcomes() == [Outcome.LOST]
    running.session.close()


async def test_what_was_on_its_way_while_this_host_was_stalled_is_noisy(far_end: FarEnd) -> None:
    running = Running(far_end.port)
    running.session.aim("127.0.0.1")
    running.session.send(0, due_ns=SystemClock.monotonic_ns())
    running.session.disturbed(SystemClock.monotonic_ns())
    far_end.answer()
    await asyncio.wait_for(running.session.idle(), 5)
    [sample] = [event for event in running.events if isinstance(event, Sample)]
    assert sample.noisy
    running.session.close()


async def turn_of_the_loop() -> None:
    """Let the loop call back whatever is ready."""
    for _ in range(3):
        await asyncio.sleep(0)


class Waiting(Running):
    """A session whose answers wait for slots, with a first packet answered: that the kernel stamps is seen by now."""

    @classmethod
    async def seen_stamped(cls, far_end: FarEnd, sender: NumberSender) -> Waiting:
        running = cls(sender, interval_ns=10_000_000)
        running.session.aim("127.0.0.1")
        while not any(e.timestamps is TimestampSource.KERNEL for e in running.events if isinstance(e, Sample)):
            running.ask(far_end)
            await running.settled(len(running.outcomes()) + 1)
        running.events.clear()
        return running

    def ask(self, far_end: FarEnd) -> None:
        """Send a packet, and have it answered at once."""
        self.session.send(0, due_ns=SystemClock.monotonic_ns())
        far_end.answer()


async def test_answers_with_stamps_wait_for_a_slot_and_have_the_kernels_times(far_end: FarEnd) -> None:
    running = await Waiting.seen_stamped(far_end, NumberSender(far_end.port))
    for _ in range(3):
        running.ask(far_end)
    time.sleep(0.02)  # noqa: ASYNC251  # so that a time of reading could not be mistaken for one of arrival
    await turn_of_the_loop()
    assert running.events == []
    running.session.collect()
    samples = [event for event in running.events if isinstance(event, Sample)]
    assert [sample.outcome for sample in samples] == [Outcome.ANSWERED] * 3
    assert {sample.timestamps for sample in samples} == {TimestampSource.KERNEL}
    assert not any(sample.noisy for sample in samples if sample.lateness_ns <= NOISE_NS)
    assert max(sample.rtt_ns or 0 for sample in samples) < 20_000_000
    running.session.close()


async def test_once_no_more_packets_are_sent_answers_wait_for_no_slot(far_end: FarEnd) -> None:
    running = await Waiting.seen_stamped(far_end, NumberSender(far_end.port))
    running.ask(far_end)
    time.sleep(0.005)  # noqa: ASYNC251  # so that being read now could be mistaken for being read late
    await asyncio.wait_for(running.session.idle(), 5)
    [waited] = [event for event in running.events if isinstance(event, Sample)]
    assert not waited.noisy or waited.lateness_ns > NOISE_NS
    running.session.send(1, due_ns=SystemClock.monotonic_ns())
    far_end.answer()
    await running.settled(2)  # nobody collects
    assert running.outcomes() == [Outcome.ANSWERED] * 2
    running.session.close()


async def test_an_answer_without_a_stamp_is_noisy_and_the_last_that_waits(far_end: FarEnd) -> None:
    running = await Waiting.seen_stamped(far_end, sender := KeptSender(far_end.port))
    sender.stop_stamps()
    running.ask(far_end)
    running.session.collect()
    running.ask(far_end)
    await running.settled(2)  # nobody collects
    samples = [event for event in running.events if isinstance(event, Sample)]
    assert [sample.timestamps for sample in samples] == [TimestampSource.USER] * 2
    assert samples[0].noisy
    running.session.close()


async def test_large_answers_are_read_as_they_come(far_end: FarEnd) -> None:
    running = Running(LongSender(far_end.port), interval_ns=10_000_000)
    running.session.aim("127.0.0.1")
    for slot in range(5):
        running.session.send(slot, due_ns=SystemClock.monotonic_ns())
        far_end.answer()
        await running.settled(slot + 1)
    running.session.close()


async def test_a_timeout_is_kept_also_where_nobody_collects(far_end: FarEnd) -> None:
    running = await Waiting.seen_stamped(far_end, NumberSender(far_end.port))
    running.session.send(1, due_ns=SystemClock.monotonic_ns())
    running.ask(far_end)  # the far end sees the first of the two alone
    await running.settled(2)
    assert running.outcomes() == [Outcome.ANSWERED, Outcome.LOST]
    running.session.close()


async def test_answers_that_wait_are_read_before_their_socket_is_closed(far_end: FarEnd) -> None:
    running = await Waiting.seen_stamped(far_end, NumberSender(far_end.port))
    running.ask(far_end)
    running.session.aim("127.0.0.2")
    assert running.outcomes() == [Outcome.ANSWERED]
    running.session.close()
