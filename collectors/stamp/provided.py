"""The sessions that TWAMP-Control arranges with a reflector (RFC 5357, section 3.5). No I/O, no clock."""

from __future__ import annotations

from collectors.ancillary import socket_address
from collectors.stamp.table import Provision, SessionKey, SessionTable

MAX_PROVIDED = 64


class ProvidedSessions:
    """Opens, starts and stops sessions in a reflector's table; ``port`` is where the reflector answers all of them.

    What is asked of it is in :class:`collectors.stamp.control.sessions.ReflectorSessions`.
    """

    def __init__(self, table: SessionTable, *, port: int, max_sessions: int = MAX_PROVIDED) -> None:
        self._table = table
        self._port = port
        self._max_sessions = max_sessions
        self._opened: dict[SessionKey, Provision] = {}

    def open(self, *, sender: tuple[bytes, int], receiver: bytes, dscp: int, now_ns: int) -> int | None:
        """Make room for a session whose answers carry ``dscp``; return our port, ``None`` where there is no room."""
        key = _key(sender, receiver)
        if key not in self._opened and len(self._opened) >= self._max_sessions:
            return None
        if not self._table.make_room(now_ns):
            return None
        self._opened[key] = Provision(dscp)
        return self._port

    def start(self, *, sender: tuple[bytes, int], receiver: bytes, now_ns: int) -> None:
        """Answer an opened session from now on, numbered from 0; without room in the table it stays unanswered."""
        key = _key(sender, receiver)
        session = self._table.begin(key, now_ns)
        if session is not None:
            session.provision = self._opened[key]
            session.needs_care = True

    def stop(self, *, sender: tuple[bytes, int], receiver: bytes, until_ns: int) -> None:
        """Answer it until then, and never again."""
        provision = self._opened.pop(_key(sender, receiver), None)
        if provision is not None:
            provision.ends_ns = until_ns


def _key(sender: tuple[bytes, int], receiver: bytes) -> SessionKey:
    """Name a session as the kernel will; of IPv4 it tells our address twice."""
    return socket_address(*sender), receiver * 2 if len(receiver) == 4 else receiver
