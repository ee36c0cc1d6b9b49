from __future__ import annotations

import errno
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from collectors.ancillary import (
    IP_PKTINFO,
    IP_RECVTOS,
    IP_RECVTTL,
    IP_TOS,
    IP_TTL,
    IPV6_TCLASS,
    IPV6_UNICAST_HOPS,
    SO_TIMESTAMPING,
    SOL_SOCKET,
    control_message,
    parse_arrival,
)
from collectors.clock import Clock, ClockState, SystemClock
from collectors.errors import CollectorError
from collectors.sockets import kernel_takes_stamp_ids
from collectors.stamp.authentication import Key
from collectors.stamp.departures import Departures
from collectors.stamp.extensions import ASK_FOLLOW_UP, ask_class_of_service, read_tlvs
from collectors.stamp.listener import Listener, cannot_listen, open_listeners
from collectors.stamp.reflector import Reflector
from collectors.stamp.refusal import Refusal
from collectors.stamp.server import Companion, Server, termination
from collectors.stamp.timestamp import ErrorEstimate, wall_from_timestamp
from collectors.stamp.tlv import Tlv
from collectors.stamp.wire import ReflectorPacket, parse_reflector_packet, request

ESTIMATE = ErrorEstimate.from_error_ns(50_000, synchronised=True)
SYNCHRONISED = ClockState(synchronised=True, error_ns=0, max_error_ns=50_000)
KEY = Key(bytes(range(32)))
V4, V6 = "127.0.0.1", "::1"
SO_NO_CHECK = (socket.SOL_SOCKET, 11)
UDP_NO_CHECK6_TX, UDP_NO_CHECK6_RX = (socket.IPPROTO_UDP, 101), (socket.IPPROTO_UDP, 102)


class TestBed:
    """A server with its sockets; it answers only within :meth:`running`."""

    __test__ = False

    def __init__(
        self,
        listeners: list[Listener],
        epoll: select.epoll,
        clock_state: ClockState | OSError = SYNCHRONISED,
        key: Key | None = None,
        companion: Companion | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.port = listeners[0].port
        self.clock_state = clock_state
        self.looks_at_clock = 0
        allow = (ip_network("127.0.0.0/8"), ip_network("::1"))
        self.reflector = Reflector(port=self.port, allow=allow, key=key)
        self.worked = 0
        self.server = Server(
            listeners,
            self.reflector,
            clock=clock or SystemClock(),
            clock_state=self._look_at_clock,
            ready=epoll,
            companion=companion,
            after_work=self._work,
        )

    def _work(self) -> None:
        self.worked += 1

    def _look_at_clock(self) -> ClockState:
        self.looks_at_clock += 1
        if isinstance(self.clock_state, OSError):
            raise self.clock_state
        return self.clock_state

    @contextmanager
    def running(self) -> Iterator[None]:
        stop, stopper = socket.socketpair()
        thread = threading.Thread(target=self.server.run, args=(stop.fileno(),))
        with stop, stopper:
            thread.start()
            try:
                yield
            finally:
                stopper.send(b"\0")
                thread.join()


@pytest.fixture
def epoll() -> Iterator[select.epoll]:
    with select.epoll() as ready:
        yield ready


@contextmanager
def bound(host: str, port: int = 0) -> Iterator[list[Listener]]:
    listeners = open_listeners(ip_address(host), port)
    try:
        yield listeners
    finally:
        for listener in listeners:
            listener.socket.close()


@contextmanager
def asking(host: str) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)  # the usual one has room for 277 small answers
        if family == socket.AF_INET:
            options = ((socket.IPPROTO_IP, IP_RECVTTL), (socket.IPPROTO_IP, IP_RECVTOS))
        else:
            options = (
                (socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT),
                (socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS),
            )
        for level, option in options:
            sock.setsockopt(level, option, 1)
        yield sock


