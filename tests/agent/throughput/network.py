"""A site, a middle and a far end with iperf3's server, in namespaces of their own; the middle shapes, or delays."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass

from agent.lab.impair import Behaviour

SITE, SECOND_SITE, FAR = "10.71.1.2", "10.71.1.3", "10.71.2.2"
_COUNT = itertools.count()
_UNREAD_BYTES = 1 << 20  # of 600 tests; the usual 64 KiB are full after 40, and a server that cannot print is silent


@dataclass(frozen=True)
class Network:
    prefix: str

    def inside(self, where: str, *command: str) -> list[str]:
        return ["ip", "netns", "exec", f"{self.prefix}{where}", *command]

    @contextmanager
    def server(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Run iperf3's server; what it prints may stay unread."""
        command = self.inside("far", "iperf3", "--server", "--forceflush", *arguments)
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, pipesize=_UNREAD_BYTES
        ) as server:
            try:
                assert server.stdout is not None
                while "listening" not in server.stdout.readline():
                    pass
                yield server
            finally:
                server.kill()


def _run(*commands: str) -> None:
    for command in commands:
        subprocess.run(command.split(), check=True, capture_output=True)


@contextmanager
def _namespaces() -> Iterator[Network]:
    network = Network(prefix=f"er{os.getpid()}-{next(_COUNT)}-")
    made = [f"{network.prefix}{where}" for where in ("site", "mid", "far")]
    try:
        for each in made:
            _run(f"ip netns add {each}", f"ip -n {each} link set lo up")
        for end, device in (("site", "site"), ("far", "azure")):
            there, middle = f"{network.prefix}{end}", f"{network.prefix}mid"
            _run(
                f"ip -n {middle} link add {device} type veth peer name eth0 netns {there}",
                f"ip -n {middle} link set {device} up",
                f"ip -n {there} link set eth0 up",
            )
        yield network
    finally:
        for each in made:
            subprocess.run(["ip", "netns", "delete", each], check=False, capture_output=True)


@contextmanager
def routed(*, shaped: str | None = None) -> Iterator[Network]:
    """Have a router in the middle, which shapes what goes up to this rate, as tc(8) writes it."""
    with _namespaces() as network:
        site, middle, far = (f"{network.prefix}{where}" for where in ("site", "mid", "far"))
        _run(
            f"ip -n {site} address add {SITE}/24 dev eth0",
            f"ip -n {site} address add {SECOND_SITE}/24 dev eth0",
            f"ip -n {site} route add default via 10.71.1.1 dev eth0",
            f"ip -n {middle} address add 10.71.1.1/24 dev site",
            f"ip -n {middle} address add 10.71.2.1/24 dev azure",
            f"ip -n {far} address add {FAR}/24 dev eth0",
            f"ip -n {far} route add default via 10.71.2.1 dev eth0",
        )
        _run(f"ip netns exec {middle} sysctl -qw net.ipv4.ip_forward=1")
        if shaped is not None:
            _run(f"tc -n {middle} qdisc add dev azure root tbf rate {shaped} burst 128k latency 30ms")
        yield network


@contextmanager
def delayed(one_way_ns: int, *, loss: float = 0.0) -> Iterator[Network]:
    """Have the lab's link in the middle, which delays each frame by this much, and loses a share of those going up."""
    with _namespaces() as network, ExitStack() as stack:
        site, far = (f"{network.prefix}{where}" for where in ("site", "far"))
        _run(
            f"ip -n {site} address add 10.71.1.2/16 dev eth0",
            f"ip -n {far} address add {FAR}/16 dev eth0",
        )
        link = stack.enter_context(
            subprocess.Popen(
                network.inside("mid", sys.executable, "-m", "agent.lab.link"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                bufsize=1,
            )
        )
        assert link.stdin is not None
        assert link.stdout is not None
        way = asdict(Behaviour(delay_ns=one_way_ns))
        what = {"site": "site", "azure": "azure", "seed": 1, "to_azure": {**way, "loss": loss}, "from_azure": way}
        link.stdin.write(json.dumps(what) + "\n")
        assert link.stdout.readline()
        yield network
        link.stdin.close()
