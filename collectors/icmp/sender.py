"""Asks with ICMP echo requests."""

from __future__ import annotations

import secrets
import socket
from dataclasses import dataclass
from typing import ClassVar

from collectors.ancillary import Datagram
from collectors.icmp.wire import TOKEN_SIZE, EchoError, RequestForm, parse_echo_reply, parse_quoted_request
from collectors.path import Address, NetworkPath, PacketMarks
from collectors.peer import Rejection
from collectors.roundtrip import Answer, DepartureOf, Quote
from collectors.sockets import StampedSocket, family_of, open_echo


@dataclass(frozen=True, slots=True, kw_only=True)
class IcmpOptions:
    """What an ICMP probe sends: ``size`` is the number of data octets after the 8-octet header, as ``ping -s`` says."""

    kind: ClassVar[str] = "icmp"
    size: int = 56
    marks: PacketMarks = PacketMarks()


class IcmpSender:
    """Builds echo requests of one session and finds its replies by a token that nobody else has.

    ``identifier`` is that of requests from a raw socket, drawn by lot where it is left out. Another prober, of this
    host or behind the same address translator, may have the same, and those write others: no reply is known by it.
    """

    port = 0
    facts = None

    def __init__(self, options: IcmpOptions, *, identifier: int | None = None) -> None:
        self._options = options
        self._token = secrets.token_bytes(TOKEN_SIZE)
        self._identifier = secrets.randbits(16) if identifier is None else identifier
        self._version = 4
        self._is_raw = False
        self._form = self._form_of_requests()

    def open(self, path: NetworkPath, to: Address) -> StampedSocket:
        """Open a ping socket, or a raw one where those are not allowed."""
        sock = open_echo(path, family_of(to), self._options.marks)
        self._version = 4 if family_of(to) == socket.AF_INET else 6
        self._is_raw = sock.is_raw
        self._form = self._form_of_requests()
        return sock

    def close(self) -> None:
        """There is nothing beside the socket."""

    def request(self, sequence: int, wall_ns: int, monotonic_ns: int) -> bytes:  # noqa: ARG002  # no time is in it
        """Build the echo request with this number."""
        return self._form.packet(sequence)

    def answer(
        self,
        datagram: Datagram,
        *,
        wall_ns: int,
        monotonic_ns: int,
        departure_of: DepartureOf,  # noqa: ARG002  # a reply repeats no time
    ) -> Answer | Rejection | None:
        """Understand an echo reply; ``None`` for the replies to others, which a raw socket sees too."""
        data, _, stamp_ns, ttl, _ = datagram
        try:
            sequence = parse_echo_reply(
                data,
                version=self._version,
                token=self._token,
                with_ip_header=self._is_raw and self._version == 4,
            )
        except EchoError:
            return None
        return Answer(sequence, stamp_ns, wall_ns, monotonic_ns, ttl)

    def quote(self, quoted: bytes, departure_of: DepartureOf) -> Quote | None:  # noqa: ARG002  # a request has no time
        """Recognise a request of this session in an ICMP error; a raw socket sees the errors for all others too."""
        try:
            return parse_quoted_request(
                quoted,
                version=self._version,
                token=self._token,
                identifier=self._identifier if self._is_raw else None,
            )
        except EchoError:
            return None

    def _form_of_requests(self) -> RequestForm:
        return RequestForm(
            version=self._version, identifier=self._identifier, token=self._token, size=self._options.size
        )
