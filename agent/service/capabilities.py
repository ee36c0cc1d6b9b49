"""Which of Linux's capabilities a plan needs (capabilities(7)), and giving up the others. Grants nothing."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import socket
import struct
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import NoReturn

from agent.iperf3_server.admission import admits_everybody
from agent.plan import Plan, ProbeOptions
from collectors.icmp.sender import IcmpOptions
from collectors.path import NetworkPath

LEAST_KERNEL = (4, 18)
"""UDP_SEGMENT came with it, with which the reflector sends several replies as one."""

_VERSION_3 = 0x20080522  # capset(2): two words of 32 capabilities each
_MOST = 64
_PR_CAPBSET_DROP = 24
_PR_CAP_AMBIENT, _IS_SET, _LOWER = 47, 1, 3
_SET = struct.Struct("@6I")  # effective, permitted, inheritable of the low 32, and of the high
_USABLE = (0, 1, 3, 4)  # of those: effective and permitted
_FIRST_PORT = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
_GAVE_UP = "ERAGENT_GAVE_UP"
"""In the environment of a program that begins itself anew: the numbers of what it held the first time."""

_GRANT = "add it to AmbientCapabilities= and CapabilityBoundingSet= of the unit, or start the agent as root"
_LIBC = ctypes.CDLL(None, use_errno=True)


class Capability(IntEnum):
    """Those that a plan may need, by their numbers."""

    NET_BIND_SERVICE = 10
    NET_ADMIN = 12
    NET_RAW = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What this host lets everybody do: its kernel, ICMP by ping sockets, ports from ``first_port`` on."""

    kernel: tuple[int, int]
    ping: bool
    first_port: int = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What for, and which capabilities serve, the one that is less first; ``optional``: the plan can do without."""

    what: str
    any_of: tuple[Capability, ...]
    optional: bool = False


def needs(plan: Plan, host: Host) -> Iterator[Need]:
    """Yield everything in a plan that this host does not let everybody do."""
    used = {path.name: path for probe in plan.probes for path in probe.paths}
    used |= {path.name: path for test in plan.throughput for path in test.paths}
    for path in {**plan.paths, **used}.values():
        yield from _path_needs(path, host, optional=path.name not in used)
    for probe in plan.probes:
        yield from _ping_needs(f"probe {probe.name}", probe.options, host, optional=False)
    for module in plan.on_request.modules.values():
        yield from _ping_needs(f"module {module.name}", module.options, host, optional=True)
    for what, port in _ports(plan):
        if 0 < port < host.first_port:
            yield Need(what=f"port {port} of {what}", any_of=(Capability.NET_BIND_SERVICE,))
    if plan.iperf3_server is not None and not admits_everybody(plan.iperf3_server.allow):
        what = "keeping strangers from iperf3's server on newer kernels"
        yield Need(what=what, any_of=(Capability.NET_ADMIN,), optional=True)


def unsupported(kernel: tuple[int, int]) -> list[str]:
    """Return a line where the kernel is too old."""
    if kernel >= LEAST_KERNEL:
        return []
    return ["Linux {}.{} does not serve: take a kernel from {}.{} on".format(*kernel, *LEAST_KERNEL)]


def lacking(plan: Plan, host: Host, held: Collection[int]) -> list[str]:
    """Return a line, with the remedy, for each need of a plan that none of the held capabilities serves."""
    return [
        f"{need.what} needs {' or '.join(_name(one) for one in need.any_of)}: {_GRANT}"
        for need in needs(plan, host)
        if not need.optional and not any(one in held for one in need.any_of)
    ]


def to_keep(plan: Plan, host: Host, held: Collection[int]) -> Mapping[Capability, str]:
    """Return which of the held capabilities serve a need, and which."""
    kept: dict[Capability, str] = {}
    for need in needs(plan, host):
        serving = next((one for one in need.any_of if one in held), None)
        if serving is not None:
            kept.setdefault(serving, need.what)
    return kept


def told(kept: Mapping[Capability, str], given_up: Collection[int]) -> str:
    """Say what was kept and what was given up: by name what a plan may need, of root's the number."""
    keeps = ", ".join(f"{_name(one)} for {what}" for one, what in kept.items()) or "no capability"
    if not given_up:
        return f"keeps {keeps}"
    known = [_name(one) for one in Capability if one in given_up]
    others = f"{len(given_up)} others" if len(known) < len(given_up) else ", ".join(known)
    return f"keeps {keeps}; gave up {others}"


