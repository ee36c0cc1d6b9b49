"""Has a reflector answer octets, without sockets."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from collectors.ancillary import socket_address
from collectors.stamp.reflector import Reflector
from collectors.stamp.refusal import Refusal
from collectors.stamp.reply import Reply
from collectors.stamp.timestamp import ErrorEstimate, ntp_from_wall
from collectors.stamp.wire import BASE_SIZE, ReflectorPacket, parse_sender_packet

SECOND = 1_000_000_000
WALL = 1_768_478_400 * SECOND
RESIDENCE = 75_000


@dataclass(frozen=True)
class Answered:
    """A reply as it is sent, and what is to be done with it."""

    data: bytes
    reply: Reply


def ask(
    answering: Reflector,
    data: bytes,
    *,
    source: tuple[str, int] = ("127.0.0.1", 50_000),
    destination: str = "127.0.0.1",
    received_ns: int = WALL,
    sent_ns: int | None = None,
    now_ns: int = 0,
    ttl: int = 64,
    tos: int = 0,
) -> Answered | Refusal:
    """Answer a datagram; T3 is the residence time behind T2 unless told."""
    octets = bytearray(b"\xee" * 70_000)  # whatever a datagram before it left
    at = 64
    octets[at : at + len(data)] = data
    peer = socket_address(ip_address(source[0]).packed, source[1])
    asked = ip_address(destination).packed
    arrival = (*divmod(received_ns, SECOND), asked * 2 if len(asked) == 4 else asked, ttl, tos)
    reply = answering.answer(octets, at, len(data), peer, arrival, now_ns)
    if isinstance(reply, Refusal):
        return reply
    sent_ns = received_ns + RESIDENCE if sent_ns is None else sent_ns
    if reply.finish is None:
        octets[at + 4 : at + 12] = ntp_from_wall(sent_ns)
    else:
        reply.finish(octets, at, sent_ns)
    assert octets[:at] == b"\xee" * at, "nothing but the reply is written"
    return Answered(bytes(octets[at : at + reply.size]), reply)


def reply_to(data: bytes, number: int, *, received_ns: int, sent_ns: int, ttl: int = 255) -> bytes:
    """Encode what a reflector without extensions answers."""
    packet = parse_sender_packet(data)
    reply = ReflectorPacket(
        sequence=number,
        timestamp=ntp_from_wall(sent_ns),
        error_estimate=ErrorEstimate.UNKNOWN,
        received_timestamp=ntp_from_wall(received_ns),
        sender_sequence=packet.sequence,
        sender_timestamp=packet.timestamp,
        sender_error_estimate=packet.error_estimate,
        sender_ttl=ttl,
        trailing=data[BASE_SIZE:],
    )
    return bytes(reply)
