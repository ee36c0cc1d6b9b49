"""A Session-Sender over loopback, with a reflector on a real socket that does what the test says."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from collectors.ancillary import Datagram
from collectors.clock import ClockState, SystemClock
from collectors.path import NetworkPath, PacketMarks
from collectors.peer import Quirk, ReflectorFacts, RejectedAnswer, Rejection
from collectors.roundtrip import Answer, Departure, DepartureOf
from collectors.sample import Outcome, Sample
from collectors.session import Session, SessionEvent
from collectors.stamp.authentication import Key
from collectors.stamp.chain import parse_chain
from collectors.stamp.sender import StampOptions, StampSender
from collectors.stamp.timestamp import ErrorEstimate, ntp_from_wall
from collectors.stamp.tlv import ClassOfService, FollowUp, Tlv, TlvType
from collectors.stamp.wire import ReflectorPacket, SenderPacket, parse_sender_packet

TIMEOUT_NS = 400_000_000
LAG_NS = 50_000  # from T3 to the moment at which the scripted kernel sends
UNSYNCHRONISED = ClockState(synchronised=False, error_ns=0, max_error_ns=0)
KEY = Key(bytes(32))
Change = Callable[[ReflectorPacket], ReflectorPacket | bytes | None]
Sender = tuple[str, int]


class ScriptedReflector:
    """A stateful reflector with Follow-Up Telemetry and Class of Service, whose answers the test may change."""

    def __init__(self) -> None:
        self.socket = _bound()
        self.other_socket = _bound()
        self.port: int = self.socket.getsockname()[1]
        self.change: Change = lambda answer: answer
        self.before: Callable[[ReflectorPacket], Sequence[bytes]] = lambda _: ()
        self.from_other_socket = False
        self.restart_after: int | None = None
        self._replies: dict[Sender, int] = {}
        self._left: dict[Sender, tuple[int, bytes]] = {}

    def on_ready(self) -> None:
        data, sender = self.socket.recvfrom(2000)
        if self._replies.get(sender) == self.restart_after:
            self._replies.pop(sender, None)
            self._left.pop(sender, None)
            self.restart_after = None
        answer = self._answer(parse_sender_packet(data), sender)
        for octets in self.before(answer):
            self.socket.sendto(octets, sender)
        changed = self.change(answer)
        if changed is not None:
            sock = self.other_socket if self.from_other_socket else self.socket
            sock.sendto(bytes(changed), sender)

    def close(self) -> None:
        self.socket.close()
        self.other_socket.close()

    def _answer(self, asked: SenderPacket, sender: Sender) -> ReflectorPacket:
        number = self._replies.get(sender, 0)
        self._replies[sender] = number + 1
        now_ns = time.time_ns()
        tlvs = [self._told(tlv, sender) for tlv in parse_chain(asked.trailing).tlvs]
        self._left[sender] = (number, ntp_from_wall(now_ns + LAG_NS))
        return ReflectorPacket(
            sequence=number,
            timestamp=ntp_from_wall(now_ns),
            error_estimate=ErrorEstimate.from_bits(0x8F84),
            ssid=asked.ssid or 0,
            received_timestamp=ntp_from_wall(now_ns - 10_000),
            sender_sequence=asked.sequence,
            sender_timestamp=asked.timestamp,
            sender_error_estimate=asked.error_estimate,
            sender_ttl=255,
            trailing=b"".join(map(bytes, tlvs)),
        )

    def _told(self, asked: Tlv, sender: Sender) -> Tlv:
        if asked.type == TlvType.FOLLOW_UP_TELEMETRY:
            left = self._left.get(sender)
            told = bytes(16) if left is None else bytes(FollowUp(sequence=left[0], timestamp=left[1]))
            return Tlv(0, asked.type, told)
        if asked.type == TlvType.CLASS_OF_SERVICE:
            return Tlv(0, asked.type, bytes(ClassOfService(dscp1=46, dscp2=8)))
        return asked


def _bound() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.setblocking(False)
    return sock


@pytest.fixture
async def reflector() -> AsyncIterator[ScriptedReflector]:
    reflector = ScriptedReflector()
    loop = asyncio.get_running_loop()
    loop.add_reader(reflector.socket, reflector.on_ready)
    yield reflector
    loop.remove_reader(reflector.socket)
    reflector.close()


class Running:
    """A session with the reflector, and what it delivered."""

    def __init__(self, port: int, options: StampOptions | None = None) -> None:
        self.events: list[SessionEvent] = []
        self.session = Session(
            StampSender(
                replace(options or StampOptions(), port=port),
                SystemClock(),
                clock_state=lambda: UNSYNCHRONISED,
            ),
            NetworkPath(name="p"),
            timeout_ns=TIMEOUT_NS,
            clock=SystemClock(),
            loop=asyncio.get_running_loop(),
            deliver=self.events.extend,
        )
        self.session.aim("127.0.0.1")
        self.session.prepare()
        self._slot = 0

    async def send(self, count: int) -> None:
        """Send packets 5 ms apart."""
        for _ in range(count):
            await asyncio.sleep(0.005)
            self.session.send(self._slot, due_ns=SystemClock.monotonic_ns())
            self._slot += 1

    async def finish(self) -> None:
        await asyncio.wait_for(self.session.idle(), 5)
        self.session.close()

    async def run(self, count: int) -> None:
        await self.send(count)
        await self.finish()

    @property
    def samples(self) -> list[Sample]:
        return [event for event in self.events if isinstance(event, Sample)]

    @property
    def facts(self) -> list[ReflectorFacts]:
        return [event for event in self.events if isinstance(event, ReflectorFacts)]

    @property
    def rejected(self) -> set[Rejection]:
        return {event.reason for event in self.events if isinstance(event, RejectedAnswer)}


async def test_with_follow_ups_all_but_the_last_sample_have_the_reflectors_kernel_time(
    reflector: ScriptedReflector,
) -> None:
    running = Running(reflector.port)
    await running.run(20)
    assert [sample.outcome for sample in running.samples] == [Outcome.ANSWERED] * 20
    assert [sample.sequence for sample in running.samples] == list(range(20))
    stamped = [sample.reflector_stamped for sample in running.samples]
    assert stamped[2:] == [True] * 17 + [False]  # before the first packets left, the check may not have been answered
    assert {sample.residence_ns for sample in running.samples if sample.reflector_stamped} == {10_000 + LAG_NS}


async def test_facts_of_the_reflector_are_delivered_once(reflector: ScriptedReflector) -> None:
    running = Running(reflector.port)
    await running.run(10)
    assert running.facts[-1] == ReflectorFacts(
        stateful=True, understands=("follow_up",), synchronised=True, error_ns=1_007_081
    )
    assert len(running.facts) <= 3


async def test_the_marks_on_the_way_there_are_shown(reflector: ScriptedReflector) -> None:
    running = Running(reflector.port, StampOptions(marks=PacketMarks(dscp=46)))
    await running.run(10)
    assert running.samples[-1].forward_tos == 8 << 2
    assert running.samples[-1].backward_tos == 0  # the script's own packets have no mark


async def test_a_restart_in_the_middle_is_a_fact(reflector: ScriptedReflector) -> None:
    running = Running(reflector.port)
    reflector.restart_after = 10
    await running.run(30)
    assert [sample.outcome for sample in running.samples] == [Outcome.ANSWERED] * 30
    assert running.facts[-1].restarts == 1


async def test_requests_reflected_back_as_they_are_answer_nothing_and_stop_no_other_stream(
    reflector: ScriptedReflector,
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as echo:
        echo.bind(("127.0.0.1", 0))
        loop = asyncio.get_running_loop()
        loop.add_reader(echo, lambda: echo.sendto(*echo.recvfrom(2000)))
        echoed, proper = Running(echo.getsockname()[1]), Running(reflector.port)
        await asyncio.gather(echoed.run(5), proper.run(5))
        loop.remove_reader(echo)
    assert [sample.outcome for sample in echoed.samples] == [Outcome.LOST] * 5
    assert echoed.rejected == {Rejection.OWN_REQUEST}
    assert [sample.outcome for sample in proper.samples] == [Outcome.ANSWERED] * 5
    assert proper.rejected == set()


async def test_answers_from_another_port_are_used_and_marked(reflector: ScriptedReflector) -> None:
    reflector.from_other_socket = True
    running = Running(reflector.port)
    await running.run(5)
    assert [sample.quirks for sample in running.samples] == [{Quirk.OTHER_SOURCE}] * 5


async def test_a_reflector_without_our_key_is_not_authentic_and_its_packets_are_lost(
    reflector: ScriptedReflector,
) -> None:
    reflector.change = lambda answer: answer.authenticated(Key(b"sixteen octets.."))
    running = Running(reflector.port, StampOptions(key=KEY))
    await running.run(5)
    assert [sample.outcome for sample in running.samples] == [Outcome.LOST] * 5
    assert running.rejected == {Rejection.NOT_AUTHENTIC}
    assert running.facts == []


async def test_each_bad_answer_is_rejected_beside_a_proper_one(reflector: ScriptedReflector) -> None:
    reflector.before = lambda answer: [
        b"short",
        bytes(answer._replace(ssid=99)),
        bytes(answer._replace(sender_sequence=answer.sender_sequence + 1000)),
        bytes(answer._replace(sender_timestamp=b"guess..!")),
    ]
    running = Running(reflector.port, StampOptions(ssid=7))
    await running.run(5)
    assert [sample.outcome for sample in running.samples] == [Outcome.ANSWERED] * 5
    assert running.rejected == {
        Rejection.MALFORMED,
        Rejection.WRONG_SSID,
        Rejection.UNKNOWN_PACKET,
        Rejection.WRONG_TIMESTAMP,
    }


class FakeClock:
    """Stands still unless the test moves it."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000_000
        self.offset_ns = 1_768_478_400_000_000_000

    def monotonic_ns(self) -> int:
        return self.now_ns

    def wall_ns(self) -> int:
        return self.offset_ns + self.now_ns