def asked(sequence: int = 0, size: int = 44, *, key: Key | None = None, tlvs: tuple[Tlv, ...] = ()) -> bytes:
    return request(sequence=sequence, wall_ns=time.time_ns(), error_estimate=ESTIMATE, size=size, key=key, tlvs=tlvs)


def answer(sock: socket.socket) -> ReflectorPacket:
    return parse_reflector_packet(sock.recv(65_536))


def times_of(packet: ReflectorPacket) -> tuple[int, int, int]:
    now_ns = time.time_ns()
    return packet.sender_sent_ns(now_ns=now_ns), packet.received_ns(now_ns=now_ns), packet.sent_ns(now_ns=now_ns)


@pytest.mark.parametrize("listen", [V4, V6, "::", "0.0.0.0"])
def test_requests_are_answered_in_order_with_times_ttl_and_sequence(epoll: select.epoll, listen: str) -> None:
    with bound(listen) as listeners, TestBed(listeners, epoll).running():
        for host in {"::": (V4, V6), "0.0.0.0": (V4,)}.get(listen, (listen,)):
            with asking(host) as sock:
                for sequence in range(3):
                    sent_ns = time.time_ns()
                    sock.sendto(asked(sequence + 100), (host, listeners[0].port))
                    packet = answer(sock)
                    assert (packet.sequence, packet.sender_sequence) == (sequence, sequence + 100)
                    t1, t2, t3 = times_of(packet)
                    assert sent_ns <= t1 <= t2 <= t3 <= time.time_ns()
                    assert packet.error_estimate == ESTIMATE
                    assert packet.sender_ttl == 64


def test_the_unspecified_ipv6_address_means_both_families_on_one_port() -> None:
    with bound("::") as listeners:
        assert [str(listener.host) for listener in listeners] == ["::", "0.0.0.0"]
        assert len({listener.port for listener in listeners}) == 1


@pytest.mark.parametrize(
    ("host", "level", "tos", "ttl"),
    [
        (V4, socket.IPPROTO_IP, IP_TOS, IP_TTL),
        (V6, socket.IPPROTO_IPV6, IPV6_TCLASS, IPV6_UNICAST_HOPS),
    ],
)
@pytest.mark.parametrize("wildcard", [False, True])
def test_the_dscp_comes_back_without_ecn_and_the_ttl_is_255(
    epoll: select.epoll, host: str, level: int, tos: int, ttl: int, wildcard: bool
) -> None:
    with bound("::" if wildcard else host) as listeners, TestBed(listeners, epoll).running(), asking(host) as sock:
        sock.setsockopt(level, tos, 46 << 2 | 1)
        sock.setsockopt(level, ttl, 33)
        sock.sendto(asked(), (host, listeners[0].port))
        data, items, _, _ = sock.recvmsg(2048, 512)
        arrival = parse_arrival(items)
        assert (arrival.tos, arrival.ttl) == (46 << 2, 255)
        assert parse_reflector_packet(data).sender_ttl == 33


def test_the_answer_comes_from_the_address_that_was_asked(epoll: select.epoll) -> None:
    with bound("::") as listeners, TestBed(listeners, epoll).running(), asking(V4) as sock:
        for host in ("127.0.0.1", "127.0.0.77"):
            sock.sendto(asked(), (host, listeners[0].port))
            data, source = sock.recvfrom(2048)
            assert source == (host, listeners[0].port)
            assert parse_reflector_packet(data).sequence == 0  # a session for each address


def test_t2_is_the_kernels_and_not_the_time_at_which_this_program_got_to_run(epoll: select.epoll) -> None:
    with bound(V4) as listeners, asking(V4) as sock:
        bed = TestBed(listeners, epoll)
        with bed.running():  # stamps are missing for a moment after a host's first socket asks for them
            _ask_until_stamped(sock, bed.port)
        sock.sendto(asked(), (V4, bed.port))
        before_running_ns = time.time_ns()
        with bed.running():
            packet = answer(sock)
        _, t2, t3 = times_of(packet)
        assert t2 < before_running_ns < t3


