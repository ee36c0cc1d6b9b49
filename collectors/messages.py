"""Takes in many datagrams with one system call, recvmmsg(2), which Python's socket module does not have.

Each slot of an :class:`Inbox` has its own place in one buffer, and what the kernel tells beside a datagram, and who
sent it, likewise. Nothing is made for a datagram but what its reader makes of it.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import struct
from collections.abc import Iterator

NAME_SIZE = 32
"""Room for a socket address; a sockaddr_in6 has 28 octets."""
CONTROL_SIZE = 192
"""Room for what the kernel tells beside a datagram or an error: 176 octets at most of what is asked for."""

# struct mmsghdr of 64-bit Linux: name, its size; iovec, how many; control, its size; flags; size of the datagram.
MESSAGE = struct.Struct("@PI4xPNPNi4xI4x")
IOVEC = struct.Struct("@PN")
_SIZES = struct.Struct("@40xN8xI4x")
_MSG_DONTWAIT = 0x40

_recvmmsg = ctypes.CDLL(None, use_errno=True).recvmmsg
_recvmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)


class Inbox:
    """The memory of so many datagrams of up to ``slot_size`` octets.

    ``octets`` holds the datagram of slot n from n * ``slot_size`` on, ``names`` its sender from n * :data:`NAME_SIZE`,
    ``controls`` what was told beside it from n * :data:`CONTROL_SIZE`. ``octets_at`` and ``names_at`` are where these
    lie.
    """

    def __init__(self, *, slots: int, slot_size: int) -> None:
        self.slots, self.slot_size = slots, slot_size
        self.octets = mmap.mmap(-1, slots * slot_size)  # unlike a bytearray, no memory before it is written to
        self.names = bytearray(slots * NAME_SIZE)
        self.controls = bytearray(slots * CONTROL_SIZE)
        self._iovecs = bytearray(slots * IOVEC.size)
        self._messages = bytearray(slots * MESSAGE.size)
        memory = self.octets, self.names, self.controls, self._iovecs, self._messages
        self._pins = [pinned(each) for each in memory]
        self.octets_at, self.names_at, self._controls_at, self._iovecs_at, self._messages_at = map(
            ctypes.addressof, self._pins
        )
        self._link()
        self._fresh_messages = memoryview(bytes(self._messages))
        self._received = 0

    def _link(self) -> None:
        """Have the headers point at the slots' memory."""
        for slot in range(self.slots):
            octets, iovec = self.octets_at + slot * self.slot_size, self._iovecs_at + slot * IOVEC.size
            IOVEC.pack_into(self._iovecs, slot * IOVEC.size, octets, self.slot_size)
            name, control = self.names_at + slot * NAME_SIZE, self._controls_at + slot * CONTROL_SIZE
            header = name, NAME_SIZE, iovec, 1, control, CONTROL_SIZE, 0, 0
            MESSAGE.pack_into(self._messages, slot * MESSAGE.size, *header)

    def receive(self, descriptor: int, flags: int = 0) -> int:
        """Take in what waits in a socket, and return how many datagrams that were, 0 for none; never wait.

        Raise :class:`OSError` for anything else, a pending ICMP error too.
        """
        written = self._received * MESSAGE.size  # by the kernel, sizes among it
        self._messages[:written] = self._fresh_messages[:written]
        received = int(_recvmmsg(descriptor, self._messages_at, self.slots, flags | _MSG_DONTWAIT, None))
        self._received = max(received, 0)
        if received >= 0:
            return received
        number = ctypes.get_errno()
        if number == errno.EAGAIN:
            return 0
        raise OSError(number, os.strerror(number))

    def sizes(self, received: int) -> Iterator[tuple[int, int]]:
        """Yield the sizes of the control area and of the datagram in each of the first slots."""
        return _SIZES.iter_unpack(memoryview(self._messages)[: received * _SIZES.size])

    def control(self, slot: int, size: int) -> bytes:
        """Return what the kernel told beside the datagram of a slot."""
        at = slot * CONTROL_SIZE
        return bytes(self.controls[at : at + size])


def pinned(memory: bytearray | mmap.mmap) -> ctypes.Array[ctypes.c_char]:
    """Return an object with the address of a buffer, which can neither grow nor go as long as that is there."""
    return (ctypes.c_char * len(memory)).from_buffer(memory)
