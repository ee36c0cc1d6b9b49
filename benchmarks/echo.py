"""The least that a reflector in Python does: send datagrams back by the batch, and look at none of them.

``python -m benchmarks.echo PORT`` listens on 127.0.0.1 until it is ended.
"""

from __future__ import annotations

import select
import socket
import sys

from benchmarks.mmsg import BATCH, Batch
from collectors.sockets import enlarge_receive_buffer

_SIZE = 44  # what is longer is cut: only STAMP's base packet is echoed here
_RECEIVE_BUFFER = 4 << 20


def main(port: int) -> None:
    """Echo for ever."""
    room = Batch(bytearray(BATCH * _SIZE), _SIZE, addressed=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, select.epoll() as ready:
        enlarge_receive_buffer(sock, _RECEIVE_BUFFER)
        sock.bind(("127.0.0.1", port))
        sock.setblocking(False)
        ready.register(sock.fileno(), select.EPOLLIN)
        print("Answering", file=sys.stderr, flush=True)
        descriptor = sock.fileno()
        while True:
            while received := room.receive(descriptor):
                room.send(descriptor, received)
            ready.poll()


if __name__ == "__main__":
    main(int(sys.argv[1]))
