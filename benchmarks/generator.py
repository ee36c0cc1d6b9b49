"""Offers a server a load of requests from one core, and counts what comes back.

``python -m benchmarks.generator --help``; prints what it did as one JSON object (:class:`benchmarks.load.Load`).
It keeps its core busy all the time unless told to sleep: who pins it to one leaves the other cores to the server.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from ipaddress import IPv4Address
from pathlib import Path

from benchmarks.load import Load, udp_drops
from benchmarks.mmsg import BATCH, Batch
from benchmarks.packets import AuthenticatedStamp, Irtt, Packets, Stamp, irtt_open, irtt_token
from collectors.sockets import enlarge_receive_buffer

_QUIET_S = 0.2  # nothing came for so long: what was still on its way has come or never will
_RECEIVE_BUFFER = 16 << 20
_FIRST_SOURCE = IPv4Address("127.1.0.1")
_ROOM = 128  # octets for an answer; what is longer is counted all the same


class Generator:
    """Sends requests on one socket, in turn from each of its sessions' addresses; ``replies`` counts what came back."""

    def __init__(self, sock: socket.socket, packets: Packets, batches: Sequence[Batch]) -> None:
        self.sent = self.replies = 0
        self._descriptor = sock.fileno()
        self._packets = packets
        self._batches = batches
        self._octets = batches[0].octets
        self._turn = 0
        self._written: int | None = None
        self._room = Batch(bytearray(BATCH * _ROOM), _ROOM)

    def offer(self, seconds: float, rate: float | None, *, most: int = BATCH, nap_s: float = 0) -> float:
        """Send ``rate`` requests a second, as many as possible without one; return how long that took.

        They go out ``most`` at a time, a whole batch at the most: of several sessions, each has its turn.
        """
        began = now = time.monotonic()
        before = self.sent
        while now < began + seconds:
            due = BATCH if rate is None else int((now - began) * rate) - (self.sent - before)
            is_due = due >= min(most, self._batches[self._turn].count)
            if is_due:
                self._send(most)
            if not self.receive() and not is_due and nap_s:
                time.sleep(nap_s)
            now = time.monotonic()
        return now - began

    def receive(self) -> int:
        """Count what came back, up to a batch at a time."""
        received = self._room.receive(self._descriptor)
        if received and self._room.size_of(0) != self._packets.reply_size:
            raise SystemExit(f"an answer has {self._room.size_of(0)} octets, not {self._packets.reply_size}")
        self.replies += received
        return received

    def finish(self) -> None:
        """Wait for the answers that are on their way."""
        heard = time.monotonic()
        while time.monotonic() < heard + _QUIET_S:
            if self.receive():
                heard = time.monotonic()

    def _send(self, most: int) -> None:
        batch = self._batches[self._turn]
        if self._written != self.sent:
            self._packets.write(self._octets, self.sent, time.time_ns())
            self._written = self.sent
        sent = batch.send(self._descriptor, min(most, batch.count))
        self.sent += sent
        if sent:
            self._turn = (self._turn + 1) % len(self._batches)


def main() -> None:
    """Offer what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generator", description="Offer a load of requests.")
    parser.add_argument("protocol", choices=("stamp", "authenticated", "irtt"))
    parser.add_argument("host", type=IPv4Address)
    parser.add_argument("port", type=int)
    parser.add_argument("--source", type=IPv4Address, help="send from this address")
    parser.add_argument("--sessions", type=int, default=1, help="several: each from its own address, from 127.1.0.1")
    parser.add_argument("--rate", type=float, help="requests a second (default: as many as possible)")
    parser.add_argument("--warm-up", type=float, default=0.3, metavar="S")
    parser.add_argument("--seconds", type=float, default=2, metavar="S")
    parser.add_argument("--burst", type=int, default=BATCH, help="requests at once, at most")
    parser.add_argument("--nap", type=float, default=0, metavar="S", help="sleep so long when there is nothing to do")
    parser.add_argument("--key-file", type=Path, help="the key of authenticated packets")
    arguments = parser.parse_args()
    print(json.dumps(asdict(_load(arguments))))


def _load(arguments: argparse.Namespace) -> Load:
    far = (str(arguments.host), arguments.port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        enlarge_receive_buffer(sock, _RECEIVE_BUFFER)
        sock.bind((str(arguments.source or ""), 0))
        if arguments.sessions == 1:
            sock.connect(far)
        packets = _packets(arguments, sock)
        generator = Generator(sock, packets, _batches(arguments, packets.blank()))
        generator.offer(arguments.warm_up, arguments.rate, most=arguments.burst, nap_s=arguments.nap)
        sent, replies = generator.sent, generator.replies
        seconds = generator.offer(arguments.seconds, arguments.rate, most=arguments.burst, nap_s=arguments.nap)
        offered, answered = (generator.sent - sent) / seconds, (generator.replies - replies) / seconds
        generator.finish()
        drops = udp_drops(Path("/proc/self/net/udp").read_text(encoding="ascii"), sock.getsockname()[1])
    return Load(
        offered_per_second=offered,
        replies_per_second=answered,
        sent=generator.sent,
        replies=generator.replies,
        overlooked=drops,
    )


def _batches(arguments: argparse.Namespace, octets: bytearray) -> list[Batch]:
    """Return batches of the same datagrams, from as many addresses as there are sessions."""
    size = len(octets) // BATCH
    if arguments.sessions == 1:
        return [Batch(octets, size)]
    sources = [_FIRST_SOURCE + number for number in range(arguments.sessions)]
    batches = []
    for first in range(0, len(sources), BATCH):
        some = sources[first : first + BATCH]
        batches.append(Batch(octets, size, count=len(some), addressed=True, sources=some))
        batches[-1].address_to(arguments.host, arguments.port)
    return batches


def _packets(arguments: argparse.Namespace, sock: socket.socket) -> Packets:
    match arguments.protocol:
        case "stamp":
            return Stamp(time.time_ns())
        case "authenticated":
            return AuthenticatedStamp(arguments.key_file.read_bytes().strip(b"\r\n"))
    return Irtt(_irtt_connection(sock))


def _irtt_connection(sock: socket.socket) -> int:
    """Open a connection; the server says that it starts a moment before it does."""
    sock.settimeout(0.5)
    for _ in range(6):
        with contextlib.suppress(TimeoutError, ConnectionRefusedError):
            sock.send(irtt_open())
            token = irtt_token(sock.recv(2048))
            if token is not None:
                return token
        time.sleep(0.1)
    sys.exit("the irtt server opened no connection")


if __name__ == "__main__":
    main()