async def test_after_a_silence_packets_are_plain_until_the_reflector_was_asked_again(
    reflector: ScriptedReflector,
) -> None:
    clock = FakeClock()
    sender = StampSender(StampOptions(port=reflector.port), clock)
    with contextlib.closing(sender.open(NetworkPath(name="p"), ("127.0.0.1", reflector.port))):
        for _ in range(2):
            reflector.on_ready()
        sizes = []
        for number in range(40):
            clock.now_ns += 1_000_000_000
            sizes.append(len(sender.request(number, clock.wall_ns(), clock.monotonic_ns())))
        assert sizes == [64] * 9 + [44] * 31
        for _ in range(2):
            reflector.on_ready()
        clock.now_ns += 10_000_000_000
        assert len(sender.request(40, clock.wall_ns(), clock.monotonic_ns())) == 64
        sender.close()


async def test_a_reflector_that_understands_no_tlvs_any_more_gets_plain_packets_and_is_asked_again(
    reflector: ScriptedReflector,
) -> None:
    clock = FakeClock()
    sender = StampSender(StampOptions(port=reflector.port), clock)
    with contextlib.closing(sender.open(NetworkPath(name="p"), ("127.0.0.1", reflector.port))):
        for _ in range(2):
            reflector.on_ready()
        sizes = []
        for number in range(30):
            clock.now_ns += 1_000_000_000
            data = sender.request(number, clock.wall_ns(), clock.monotonic_ns())
            sizes.append(len(data))
            heard = sender.answer(
                Datagram(copied(data, clock.wall_ns()), ("127.0.0.1", reflector.port)),
                wall_ns=clock.wall_ns() + 1000,
                monotonic_ns=clock.now_ns + 1000,
                departure_of=departed(clock, len(data)),
            )
            assert isinstance(heard, Answer)
            assert heard.quirks == frozenset()
        assert sizes == [64] * 9 + [44] * 21
        sender.close()


