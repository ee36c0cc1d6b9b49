"""Real sockets on loopback: every packet gets its stamps, on both event loops, also after an ICMP error."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from collectors.ancillary import Datagram, IcmpError, TransmitStamp
from collectors.errors import CollectorError
from collectors.path import NetworkPath, PacketMarks
from collectors.sockets import StampedSocket, Watch, kernel_takes_stamp_ids, open_echo, open_udp

ANY = NetworkPath(name="any")
LOOPBACKS = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
TTL_OPTIONS = {socket.AF_INET: (0, 12), socket.AF_INET6: (41, 51)}


@pytest.fixture(params=LOOPBACKS, ids=["ipv4", "ipv6"])
def echo_server(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    """A plain UDP socket on loopback that the test answers from."""
    family, host = request.param
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        yield sock


def collect(loop: asyncio.AbstractEventLoop, sock: StampedSocket, wanted: int) -> asyncio.Future[list[object]]:
    """Gather what the socket yields until there are ``wanted`` items."""
    found: list[object] = []
    done: asyncio.Future[list[object]] = loop.create_future()

    def on_ready() -> None:
        found.extend(sock.drain())
        if len(found) >= wanted and not done.done():
            done.set_result(found)

    watch = Watch(loop, sock, on_ready)
    done.add_done_callback(lambda _: watch.close())
    return done


@contextlib.contextmanager
def crowded(family: int) -> Iterator[tuple[StampedSocket, tuple[str, int]]]:
    """Yield a socket whose receive buffer is the smallest there is, and its address."""
    with socket.socket(family, socket.SOCK_DGRAM) as plain:
        plain.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        sock = StampedSocket(plain)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
        yield sock, plain.getsockname()[:2]


async def test_every_packet_gets_its_transmit_stamp_and_every_answer_its_receive_stamp(
    echo_server: socket.socket,
) -> None:
    count = 200
    sock = open_udp(ANY, echo_server.family, PacketMarks())
    everything = collect(asyncio.get_running_loop(), sock, 2 * count)
    for number in range(count):
        sock.send(b"x" * 44, echo_server.getsockname(), number)
        data, sender = echo_server.recvfrom(100)
        echo_server.sendto(data, sender)
        await asyncio.sleep(0)
    found = await asyncio.wait_for(everything, 5)
    stamps = [item.id for item in found if isinstance(item, TransmitStamp)]
    datagrams = [item for item in found if isinstance(item, Datagram)]
    assert stamps == list(range(count))
    assert len(datagrams) == count
    assert all(datagram.stamp_ns for datagram in datagrams[1:])  # the first one may precede the kernel's stamping
    sock.close()


@pytest.mark.parametrize(("family", "host"), LOOPBACKS)
def test_where_the_kernel_numbers_the_stamps_itself_they_still_find_their_packets(family: int, host: str) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as receiver, socket.socket(family, socket.SOCK_DGRAM) as plain:
        receiver.bind((host, 0))
        sock = StampedSocket(plain, own_ids=False)
        stamps = []
        for number in (7, 1000, 5):
            with pytest.raises(OSError, match="Message too long"):
                sock.send(bytes(70_000), receiver.getsockname(), 99)
            sock.send(b"x", receiver.getsockname(), number)
            stamps += [item.id for item in sock.drain() if isinstance(item, TransmitStamp)]
        assert stamps == [7, 1000, 5]


@pytest.mark.parametrize("own_ids", [False, kernel_takes_stamp_ids()])
def test_stamps_that_nobody_has_read_survive_a_refusal_of_the_kernel(own_ids: bool) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain,
    ):
        receiver.bind(("127.0.0.1", 0))
        sock = StampedSocket(plain, own_ids=own_ids)
        for number in (7, 1000):
            for again in range(2):
                sock.send(b"x", receiver.getsockname(), number + again)
            with pytest.raises(OSError, match="Message too long"):
                sock.send(bytes(70_000), receiver.getsockname(), 99)
        assert sock.set_aside
        assert [item.id for item in sock.drain() if isinstance(item, TransmitStamp)] == [7, 8, 1000, 1001]
        assert not sock.set_aside


@pytest.mark.parametrize(("family", "host"), LOOPBACKS)
async def test_the_socket_hears_on_after_icmp_errors(family: int, host: str) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as closed:
        closed.bind((host, 0))
        nobody = closed.getsockname()
    sock = open_udp(ANY, family, PacketMarks())
    loop = asyncio.get_running_loop()
    for number in range(3):
        both = collect(loop, sock, 2)
        sock.send(b"x", nobody, number)
        found = await asyncio.wait_for(both, 5)
        assert {type(item) for item in found} == {TransmitStamp, IcmpError}
        [error] = [item for item in found if isinstance(item, IcmpError)]
        assert (os.strerror(error.errno), error.offender) == ("Connection refused", host)
    sock.close()


def test_marks_reach_the_packet() -> None:
    for family, host in LOOPBACKS:
        with socket.socket(family, socket.SOCK_DGRAM) as receiver:
            receiver.bind((host, 0))
            level, option = (0, 13) if family == socket.AF_INET else (41, 66)  # IP_RECVTOS, IPV6_RECVTCLASS
            receiver.setsockopt(level, option, 1)
            receiver.setsockopt(*TTL_OPTIONS[family], 1)
            sock = open_udp(ANY, family, PacketMarks(dscp=46))
            sock.send(b"x", receiver.getsockname(), 0)
            _, items, _, _ = receiver.recvmsg(10, 200)
            values = {(item_level, kind): int.from_bytes(data[:4], "little") for item_level, kind, data in items}
            assert 46 << 2 in values.values()
            assert 255 in values.values()
            sock.close()


def test_the_source_address_pins_the_packets() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        sock = open_udp(NetworkPath(name="p", source=ip_address("127.9.8.7")), socket.AF_INET, PacketMarks())
        sock.send(b"x", receiver.getsockname(), 0)
        assert receiver.recvfrom(10)[1][0] == "127.9.8.7"
        sock.close()


@pytest.mark.parametrize(
    ("path", "reason", "words"),
    [
        (NetworkPath(name="er", source=ip_address("192.0.2.77")), "source_unavailable", "path er: cannot send from"),
        (NetworkPath(name="er", interface="nosuch0"), "interface_unavailable", "path er: cannot use interface nosuch0"),
    ],
)
def test_a_pinning_that_the_host_cannot_give_names_the_path_and_the_remedy(
    path: NetworkPath, reason: str, words: str
) -> None:
    with pytest.raises(CollectorError, match=words) as caught:
        open_udp(path, socket.AF_INET, PacketMarks())
    assert caught.value.reason == reason


@pytest.mark.root
def test_an_interface_and_a_mark_are_accepted() -> None:
    sock = open_udp(NetworkPath(name="p", interface="lo", fwmark=0x2A), socket.AF_INET, PacketMarks())
    sock.close()


IN_A_NAMESPACE_WITHOUT_PING_SOCKETS = """
    import os, socket, subprocess
    subprocess.run(["ip", "link", "set", "dev", "lo", "up"], check=True)
    from collectors.path import NetworkPath, PacketMarks
    from collectors.errors import CollectorError
    from collectors.sockets import open_echo
    sock = open_echo(NetworkPath(name="p"), socket.AF_INET, PacketMarks())
    print("as root:", "raw" if sock.is_raw else "ping")
    os.setgid(65534), os.setuid(65534)
    try:
        open_echo(NetworkPath(name="p"), socket.AF_INET, PacketMarks())
    except CollectorError as error:
        print("as nobody:", error.reason, error)
    """


@pytest.mark.root
def test_where_ping_sockets_are_not_allowed_a_raw_socket_serves_and_without_the_capability_the_remedy_is_named() -> (
    None
):
    run = subprocess.run(
        [
            *("unshare", "--net", "sh", "-c", 'echo "1 0" >/proc/sys/net/ipv4/ping_group_range; exec "$@"', "sh"),
            *(sys.executable, "-c", textwrap.dedent(IN_A_NAMESPACE_WITHOUT_PING_SOCKETS)),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    as_root, as_nobody = run.stdout.splitlines()
    assert as_root == "as root: raw"
    assert as_nobody.startswith("as nobody: permission cannot open an ICMP socket")
    assert "net.ipv4.ping_group_range" in as_nobody
    assert "CAP_NET_RAW" in as_nobody


@pytest.mark.root
async def test_echo_sockets_are_answered_and_stamped() -> None:
    for family, host in LOOPBACKS:
        sock = open_echo(ANY, family, PacketMarks())
        everything = collect(asyncio.get_running_loop(), sock, 2)
        kind = 8 if family == socket.AF_INET else 128
        checksum = 0xF7FF - 0x4D if family == socket.AF_INET else 0  # of type 8 and identifier 0x4d
        request = bytes([kind, 0]) + checksum.to_bytes(2, "big") + (0x4D).to_bytes(2, "big") + bytes(14)
        sock.send(request, (host, 0), 5)
        found = await asyncio.wait_for(everything, 5)
        assert isinstance(found[0], TransmitStamp)
        assert found[0].id == 5
        assert isinstance(found[1], Datagram)
        sock.close()


@pytest.mark.parametrize(("family", "host"), LOOPBACKS)
def test_the_kernel_counts_what_found_no_room_in_a_socket_that_nobody_reads(family: int, host: str) -> None:
    with crowded(family) as (sock, address), socket.socket(family, socket.SOCK_DGRAM) as sender:
        assert sock.dropped == 0
        for _ in range(100):
            sender.sendto(bytes(44), (host, address[1]))
        dropped = sock.dropped
        assert 0 < dropped < 100
        assert sum(isinstance(item, Datagram) for item in sock.drain()) == 100 - dropped
        assert sock.dropped == dropped


def test_transmit_stamps_that_nobody_reads_leave_no_room_for_datagrams() -> None:
    with crowded(socket.AF_INET) as (sock, address), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("127.0.0.1", 0))
        for number in range(100):
            sock.send(bytes(44), sender.getsockname(), number)
        before = sock.dropped
        sender.sendto(bytes(44), ("127.0.0.1", address[1]))
        assert sock.dropped == before + 1


UVLOOP_TRANSPORT_WITH_AN_ERROR_QUEUE = """
    import asyncio, resource, socket, uvloop

    async def main():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(0, 11, 1)  # IP_RECVERR
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        await asyncio.get_running_loop().create_datagram_endpoint(asyncio.DatagramProtocol, sock=sock)
        sock.sendto(b"x", ("127.0.0.1", 9))
        before = used_s()
        await asyncio.sleep(0.5)
        print(used_s() - before)

    def used_s():
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime

    uvloop.run(main())
    """


def test_uvloops_datagram_transports_still_cannot_be_used() -> None:
    """A failure here means that a new uvloop handles error queues: look at the reason for :class:`Watch` again.

    0.23.0 crashes here, 0.22.1 spins.
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(UVLOOP_TRANSPORT_WITH_AN_ERROR_QUEUE)],
        capture_output=True,
        text=True,
        check=False,
    )
    spins = run.returncode == 0 and float(run.stdout) > 0.01  # one that sleeps takes 0.0003, on a busy machine too
    assert spins or run.returncode < 0
