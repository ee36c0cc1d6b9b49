"""Starts the real agents in a lab: their own programs with their own files, reached over HTTP like any other."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

_READY_TIMEOUT_S = 10.0
_HTTP_TIMEOUT_S = 5.0
# The socket arrives as standard input and is moved to where sd_listen_fds(3) looks. The pid must be the one that the
# agent sees in its own pid namespace, which only a process in there can tell.
_ACTIVATE = 'exec 3<&0 </dev/null; LISTEN_PID=$$; LISTEN_FDS=1; export LISTEN_PID LISTEN_FDS; exec "$@"'


class AgentError(Exception):
    """An agent did not start or does not answer; the message ends with what it said last."""


def listen(port: int) -> socket.socket:
    """Listen on this port of the host's loopback, or on a free one where it is taken."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError:
        return socket.create_server(("127.0.0.1", 0))


class Place(Protocol):
    """Where agents run."""

    def command(self, namespace: str, arguments: Sequence[str]) -> list[str]:
        """Return the command that runs ``arguments`` in the place of that name."""

    def pid_inside(self, process: subprocess.Popen[bytes]) -> int:
        """Return the process that such a command runs, which is where signals go."""

    def configuration(self, agent: str) -> Path:
        """Return the configuration file of the agent of that name."""


class Agent:
    """One `eragent run`; a context manager that ends it.

    The agent serves HTTP on a socket of the host's network namespace that it inherits, so that the operator can look
    while it runs. ``reflector_port`` is where its configuration has it answer STAMP.
    """

    def __init__(self, name: str, place: Place, *, http_port: int, reflector_port: int) -> None:
        self.name = name
        self._place = place
        self._port = http_port
        self._reflector_port = reflector_port
        self._log = os.memfd_create(f"eragent-{name}")  # a file without a name leaves none behind

    def __enter__(self) -> Self:
        configuration = self._place.configuration(self.name).absolute()
        program = [sys.executable, "-m", "agent", "run", "--config", str(configuration)]
        with listen(self._port) as listener:
            self._port = listener.getsockname()[1]
            self._process = subprocess.Popen(
                self._place.command(self.name, ["sh", "-c", _ACTIVATE, "sh", *program]),
                stdin=listener.fileno(),
                stdout=self._log,
                stderr=self._log,
                start_new_session=True,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            os.kill(self._place.pid_inside(self._process), signal.SIGTERM)
        try:
            self._process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._log)

    @property
    def url(self) -> str:
        """Return where the agent serves HTTP, on the host."""
        return f"http://127.0.0.1:{self._port}"

    def wait(self) -> None:
        """Wait until the agent probes and answers; raise :class:`AgentError` when it does not within ten seconds."""
        deadline = time.monotonic() + _READY_TIMEOUT_S
        within_s = _READY_TIMEOUT_S
        while self._get("/-/ready", within_s)[0] != http.client.OK or not self._reflects():
            within_s = deadline - time.monotonic()
            if within_s <= 0:
                raise self._failure("is not ready")
            time.sleep(0.02)

    def _reflects(self) -> bool:
        """Whether a UDP socket is bound to the reflector's port in the agent's network namespace (proc_pid_net(5))."""
        network = Path(f"/proc/{self._place.pid_inside(self._process)}/net")
        sockets = [line for table in ("udp", "udp6") for line in (network / table).read_text().splitlines()[1:]]
        return any(int(line.split()[1].rpartition(":")[2], 16) == self._reflector_port for line in sockets)

    def summary(self) -> dict[str, Any]:
        """Return what the agent measured so far (schema ``eragent.probe/1``)."""
        status, body = self._get("/summary")
        if status != http.client.OK:
            raise self._failure(f"answers /summary with status {status}")
        report: dict[str, Any] = json.loads(body)
        return report

    def _get(self, path: str, within_s: float = _HTTP_TIMEOUT_S) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=within_s)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._failure(f"does not answer: {error}") from error
        finally:
            connection.close()

    def _failure(self, what: str) -> AgentError:
        said = os.pread(self._log, 1 << 20, 0).decode(errors="replace").strip().splitlines()[-10:]
        return AgentError("\n".join([f"the agent {self.name} {what}; it said last:", *(said or ["nothing"])]))
