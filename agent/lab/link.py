"""A link in user space, for kernels without netem: a process that carries frames between two devices, delayed.

It is a thin shell: what becomes of a frame is decided in :mod:`agent.lab.impair`. It blocks and never spins, since
the kernel stops a spinning real-time process for 50 ms of every second. Standard input carries one JSON object a line:
first what to do, then commands; standard output the answers. The end of standard input ends the process.
"""

from __future__ import annotations

import ctypes
import gc
import heapq
import json
import os
import select
import socket
import struct
import sys
import time
from dataclasses import asdict
from random import Random
from typing import Any

from agent.lab.impair import Direction, Lateness, behaviour_of

_ETH_P_ALL = 3
_SOL_PACKET, _PACKET_VNET_HDR, _PACKET_IGNORE_OUTGOING = 263, 15, 23
_SO_TIMESTAMPNS, _SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 35, 32, 33
_PR_SET_TIMERSLACK = 29
_VNET_HEADER_OCTETS = 10
_BUFFER_OCTETS = 8 << 20
# Due frames must not wait for a long row of arriving ones.
_FRAMES_PER_TURN = 32


def open_device(name: str) -> socket.socket:
    """Open a packet socket on a device: whole GSO frames, kernel arrival stamps, none of our own frames.

    PACKET_VNET_HDR puts ten octets before each frame, so that large offloaded frames pass undivided and without their
    checksums; otherwise the end hosts' offloads would have to be off.
    """
    device = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # protocol 0: nothing arrives before bind
    device.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
    device.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
    stamp_arrivals(device)
    _enlarge_buffers(device)
    device.bind((name, _ETH_P_ALL))
    device.setblocking(False)
    return device


def stamp_arrivals(sock: socket.socket) -> None:
    """Have the kernel say when each packet arrived: a delay counts from then, not from when it is read."""
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)


def _enlarge_buffers(device: socket.socket) -> None:
    for forced, polite in ((_SO_RCVBUFFORCE, socket.SO_RCVBUF), (_SO_SNDBUFFORCE, socket.SO_SNDBUF)):
        try:
            device.setsockopt(socket.SOL_SOCKET, forced, _BUFFER_OCTETS)
        except PermissionError:  # in a user namespace only what net.core allows
            device.setsockopt(socket.SOL_SOCKET, polite, _BUFFER_OCTETS)


def become_punctual() -> str:
    """Ask for real-time scheduling and exact timers; return the scheduling policy that was granted."""
    gc.disable()
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(40))
    except PermissionError:
        return "normal"
    return "fifo"


class Link:
    """Two devices, a direction each way, and the frames under way."""

    def __init__(self, site: socket.socket, azure: socket.socket, to_azure: Direction, from_azure: Direction) -> None:
        self._lanes = {site: (azure, to_azure), azure: (site, from_azure)}
        self._under_way: list[tuple[int, int, socket.socket, bytes]] = []
        self._arrivals = 0
        self._refused = 0
        self._lateness = Lateness()
        self._directions = {"to_azure": to_azure, "from_azure": from_azure}

    def run(self, control: int, scheduling: str) -> None:
        """Carry frames until ``control`` ends."""
        readers: list[Any] = [*self._lanes, control]
        while True:
            self._depart()
            for reader in select.select(readers, (), (), self._wait_s())[0]:
                if reader is control:
                    lines = os.read(control, 65536)
                    if not lines:
                        return
                    for line in lines.splitlines():
                        self._obey(json.loads(line), scheduling)
                else:
                    self._arrive(reader)

    def _wait_s(self) -> float | None:
        return max(0, self._under_way[0][0] - time.time_ns()) / 1e9 if self._under_way else None

    def _depart(self) -> None:
        while self._under_way and self._under_way[0][0] <= time.time_ns():
            due_ns, _, device, frame = heapq.heappop(self._under_way)
            try:
                device.send(frame)
            except OSError:  # the device is down, or the queue behind it is full: a loss like on any router
                self._refused += 1
            else:
                self._lateness.add(time.time_ns() - due_ns)

    def _arrive(self, device: socket.socket) -> None:
        out, direction = self._lanes[device]
        for _ in range(_FRAMES_PER_TURN):
            try:
                frame, ancillary, _, _ = device.recvmsg(65600, 64)
            except OSError:  # drained, or the device went down
                return
            due_ns = direction.due_ns(arrival_ns(ancillary), len(frame) - _VNET_HEADER_OCTETS)
            if due_ns is not None:
                self._arrivals += 1
                heapq.heappush(self._under_way, (due_ns, self._arrivals, out, frame))

    def _obey(self, command: dict[str, Any], scheduling: str) -> None:
        for direction in self._directions.values():
            direction.is_up = command.get("up", direction.is_up)
        _answer(
            {
                "scheduling": scheduling,
                "late_ns": self._lateness.summary(),
                "refused": self._refused,
                **{name: asdict(direction.fates) for name, direction in self._directions.items()},
            }
        )


def arrival_ns(ancillary: list[tuple[int, int, bytes]]) -> int:
    """Return the kernel's stamp; the first packets after stamping was switched on machine-wide come without one."""
    if not ancillary:
        return time.time_ns()
    seconds, nanoseconds = struct.unpack_from("qq", ancillary[0][2])
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


def _answer(value: object) -> None:
    os.write(1, json.dumps(value).encode() + b"\n")


def main() -> None:
    """Read the link's behaviour from the first line of standard input, and carry frames until the input ends."""
    first = json.loads(_first_line(0))
    seed = first["seed"]
    site, azure = open_device(first["site"]), open_device(first["azure"])
    directions = [
        Direction(behaviour_of(first[name]), Random(None if seed is None else f"{seed} {name}"))
        for name in ("to_azure", "from_azure")
    ]
    scheduling = become_punctual()
    _answer({"ready": True})
    Link(site, azure, *directions).run(0, scheduling)


def _first_line(descriptor: int) -> bytes:
    """Read one line octet by octet: a buffered reader would swallow the commands behind it."""
    line = b""
    while not line.endswith(b"\n"):
        octet = os.read(descriptor, 1)
        if not octet:
            sys.exit("the link was told nothing: its standard input ended before the first line")
        line += octet
    return line


if __name__ == "__main__":
    main()
