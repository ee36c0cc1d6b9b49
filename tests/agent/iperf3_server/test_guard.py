"""A guarded program's sockets hear allowed peers from their first moment on, whatever kinds of sockets they are."""

from __future__ import annotations

import asyncio
import socket
import sys
from ipaddress import ip_network

import pytest

from agent.iperf3_server.admission import admission_program
from agent.iperf3_server.guard import GuardError, start_guarded
from collectors.iperf3.failing import Iperf3Error
from tests.collectors.iperf3.servers import no_child_left

pytestmark = pytest.mark.root  # newer kernels want CAP_NET_ADMIN for a filter of a TCP socket

PATIENCE_S, SILENCE_S = 10.0, 0.3
"""How long what is to come may take on a busy machine, and how long nothing has to come."""

ALLOWED = admission_program([ip_network("127.0.0.0/30")])

# Binds a TCP and a UDP socket and something else, says the ports, and answers datagrams.
PROGRAM = """
import socket, sys
tcp, udp = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", 0))
netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)
netlink.bind((0, 0))
print(tcp.getsockname()[1], udp.getsockname()[1], flush=True)
while True:
    data, source = udp.recvfrom(100)
    udp.sendto(data, source)
"""


async def test_strangers_reach_neither_tcp_nor_udp() -> None:
    async with no_child_left():
        process, guard = await start_guarded([sys.executable, "-c", PROGRAM], ALLOWED)
        assert process.stdout is not None
        tcp, udp = map(int, (await process.stdout.readline()).split())
        assert guard.dropped() == 0
        await asyncio.to_thread(connects, "127.0.0.2", tcp, PATIENCE_S)
        assert await asyncio.to_thread(echoes, "127.0.0.2", udp, PATIENCE_S)
        with pytest.raises(TimeoutError):
            await asyncio.to_thread(connects, "127.0.0.4", tcp, SILENCE_S)
        assert guard.dropped() >= 1
        assert not await asyncio.to_thread(echoes, "127.0.0.4", udp, SILENCE_S)
        process.kill()
        await process.communicate()
        guard.close()
        assert guard.dropped() >= 1


def connects(source: str, port: int, within_s: float) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=within_s, source_address=(source, 0)):
        pass


def echoes(source: str, port: int, within_s: float) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((source, 0))
        sock.settimeout(within_s)
        sock.sendto(b"?", ("127.0.0.1", port))
        try:
            return sock.recv(100) == b"?"
        except TimeoutError:
            return False


async def test_a_filter_that_the_kernel_refuses_starts_nothing() -> None:
    async with no_child_left():
        with pytest.raises(GuardError, match="Invalid argument"):
            await start_guarded([sys.executable, "-c", PROGRAM], b"\xff" * 8)


async def test_without_a_guard_nothing_is_bound() -> None:
    async with no_child_left():
        process, guard = await start_guarded([sys.executable, "-c", PROGRAM], ALLOWED)
        guard.close()
        output, errors = await process.communicate()
    assert output == b""
    assert b"Function not implemented" in errors


async def test_a_program_that_is_not_there_is_an_end_and_no_hang() -> None:
    async with no_child_left():
        process, guard = await start_guarded(["/nonexistent/iperf3"], ALLOWED)
        _, errors = await process.communicate()
        guard.close()
    assert process.returncode
    assert b"FileNotFoundError" in errors


async def test_where_the_kernel_has_no_guards_it_says_what_it_takes() -> None:
    refused = (sys.executable, "-c", "pass")  # ends without passing what the kernel did not give
    async with no_child_left():
        with pytest.raises(GuardError, match=r"strangers cannot be kept from it: .* takes Linux 5\.6"):
            await start_guarded(["/bin/true"], ALLOWED, launch=refused)


async def test_cancelled_while_it_starts_it_leaves_no_process() -> None:
    async with no_child_left():
        starting = asyncio.create_task(start_guarded([sys.executable, "-c", PROGRAM], ALLOWED))
        await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting


async def test_cancelled_while_the_kernel_refuses_it_is_cancelled_all_the_same() -> None:
    refused = (sys.executable, "-c", "pass")
    async with no_child_left():
        starting = asyncio.create_task(start_guarded(["/bin/true"], ALLOWED, launch=refused))
        await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting


async def test_a_host_without_room_for_a_process_is_told_with_the_programs_name() -> None:
    too_long = "x" * (1 << 18)  # of one argument the kernel takes 128 KiB
    async with no_child_left():
        with pytest.raises(Iperf3Error, match="cannot start /bin/true: Argument list too long"):
            await start_guarded(["/bin/true", too_long], ALLOWED)


async def test_without_the_right_to_filter_nothing_listens_and_it_says_what_to_do() -> None:
    # Kernels differ in what they want: without any capability but to read this program it is either refused or guarded.
    bare = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps", "+dac_read_search")
    script = """
import asyncio, sys
from agent.iperf3_server.guard import GuardError, start_guarded
async def main():
    try:
        process, guard = await start_guarded(["/bin/true"], bytes.fromhex(sys.argv[1]))
    except GuardError as error:
        print(error)
    else:
        await process.communicate()
        guard.close()
        print("guarded")
asyncio.run(main())
"""
    command = [*bare, "--ambient-caps", "+dac_read_search", sys.executable, "-c", script, ALLOWED.hex()]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    assert said == b"guarded\n" or b"on newer ones CAP_NET_ADMIN" in said
