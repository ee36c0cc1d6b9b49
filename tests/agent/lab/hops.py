"""Run inside the lab: prints as JSON who answers UDP packets of each TTL, or what becomes of one large packet."""

import json
import select
import socket
import struct
import sys

IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_RECVERR = 10, 2, 11
TIME_EXCEEDED = 11


def error_after(sock: socket.socket, payload: bytes) -> tuple[int, int, int, str] | None:
    """Send one packet; return type, code, information and sender of the ICMP error that it caused."""
    try:
        sock.send(payload)
        poll = select.poll()
        poll.register(sock, 0)
        if not poll.poll(300):
            return None
        _, ancillary, _, _ = sock.recvmsg(2048, 512, socket.MSG_ERRQUEUE)
    except OSError as error:  # a router's earlier answer is the kernel's refusal now
        return 0, 0, error.errno or 0, ""
    data = next(data for _, kind, data in ancillary if kind == IP_RECVERR)
    _, _, icmp_type, code, _, information, _ = struct.unpack_from("=IBBBBII", data)
    return icmp_type, code, information, socket.inet_ntoa(data[20:24])


def open_socket(source: str, target: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_IP, IP_RECVERR, 1)
    sock.setsockopt(socket.SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
    sock.bind((source, 0))
    sock.connect((target, 33434))
    return sock


def hops(source: str, target: str) -> list[str | None]:
    found: list[str | None] = []
    with open_socket(source, target) as sock:
        for ttl in range(1, 8):
            sock.setsockopt(socket.SOL_IP, socket.IP_TTL, ttl)
            error = error_after(sock, b"hop")
            found.append(error and error[3])
            if error and error[0] != TIME_EXCEEDED:
                break
    return found


def large(source: str, target: str, octets: int) -> tuple[int, int, int, str] | None:
    with open_socket(source, target) as sock:
        return error_after(sock, bytes(octets - 28))


if __name__ == "__main__":
    source, target, *size = sys.argv[1:]
    sys.stdout.write(json.dumps(large(source, target, int(size[0])) if size else hops(source, target)))
