"""When replies really left: transmit stamps of the kernel, asked for one by one, for Follow-Up Telemetry."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

from collectors import ancillary
from collectors.ancillary import TransmitStamp, control_message, parse_error_queue
from collectors.sockets import kernel_takes_stamp_ids
from collectors.stamp.table import Session

_TX_SOFTWARE = 1 << 1
_RX_SOFTWARE = 1 << 3
_SOFTWARE = 1 << 4
_OPT_TSONLY = 1 << 11
_STAMPS = _RX_SOFTWARE | _SOFTWARE | ancillary.OPT_ID | _OPT_TSONLY  # of what is sent only what asks for it is stamped

_UINT = struct.Struct("@I")
_ASK = control_message(ancillary.SOL_SOCKET, ancillary.SO_TIMESTAMPING, _UINT.pack(_TX_SOFTWARE))
_ANCILLARY_SPACE = 256
_REMEMBERED = 4096


class Departures:
    """Asks for the stamps of a socket's replies and tells whose they are.

    ``own_ids``: whether the kernel lets us name stamps, which it is asked unless told; otherwise it counts those asked
    for, from 0.
    """

    def __init__(self, sock: socket.socket, *, own_ids: bool | None = None) -> None:
        self._socket = sock
        self._own_ids = kernel_takes_stamp_ids() if own_ids is None else own_ids
        self._next_id = 0
        self._in_doubt = False
        self._waiting: dict[int, tuple[Session, int]] = {}
        self._set(_STAMPS)

    def ask(self, session: Session, number: int) -> bytes:
        """Return the control messages that have the kernel stamp a session's reply of this number."""
        identifier = self._next_id
        self._next_id = identifier + 1 & 0xFFFFFFFF
        self._waiting[identifier] = (session, number)
        if len(self._waiting) > _REMEMBERED:  # stamps that never came
            del self._waiting[next(iter(self._waiting))]
        if not self._own_ids:
            return _ASK
        return _ASK + control_message(ancillary.SOL_SOCKET, ancillary.SCM_TS_OPT_ID, _UINT.pack(identifier))

    @property
    def waiting(self) -> bool:
        """Whether :meth:`drain` has something to do: stamps are yet to come, or are not to be believed."""
        return bool(self._waiting) or self._in_doubt

    def drain(self) -> Iterator[tuple[Session, int, int]]:
        """Yield session, number and time (wall, ns) of the replies whose stamps have come."""
        if self._in_doubt:
            self._begin_anew()
        for stamp in self._stamps():
            if stamp.id in self._waiting:
                session, number = self._waiting.pop(stamp.id)
                yield session, number, stamp.stamp_ns

    def doubt(self) -> None:
        """Take notice that the kernel refused a reply, which it may have counted or not, where it counts."""
        self._in_doubt = not self._own_ids

    def _begin_anew(self) -> None:
        """Forget all that was asked for, and have the kernel count from 0."""
        for _ in self._stamps():
            pass
        self._set(_STAMPS & ~ancillary.OPT_ID)
        self._set(_STAMPS)
        self._waiting.clear()
        self._next_id = 0
        self._in_doubt = False

    def _stamps(self) -> Iterator[TransmitStamp]:
        while True:
            try:
                _, items, _, _ = self._socket.recvmsg(0, _ANCILLARY_SPACE, socket.MSG_ERRQUEUE)
            except BlockingIOError:
                return
            entry = parse_error_queue(items)
            if isinstance(entry, TransmitStamp):
                yield entry

    def _set(self, flags: int) -> None:
        self._socket.setsockopt(ancillary.SOL_SOCKET, ancillary.SO_TIMESTAMPING, flags)
