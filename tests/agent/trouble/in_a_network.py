"""What a running agent and a one-off probe count while the host and the network are in trouble. Prints it as JSON.

Runs as root within ``unshare --mount --net``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

from tests.agent.trouble.network import ATTACH, ERAGENT, FAR_ADDRESSES, NETWORK, Agent, growth, reflecting, running, sh

CONFIGURATION = """
agent: {name: here}
listen: 127.0.0.1:9469
paths:
  interface: {interface: site0}
  source4: {source: 10.9.0.1}
  source6: {source: "fd09::1"}
  healthy: {interface: other0}
targets:
  far4: {address: 10.9.1.1}
  far6: {address: "fd09:1::1"}
  router4: {address: 10.9.10.254}
probes:
  - {name: icmp4, icmp: {}, interval: 50ms, timeout: 200ms, targets: [far4], paths: [interface, source4]}
  - {name: icmp6, icmp: {}, interval: 50ms, timeout: 200ms, targets: [far6], paths: [interface, source6]}
  - {name: stamp4, stamp: {}, interval: 50ms, timeout: 200ms, targets: [far4], paths: [interface, source4]}
  - {name: stamp6, stamp: {}, interval: 50ms, timeout: 200ms, targets: [far6], paths: [interface, source6]}
  - {name: other, icmp: {}, interval: 50ms, timeout: 200ms, targets: [router4], paths: [healthy]}
"""
STREAMS = [
    f"{kind}{version}/{path}"
    for kind in ("icmp", "stamp")
    for version in (4, 6)
    for path in ("interface", f"source{version}")
]
BY_INTERFACE = [stream for stream in STREAMS if stream.endswith("interface")]
BY_SOURCE = [stream for stream in STREAMS if stream not in BY_INTERFACE]
NEW_INTERFACE = """
ip link add site0 type veth peer name router0 netns router
ip -n router addr add 10.9.0.254/24 dev router0
ip -n router addr add fd09::254/64 dev router0 nodad
ip -n router link set router0 up
"""
MOVE = """
ip addr del 10.9.0.1/24 dev site0
ip addr del fd09::1/64 dev site0
ip addr add 10.9.0.1/32 dev other0
ip addr add fd09::1/128 dev other0 nodad
ip -n router route add 10.9.0.1/32 via 10.9.10.1
ip -n router route add fd09::1/128 via fd09:10::1
"""


def all_answered(agent: Agent, streams: list[str]) -> None:
    for stream in streams:
        agent.until(stream, "received", more=1)


def trouble(agent: Agent, script: str, streams: list[str], counter: str, repair: str) -> dict[str, Any]:
    """Make trouble until each stream has counted it, repair, and wait until each is answered again."""
    before = agent.counts()
    sh(script)
    for stream in streams:
        agent.until(stream, counter)
    sh(repair)
    all_answered(agent, streams)
    return growth(before, agent.counts())


def moved(agent: Agent) -> dict[str, Any]:
    sh(MOVE)
    all_answered(agent, BY_SOURCE)
    before = agent.counts()
    all_answered(agent, BY_SOURCE)
    return growth(before, agent.counts())


def probe(*arguments: str) -> dict[str, Any]:
    """Probe once, and return what the stream counted, with what the error output says."""
    command = [*ERAGENT, "probe", "--count", "3", "--interval", "20ms", "--timeout", "300ms", *arguments]
    told = subprocess.run([*command, "--json", "--samples"], capture_output=True, text=True, check=False)
    [stream] = json.loads(told.stdout)["streams"]
    return {**stream, "trouble": told.stderr}


def turned_down() -> dict[str, Any]:
    """Send where somebody on the way, the far end or this host says no."""
    four, six = FAR_ADDRESSES
    found = {
        "unreachable, ICMP": probe("--target", "10.9.2.1"),
        "prohibited, ICMPv6": probe("--target", "fd09:2::1"),
        "loop, ICMP": probe("--target", "10.9.5.1"),
        "loop, ICMPv6": probe("--target", "fd09:5::1"),
        "loop, STAMP": probe("--target", "10.9.5.1", "--type", "stamp"),
        "no reflector, STAMP": probe("--target", four, "--type", "stamp", "--port", "1862"),
        "no reflector, STAMP over IPv6": probe("--target", six, "--type", "stamp", "--port", "1862"),
        "another family": probe("--target", six, "--source", "10.9.10.1"),
    }
    sh("sysctl -qw net.ipv4.ping_group_range='0 0'; ip -n router route add 10.9.6.0/24 via 10.9.0.1")
    found["redirected, then silence"] = probe("--target", "10.9.6.1")  # by the kernel's socket for ICMP, no raw one
    sh("sysctl -qw net.ipv4.ping_group_range='1 0'; ip -n router link set router1 mtu 1400")
    too_long = ("--size", "1400", "--dont-fragment", "--target")
    found["too long, ICMP"] = probe(*too_long, four)
    found["too long, ICMPv6"] = probe(*too_long, six)
    sh("ip -n router link set router1 mtu 1500; tc qdisc add dev site0 root tbf rate 64bit burst 1600 limit 1600")
    found["queue full"] = probe("--target", "10.9.0.254", "--size", "1400")
    sh("tc qdisc del dev site0 root; ip route add prohibit 10.9.7.0/24")
    found["prohibited here"] = probe("--target", "10.9.7.1")
    found["longer than the interface's MTU"] = probe("--target", "10.9.0.254", "--size", "2000", "--dont-fragment")
    return found


def main() -> dict[str, Any]:
    sh(NETWORK + ATTACH)
    time.sleep(1.5)  # routers solicit from link-local addresses, which IPv6 looks for duplicates of first
    found = turned_down()
    with reflecting(), running(CONFIGURATION) as agent:
        all_answered(agent, STREAMS)
        started = agent.counts()
        found["interface gone"] = trouble(
            agent, "ip link del site0", BY_INTERFACE, "not_sent:interface_unavailable", NEW_INTERFACE + ATTACH
        )
        found["interface down"] = trouble(
            agent, "ip link set site0 down", BY_INTERFACE, "not_sent:network_unreachable", ATTACH
        )
        found["address gone"] = trouble(
            agent,
            "ip addr del 10.9.0.1/24 dev site0; ip addr del fd09::1/64 dev site0",
            BY_SOURCE,
            "not_sent:source_unavailable",
            ATTACH,
        )
        found["address moved"] = moved(agent)
        found["all the time"] = growth(started, agent.counts())
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main()))