def _ask_until_stamped(sock: socket.socket, port: int) -> None:
    for _ in range(200):
        sock.sendto(asked(), (V4, port))
        answer(sock)


@pytest.mark.parametrize("size", [44, 45, 48, 1472, 9000, 65_507])
def test_an_answer_is_as_long_as_the_request(epoll: select.epoll, size: int) -> None:
    with bound(V4) as listeners, TestBed(listeners, epoll).running(), asking(V4) as sock:
        data = asked(size=size)
        sock.sendto(data, (V4, listeners[0].port))
        answered = sock.recv(65_536)
        assert len(answered) == size
        assert answered[48:] == data[48:]  # behind the header of the padding


def test_bad_packets_are_counted_and_harm_nothing(epoll: select.epoll) -> None:
    with bound(V4) as listeners, asking(V4) as sock:
        bed = TestBed(listeners, epoll)
        with bed.running():
            for data in (b"", b"\xff" * 13, asked()[:13]):
                sock.sendto(data, (V4, bed.port))
            sock.sendto(asked(), (V4, bed.port))
            assert answer(sock).sequence == 0
        assert bed.reflector.counts.refused[Refusal.MALFORMED] == 3
        assert bed.reflector.counts.replies == 1


def test_a_broadcast_is_not_answered(epoll: select.epoll) -> None:
    with bound("0.0.0.0") as listeners, asking(V4) as sock:
        bed = TestBed(listeners, epoll)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        with bed.running():
            sock.sendto(asked(1), ("127.255.255.255", bed.port))
            sock.sendto(asked(2), (V4, bed.port))
            assert answer(sock).sender_sequence == 2
        assert bed.reflector.counts.refused[Refusal.NOT_UNICAST] == 1


def test_a_datagram_of_which_the_kernel_tells_nothing_gets_no_answer(epoll: select.epoll) -> None:
    with bound(V4) as (listener,), asking(V4) as sock:
        bed = TestBed([listener], epoll)
        listener.socket.setsockopt(SOL_SOCKET, SO_TIMESTAMPING, 0)
        for option in (IP_PKTINFO, IP_RECVTTL, IP_RECVTOS):
            listener.socket.setsockopt(socket.IPPROTO_IP, option, 0)
        sock.sendto(asked(), (V4, bed.port))
        with bed.running():
            while not bed.reflector.counts.refused[Refusal.NOT_UNICAST]:
                time.sleep(0.001)


class RefusesOnce(Listener):
    """A listener whose first answer is to come from an address that this host does not have."""

    refused = False

    def control(self, destination: bytes, dscp: int) -> bytes:
        if self.refused:
            return super().control(destination, dscp)
        self.refused = True
        foreign = struct.pack("@i4s4s", 0, bytes([192, 0, 2, 1]), bytes(4))
        return control_message(socket.IPPROTO_IP, IP_PKTINFO, foreign)


def test_an_answer_that_the_kernel_refused_is_counted_and_has_used_no_number(epoll: select.epoll) -> None:
    with bound(V4) as (listener,), asking(V4) as sock:
        bed = TestBed([RefusesOnce(listener.socket)], epoll)
        with bed.running():
            sock.sendto(asked(7), (V4, bed.port))
            while not bed.server.not_sent:
                time.sleep(0.001)
            sock.sendto(asked(8), (V4, bed.port))
            packet = answer(sock)
        assert (packet.sender_sequence, packet.sequence) == (8, 0)
        assert bed.server.not_sent.total() == 1
        assert bed.reflector.counts.replies == 1


