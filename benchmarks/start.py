"""Measures how soon eragent is there: its help, and the first packet of a probe."""

from __future__ import annotations

import os
import pty
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from statistics import median

from benchmarks.figure import Figure
from benchmarks.processes import ERAGENT
from collectors import ancillary

RUNS = 11
_HELP_MS, _FIRST_PACKET_MS = 150, 350
_TARGET = "127.99.0.9"  # an address of the loopback that nobody else is likely to ping
_RECEIVE_STAMPS = 1 << 3 | 1 << 4  # RX_SOFTWARE, SOFTWARE


def run() -> Iterator[Figure]:
    """Measure with everything in the page cache: the programs have been started once before."""
    yield Figure(name="eragent --help", value=_median_ms(_help_ns), unit="ms", at_most=_HELP_MS)
    for kind in ("icmp", "stamp"):
        if kind == "icmp" and os.geteuid() != 0:
            yield Figure(name="first packet, icmp: not run: needs root, to see the packets arrive", value=None)
            continue
        for terminal in (False, True):
            value = _median_ms(partial(_first_packet_ns, kind, terminal=terminal))
            where = "at a terminal" if terminal else "without a terminal"
            yield Figure(name=f"first packet, {kind}, {where}", value=value, unit="ms", at_most=_FIRST_PACKET_MS)


def _median_ms(measure: Callable[[], int]) -> float:
    measure()
    return median(measure() for _ in range(RUNS)) / 1e6


def _help_ns() -> int:
    began_ns = time.monotonic_ns()
    subprocess.run([ERAGENT, "--help"], stdout=subprocess.DEVNULL, check=True)
    return time.monotonic_ns() - began_ns


def _first_packet_ns(kind: str, *, terminal: bool) -> int:
    """Return the time from starting ``eragent probe`` to the kernel's receive stamp of its first packet."""
    with closing(_listener(kind)) as listener:
        port = ["--port", str(listener.getsockname()[1])] if kind == "stamp" else []
        command = [ERAGENT, "probe", "--target", _TARGET, "--type", kind, *port, "--count", "1", "--timeout", "50ms"]
        began_ns = time.time_ns()
        ended = _start_at_terminal(command) if terminal else _start(command)
        arrived_ns = _first_stamp_ns(listener)
        ended()
    return arrived_ns - began_ns


def _listener(kind: str) -> socket.socket:
    """Open a socket that sees the packets arrive and, for STAMP, does not answer."""
    if kind == "icmp":
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    else:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((_TARGET, 0))
    sock.settimeout(10)
    sock.setsockopt(ancillary.SOL_SOCKET, ancillary.SO_TIMESTAMPING, _RECEIVE_STAMPS)
    return sock


def _first_stamp_ns(listener: socket.socket) -> int:
    _, items, _, _ = listener.recvmsg(2048, 512)
    return ancillary.parse_arrival(items).stamp_ns or time.time_ns()


def _start(command: Sequence[str]) -> Callable[[], object]:
    """Start a program with pipes; return what waits for its end."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return process.communicate


def _start_at_terminal(command: Sequence[str]) -> Callable[[], object]:
    """Start a program that believes to be at a terminal; what it writes there fits into the terminal's buffer."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)

    def ended() -> None:
        process.wait()
        os.close(ours)

    return ended
