"""Takes in many datagrams with one system call and sends their replies with another: recvmmsg(2) and sendmmsg(2).

Python's socket module has neither, and its recvmsg and sendmsg alone cost more than a reflector has for a packet. Each
slot of a batch holds one datagram at its own place in one buffer, and its reply takes the same place.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

from collectors.ancillary import control_message
from collectors.messages import CONTROL_SIZE, IOVEC, MESSAGE, NAME_SIZE, Inbox, pinned

SLOTS = 64
SLOT_SIZE = 65_536
"""Room for the largest datagram."""
_IPV4_NAME_SIZE, _IPV6_NAME_SIZE = 16, 28
_REPLY_CONTROL_SIZE = 160  # source, DSCP, the wish for a stamp and its id, UDP_SEGMENT: 136 octets over IPv6
_MSG_DONTWAIT = 0x40
_SOL_UDP, _UDP_SEGMENT = 17, 103
_UINT16 = struct.Struct("@H")

_SIZE = struct.Struct("@N")
_IOVEC_SIZE_AT, _CONTROL_SIZE_AT = 8, 40
_NAMES = {4: struct.Struct("16s16x"), 6: struct.Struct("28s4x")}

_sendmmsg = ctypes.CDLL(None, use_errno=True).sendmmsg
_sendmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)


class Batch:
    """The memory of up to 64 datagrams and their replies, for sockets of one IP version.

    ``octets`` holds the datagram of slot n from n * :data:`SLOT_SIZE` on.
    """

    def __init__(self, ip_version: int) -> None:
        self._inbox = Inbox(slots=SLOTS, slot_size=SLOT_SIZE)
        self.octets = self._inbox.octets
        self._name = _NAMES[ip_version]
        self._reply_controls = bytearray(SLOTS * _REPLY_CONTROL_SIZE)
        self._set_controls: list[bytes] = [b""] * SLOTS
        self._set_sizes = [0] * SLOTS
        self._reply_iovecs = bytearray(SLOTS * IOVEC.size)
        self._replies = bytearray(SLOTS * MESSAGE.size)
        self._bundle = bytearray(MESSAGE.size)
        self._bundle_control = bytearray(_REPLY_CONTROL_SIZE)
        self._pinned: list[object] = []
        self._link({4: _IPV4_NAME_SIZE, 6: _IPV6_NAME_SIZE}[ip_version])
        self._bundle_at, self._bundle_control_at = self._address(self._bundle), self._address(self._bundle_control)
        self._replies_at = self._address(self._replies)

    def _link(self, name_size: int) -> None:
        """Have the headers of replies point at the slots' memory; only sizes vary from then on."""
        address = self._address
        octets, names = self._inbox.octets_at, self._inbox.names_at
        iovecs, controls = address(self._reply_iovecs), address(self._reply_controls)
        for slot in range(SLOTS):
            IOVEC.pack_into(self._reply_iovecs, slot * IOVEC.size, octets + slot * SLOT_SIZE, 0)
            name, control = names + slot * NAME_SIZE, controls + slot * _REPLY_CONTROL_SIZE
            header = name, name_size, iovecs + slot * IOVEC.size, 1, control, 0, 0, 0
            MESSAGE.pack_into(self._replies, slot * MESSAGE.size, *header)

    def _address(self, memory: bytearray) -> int:
        """Return where a buffer lies, which then can neither grow nor go as long as this batch is there."""
        self._pinned.append(pin := pinned(memory))
        return ctypes.addressof(pin)

    def receive(self, descriptor: int) -> int:
        """Take in what waits in a non-blocking socket, and return how many datagrams that were, 0 for none.

        Raise :class:`OSError` for anything else, a pending ICMP error too.
        """
        return self._inbox.receive(descriptor)

    def datagrams(
        self, received: int, layout: struct.Struct
    ) -> Iterator[tuple[int, tuple[int, int], tuple[bytes], tuple[Any, ...]]]:
        """Yield slot, (size of the control area, size of the datagram), (source,), and the control area by ``layout``.

        The source is a socket address as the kernel has it; ``layout`` spans :data:`CONTROL_SIZE` octets.
        """
        return zip(
            count(),
            self._inbox.sizes(received),
            self._name.iter_unpack(memoryview(self._inbox.names)[: received * NAME_SIZE]),
            layout.iter_unpack(memoryview(self._inbox.controls)[: received * CONTROL_SIZE]),
            strict=False,
        )

    def control(self, slot: int, size: int) -> bytes:
        """Return what the kernel told beside the datagram of a slot."""
        return self._inbox.control(slot, size)

    def set_reply(self, slot: int, size: int, control: bytes) -> None:
        """Have the reply of a slot be of ``size`` octets, and be sent with these control messages, up to 160 octets."""
        if self._set_sizes[slot] != size:
            _SIZE.pack_into(self._reply_iovecs, slot * IOVEC.size + _IOVEC_SIZE_AT, size)
            self._set_sizes[slot] = size
        if self._set_controls[slot] is not control:
            assert len(control) <= _REPLY_CONTROL_SIZE, "the next slot's control messages would be overwritten"
            at = slot * _REPLY_CONTROL_SIZE
            self._reply_controls[at : at + len(control)] = control
            _SIZE.pack_into(self._replies, slot * MESSAGE.size + _CONTROL_SIZE_AT, len(control))
            self._set_controls[slot] = control

    def send(self, descriptor: int, first: int, number: int) -> int:
        """Send the replies of ``number`` slots from ``first`` on; return how many the kernel took before it refused.

        Raise :class:`OSError` where it refused the first.
        """
        return _sent(descriptor, self._replies_at + first * MESSAGE.size, number)

    def send_bundle(self, descriptor: int, first: int, number: int) -> None:
        """Send the replies of adjacent slots, which are equally long and have the same way, as segments of one message.

        The kernel takes them through its layers at once and parts them at the end (UDP_SEGMENT, Linux 4.18), which
        spares two microseconds for each. Raise :class:`OSError` where that cannot be, as on a way through IPsec.
        """
        control = self._set_controls[first] + control_message(
            _SOL_UDP, _UDP_SEGMENT, _UINT16.pack(self._set_sizes[first])
        )
        self._bundle_control[: len(control)] = control
        header = MESSAGE.unpack_from(self._replies, first * MESSAGE.size)
        name, name_size, iovecs, *_ = header
        bundle = (name, name_size, iovecs, number, self._bundle_control_at, len(control), 0, 0)
        MESSAGE.pack_into(self._bundle, 0, *bundle)
        _sent(descriptor, self._bundle_at, 1)


def knows_bundles(sock: socket.socket) -> bool:
    """Whether the kernel knows UDP_SEGMENT; one that does not would send a bundle as a single long datagram."""
    try:
        sock.getsockopt(_SOL_UDP, _UDP_SEGMENT)
    except OSError:
        return False
    return True


def _sent(descriptor: int, messages_at: int, number: int) -> int:
    sent = int(_sendmmsg(descriptor, messages_at, number, _MSG_DONTWAIT))
    if sent >= 0:
        return sent
    error = ctypes.get_errno()
    raise OSError(error, os.strerror(error))


def runs(slots: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield where each run of adjacent slots begins, and how many slots it has."""
    first = 0
    for index in range(1, len(slots) + 1):
        if index == len(slots) or slots[index] != slots[index - 1] + 1:
            yield slots[first], index - first
            first = index