def test_a_refused_answer_does_not_keep_back_those_behind_it(epoll: select.epoll) -> None:
    with bound(V4) as (listener,), asking(V4) as sock:
        bed = TestBed([RefusesOnce(listener.socket)], epoll)
        for sequence in range(5):
            sock.sendto(asked(sequence), (V4, bed.port))
        with bed.running():
            answers = [answer(sock) for _ in range(4)]
        assert [packet.sender_sequence for packet in answers] == [1, 2, 3, 4]
        assert [packet.sequence for packet in answers] == [1, 2, 3, 4]  # the first had taken number 0


def test_many_requests_at_once_are_answered_in_batches_each_with_its_own_time(epoll: select.epoll) -> None:
    with bound(V4) as listeners, asking(V4) as sock:
        bed = TestBed(listeners, epoll)
        for sequence in range(300):
            sock.sendto(asked(sequence, size=44 + sequence), (V4, bed.port))
            if sequence % 3 == 0:
                sock.sendto(b"noise", (V4, bed.port))
        with bed.running():
            data = [sock.recv(2048) for _ in range(300)]
        answers = [parse_reflector_packet(octets) for octets in data]
        assert [packet.sequence for packet in answers] == list(range(300))
        assert [packet.sender_sequence for packet in answers] == list(range(300))
        assert [len(octets) for octets in data] == [44 + sequence for sequence in range(300)]
        assert len({times_of(packet)[2] for packet in answers}) >= 300 / 8
        assert all(t2 < t3 <= time.time_ns() for _, t2, t3 in map(times_of, answers))
        assert bed.reflector.counts.refused[Refusal.MALFORMED] == 100
        assert 300 / 64 <= bed.worked <= 300


class StandingClock(SystemClock):
    """A clock whose wall time stands still."""

    def __init__(self) -> None:
        self.stands_at_ns = time.time_ns()

    def wall_ns(self) -> int:
        return self.stands_at_ns


class NoTimePasses(SystemClock):
    """A clock of which only the monotonic time stands still."""

    def monotonic_ns(self) -> int:
        return 0


@pytest.mark.parametrize("key", [None, KEY])
def test_no_answer_claims_a_time_that_had_not_come_when_the_clock_was_read(
    epoll: select.epoll, key: Key | None
) -> None:
    clock = StandingClock()
    with bound(V4) as listeners, asking(V4) as sock:
        bed = TestBed(listeners, epoll, key=key, clock=clock)
        for sequence in range(200):
            sock.sendto(asked(sequence, size=1000, key=key), (V4, bed.port))
        with bed.running():
            answers = [parse_reflector_packet(sock.recv(2048), key=key) for _ in range(200)]
        assert {packet.sent_ns(now_ns=clock.stands_at_ns) for packet in answers} == {clock.stands_at_ns}


@pytest.mark.parametrize("host", [V4, V6, "::"])
@pytest.mark.parametrize("key", [None, KEY])
@pytest.mark.parametrize("kernel_bundles", [True, False])
def test_many_requests_of_one_sender_are_answered_one_by_one_though_in_bundles(
    epoll: select.epoll, host: str, key: Key | None, kernel_bundles: bool
) -> None:
    with bound(host) as listeners, asking(V6 if host == V6 else V4) as sock:
        listener = listeners[-1]
        if not kernel_bundles:  # it takes none without checksums (udp(7))
            listener.socket.setsockopt(*(UDP_NO_CHECK6_TX if host == V6 else SO_NO_CHECK), 1)
            if host == V6:
                sock.setsockopt(*UDP_NO_CHECK6_RX, 1)
        bed = TestBed(listeners, epoll, key=key)
        for sequence in range(200):
            sock.sendto(asked(sequence, key=key), (V6 if host == V6 else V4, bed.port))
        with bed.running():
            answers = [parse_reflector_packet(sock.recv(2048), key=key) for _ in range(200)]
        assert [packet.sequence for packet in answers] == list(range(200))
        assert [packet.sender_sequence for packet in answers] == list(range(200))
        assert all(t2 < t3 <= time.time_ns() for _, t2, t3 in map(times_of, answers))
        assert not bed.server.not_sent
        times = {times_of(packet)[2] for packet in answers}
        assert len(times) <= 4 if kernel_bundles else len(times) >= 200 / 8


