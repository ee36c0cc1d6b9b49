"""Creates the topology in the namespaces that this process is in: the only module that runs `ip` and `tc`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agent.lab.impair import Behaviour
from agent.lab.topology import HOSTS, LINKS, NAMESPACES, ROUTES, WIRES, End, LinkName

_KERNEL_ESP_TRIAL = (
    f"ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 1 mode tunnel aead rfc4106(gcm(aes)) 0x{1:040d} 128"
)
# Each from a Debian package of its own: strongswan-charon, strongswan-swanctl, libstrongswan-standard-plugins (its
# openssl does AES-GCM) and libcharon-extra-plugins.
_STRONGSWAN = (
    "/usr/lib/ipsec/charon",
    "/usr/sbin/swanctl",
    "/usr/lib/ipsec/plugins/libstrongswan-openssl.so",
    "/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so",
)
_SBIN = ("/usr/sbin", "/sbin")
# A tbf that may not send two milliseconds at once falls short of its rate: timers of 250 Hz wake it too seldom.
_BURST_S = 0.002


class BuildError(Exception):
    """A command that builds the lab failed; the message has the command and its complaint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facilities:
    """What this kernel offers the lab."""

    has_netem: bool
    has_tbf: bool
    esp: Literal["kernel", "user-space", "none"]


def run(arguments: Sequence[str], *, text: str = "") -> None:
    """Run a command with ``text`` as its input; raise :class:`BuildError` when it fails."""
    finish([start(arguments, text=text)])


def start(arguments: Sequence[str], *, text: str = "") -> subprocess.Popen[str]:
    """Start a command for :func:`finish` to wait for."""
    try:
        process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    except FileNotFoundError as error:
        raise BuildError(f"{arguments[0]} is missing: install its package (iproute2, strongswan-swanctl)") from error
    assert process.stdin is not None
    try:
        process.stdin.write(text)
        process.stdin.close()
    except BrokenPipeError:  # it failed before reading: finish() has its complaint
        pass
    process.stdin = None
    return process


def finish(processes: Iterable[subprocess.Popen[str]]) -> None:
    """Wait for all commands; raise :class:`BuildError` for the first that failed."""
    ended = [(process, process.communicate()[0]) for process in processes]
    for process, output in ended:
        if process.returncode:
            assert isinstance(process.args, (list, tuple))
            raise BuildError(f"{' '.join(map(str, process.args))}: {output.strip()}")


def find_system_programs() -> None:
    """Put the system's sbin directories on PATH: an ordinary user of Debian does not have them there."""
    known = os.environ.get("PATH", "").split(":")
    os.environ["PATH"] = ":".join([*known, *(directory for directory in _SBIN if directory not in known)])


def find_facilities() -> Facilities:
    """Find out by trying, in the lab's own namespace, what the kernel can do."""
    return Facilities(
        has_netem=_works("tc qdisc add dev lo root netem delay 1ms"),
        has_tbf=_works("tc qdisc replace dev lo root tbf rate 1gbit burst 256k latency 50ms"),
        esp=_find_esp(),
    )


def _find_esp() -> Literal["kernel", "user-space", "none"]:
    if not all(Path(path).exists() for path in _STRONGSWAN):
        return "none"
    if _works(_KERNEL_ESP_TRIAL):
        return "kernel"
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError:
        return "none"
    return "user-space"


def _works(command: str) -> bool:
    return subprocess.run(command.split(), capture_output=True, check=False).returncode == 0


def build(behaviours: Mapping[LinkName, tuple[Behaviour, Behaviour]], facilities: Facilities) -> None:
    """Create all namespaces, wires, addresses, routes and rates; ``behaviours`` are each link's two directions."""
    run(["ip", "-batch", "-"], text="\n".join(creation()))
    shaping = shapers(behaviours) if facilities.has_tbf else {}
    finish([start(in_namespace(name, *_SET_UP), text=set_up(name, shaping.get(name, ()))) for name in NAMESPACES])


def in_namespace(namespace: str, *arguments: str) -> list[str]:
    """Return the command that runs ``arguments`` in a namespace of the lab."""
    return ["ip", "netns", "exec", namespace, *arguments]


_SET_UP = ("sh", "-es")
# Routers that speak IPv6 announce themselves now and then; links carry what was sent to them, and nothing else.
_NO_IPV6 = "[ ! -d /proc/sys/net/ipv6 ] || echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6"


def creation() -> list[str]:
    """Return the `ip` commands that make namespaces and wires."""
    return [
        *(f"netns add {name}" for name in NAMESPACES),
        *(f"link add {_device(one)} type veth peer {_device(other)}" for one, other in (wire.ends for wire in WIRES)),
    ]


def _device(end: End) -> str:
    address = f" address {end.mac}" if end.mac else ""
    return f"name {end.device}{address} netns {end.namespace}"


def set_up(namespace: str, shaping: Iterable[str] = ()) -> str:
    """Return the shell script that sets up one namespace from inside it."""
    ends = [end for wire in WIRES for end in wire.ends if end.namespace == namespace]
    commands = [
        "link set dev lo up",
        *(f"addr add {end.address} dev {end.device}" for end in ends if end.address),
        *(f"link set dev {end.device} up" for end in ends),
        *_neighbours(namespace),
        *ROUTES.get(namespace, ()),
    ]
    # ICMP errors are not held back: a traced route must not depend on what was traced before. In a user namespace
    # only mapped groups are taken, there the one group is 0.
    return "\n".join(
        [
            *(() if namespace in HOSTS else (_NO_IPV6,)),
            "cd /proc/sys/net/ipv4",
            "for key in ip_forward fib_multipath_hash_policy; do echo 1 >$key; done",
            "for key in conf/all/rp_filter conf/default/rp_filter icmp_ratemask; do echo 0 >$key; done",
            'echo "0 2147483647" 2>/dev/null >ping_group_range || echo "0 0" >ping_group_range',
            "ip -batch - <<END",
            *commands,
            "END",
            *(f"tc {line}" for line in shaping),
            "",
        ]
    )


def _neighbours(namespace: str) -> list[str]:
    """Make the routers at a link know each other for good: a lost ARP packet would look like an outage of the link."""
    ends = [pair for link in LINKS for pair in ((link.site, link.azure), (link.azure, link.site))]
    return [
        f"neigh add {other.ip} lladdr {other.mac} dev {own.device} nud permanent"
        for own, other in ends
        if own.namespace == namespace
    ]


def shapers(behaviours: Mapping[LinkName, tuple[Behaviour, Behaviour]]) -> dict[str, list[str]]:
    """Return for each router namespace the `tc` commands that limit what it sends into its links.

    On the routers and not on the senders: TCP keeps a sender's own queue short, so that a rate limit there
    never shows the queue that builds up in front of a real circuit.
    """
    lines: dict[str, list[str]] = {}
    for link in LINKS:
        for router, behaviour in zip((link.site, link.azure), behaviours[link.name], strict=True):
            if behaviour.bits_per_second is not None:
                burst = max(32_000, int(behaviour.bits_per_second / 8 * _BURST_S))
                lines.setdefault(router.namespace, []).append(
                    f"qdisc add dev {router.device} root tbf rate {behaviour.bits_per_second}bit"
                    f" burst {burst} latency {behaviour.queue_ns // 1000}us"
                )
    return lines


def change_routes(commands: Mapping[str, str]) -> None:
    """Run one `ip` command in each of the named namespaces."""
    finish([start(["ip", "-n", namespace, *command.split()]) for namespace, command in commands.items()])
