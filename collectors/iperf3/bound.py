"""``python bound.py PARENT PROGRAM [ARGUMENT...]``: becomes a program that the kernel ends when its parent has ended.

``setpriv --pdeathsig`` sets capabilities too, which a service's filter of system calls forbids (capset(2)). Imports
nothing that takes time, since it is gone at once.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_NOT_STARTED = 127  # as shells have it


def main() -> None:
    """Do what the command line says; returns only where the parent has ended already."""
    parent, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(parent):
        return
    try:
        os.execv(command[0], command)  # noqa: S606  # becoming the program is what this is for
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        sys.exit(_NOT_STARTED)


if __name__ == "__main__":
    main()