def test_a_sender_whose_answers_cannot_be_bundled_spoils_it_for_no_other(epoll: select.epoll) -> None:
    with bound(V4) as (listener,), asking(V4) as one, asking(V4) as other:
        bed = TestBed([RefusesOnce(listener.socket)], epoll)
        for sock, number in ((one, 10), (other, 30)):
            for sequence in range(number):
                sock.sendto(asked(sequence), (V4, bed.port))
        with bed.running():
            ones, others = [answer(one) for _ in range(9)], [answer(other) for _ in range(30)]
        assert [packet.sender_sequence for packet in ones] == list(range(1, 10))
        assert len({times_of(packet)[2] for packet in others}) == 1
        assert bed.server.not_sent.total() == 1


@pytest.mark.parametrize("own_ids", [True, False])
@pytest.mark.parametrize("host", [V4, V6])
def test_an_answer_tells_when_the_kernel_sent_the_one_before(epoll: select.epoll, host: str, own_ids: bool) -> None:
    with bound(host) as listeners, asking(host) as sock:
        if own_ids and not kernel_takes_stamp_ids():
            return  # this kernel counts, which the other case is about
        listeners[0].departures = Departures(listeners[0].socket, own_ids=own_ids)
        follow_ups, answers = [], []
        with TestBed(listeners, epoll).running():
            for sequence in range(5):
                sock.sendto(asked(sequence, tlvs=(ASK_FOLLOW_UP,)), (host, listeners[0].port))
                answers.append(answer(sock))
                telemetry = read_tlvs(answers[-1].trailing, sequence=answers[-1].sequence, key=None)
                follow_ups.append(telemetry.follow_up)
        assert follow_ups[0] is None
        for before, follow_up in zip(answers, follow_ups[1:], strict=False):
            assert follow_up is not None
            assert follow_up.sequence == before.sequence
            left_ns = wall_from_timestamp(follow_up.timestamp, ptp=False, now_ns=time.time_ns())
            assert times_of(before)[2] <= left_ns < times_of(before)[2] + 1_000_000_000


@pytest.mark.parametrize("own_ids", [True, False])
def test_after_a_refused_answer_it_is_told_again_when_the_one_before_left(epoll: select.epoll, own_ids: bool) -> None:
    with bound(V4) as (opened,), asking(V4) as sock:
        if own_ids and not kernel_takes_stamp_ids():
            return  # this kernel counts, which the other case is about
        listener = RefusesOnce(opened.socket)
        listener.departures = Departures(listener.socket, own_ids=own_ids)
        bed = TestBed([listener], epoll)
        for sequence in range(5):
            sock.sendto(asked(sequence, tlvs=(ASK_FOLLOW_UP,)), (V4, bed.port))
        with bed.running():
            answers = [answer(sock) for _ in range(4)]
            for sequence in range(5, 8):
                sock.sendto(asked(sequence, tlvs=(ASK_FOLLOW_UP,)), (V4, bed.port))
                answers.append(answer(sock))
        follow_up = read_tlvs(answers[-1].trailing, sequence=answers[-1].sequence, key=None).follow_up
        assert follow_up is not None
        assert follow_up.sequence == answers[-2].sequence
        left_ns = wall_from_timestamp(follow_up.timestamp, ptp=False, now_ns=time.time_ns())
        assert times_of(answers[-2])[2] <= left_ns < times_of(answers[-1])[1]


@pytest.mark.parametrize("host", [V4, V6])
def test_the_dscp_that_is_asked_for_is_given(epoll: select.epoll, host: str) -> None:
    with bound(host) as listeners, TestBed(listeners, epoll).running(), asking(host) as sock:
        sock.sendto(asked(tlvs=(ask_class_of_service(34),)), (host, listeners[0].port))
        _, items, _, _ = sock.recvmsg(2048, 512)
        assert parse_arrival(items).tos == 34 << 2


