"""Sends and receives datagrams by the batch: sendmmsg(2) and recvmmsg(2), which the standard library lacks.

What is in the datagrams is no matter here. Addresses are IPv4; that is all the benchmarks use.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Sequence
from ipaddress import IPv4Address

BATCH = 64
"""Datagrams a system call: with more, the time of the call itself does not count any more."""

_IP_PKTINFO = 8
_ADDRESS = struct.Struct("=HH4s8x")  # sockaddr_in
_LIBC = ctypes.CDLL(None, use_errno=True)


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


class _Msghdr(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint32),
        ("iovec", ctypes.c_void_p),
        ("iovec_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Mmsghdr(ctypes.Structure):
    _fields_ = (("header", _Msghdr), ("size", ctypes.c_uint))


class Batch:
    """Room for up to 64 datagrams of ``size`` octets each, one behind the other in ``octets``.

    An ``addressed`` batch goes where :meth:`address_to` says, or back to where what is in it came from; any other goes
    where its socket is connected to. With ``sources`` each datagram is sent from the address of its place, which takes
    a socket bound to all addresses. Batches that are made of one ``octets`` send the same datagrams.
    """

    def __init__(
        self,
        octets: bytearray,
        size: int,
        *,
        count: int = BATCH,
        addressed: bool = False,
        sources: Sequence[IPv4Address] = (),
    ) -> None:
        self.octets = octets
        self.count = count
        self._headers = (_Mmsghdr * count)()
        self._iovecs = (_Iovec * count)()
        self._names = ctypes.create_string_buffer(count * _ADDRESS.size)
        self._controls = [ctypes.create_string_buffer(_from(source)) for source in sources]
        # ctypes keeps the bytearray from being moved as long as this lives.
        self._pinned = (ctypes.c_char * len(octets)).from_buffer(octets)
        start, names = ctypes.addressof(self._pinned), ctypes.addressof(self._names)
        for number, (entry, iovec) in enumerate(zip(self._headers, self._iovecs, strict=True)):
            iovec.base, iovec.size = start + number * size, size
            entry.header.iovec, entry.header.iovec_count = ctypes.addressof(iovec), 1
            if addressed:  # the kernel leaves the size at that of an IPv4 address
                entry.header.name, entry.header.name_size = names + number * _ADDRESS.size, _ADDRESS.size
        for entry, control in zip(self._headers, self._controls, strict=False):
            entry.header.control, entry.header.control_size = ctypes.addressof(control), len(control) - 1

    def address_to(self, host: IPv4Address, port: int) -> None:
        """Send all datagrams there."""
        self._names.raw = _ADDRESS.pack(socket.AF_INET, socket.htons(port), host.packed) * self.count

    def send(self, descriptor: int, count: int) -> int:
        """Send the first ``count`` datagrams; return how many the kernel took, 0 where it has no room now."""
        return _number(_LIBC.sendmmsg(descriptor, self._headers, count, socket.MSG_DONTWAIT))

    def receive(self, descriptor: int) -> int:
        """Receive what is there, up to a batch; return how many datagrams."""
        return _number(_LIBC.recvmmsg(descriptor, self._headers, self.count, socket.MSG_DONTWAIT, None))

    def size_of(self, number: int) -> int:
        """Return the octets of a datagram received."""
        return int(self._headers[number].size)


def _from(source: IPv4Address) -> bytes:
    """Encode the ancillary item that sets a datagram's source address (ip(7), IP_PKTINFO)."""
    item = struct.pack("@i4s4s", 0, source.packed, bytes(4))
    header = struct.pack("@Nii", 16 + len(item), socket.SOL_IP, _IP_PKTINFO)
    return header + item + bytes(-len(item) % 8)


def _number(returned: int) -> int:
    if returned >= 0:
        return returned
    error = ctypes.get_errno()
    if error in (errno.EAGAIN, errno.ECONNREFUSED):  # nothing there or no room; an ICMP error about an earlier datagram
        return 0
    raise OSError(error, os.strerror(error))
