"""Reads what waits in the two queues of a socket, datagrams and errors, many of them with one system call."""

from __future__ import annotations

import functools
import socket
import struct
import sys

from collectors.ancillary import (
    ORIGIN_TIMESTAMPING,
    Arrival,
    Datagram,
    IcmpError,
    TransmitStamp,
    arrival_layout,
    control_items,
    host_and_port,
    parse_arrival,
    parse_error_queue,
    stamp_layout,
)
from collectors.messages import CONTROL_SIZE, NAME_SIZE, Inbox
from collectors.path import Address

READ_AT_MOST = 64
"""How many datagrams, or errors, are read in one go."""

_SLOT_SIZE = 65_600  # the largest datagram fits in; at a power of two all of them would begin in the same cache lines
_QUOTED = 64  # octets of what an ICMP error quotes: those that tell packets apart come first
_NAME_SIZES = {socket.AF_INET: 16, socket.AF_INET6: 28}
_FLOW_AND_SCOPE = struct.Struct("!4xI16x4s")
_NO_LAYOUT = struct.Struct("x")  # as large as no control area
_NS = 1_000_000_000


class Intake:
    """Reads one socket, by way of an inbox that others use in between.

    What the kernel tells beside a datagram is read item by item only until it was seen how it lies; a control area of
    another size is read item by item again.
    """

    def __init__(self, sock: socket.socket, inbox: Inbox | None = None) -> None:
        self._socket = sock
        self._name_size = _NAME_SIZES[sock.family]
        self._inbox = inbox or _shared_inbox()
        self._arrivals = self._stamps = _NO_LAYOUT
        self._name = b""  # as the kernel has it, of the source known last
        self._source: Address = ("", 0)

    def datagrams(self) -> list[Datagram]:
        """Return datagrams that wait, as many as are read in one go; raise :class:`OSError` for a pending error."""
        inbox, found = self._inbox, []
        octets, slot_size, controls = inbox.octets, inbox.slot_size, inbox.controls
        received = inbox.receive(self._socket.fileno())
        for slot, (control_size, size) in enumerate(inbox.sizes(received)):
            layout = self._arrivals
            if control_size == layout.size:
                seconds, nanoseconds, ttl, tos = layout.unpack_from(controls, slot * CONTROL_SIZE)
                stamp_ns = seconds * _NS + nanoseconds or None
            else:
                stamp_ns, ttl, tos = self._arrival(inbox.control(slot, control_size))
            at, name_at = slot * slot_size, slot * NAME_SIZE
            source = self._source_of(inbox.names[name_at : name_at + self._name_size])
            found.append(Datagram(octets[at : at + size], source, stamp_ns, ttl, tos))
        return found

    def errors(self) -> tuple[list[TransmitStamp], list[IcmpError]]:
        """Return what waits in the error queue, as many entries as are read in one go: stamps, and the errors."""
        inbox, controls = self._inbox, self._inbox.controls
        stamps: list[TransmitStamp] = []
        errors: list[IcmpError] = []
        received = inbox.receive(self._socket.fileno(), socket.MSG_ERRQUEUE)
        for slot, (control_size, size) in enumerate(inbox.sizes(received)):
            layout = self._stamps
            if control_size == layout.size:
                seconds, nanoseconds, origin, number = layout.unpack_from(controls, slot * CONTROL_SIZE)
                if origin == ORIGIN_TIMESTAMPING and seconds:
                    stamps.append(TransmitStamp(number, seconds * _NS + nanoseconds))
                    continue
            at = slot * inbox.slot_size
            entry = self._entry(inbox.control(slot, control_size), inbox.octets[at : at + min(size, _QUOTED)])
            if isinstance(entry, TransmitStamp):
                stamps.append(entry)
            elif entry is not None:
                errors.append(entry)
        return stamps, errors

    def _arrival(self, control: bytes) -> Arrival:
        """Read a control area in any layout, and learn this one if it is complete."""
        self._arrivals = arrival_layout(control) or self._arrivals
        return parse_arrival(control_items(control))

    def _entry(self, control: bytes, quoted: bytes) -> TransmitStamp | IcmpError | None:
        """Read an entry of the error queue in any layout, and learn this one if it is a stamp's."""
        entry = parse_error_queue(control_items(control), quoted)
        if isinstance(entry, TransmitStamp):
            self._stamps = stamp_layout(control) or self._stamps
        return entry

    def _source_of(self, name: bytearray) -> Address:
        if name != self._name:  # mostly all come from one
            self._name, self._source = bytes(name), _address(name)
        return self._source


def _address(name: bytearray) -> Address:
    """Return a sockaddr as Python has it."""
    host, port = host_and_port(name)
    if len(host) == 4:
        return socket.inet_ntop(socket.AF_INET, host), port
    flow, scope = _FLOW_AND_SCOPE.unpack_from(name)
    return socket.inet_ntop(socket.AF_INET6, host), port, flow, int.from_bytes(scope, sys.byteorder)


@functools.cache
def _shared_inbox() -> Inbox:
    """Return the memory of all sockets of this process, which the thread of its loop reads one after the other."""
    return Inbox(slots=READ_AT_MOST, slot_size=_SLOT_SIZE)
