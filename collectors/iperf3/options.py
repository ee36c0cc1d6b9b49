"""What a test of throughput may be told. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

DEFAULT_PORT = 5201
MAX_STREAMS = 128
"""iperf3 itself takes no more."""


class Protocol(StrEnum):
    """What carries the data; the control connection is TCP in any case."""

    TCP = "tcp"
    UDP = "udp"


class Direction(StrEnum):
    """Which way data goes, seen from this host."""

    UP = "up"
    """From here to the server."""
    DOWN = "down"
    """From the server to here."""
    BOTH = "both"
    """Both at the same time, each with all its streams."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authentication:
    """Who this client is to a server that asks for it (iperf3's RSA authentication).

    ``password_file`` holds the password alone; it is read when a test begins, and reaches iperf3 in its environment.
    ``public_key_file`` is the server's public key (PEM). ``pkcs1_padding``: as servers before 3.17 need it of clients
    since then.
    """

    user: str
    password_file: Path
    public_key_file: Path
    pkcs1_padding: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Iperf3Options:
    """What one test does; what is ``None`` is left to iperf3 and the kernel.

    ``streams``: in each direction. ``duration_s`` is what is measured, after ``omit_s`` of warming up that are not.
    ``bits_per_second``: what is sent at most in each direction, all streams together; UDP needs it.
    ``window_bytes``: size of the socket buffers at both ends, which caps the TCP window. ``mss_bytes``: largest TCP
    segment. ``payload_bytes``: of a UDP datagram, or of a write to a TCP socket. ``client_port``: of the first stream,
    the others have the ports after it. ``interval_s``: of the figures within the test, 0.1 to 60.
    ``grace_s``: how much longer than it should a test may take before it is ended.
    """

    kind: ClassVar[str] = "iperf3"
    port: int = DEFAULT_PORT
    protocol: Protocol = Protocol.TCP
    direction: Direction = Direction.UP
    streams: int = 1
    duration_s: int = 10
    omit_s: int = 0
    interval_s: float = 1.0
    bits_per_second: int | None = None
    dscp: int = 0
    congestion_control: str | None = None
    window_bytes: int | None = None
    mss_bytes: int | None = None
    payload_bytes: int | None = None
    client_port: int | None = None
    connect_timeout_s: float = 5.0
    grace_s: float = 10.0
    authentication: Authentication | None = None

    @property
    def deadline_s(self) -> float:
        """How long a test may take altogether."""
        return self.connect_timeout_s + self.omit_s + self.duration_s + self.grace_s
