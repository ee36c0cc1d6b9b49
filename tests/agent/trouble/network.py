"""A site with two interfaces, a router, and a far end that reflects, in namespaces of their own, for a running agent.

The caller runs within ``unshare --mount --net``, and is the site.
"""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

NETWORK = """
mount -t tmpfs none /run
mkdir -p /run/netns
for name in router far; do
    ip netns add $name
    ip -n $name link set lo up
    ip netns exec $name sh -c 'cd /proc/sys/net
        echo 1 >ipv4/ip_forward; echo 1 >ipv6/conf/all/forwarding
        echo 0 >ipv4/icmp_ratelimit; echo 0 >ipv6/icmp/ratelimit'
done
ip link set lo up
ip link add site0 type veth peer name router0 netns router
ip link add other0 type veth peer name other1 netns router
ip -n router link add router1 type veth peer name far0 netns far
for at in "router router0 0.254 ::254" "router other1 10.254 :10::254" "router router1 1.254 :1::254" \
    "far far0 1.1 :1::1"; do
    set -- $at
    ip -n $1 addr add 10.9.$3/24 dev $2
    ip -n $1 addr add fd09$4/64 dev $2 nodad
    ip -n $1 link set $2 up
done
ip -n far route add default via 10.9.1.254
ip -n far route add default via fd09:1::254
ip -n router route add unreachable 10.9.2.0/24
ip -n router route add prohibit fd09:2::/64
ip -n router route add 10.9.5.0/24 via 10.9.1.1
ip -n router route add fd09:5::/64 via fd09:1::1
ip addr add 10.9.10.1/24 dev other0
ip addr add fd09:10::1/64 dev other0 nodad
ip link set other0 up
"""
"""Without what the site has at ``site0``: :data:`ATTACH` adds that."""

ATTACH = """
ip addr replace 10.9.0.1/24 dev site0
ip addr replace fd09::1/64 dev site0 nodad
ip link set site0 up
ip route replace default via 10.9.0.254 dev site0 metric 100
ip route replace default via fd09::254 dev site0 metric 100
ip route replace default via 10.9.10.254 dev other0 metric 200
ip route replace default via fd09:10::254 dev other0 metric 200
"""

FAR_ADDRESSES = "10.9.1.1", "fd09:1::1"
ERAGENT = (sys.executable, "-m", "agent")
HTTP = "127.0.0.1:9469"


def sh(script: str) -> None:
    subprocess.run(["sh", "-euc", script], check=True)


def far(*command: str) -> tuple[str, ...]:
    return ("ip", "netns", "exec", "far", *command)


@contextmanager
def reflecting() -> Iterator[None]:
    """Have the far end answer STAMP over both families."""
    with subprocess.Popen(
        far(*ERAGENT, "reflect", "--listen", "[::]:862", "--allow", "10.9.0.0/16", "--allow", "fd09::/16"),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        process.stderr.readline()
        try:
            yield
        finally:
            process.terminate()


Counts = dict[tuple[str, str], float]
"""Of each stream (probe and path, as ``probe/path``) and of each counter (with its reason, as ``counter:reason``)."""


class Agent:
    """A running agent; tells what it has counted."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def counts(self) -> Counts:
        with urllib.request.urlopen(f"http://{HTTP}/metrics", timeout=5) as response:
            text = response.read().decode()
        found: Counts = defaultdict(float)
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                name = sample.name.removeprefix("eragent_").removesuffix("_total")
                if sample.value and name.startswith(("packets_", "icmp_errors")) and "path" in sample.labels:
                    label = f":{sample.labels['reason']}" if "reason" in sample.labels else ""
                    stream = f"{sample.labels['probe']}/{sample.labels['path']}"
                    found[stream, name.removeprefix("packets_") + label] += sample.value
        return dict(found)

    def until(self, stream: str, counter: str, more: int = 2, *, within_s: float = 5) -> float:
        """Wait until this counter has grown, and return how long that took."""
        started, before = time.monotonic(), self.counts().get((stream, counter), 0)
        while (elapsed_s := time.monotonic() - started) < within_s:
            if self.counts().get((stream, counter), 0) >= before + more:
                return elapsed_s
            time.sleep(0.02)
        raise AssertionError(f"{counter} of {stream} did not grow: {self.counts()}")


@contextmanager
def running(configuration: str) -> Iterator[Agent]:
    file = Path("/run/eragent.yaml")
    file.write_text(configuration, encoding="utf-8")
    command = [*ERAGENT, "run", "--config", str(file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            line = process.stderr.readline()
            assert "metrics on" in line, line
            yield Agent(process)
        finally:
            process.terminate()


def growth(before: Counts, after: Counts) -> dict[str, dict[str, float]]:
    """Return by stream what has been counted meanwhile."""
    grown: dict[str, dict[str, float]] = {}
    for (stream, counter), value in after.items():
        if value != before.get((stream, counter), 0):
            grown.setdefault(stream, {})[counter] = value - before.get((stream, counter), 0)
    return grown
