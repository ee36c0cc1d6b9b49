"""Starts a program each of whose sockets hears allowed peers alone, though the program has no means for that.

The program's bind(2) waits for this process (seccomp_unotify(2)), which attaches a filter to the socket in question
(pidfd_getfd(2)) and then lets the call go on. So there is no moment at which a stranger could connect. Whatever goes
wrong, the call fails and the program does not listen. Linux 5.6; kernels of June 2026 and later want CAP_NET_ADMIN for
a filter of a TCP socket, older ones no privilege.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import fcntl
import os
import select
import socket
import struct
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence

from collectors import ancillary
from collectors.iperf3.failing import Iperf3Error, Iperf3Failure
from collectors.iperf3.program import ended

_PIDFD_GETFD = 438
_SO_ATTACH_FILTER, _SO_COOKIE = 26, 57
_RECEIVE, _SEND = 0xC0502100, 0xC0182101  # SECCOMP_IOCTL_NOTIF_RECV and _SEND
_NOTIFICATION = struct.Struct(
    "=QIIiIQ6Q"
)  # id, pid, flags, then seccomp_data: nr, arch, instruction pointer, arguments
_RESPONSE = struct.Struct("=QqiI")  # id, value, error, flags
_STDIN = 0
_CONTINUE = 1  # SECCOMP_USER_NOTIF_FLAG_CONTINUE
# -P: what lies in the working directory is not ours to import.
_LAUNCH = (sys.executable, "-P", "-m", "agent.iperf3_server.launch")
_libc = ctypes.CDLL(None, use_errno=True)


class GuardError(Exception):
    """The kernel does not let programs be guarded; the message says what to do."""

    def __init__(self, refused: str) -> None:
        super().__init__(
            f"strangers cannot be kept from it: {refused}: it takes Linux 5.6 on x86_64 or aarch64, on newer ones "
            "CAP_NET_ADMIN, and a service that may call seccomp(2) and pidfd_getfd(2) (iperf3-server.conf beside the "
            "systemd unit has all of that); or allow everybody, 0.0.0.0/0 and ::/0"
        )


async def start_guarded(
    command: Sequence[str], program: bytes, *, launch: Sequence[str] = _LAUNCH
) -> tuple[Process, Guard]:
    """Start a program under guard; its output is read here, and it ends with this process.

    Raise :class:`GuardError` where the kernel does not let it be guarded and :class:`Iperf3Error` where it cannot be
    started: the program has not begun then. Cancelled meanwhile, the program is ended before that shows.
    """
    starting = asyncio.create_task(_start([*launch], command, program))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        with contextlib.suppress(GuardError, Iperf3Error):  # or the caller would go on as if nobody had cancelled it
            process, guard = await starting
            guard.close()
            await ended(process)
        raise


async def _start(launch: Sequence[str], command: Sequence[str], program: bytes) -> tuple[Process, Guard]:
    try:
        _try(program)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            process = await asyncio.create_subprocess_exec(
                *(*launch, str(theirs.fileno()), str(os.getpid()), *command),
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=PIPE,
                pass_fds=(theirs.fileno(),),
            )
            theirs.close()  # so that the end of a launch that failed is seen
            return process, await _guarded(process, ours, program)
    except OSError as error:
        message = f"cannot start {command[0]}: {error.strerror}: room for a process and its files is needed"
        raise Iperf3Error(message, failure=Iperf3Failure.OTHER) from error


def _try(program: bytes) -> None:
    """See whether the kernel takes the program, before anything listens. Of TCP it may want CAP_NET_ADMIN for that."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        try:
            attach(sock, program)
        except OSError as error:
            raise GuardError(f"a filter of a TCP socket (SO_ATTACH_FILTER): {error.strerror}") from error


async def _guarded(process: Process, channel: socket.socket, program: bytes) -> Guard:
    try:
        return _guard(process.pid, await _passed(channel), program)
    except OSError as error:
        await ended(process)
        raise GuardError(f"{error.strerror}: {os.strerror(error.errno or errno.EPERM)}") from error


def _guard(pid: int, notifications: int, program: bytes) -> Guard:
    with contextlib.ExitStack() as refused:
        refused.callback(os.close, notifications)
        process = os.pidfd_open(pid)
        refused.callback(os.close, process)
        os.close(_its_own(process, _STDIN))  # where that is refused, it shows before anything could listen
        refused.pop_all()
    return Guard(process, notifications, program)