def copied(data: bytes, now_ns: int) -> bytes:
    """Answer as a reflector does that knows RFC 8762 alone: the octets behind the base packet are those that came."""
    asked = parse_sender_packet(data)
    answer = ReflectorPacket(
        sequence=asked.sequence,
        timestamp=ntp_from_wall(now_ns + 700),
        error_estimate=ErrorEstimate.UNKNOWN,
        received_timestamp=ntp_from_wall(now_ns + 500),
        sender_sequence=asked.sequence,
        sender_timestamp=asked.timestamp,
        sender_error_estimate=asked.error_estimate,
        sender_ttl=255,
        trailing=asked.trailing,
    )
    return bytes(answer)


def departed(clock: FakeClock, size: int) -> DepartureOf:
    now = Departure(slot=0, wall_ns=clock.wall_ns(), monotonic_ns=clock.now_ns, lateness_ns=0, size=size)
    return lambda _: now


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_hours_of_silence_cost_two_sockets_and_a_packet_in_ten_seconds(reflector: ScriptedReflector) -> None:
    clock = FakeClock()
    sender = StampSender(StampOptions(port=reflector.port), clock)
    with contextlib.closing(sender.open(NetworkPath(name="p"), ("127.0.0.1", reflector.port))):
        for _ in range(2):
            reflector.on_ready()
        asked = 0
        before = open_files()
        for number in range(2 * 3600):
            clock.now_ns += 1_000_000_000
            sender.request(number, clock.wall_ns(), clock.monotonic_ns())
            with contextlib.suppress(BlockingIOError):
                while reflector.socket.recv(2000):
                    asked += 1
        assert open_files() <= before
        assert asked < 2 * 360 + 20
        sender.close()


