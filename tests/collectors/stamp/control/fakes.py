"""A reflector that keeps a diary, and what a client of TWAMP-Control says."""

from collectors.stamp.control import wire
from collectors.stamp.control.connection import ControlConnection
from collectors.stamp.control.sessions import ReflectorSessions, SessionCounts, Sessions

SECOND = 1_000_000_000
WALL = 1_768_478_400 * SECOND
PEER = bytes([10, 0, 0, 2])
HERE = bytes([10, 0, 0, 1])
UDP_PORT = 18_786


class FakeReflector:
    """Notes what it is told; has ``room`` for so many sessions."""

    def __init__(self, room: int = 1_000) -> None:
        self.room = room
        self.opened: dict[tuple[tuple[bytes, int], bytes], int] = {}
        self.started: list[int] = []
        self.stopped: dict[int, int] = {}

    def open(self, *, sender: tuple[bytes, int], receiver: bytes, dscp: int, now_ns: int, scope: int = 0) -> int | None:
        if len(self.opened) >= self.room:
            return None
        self.opened[sender, receiver] = dscp
        return UDP_PORT

    def start(self, *, sender: tuple[bytes, int], receiver: bytes, now_ns: int, scope: int = 0) -> None:
        assert (sender, receiver) in self.opened
        self.started.append(sender[1])

    def stop(self, *, sender: tuple[bytes, int], receiver: bytes, until_ns: int, scope: int = 0) -> None:
        del self.opened[sender, receiver]
        self.stopped[sender[1]] = until_ns


def connection_of(
    reflector: ReflectorSessions, counts: SessionCounts | None = None, *, peer: bytes = PEER, local: bytes = HERE
) -> ControlConnection:
    """Return a connection opened at 0 that has not been set up."""
    return ControlConnection(
        local=local,
        sessions=Sessions(peer=peer, local=local, reflector=reflector, counts=counts or SessionCounts()),
        random_octets=lambda size: b"\xa5" * size,
        opened_ns=0,
        opened_wall_ns=WALL,
        server_started_wall_ns=WALL - SECOND,
    )


def requested(
    *,
    sender_port: int = 9_575,
    sender_address: bytes = bytes(4),
    receiver_address: bytes = bytes(4),
    ip_version: int = 4,
    conf_sender: int = 0,
    conf_receiver: int = 0,
    padding_length: int = 27,
    timeout_s: int = 2,
    type_p: int = 0,
) -> wire.SessionRequest:
    """Return what `twping` asks for by default, or something else."""
    return wire.SessionRequest(
        ip_version=ip_version,
        conf_sender=conf_sender,
        conf_receiver=conf_receiver,
        sender_port=sender_port,
        receiver_port=sender_port,
        sender_address=sender_address,
        receiver_address=receiver_address,
        padding_length=padding_length,
        timeout=timeout_s.to_bytes(4, "big") + bytes(4),
        type_p=type_p,
    )


SET_UP = bytes(wire.SetUpResponse(mode=wire.UNAUTHENTICATED))
START = bytes(wire.StartSessions())


def request(*, sender_port: int = 9_575, timeout_s: int = 2) -> bytes:
    """Return the octets of a request as it should be."""
    return bytes(requested(sender_port=sender_port, timeout_s=timeout_s))


def stop(sessions: int = 1) -> bytes:
    """Return the octets that end so many sessions."""
    return bytes(wire.StopSessions(sessions=sessions))
