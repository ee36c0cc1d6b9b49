"""The servers that are compared, each alone on one core at 127.0.0.1, and the generator that asks them on another."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shutil import which

from benchmarks.load import Answered, Load, udp_drops
from benchmarks.processes import ERAGENT, cores, cpu_seconds, output_of, pinned, running

HOST = "127.0.0.1"
OURS = "eragent reflect"
_UNLIMITED = 1_000_000  # packets a second of one source: the most that can be asked for
_IRTT_READY = "starting IPv4 listener"
_ECHO_SOURCE = Path(__file__).with_name("echo.c")


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs: its process, and the port it answers at."""

    pid: int
    port: int

    def dropped(self) -> int:
        """Return how many requests the kernel had no room for in its queue so far."""
        return udp_drops(Path(f"/proc/{self.pid}/net/udp").read_text(encoding="ascii"), self.port)


Starts = Callable[[], AbstractContextManager[Server]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """What can be measured beside others: its name, the protocol it is asked in, how it is started."""

    name: str
    protocol: str
    start: Starts


def eragent() -> Contender:
    """Return ``eragent reflect``, its limit for each source raised out of the way."""
    return Contender(name=OURS, protocol="stamp", start=reflector)


@contextmanager
def reflector(*options: str) -> Iterator[Server]:
    """Run ``eragent reflect`` with these options on the server's core."""
    port = _free_port()
    limits = ["--packets-per-second", str(_UNLIMITED)]
    command = [ERAGENT, "reflect", "--listen", f"{HOST}:{port}", *limits, *options]
    with running(pinned(cores()[1], command), ready="Answering") as process:
        yield Server(process.pid, port)


def irtt() -> Iterator[Contender]:
    """Yield irtt's server, where it is installed, without its least interval of 10 ms."""
    if which("irtt") is not None:
        yield Contender(name="irtt server", protocol="irtt", start=_irtt)


@contextmanager
def _irtt() -> Iterator[Server]:
    port = _free_port()
    command = ["sh", "-c", f"exec irtt server -b {HOST}:{port} -i 0 >&2"]  # it talks on stdout, which nobody reads
    with running(pinned(cores()[1], command), ready=_IRTT_READY) as process:
        yield Server(process.pid, port)


def echoes(directory: Path) -> Iterator[Contender]:
    """Yield the least that a server can do, in Python and, where there is a compiler, in C."""
    python = [sys.executable, "-m", "benchmarks.echo"]
    yield Contender(name="bare echo in Python, by the batch", protocol="stamp", start=partial(_echo, python))
    if which("gcc") is not None:
        program = str(directory / "echo")
        subprocess.run(["gcc", "-O2", "-o", program, str(_ECHO_SOURCE)], check=True)
        yield Contender(name="bare echo in C", protocol="stamp", start=partial(_echo, [program]))


@contextmanager
def _echo(command: Sequence[str]) -> Iterator[Server]:
    port = _free_port()
    with running(pinned(cores()[1], [*command, str(port)]), ready="Answering") as process:
        yield Server(process.pid, port)


def ask(
    server: Server, protocol: str, *, seconds: float, rate: float | None = None, options: Sequence[str] = ()
) -> Answered:
    """Offer a server a load from the generator's core; as much as possible without a ``rate``."""
    bounds = ["--seconds", str(seconds), *(["--rate", str(rate)] if rate is not None else []), *options]
    command = [sys.executable, "-m", "benchmarks.generator", protocol, HOST, str(server.port), *bounds]
    dropped, cpu_s = server.dropped(), cpu_seconds(server.pid)
    load = Load(**json.loads(output_of(pinned(cores()[0], command), seconds=seconds + 20)))
    return Answered(load=load, dropped=server.dropped() - dropped, cpu_s=cpu_seconds(server.pid) - cpu_s)


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind((HOST, 0))
        return int(free.getsockname()[1])
