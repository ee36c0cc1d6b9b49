"""``python -m agent.iperf3_server.launch DESCRIPTOR PARENT PROGRAM [ARGUMENT...]``: becomes a program under guard.

Passes the descriptor on which the kernel tells of its calls of bind(2) to the parent, through the Unix socket
``DESCRIPTOR``, and ends with the parent. Imports nothing that takes time, since it is gone at once.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import socket
import struct
import sys

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 1, 38, 47
_LOWER = 3  # PR_CAP_AMBIENT_LOWER
_CAP_NET_ADMIN, _CAP_NET_RAW = 12, 13
_SECCOMP_SET_MODE_FILTER, _NEW_LISTENER = 1, 1 << 3
_ALLOW, _NOTIFY, _KILL = 0x7FFF0000, 0x7FC00000, 0x80000000
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_SYSTEM_CALL, _ARCHITECTURE = 0, 4  # places in struct seccomp_data
_INSTRUCTION = struct.Struct("=HBBI")
CALLS = {"x86_64": (0xC000003E, 317, 49), "aarch64": (0xC00000B7, 277, 200)}
"""Of each architecture its number for seccomp (AUDIT_ARCH), and those of the system calls seccomp(2) and bind(2)."""


def main() -> None:
    """Do what the command line says; never returns."""
    descriptor, parent, *command = sys.argv[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(parent):
        return
    for capability in (_CAP_NET_ADMIN, _CAP_NET_RAW):  # the agent's, which the program has no use for
        libc.prctl(_PR_CAP_AMBIENT, _LOWER, capability, 0, 0)
    with socket.socket(fileno=int(descriptor)) as channel:
        socket.send_fds(channel, [b"\0"], [_notifications(libc)])
    os.execv(command[0], command)  # noqa: S606  # becoming the program is what this is for


def _notifications(libc: ctypes.CDLL) -> int:
    """Have calls of bind(2) wait from now on, and return where the kernel tells of them."""
    architecture, seccomp, bind = CALLS[platform.machine()]
    program = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_IF_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),  # a program of another architecture has other numbers for its calls
        (_LOAD, 0, 0, _SYSTEM_CALL),
        (_JUMP_IF_EQUAL, 0, 1, bind),
        (_RETURN, 0, 0, _NOTIFY),
        (_RETURN, 0, 0, _ALLOW),
    ]
    octets = b"".join(_INSTRUCTION.pack(*instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(octets, len(octets))
    described = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(buffer)))
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)  # or the call needs CAP_SYS_ADMIN
    descriptor: int = libc.syscall(seccomp, _SECCOMP_SET_MODE_FILTER, _NEW_LISTENER, described)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "seccomp(2) is refused here")
    return descriptor


if __name__ == "__main__":
    main()