def test_authenticated_packets_are_answered_authenticated(epoll: select.epoll) -> None:
    with bound(V4) as listeners, asking(V4) as sock:
        bed = TestBed(listeners, epoll, key=KEY)
        with bed.running():
            sock.sendto(asked(), (V4, bed.port))
            for sequence in range(3):
                sock.sendto(asked(sequence, key=KEY), (V4, bed.port))
                packet = parse_reflector_packet(sock.recv(2048), key=KEY)
                assert (packet.sequence, packet.sender_sequence) == (sequence, sequence)
        assert bed.reflector.counts.refused[Refusal.NOT_AUTHENTIC] == 1


@pytest.mark.parametrize(
    ("clock_state", "estimate"),
    [
        (SYNCHRONISED, ESTIMATE),
        (ClockState(synchronised=False, error_ns=16_000_000_000, max_error_ns=16_000_000_000), ErrorEstimate.UNKNOWN),
        (ClockState(synchronised=True, error_ns=0, max_error_ns=500_000), ErrorEstimate.from_bits(0xBFFF)),
        (PermissionError(errno.EPERM, "adjtimex"), ErrorEstimate.UNKNOWN),
    ],
)
def test_answers_tell_how_good_the_clock_is(
    epoll: select.epoll, clock_state: ClockState | OSError, estimate: ErrorEstimate
) -> None:
    with bound(V4) as listeners, asking(V4) as sock:
        bed = TestBed(listeners, epoll, clock_state, clock=NoTimePasses())
        with bed.running():
            for _ in range(5):
                sock.sendto(asked(), (V4, bed.port))
                assert answer(sock).error_estimate == estimate
        assert bed.looks_at_clock == 1


def test_what_the_queue_had_no_room_for_is_told(epoll: select.epoll) -> None:
    with bound(V4) as listeners, asking(V4) as sock:
        listeners[0].socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the kernel's least
        bed = TestBed(listeners, epoll)
        for _ in range(100):
            sock.sendto(asked(), (V4, bed.port))
        dropped = bed.server.dropped
        with bed.running():
            for _ in range(100 - dropped):
                answer(sock)
        assert 0 < dropped < 100
        assert bed.server.dropped + bed.reflector.counts.replies == 100


class OfAnOldKernel(socket.socket):
    """A socket that has no SO_MEMINFO (Linux 4.12) and no UDP_SEGMENT (4.18)."""

    def getsockopt(self, level: int, name: int, size: int = 0) -> Any:
        if (level, name) in ((socket.SOL_SOCKET, 55), (socket.IPPROTO_UDP, 103)):
            raise OSError(errno.ENOPROTOOPT, "Protocol not available")
        return super().getsockopt(level, name, size)


def test_an_old_kernel_tells_of_no_drops_and_gets_no_bundles(epoll: select.epoll) -> None:
    with bound(V4) as (opened,), asking(V4) as sock:
        listener = Listener(OfAnOldKernel(fileno=os.dup(opened.socket.fileno())))
        bed = TestBed([listener], epoll)
        for sequence in range(30):
            sock.sendto(asked(sequence), (V4, bed.port))
        with listener.socket, bed.running():
            assert [answer(sock).sequence for _ in range(30)] == list(range(30))
            assert bed.server.dropped == 0


def test_a_port_in_use_is_an_error_with_its_remedy() -> None:
    with bound(V4) as listeners, pytest.raises(CollectorError, match="another process listens there") as caught:
        open_listeners(ip_address(V4), listeners[0].port)
    assert caught.value.reason == "address_in_use"


ALL_BUT_ONE_PORT_IS_TAKEN = """
import ipaddress, pathlib, socket
from collectors.stamp.listener import open_listeners
pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("50000 50007")
taken = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(7)]
for port, sock in enumerate(taken, start=50000):
    sock.bind(("0.0.0.0", port))
print([listener.port for listener in open_listeners(ipaddress.ip_address("::"), 0)])
"""


