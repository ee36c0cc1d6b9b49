"""Finds out whether a reflector numbers its own answers, in a session apart from the one that measures.

A stateful reflector that has lost nothing on the way there gives the same numbers as one that copies ours (RFC 8762,
section 4.3), so a loss on the way back cannot be told from one of unknown direction. Here every second number is left
out: an answer whose number differs from ours was numbered by the reflector.
"""

from __future__ import annotations

from collections.abc import Callable

from collectors.path import Address
from collectors.sockets import Datagram, StampedSocket
from collectors.stamp.wire import StampError, parse_reflector_packet

_AGAIN_NS = 250_000_000
_TRIES = 12  # three seconds, in which also a path that loses half of its packets lets one through


class NumberingCheck:
    """Asks until an answer tells, for at most three seconds; ``stateful`` is ``None`` until then.

    ``request`` builds a test packet with a number. The socket belongs to the check.
    """

    def __init__(self, sock: StampedSocket, to: Address, request: Callable[[int], bytes]) -> None:
        self.stateful: bool | None = None
        self._socket: StampedSocket | None = sock
        self._to = to
        self._request = request
        self._next = 0
        self._again_ns = 0
        self._ask()  # number 0, whose answer tells nothing

    def look(self, *, wall_ns: int, monotonic_ns: int) -> bool | None:
        """Read what has come, ask again where nothing has, and return what is known."""
        if self._socket is not None:
            for item in self._socket.drain():
                if isinstance(item, Datagram) and self.stateful is None:
                    self.stateful = _numbered_by_reflector(item.data)
            if self.stateful is not None or self._next >= 2 * _TRIES:
                self.close()
            elif monotonic_ns >= self._again_ns:
                self._again_ns = monotonic_ns + _AGAIN_NS
                self._ask()
        return self.stateful

    def close(self) -> None:
        """Stop asking."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _ask(self) -> None:
        assert self._socket is not None
        try:
            self._socket.send(self._request(self._next), self._to, self._next)
        except OSError:  # the session that measures meets the same refusal, and reports it
            return
        self._next += 2


def _numbered_by_reflector(data: bytes) -> bool | None:
    try:
        packet = parse_reflector_packet(data)
    except StampError:
        return None
    return packet.sequence != packet.sender_sequence if packet.sender_sequence else None
