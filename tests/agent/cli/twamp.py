"""A TWAMP client of few words: what twping 5.2.3 says over loopback, octet for octet, but for what a test asks for."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Self

from collectors.ancillary import IP_RECVTOS, IP_TOS

HERE = "127.0.0.1"

SET_UP = bytes.fromhex("00000001") + bytes(160)
START = b"\x02" + bytes(31)
STOP = bytes.fromhex("0300000000000001") + bytes(24)
TEST_PACKET = bytes.fromhex("00000000eeae336e9a30446b0001")

GREETING_SIZE, SERVER_START_SIZE, ACCEPT_SIZE, START_ACK_SIZE = 64, 48, 48, 32


def requested(host: str, port: int, *, dscp: int, timeout_s: int) -> bytes:
    """Ask for a session of 14-octet packets from a port of ours to a host."""
    octets = bytes.fromhex("050400000000000000000000") + 2 * port.to_bytes(2, "big")
    octets += b"".join(ip_address(address).packed + bytes(12) for address in (HERE, host))
    octets += bytes(16) + bytes(4) + bytes.fromhex("eeae3371bf0bd016")
    octets += timeout_s.to_bytes(4, "big") + bytes(4) + (dscp << 24).to_bytes(4, "big") + bytes(24)
    assert len(octets) == 112
    return octets


class TwampClient:
    """A control connection, and a UDP socket for the test packets of its session."""

    def __init__(self, control_port: int, host: str = HERE) -> None:
        self.host = host
        self.control = socket.create_connection((host, control_port), timeout=10)
        self.test = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.test.bind((HERE, 0))
        self.test.settimeout(10)
        self.test.setsockopt(socket.IPPROTO_IP, IP_RECVTOS, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.control.close()
        self.test.close()

    def told(self, size: int) -> bytes:
        """Return the next octets that the server says, fewer if it closes the connection."""
        octets = b""
        while len(octets) < size and (more := self.control.recv(size - len(octets))):
            octets += more
        return octets

    def set_up(self) -> None:
        """Choose the unauthenticated mode, the only one that is offered."""
        assert self.told(GREETING_SIZE)[12:16] == b"\0\0\0\x01"
        self.control.sendall(SET_UP)
        assert self.told(SERVER_START_SIZE)[15] == 0

    def request(self, *, dscp: int = 0, timeout_s: int = 2) -> tuple[int, int]:
        """Ask for a session; return Accept, and the UDP port to send to."""
        port = self.test.getsockname()[1]
        self.control.sendall(requested(self.host, port, dscp=dscp, timeout_s=timeout_s))
        answer = self.told(ACCEPT_SIZE)
        return answer[0], int.from_bytes(answer[2:4], "big")

    def start(self) -> None:
        """Have the session begin."""
        self.control.sendall(START)
        assert self.told(START_ACK_SIZE) == bytes(START_ACK_SIZE)

    def stop(self) -> None:
        """Have it end, once its timeout is over."""
        self.control.sendall(STOP)

    def send(self, port: int) -> None:
        """Send a test packet."""
        self.test.sendto(TEST_PACKET, (self.host, port))

    def ask(self, port: int) -> tuple[bytes, int]:
        """Send a test packet; return the answer to it, and the octet of its DSCP and ECN."""
        self.send(port)
        data, [(level, kind, tos)], _, _ = self.test.recvmsg(2048, 64)
        assert (level, kind) == (socket.IPPROTO_IP, IP_TOS)
        return data, tos[0]