async def test_a_step_of_the_clock_is_known_before_the_next_packet_leaves(reflector: ScriptedReflector) -> None:
    clock = FakeClock()
    states = iter((ClockState(synchronised=True, error_ns=0, max_error_ns=1000), UNSYNCHRONISED))
    sender = StampSender(StampOptions(port=reflector.port), clock, clock_state=lambda: next(states))
    with contextlib.closing(sender.open(NetworkPath(name="p"), ("127.0.0.1", reflector.port))):
        claims = []
        for step_ns in (0, 0, -3_600_000_000_000, 0):
            clock.now_ns += 1_000_000_000
            clock.offset_ns += step_ns
            request = sender.request(0, clock.wall_ns(), clock.monotonic_ns())
            claims.append(parse_sender_packet(request).error_estimate.synchronised)
        assert claims == [True, True, False, False]
        sender.close()


async def test_packets_tell_what_the_senders_clock_is_worth_since_its_last_update(reflector: ScriptedReflector) -> None:
    clock = FakeClock()
    bounds_ns = iter((5_730_000, 40_000, 5_040_000, 3_500_000))
    sender = StampSender(
        StampOptions(port=reflector.port),
        clock,
        clock_state=lambda: ClockState(synchronised=True, error_ns=0, max_error_ns=next(bounds_ns)),
    )
    with contextlib.closing(sender.open(NetworkPath(name="p"), ("127.0.0.1", reflector.port))):
        claims = []
        for _ in range(4):
            claims.append(parse_sender_packet(sender.request(0, clock.wall_ns(), clock.monotonic_ns())).error_estimate)
            clock.now_ns += 10_000_000_000
        told = [40_000, 340_000]  # it may be ten seconds older than when it was seen
        assert claims[1:3] == [ErrorEstimate.from_error_ns(error_ns, synchronised=True) for error_ns in told]
        assert claims[3] == ErrorEstimate.from_bits(0xBFFF)  # a multiple of what the kernel adds has grown from nothing
        sender.close()


async def test_a_reflector_that_falls_silent_delays_no_sample_beyond_its_timeout(reflector: ScriptedReflector) -> None:
    reflector.change = lambda answer: None if answer.sender_sequence == 5 else answer
    running = Running(reflector.port)
    await running.run(6)
    assert [sample.outcome for sample in running.samples] == [Outcome.ANSWERED] * 5 + [Outcome.LOST]
