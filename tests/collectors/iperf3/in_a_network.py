"""Tests of throughput over two links to one far end, each a path. Prints what went over which, as JSON.

Runs as root within ``unshare --mount --net``.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import uvloop

from collectors.iperf3.options import Direction, Iperf3Options
from collectors.iperf3.program import find_program
from collectors.iperf3.result import Iperf3Result
from collectors.iperf3.run import run_test
from collectors.path import NetworkPath

TARGET, TARGET_IPV6 = "10.8.9.9", "fd08:9::9"
NETWORK = """
mount -t tmpfs none /run
mkdir -p /run/netns
ip netns add far; ip -n far link set dev lo up; ip link set dev lo up
for n in 1 2; do
  ip link add site$n type veth peer name far$n netns far
  ip address add 10.8.$n.1/24 dev site$n; ip -n far address add 10.8.$n.2/24 dev far$n
  ip address add fd08:$n::1/64 dev site$n nodad; ip -n far address add fd08:$n::2/64 dev far$n nodad
  ip link set dev site$n up; ip -n far link set dev far$n up
  ip route add default via 10.8.$n.2 table $n; ip rule add from 10.8.$n.1 lookup $n
  ip -6 route add default via fd08:$n::2 table $n; ip -6 rule add from fd08:$n::1 lookup $n
  ip route add default via 10.8.$n.2 metric $n
done
ip route replace default via 10.8.2.2 table 2 mtu 1400
ip -n far address add 10.8.9.9/32 dev lo; ip -n far address add fd08:9::9/128 dev lo
"""
OPTIONS = Iperf3Options(duration_s=1, bits_per_second=20_000_000, connect_timeout_s=1, grace_s=0)
FIRST = NetworkPath(name="first", source=ip_address("10.8.1.1"))
SECOND = NetworkPath(name="second", source=ip_address("10.8.2.1"))


async def main() -> dict[str, object]:
    program = await find_program()

    async def over(path: NetworkPath, target: str = TARGET, **changes: object) -> Iperf3Result:
        options = replace(OPTIONS, **changes)  # type: ignore[arg-type]  # fields that there are
        return await run_test(options, target, path, program=program)

    found: dict[str, object] = {
        "by source, first": await links_of(over(FIRST)),
        "by source, second": await links_of(over(SECOND, direction=Direction.DOWN)),
        "by interface": await links_of(over(NetworkPath(name="device", interface="site2"))),
        "by IPv6 source": await links_of(over(NetworkPath(name="six", source=ip_address("fd08:2::1")), TARGET_IPV6)),
    }
    found["path MTU, by direction and source"] = [
        (await over(path, direction=direction)).path_mtu_bytes
        for direction in (Direction.UP, Direction.DOWN)
        for path in (FIRST, SECOND)
    ]
    found["link goes down"] = await link_goes_down(over(SECOND))
    return found


async def links_of(test: Awaitable[Iperf3Result]) -> list[str]:
    """Return the links over which more went, either way, than a control connection takes; a test has to succeed."""
    before = octets()
    result = await test
    assert result.trouble is None, result.trouble
    return [link for link, count in octets().items() if count - before[link] > 1_000_000]


def octets() -> dict[str, int]:
    return {
        link: sum(int(Path(f"/sys/class/net/{link}/statistics/{way}_bytes").read_text()) for way in ("rx", "tx"))
        for link in ("site1", "site2")
    }


async def link_goes_down(test: Awaitable[Iperf3Result]) -> str | None:
    before = octets()["site2"]
    running = asyncio.ensure_future(test)
    while octets()["site2"] - before < 200_000:  # noqa: ASYNC110  # nobody is told what an interface counts
        await asyncio.sleep(0.01)
    await asyncio.to_thread(subprocess.run, ["ip", "link", "set", "dev", "site2", "down"], check=True)
    result = await running
    return None if result.trouble is None else result.trouble.failure.value


if __name__ == "__main__":
    subprocess.run(["sh", "-euc", NETWORK], check=True)
    # The mounts that unshare made hide /sys of this network; a new one shows its links.
    subprocess.run(["mount", "-t", "sysfs", "none", "/sys"], check=True)
    server = ["ip", "netns", "exec", "far", "iperf3", "--server", "--forceflush"]
    with subprocess.Popen(server, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            while "listening" not in process.stdout.readline():
                pass
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                sys.stdout.write(json.dumps(runner.run(main())))
        finally:
            process.kill()