class Guard:
    """Attaches ``program`` (classic BPF) to each socket that a process binds, for as long as that lives.

    ``process`` is a pidfd of it, and ``notifications`` the descriptor on which the kernel tells of its calls of
    bind(2); the guard closes both.
    """

    def __init__(self, process: int, notifications: int, program: bytes) -> None:
        self._listener: tuple[int, bytes] | None = None  # its descriptor there, and what identifies the socket
        self._dropped_before = self._dropped = 0
        self._process = process
        self._notifications = notifications
        self._program = program
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(notifications, self._answer)

    def dropped(self) -> int:
        """Return how many packets of strangers were dropped, at least: a SYN is sent again until it is given up.

        The count goes with the socket, so that of the last moments before the program makes another is not had. No
        call of bind(2) can be in the way of that look, or it in the way of one: they have to wait for this loop.
        """
        if self._listener is not None and self._notifications >= 0:
            descriptor, identity = self._listener
            with contextlib.suppress(OSError), socket.socket(fileno=_its_own(self._process, descriptor)) as sock:
                if _identity(sock) == identity:
                    memory = sock.getsockopt(socket.SOL_SOCKET, ancillary.SO_MEMINFO, ancillary.MEMINFO_SIZE)
                    self._dropped = ancillary.parse_drops(memory)
        return self._dropped_before + self._dropped

    def close(self) -> None:
        """Stop; a call of bind(2) fails from now on."""
        self._dropped = self.dropped() - self._dropped_before
        if self._notifications >= 0:
            self._loop.remove_reader(self._notifications)
            os.close(self._notifications)
            os.close(self._process)
            self._notifications = -1

    def _answer(self) -> None:
        """Let one call of bind(2) go on, or fail with what was in the way."""
        if not _pending(self._notifications):  # the program has ended, and reading would wait for ever
            self.close()
            return
        buffer = bytearray(_NOTIFICATION.size)
        try:
            fcntl.ioctl(self._notifications, _RECEIVE, buffer)
            call, _, _, _, _, _, descriptor, *_ = _NOTIFICATION.unpack(buffer)
            response = _RESPONSE.pack(call, 0, *self._verdict(descriptor))
            fcntl.ioctl(self._notifications, _SEND, response)
        except OSError as error:
            if error.errno != errno.ENOENT:  # it was killed in the middle of the call
                raise

    def _verdict(self, descriptor: int) -> tuple[int, int]:
        """Return the error of the call and the flags of the answer to it."""
        try:
            with socket.socket(fileno=_its_own(self._process, descriptor)) as sock:
                if sock.family in (socket.AF_INET, socket.AF_INET6):  # name look-ups bind a netlink socket
                    attach(sock, self._program)
                    self._note_listener(sock, descriptor)
        except OSError as error:
            return -(error.errno or errno.EPERM), 0
        return 0, _CONTINUE

    def _note_listener(self, sock: socket.socket, descriptor: int) -> None:
        if sock.type == socket.SOCK_STREAM:
            self._dropped_before, self._dropped = self._dropped_before + self._dropped, 0
            self._listener = descriptor, _identity(sock)


def _identity(sock: socket.socket) -> bytes:
    return sock.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8)


async def _passed(channel: socket.socket) -> int:
    """Return the descriptor that the other end passes."""
    channel.setblocking(False)
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()
    loop.add_reader(channel, _note, readable)
    try:
        await readable
    finally:
        loop.remove_reader(channel)
    _, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
    if not descriptors:
        raise OSError(errno.EPERM, "seccomp_unotify(2) is refused here")
    return descriptors[0]


def _note(readable: asyncio.Future[None]) -> None:
    if not readable.done():
        readable.set_result(None)


def _pending(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return any(events & select.POLLIN for _, events in poll.poll(0))


def _its_own(process: int, descriptor: int) -> int:
    """Return a descriptor of this process for the same open socket as another process's descriptor."""
    ours: int = _libc.syscall(_PIDFD_GETFD, process, descriptor, 0)
    if ours < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd(2) is refused here")
    return ours


def attach(sock: socket.socket, program: bytes) -> None:
    """Have the kernel ask ``program`` about each packet that arrives for a socket."""
    buffer = ctypes.create_string_buffer(program, len(program))
    sock.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    )