def this_host() -> Host:
    """Ask the kernel what it lets everybody do."""
    first_port = 1024
    with contextlib.suppress(OSError, ValueError):
        first_port = int(_FIRST_PORT.read_text())
    return Host(kernel=kernel_version(os.uname().release), ping=_may_ping(), first_port=first_port)


def kernel_version(release: str) -> tuple[int, int]:
    """Read the version of a kernel as uname(2) tells it; (0, 0) where that is no version."""
    found = re.match(r"(\d+)\.(\d+)", release)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def held() -> frozenset[int]:
    """Return the numbers of the capabilities that this thread may use."""
    effective_low, _, _, effective_high, _, _ = _get()
    bits = effective_low | effective_high << 32
    return frozenset(number for number in range(_MOST) if bits >> number & 1)


def keep_only(kept: Iterable[int], environment: MutableMapping[str, str] = os.environ) -> frozenset[int]:
    """Give up all other capabilities for good: of this thread, those it starts, and its children. Return which.

    Call it before there are other threads. Ambient capabilities go with the permitted ones by themselves; out of the
    bounding set, from which children of root would get them back, they can be taken only where CAP_SETPCAP is held.
    Where a service's filter forbids capset(2), the program is begun anew without the ambient ones: an ordinary user's
    program has no others. What it gave up before is in its environment then.
    """
    wanted = frozenset(kept)
    given_up = held() - wanted | frozenset(map(int, environment.pop(_GAVE_UP, "").split()))
    mask = sum(1 << number for number in wanted)
    for number in range(_MOST):
        if not mask >> number & 1:
            _LIBC.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    before = _get()
    words = tuple(word & (low if place < 3 else high) for place, word in enumerate(before))
    data = ctypes.create_string_buffer(_SET.pack(*words), _SET.size)
    if _LIBC.capset(_header(), data) != 0:
        number = ctypes.get_errno()
        if number == errno.EPERM and _lower_ambient(mask):
            _begin_anew({**environment, _GAVE_UP: " ".join(map(str, given_up))})
        if number != errno.EPERM or any(words[at] != before[at] for at in _USABLE):
            raise OSError(number, os.strerror(number))
        # Begun anew: what is left is inheritable, which without ambient ones gives nothing to anybody.
    return given_up


def _begin_anew(environment: Mapping[str, str]) -> NoReturn:
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606  # as it was begun


def _lower_ambient(mask: int) -> bool:
    """Take all capabilities but those of the mask out of the ambient set; return whether there were any to take."""
    asked = [number for number in range(_MOST) if not mask >> number & 1]
    there = [number for number in asked if _LIBC.prctl(_PR_CAP_AMBIENT, _IS_SET, number, 0, 0) == 1]
    for number in there:
        _LIBC.prctl(_PR_CAP_AMBIENT, _LOWER, number, 0, 0)
    return bool(there)


def _path_needs(path: NetworkPath, host: Host, *, optional: bool) -> Iterator[Need]:
    if path.fwmark is not None:
        alone = (Capability.NET_ADMIN,)
        any_of = (Capability.NET_RAW, *alone) if host.kernel >= (5, 17) else alone
        yield Need(what=f"the fwmark of path {path.name}", any_of=any_of, optional=optional)
    if path.interface is not None and host.kernel < (5, 7):
        yield Need(what=f"the interface of path {path.name}", any_of=(Capability.NET_RAW,), optional=optional)


def _ping_needs(what: str, options: ProbeOptions, host: Host, *, optional: bool) -> Iterator[Need]:
    if isinstance(options, IcmpOptions) and not host.ping:
        what = f"ICMP of {what} (the group is not within net.ipv4.ping_group_range)"
        yield Need(what=what, any_of=(Capability.NET_RAW,), optional=optional)


def _ports(plan: Plan) -> Iterator[tuple[str, int]]:
    if plan.reflector is not None:
        yield "the reflector", plan.reflector.listen.port
        if plan.reflector.twamp is not None:
            yield "TWAMP-Control", plan.reflector.twamp.port
    if plan.iperf3_server is not None:
        yield "iperf3's server", plan.iperf3_server.listen.port


def _name(capability: Capability) -> str:
    return f"CAP_{capability.name}"


def _may_ping() -> bool:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP).close()
    except OSError:
        return False
    return True


def _get() -> tuple[int, ...]:
    data = ctypes.create_string_buffer(_SET.size)
    if _LIBC.capget(_header(), data) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return _SET.unpack(data.raw)


def _header() -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(struct.pack("@Ii", _VERSION_3, 0), 8)
