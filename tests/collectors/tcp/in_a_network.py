"""Attempts in a network of namespaces of their own: a site, a router, a far end. Prints what became of each, as JSON.

Runs as root within ``unshare --mount --net``; the argument names the event loop.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop

from collectors.path import NetworkPath
from collectors.sample import Sample
from tests.collectors.attempting import MS, Attempting, tcp

NETWORK = """
mount -t tmpfs none /run
mkdir -p /run/netns
for name in router far; do ip netns add $name; ip -n $name link set lo up; done
ip link set lo up
ip link add site0 type veth peer name router0 netns router
ip -n router link add router1 type veth peer name far0 netns far
ip addr add 10.9.0.1/24 dev site0
ip -n router addr add 10.9.0.254/24 dev router0
ip -n router addr add 10.9.1.254/24 dev router1
ip -n far addr add 10.9.1.1/24 dev far0
ip link set site0 up
for name in router0 router1; do ip -n router link set $name up; done
ip -n far link set far0 up
ip route add default via 10.9.0.254
ip -n far route add default via 10.9.1.254
ip addr add fd09::1/64 dev site0 nodad
ip -n router addr add fd09::254/64 dev router0 nodad
ip route add default via fd09::254
tune() { ip netns exec "$1" sh -c "echo $3 >/proc/sys/net/$2"; }
tune router ipv6/conf/all/forwarding 1
tune router ipv6/icmp/ratelimit 0
ip -n router route add unreachable fd09:2::/64
ip -n router route add prohibit fd09:3::/64
tune router ipv4/ip_forward 1
tune router ipv4/icmp_ratelimit 0
tune router ipv4/icmp_msgs_per_sec 10000
tune router ipv4/neigh/router1/retrans_time_ms 50
ip -n router route add unreachable 10.9.2.0/24
ip -n router route add prohibit 10.9.3.0/24
ip -n router route add blackhole 10.9.4.0/24
ip -n router route add 10.9.5.0/24 via 10.9.1.1
tune far ipv4/ip_forward 1
tune far ipv4/icmp_ratelimit 0
ip route add unreachable 10.9.6.0/24
ip route add prohibit 10.9.7.0/24
ip link add gone0 type veth peer name gone1
ip addr add 10.9.8.1/24 dev gone0
ip link set gone0 up
ip link set gone1 up
ip neigh add 10.9.8.2 lladdr 02:00:00:00:00:02 dev gone0
"""
SERVER = "import socket, sys; s = socket.create_server(('10.9.1.1', 443)); print(flush=True); sys.stdin.read()"
SHORT_NS = 300 * MS


@contextmanager
def serving() -> Iterator[None]:
    """Have the far end listen on port 443."""
    command = ["ip", "netns", "exec", "far", sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield
        assert process.stdin is not None
        process.stdin.close()


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def leave_four_ports() -> None:
    Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("40000 40003", encoding="ascii")


async def settled(running: Attempting) -> Sample:
    """Make one attempt and return what became of it."""
    running.send(0)
    await running.settle()
    return running.samples()[-1]


async def once(host: str, port: int = 443, *, timeout_ns: int = SHORT_NS) -> Sample:
    running = tcp(host, port, timeout_ns=timeout_ns)
    sample = await settled(running)
    running.stream.close()
    return sample


async def sent_again() -> Sample:
    """Lose the first SYN: the router has no way until it is on its way."""
    ip("-n", "router", "route", "add", "blackhole", "10.9.1.1/32")
    running = tcp("10.9.1.1", 443, timeout_ns=9000 * MS)
    running.send(0)
    ip("-n", "router", "route", "del", "blackhole", "10.9.1.1/32")
    await running.settle()
    running.stream.close()
    return running.samples()[0]


async def interface_goes_away() -> list[Sample]:
    """Probe through an interface whose far end is silent, while it is there, is taken away, and is there again."""
    running = tcp("10.9.8.2", 443, NetworkPath(name="p", interface="gone0"), timeout_ns=SHORT_NS)
    running.send(0)
    ip("link", "del", "gone0")
    running.send(1)
    await running.settle()
    ip("link", "add", "gone0", "type", "veth", "peer", "name", "gone1")
    running.send(2)
    ip("addr", "add", "10.9.8.1/24", "dev", "gone0")
    for name in ("gone0", "gone1"):
        ip("link", "set", name, "up")
    running.send(3)
    await running.settle()
    running.stream.close()
    return sorted(running.samples(), key=lambda sample: sample.slot)


async def no_port_left() -> list[Sample]:
    """Have more attempts under way than there are ports."""
    leave_four_ports()
    running = tcp("10.9.4.1", 443, timeout_ns=SHORT_NS)
    running.send(*range(6))
    trouble = running.stream.trouble
    await running.settle()
    running.stream.close()
    assert trouble is not None
    assert "ip_local_port_range" in str(trouble)
    return sorted(running.samples(), key=lambda sample: sample.slot)


async def main() -> dict[str, list[tuple[str, str | None, str | None]]]:
    with serving():
        found = {
            "answered": [await once("10.9.1.1", timeout_ns=5000 * MS)],
            "sent again": [await sent_again()],
        }
    for name, host in {
        "refused": "10.9.1.1",
        "no route at the router": "10.9.2.1",
        "filtered by the router": "10.9.3.1",
        "nobody there": "10.9.1.77",
        "no route at the router, IPv6": "fd09:2::1",
        "filtered by the router, IPv6": "fd09:3::1",
        "loop": "10.9.5.1",
        "own route says unreachable": "10.9.6.1",
        "own route says prohibited": "10.9.7.1",
    }.items():
        found[name] = [await once(host, timeout_ns=5000 * MS)]
    found["dropped by the router"] = [await once("10.9.4.1")]
    found["interface goes away"] = await interface_goes_away()
    found["no port left"] = await no_port_left()
    return {
        name: [(sample.outcome.value, sample.reason, sample.offender) for sample in samples]
        for name, samples in found.items()
    }


if __name__ == "__main__":
    subprocess.run(["sh", "-euc", NETWORK], check=True)
    new_loop = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}[sys.argv[1]]
    with asyncio.Runner(loop_factory=new_loop) as runner:
        sys.stdout.write(json.dumps(runner.run(main())))
