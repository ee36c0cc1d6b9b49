"""The sessions that TWAMP-Control arranges with a reflector (RFC 5357, section 3.5). No I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass

from collectors.ancillary import socket_address
from collectors.stamp.table import Session, SessionKey, SessionTable

MAX_PROVIDED = 64


@dataclass(slots=True)
class Provided:
    """A session that was started: the DSCP of its answers, and once it was stopped, when they end (monotonic)."""

    session: Session
    dscp: int
    ends_ns: int | None = None


class ProvidedSessions:
    """Opens, starts and stops sessions; ``port`` is where the reflector answers all of them.

    They take no place of the reflector's other sessions, which are for whoever comes: up to ``max_sessions`` can be
    open, each until it is stopped, and of as many that were stopped it is known that they are over. What is asked of
    this class is in :class:`collectors.stamp.control.sessions.ReflectorSessions`.
    """

    def __init__(self, table: SessionTable, *, port: int, max_sessions: int = MAX_PROVIDED) -> None:
        self._table = table
        self._port = port
        self._max_sessions = max_sessions
        self._opened: dict[SessionKey, int] = {}  # the DSCP
        self._started: dict[SessionKey, Provided] = {}

    def __len__(self) -> int:
        """How many were started and are remembered."""
        return len(self._started)

    def find(self, key: SessionKey) -> Provided | None:
        """Return a session that was started."""
        return self._started.get(key)

    def open(
        self,
        *,
        sender: tuple[bytes, int],
        receiver: bytes,
        dscp: int,
        now_ns: int,  # noqa: ARG002  # the protocol has it, and room is no question of time here
        scope: int = 0,
    ) -> int | None:
        """Make room for a session whose answers carry ``dscp``; return our port.

        ``None`` where there is no room, where its sender may not be answered, or has another connection open it.
        """
        key = _key(sender, receiver, scope)
        if key in self._opened or len(self._opened) >= self._max_sessions or self._table.refusal(*key) is not None:
            return None
        self._opened[key] = dscp
        return self._port

    def start(self, *, sender: tuple[bytes, int], receiver: bytes, now_ns: int, scope: int = 0) -> None:
        """Answer an opened session from now on, numbered from 0."""
        key = _key(sender, receiver, scope)
        self._table.forget(key)
        self._started[key] = Provided(self._table.new_session(key, now_ns), self._opened[key])

    def stop(self, *, sender: tuple[bytes, int], receiver: bytes, until_ns: int, scope: int = 0) -> None:
        """Answer it until then, and never again; one that was not started is forgotten."""
        key = _key(sender, receiver, scope)
        del self._opened[key]
        provided = self._started.get(key)
        if provided is not None and provided.ends_ns is None:
            provided.ends_ns = until_ns
            self._started[key] = self._started.pop(key)  # behind those that were stopped before
            if len(self._started) > 2 * self._max_sessions:
                del self._started[next(key for key, found in self._started.items() if found.ends_ns is not None)]


def _key(sender: tuple[bytes, int], receiver: bytes, scope: int) -> SessionKey:
    """Name a session as the kernel will; of IPv4 it tells our address twice."""
    return socket_address(*sender, scope), receiver * 2 if len(receiver) == 4 else receiver