@pytest.mark.root
def test_the_port_that_the_kernel_chooses_is_free_in_both_families() -> None:
    command = ["unshare", "--net", sys.executable, "-c", ALL_BUT_ONE_PORT_IS_TAKEN]
    found = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert found.stdout == "[50007, 50007]\n"


def test_a_foreign_address_is_an_error_with_its_remedy() -> None:
    with pytest.raises(CollectorError, match="not an address of this host") as caught:
        open_listeners(ip_address("192.0.2.1"), 0)
    assert caught.value.reason == "source_unavailable"


def test_a_privileged_port_is_an_error_with_its_remedy() -> None:
    error = cannot_listen("127.0.0.1:862", PermissionError(errno.EACCES, "Permission denied"))
    assert error.reason == "permission"
    assert "127.0.0.1:862" in str(error)
    assert "CAP_NET_BIND_SERVICE" in str(error)
    assert "1024" in str(error)


class Echo:
    """A companion that sends back what comes, and notes when it was told that its time is over."""

    def __init__(self, epoll: select.epoll, next_deadline_ns: int | None = None) -> None:
        self.next_deadline_ns = next_deadline_ns
        self.expired_ns: list[int] = []
        self.expired = threading.Event()
        self.here, self.there = socket.socketpair()
        self.there.settimeout(10)
        epoll.register(self.here.fileno(), select.EPOLLIN)

    def ready(self, descriptor: int, now_ns: int) -> None:
        assert descriptor == self.here.fileno()
        self.here.send(self.here.recv(100))

    def expire(self, now_ns: int) -> None:
        self.expired_ns.append(now_ns)
        self.next_deadline_ns = None
        self.expired.set()

    def __enter__(self) -> Echo:
        return self

    def __exit__(self, *_: object) -> None:
        self.here.close()
        self.there.close()


def test_a_companion_is_served_while_test_packets_flow(epoll: select.epoll) -> None:
    with bound(V4) as listeners, asking(V4) as sock, Echo(epoll) as companion:
        with TestBed(listeners, epoll, companion=companion).running():
            for sequence in range(300):
                sock.sendto(asked(sequence), (V4, listeners[0].port))
                if sequence % 100 == 0:
                    companion.there.send(b"hello")
                    assert companion.there.recv(100) == b"hello"
            assert [answer(sock).sequence for _ in range(300)] == list(range(300))
        assert companion.expired_ns == []


def test_a_companions_deadline_is_kept_though_nothing_comes(epoll: select.epoll) -> None:
    due_ns = time.monotonic_ns() + 20_000_000
    with bound(V4) as listeners, Echo(epoll, due_ns) as companion:
        with TestBed(listeners, epoll, companion=companion).running():
            assert companion.expired.wait(10)
        assert len(companion.expired_ns) == 1
        assert companion.expired_ns[0] >= due_ns


def test_a_companion_is_not_disturbed_before_its_time(epoll: select.epoll) -> None:
    an_hour_on_ns = time.monotonic_ns() + 3_600_000_000_000
    with bound(V4) as listeners, asking(V4) as sock, Echo(epoll, an_hour_on_ns) as companion:
        with TestBed(listeners, epoll, companion=companion).running():
            for sequence in range(5):
                sock.sendto(asked(sequence), (V4, listeners[0].port))
                assert answer(sock).sequence == sequence
        assert companion.expired_ns == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_wake_the_server_up_and_leave_no_trace(epoll: select.epoll, number: signal.Signals) -> None:
    action = signal.getsignal(number)
    with bound(V4) as listeners, termination() as stop:
        os.kill(os.getpid(), number)
        TestBed(listeners, epoll).server.run(stop)
    assert signal.getsignal(number) == action
