"""Far ends and programs for tests of throughput: iperf3's own server, and what is none."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from collectors.iperf3.options import Iperf3Options
from collectors.iperf3.program import Program
from collectors.path import NetworkPath

PATH = NetworkPath(name="default")
SHORT = Iperf3Options(duration_s=1, interval_s=0.2, grace_s=5.0)


@contextmanager
def iperf3_server() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Have iperf3's server running on a free port of 127.0.0.1 from the time that it says so."""
    server, port = _listening_server()
    with server:
        try:
            yield server, port
        finally:
            server.kill()


def _listening_server() -> tuple[subprocess.Popen[str], int]:
    """Start it on one port after the other: a free one may be another program's before it gets there."""
    for _ in range(5):
        port = free_port()
        command = ["iperf3", "--server", "--bind", "127.0.0.1", "--port", str(port), "--forceflush"]
        command += ["--interval", "0.1"]  # it prints whom it accepted with the first of its figures
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert server.stdout is not None
        if any("listening" in line for line in server.stdout):
            return server, port
        server.communicate()
    raise AssertionError("iperf3's server does not start")


@contextmanager
def answering(answer: bytes | None) -> Iterator[int]:
    """Have a TCP port answer each connection with these octets once it was sent any, and close; ``None`` is silence."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_answer, args=(listener, answer), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)  # accept(2) returns
    thread.join()


def _answer(listener: socket.socket, answer: bytes | None) -> None:
    held = []
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            held.append(connection)
            if answer is not None:
                connection.recv(4096)
                connection.sendall(answer)
                connection.close()
    for connection in held:
        connection.close()


_COOKIE = 37
_START, _RUNNING, _END, _PARAMETERS, _STREAMS, _RESULTS = (bytes([state]) for state in (1, 2, 4, 9, 10, 13))


@contextmanager
def telling(results: bytes) -> Iterator[int]:
    """Have a server that speaks iperf3's protocol until it is to tell its results, and tells these octets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_tell, args=(listener, results), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
    thread.join(timeout=20)


def _tell(listener: socket.socket, results: bytes) -> None:
    with listener.accept()[0] as control, contextlib.suppress(OSError):
        control.recv(_COOKIE, socket.MSG_WAITALL)
        control.sendall(_PARAMETERS)
        control.recv(int.from_bytes(control.recv(4, socket.MSG_WAITALL)), socket.MSG_WAITALL)
        control.sendall(_STREAMS)
        with listener.accept()[0] as data:
            data.recv(_COOKIE, socket.MSG_WAITALL)
            control.sendall(_START + _RUNNING)
            threading.Thread(target=_swallow, args=(data,), daemon=True).start()
            assert control.recv(1) == _END
            control.sendall(_RESULTS)
            control.recv(int.from_bytes(control.recv(4, socket.MSG_WAITALL)), socket.MSG_WAITALL)
            control.sendall(results)
            if results:
                control.recv(1)  # until the client gives up


def _swallow(data: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data.recv(1 << 16):
            pass


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def fake(directory: Path, script: str, version: tuple[int, int] = (3, 12)) -> Program:
    """Make a program of Python's that is taken for iperf3."""
    path = directory / "iperf3"
    path.write_text(f"#!{sys.executable}\nimport signal, sys, time\n{script}\n")
    path.chmod(0o755)
    return Program(path=str(path), version=version)


@asynccontextmanager
async def no_child_left() -> AsyncIterator[None]:
    """Assert that what runs in this context leaves no child process, dead or alive."""
    before = children()
    yield
    assert children() <= before


def children(pid: int | str = "self") -> set[int]:
    """Return the child processes of a process."""
    found: set[int] = set()
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError):  # a thread may have ended meanwhile
            found |= {int(child) for child in file.read_text().split()}
    return found


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # nobody is told when another process gets there
            await asyncio.sleep(0.01)
